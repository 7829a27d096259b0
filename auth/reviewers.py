"""Who is it, and what may they do: asked of the API server, never decided here.

    TokenReviewer   TokenReview and SubjectAccessReview with the gateway's own account
    OwnReviewer     SelfSubjectReview and SelfSubjectAccessReview with the caller's own token: the gateway's account
                    needs no right to review anybody, as every authenticated user may ask these two

Anything but a clear answer is ReviewsUnavailable; nothing unclear is ever a yes. Other authenticators, whose users are
then reviewed by the first of the two, are in auth/authenticators.
"""

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar, final

import msgspec
import orjson

from auth.api import ReviewApi
from auth.breaker import unavailable
from auth.errors import TokenRejected
from auth.identity import Identity, Proof
from auth.reviews import ReviewCalls
from auth.settings import AuthSettings

_log = logging.getLogger(__name__)

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
SUBJECT_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
SELF_SUBJECT_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SELF_SUBJECT_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

AUTHENTICATED = "system:authenticated"

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
    subresource: str = ""
    path: str = ""  # a non-resource URL, in place of everything but the verb


class Decision(msgspec.Struct, frozen=True):
    """Whether somebody may do something, and why in the API server's own words, if it has any."""

    allowed: bool
    reason: str = ""


class TokenAuthenticator(Protocol):
    """Knows tokens: the cluster's own authenticators behind a review, or one of auth/authenticators."""

    async def authenticate(self, token: str) -> Identity:
        """Say who holds this token; TokenRejected if nobody does, ReviewsUnavailable if that cannot be known."""
        ...


class AccessReviewer(Protocol):
    """Answers from the cluster's own authorisers."""

    async def decide(self, identity: Identity, attributes: Attributes) -> Decision:
        """Say whether they may do this; ReviewsUnavailable if that cannot be known."""
        ...


class Reviewer(TokenAuthenticator, AccessReviewer, Protocol):
    """Both questions, asked of one API server."""


class _User(msgspec.Struct):
    username: str | None = None
    uid: str | None = None
    groups: tuple[str, ...] | None = None
    extra: Mapping[str, tuple[str, ...] | None] | None = None


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False
    user: _User | None = None
    error: str | None = None
    audiences: tuple[str, ...] | None = None


class _TokenReview(msgspec.Struct, tag_field="kind", tag="TokenReview"):
    status: _TokenStatus


class _AccessStatus(msgspec.Struct):
    allowed: bool  # the one field that the API server always writes
    denied: bool = False
    reason: str = ""

    @property
    def decision(self) -> Decision:
        """Both `allowed` and `denied`, and neither of them, are a no."""
        return Decision(self.allowed and not self.denied, self.reason)


class _AccessReview(msgspec.Struct, tag_field="kind", tag="SubjectAccessReview"):
    status: _AccessStatus


class _SelfStatus(msgspec.Struct):
    user_info: _User = msgspec.field(name="userInfo")


class _SelfReview(msgspec.Struct, tag_field="kind", tag="SelfSubjectReview"):
    status: _SelfStatus


class _SelfAccessReview(msgspec.Struct, tag_field="kind", tag="SelfSubjectAccessReview"):
    status: _AccessStatus


_Review = TypeVar("_Review", _TokenReview, _AccessReview, _SelfReview, _SelfAccessReview)


@final
class TokenReviewer:
    """Asks with the gateway's account, which needs `create` on tokenreviews and subjectaccessreviews, and no more.

    Without `audiences` a token must be meant for the API server. With them it must be meant for one of these, and the
    API server must say so: one that knows nothing of audiences (it names none) has checked its own instead.
    """

    def __init__(
        self,
        api: ReviewApi,
        settings: AuthSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = ReviewCalls(api, settings, clock)
        self._audiences = settings.audiences

    async def authenticate(self, token: str) -> Identity:
        """See TokenAuthenticator."""
        spec: dict[str, object] = {"token": token}
        if self._audiences:
            spec["audiences"] = self._audiences
        answer = await self._calls.post(
            TOKEN_REVIEWS,
            orjson.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}),
        )
        status = _decoded(answer, _TokenReview).status
        if not status.authenticated or status.error or status.user is None:
            raise TokenRejected
        if self._audiences and not set(self._audiences).intersection(status.audiences or ()):
            raise TokenRejected
        return _identity(status.user)

    async def decide(self, identity: Identity, attributes: Attributes) -> Decision:
        """See AccessReviewer."""
        subject = {
            "user": identity.username,
            "uid": identity.uid,
            "groups": identity.groups,
            "extra": dict(identity.extra),
        }
        review = _access_review("SubjectAccessReview", attributes, subject)
        return _decoded(await self._calls.post(SUBJECT_ACCESS_REVIEWS, review), _AccessReview).status.decision


@final
class OwnReviewer:
    """Asks with the caller's own token, and with nothing of the gateway's: what is answered is about the caller.

    Promised: a token goes nowhere but into these two requests. What identities carry to be kept is its fingerprint.
    Tests: tests/auth/test_own_reviewer.py.
    """

    def __init__(
        self,
        api: ReviewApi,
        settings: AuthSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = ReviewCalls(api, settings, clock)
        self._secret = secrets.token_bytes(32)

    async def authenticate(self, token: str) -> Identity:
        """See TokenAuthenticator; the identity's proof is the token."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self._calls.post(SELF_SUBJECT_REVIEWS, orjson.dumps(body), token=token)
        found = _identity(_decoded(answer, _SelfReview).status.user_info)
        proof = Proof(hmac.digest(self._secret, token.encode("ascii"), "sha256"), token)
        return msgspec.structs.replace(found, proof=proof)

    async def decide(self, identity: Identity, attributes: Attributes) -> Decision:
        """See AccessReviewer; TokenRejected when the API server does not take the token any more."""
        if identity.proof is None or not identity.proof.token:
            raise AssertionError("reviews in the caller's own name need the caller's token")
        review = _access_review("SelfSubjectAccessReview", attributes, {})
        answer = await self._calls.post(SELF_SUBJECT_ACCESS_REVIEWS, review, token=identity.proof.token)
        return _decoded(answer, _SelfAccessReview).status.decision


def _access_review(kind: str, attributes: Attributes, subject: Mapping[str, object]) -> bytes:
    wanted = {
        "verb": attributes.verb,
        "group": attributes.group,
        "resource": attributes.resource,
        "namespace": attributes.namespace,
        "name": attributes.name,
    }
    if attributes.subresource:
        wanted["subresource"] = attributes.subresource
    spec = {**subject, "resourceAttributes": wanted}
    if attributes.path:
        spec = {**subject, "nonResourceAttributes": {"verb": attributes.verb, "path": attributes.path}}
    return orjson.dumps({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec})


def _decoded(body: bytes, review: type[_Review]) -> _Review:
    """Read an answer strictly; the decoder's complaint is not passed on, since it may quote what was sent."""
    try:
        return msgspec.json.decode(body, type=review)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _log.error("review.undecodable", extra={"review": review.__name__.strip("_")})
        raise unavailable() from None


def _identity(user: _User) -> Identity:
    groups = set(user.groups or ())
    if not user.username or user.username == _ANONYMOUS or _UNAUTHENTICATED in groups:
        raise TokenRejected
    return Identity(
        username=user.username,
        uid=user.uid or "",
        groups=tuple(sorted(groups | {AUTHENTICATED})),
        extra=tuple(sorted((key, tuple(values or ())) for key, values in (user.extra or {}).items())),
    )
