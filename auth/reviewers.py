"""Who is it, and what may they do: asked of the API server, never decided here.

Two reviewers stand behind one protocol. This module has the one that asks with the gateway's own account: TokenReview
and SubjectAccessReview. Anything but a clear answer is ReviewsUnavailable; nothing unclear is ever a yes.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar, final

import msgspec
import orjson

from auth.api import ReviewApi
from auth.breaker import unavailable
from auth.errors import TokenRejected
from auth.identity import Identity
from auth.reviews import ReviewCalls
from auth.settings import AuthSettings

_log = logging.getLogger(__name__)

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
SUBJECT_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

_AUTHENTICATED = "system:authenticated"

# The API server's own words for nobody (k8s.io/apiserver, pkg/authentication/user). It never adds
# `system:authenticated` to them, and to us nobody is not a user.
_ANONYMOUS = "system:anonymous"
_UNAUTHENTICATED = "system:unauthenticated"


class Attributes(msgspec.Struct, frozen=True, cache_hash=True):
    """What somebody wants to do, in the words of a SubjectAccessReview; `namespace=""` means cluster-wide."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class Reviewer(Protocol):
    """Answers from the cluster's own authenticators and authorisers."""

    async def authenticate(self, token: str) -> Identity:
        """Say who holds this token; TokenRejected if nobody does, ReviewsUnavailable if that cannot be known."""
        ...

    async def allowed(self, identity: Identity, attributes: Attributes) -> bool:
        """Say whether they may do this; ReviewsUnavailable if that cannot be known."""
        ...


class _User(msgspec.Struct):
    username: str | None = None
    uid: str | None = None
    groups: tuple[str, ...] | None = None
    extra: Mapping[str, tuple[str, ...] | None] | None = None


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False
    user: _User | None = None
    error: str | None = None


class _TokenReview(msgspec.Struct, tag_field="kind", tag="TokenReview"):
    status: _TokenStatus


class _AccessStatus(msgspec.Struct):
    allowed: bool  # the one field that the API server always writes
    denied: bool = False


class _AccessReview(msgspec.Struct, tag_field="kind", tag="SubjectAccessReview"):
    status: _AccessStatus


_Review = TypeVar("_Review", _TokenReview, _AccessReview)


@final
class TokenReviewer:
    """Asks with the gateway's account, which needs `create` on tokenreviews and subjectaccessreviews, and no more."""

    def __init__(
        self,
        api: ReviewApi,
        settings: AuthSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = ReviewCalls(api, settings, clock)

    async def authenticate(self, token: str) -> Identity:
        """See Reviewer. No audience is asked for, so the token must be meant for the API server."""
        answer = await self._calls.post(
            TOKEN_REVIEWS,
            orjson.dumps(
                {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}},
            ),
        )
        status = _decoded(answer, _TokenReview).status
        if not status.authenticated or status.error or status.user is None:
            raise TokenRejected
        return _identity(status.user)

    async def allowed(self, identity: Identity, attributes: Attributes) -> bool:
        """See Reviewer. Both `allowed` and `denied`, and neither of them, are a no."""
        answer = await self._calls.post(
            SUBJECT_ACCESS_REVIEWS,
            orjson.dumps(
                {
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SubjectAccessReview",
                    "spec": {
                        "user": identity.username,
                        "uid": identity.uid,
                        "groups": identity.groups,
                        "extra": dict(identity.extra),
                        "resourceAttributes": {
                            "verb": attributes.verb,
                            "group": attributes.group,
                            "resource": attributes.resource,
                            "namespace": attributes.namespace,
                            "name": attributes.name,
                        },
                    },
                }
            ),
        )
        status = _decoded(answer, _AccessReview).status
        return status.allowed and not status.denied


def _decoded(body: bytes, review: type[_Review]) -> _Review:
    """Read an answer strictly; the decoder's complaint is not passed on, since it may quote what was sent."""
    try:
        return msgspec.json.decode(body, type=review)
    except (msgspec.DecodeError, UnicodeDecodeError):
        _log.error("review.undecodable", extra={"review": review.__name__.strip("_")})
        raise unavailable() from None


def _identity(user: _User) -> Identity:
    groups = set(user.groups or ())
    if not user.username or user.username == _ANONYMOUS or _UNAUTHENTICATED in groups:
        raise TokenRejected
    return Identity(
        username=user.username,
        uid=user.uid or "",
        groups=tuple(sorted(groups | {_AUTHENTICATED})),
        extra=tuple(sorted((key, tuple(values or ())) for key, values in (user.extra or {}).items())),
    )
