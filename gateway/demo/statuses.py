"""The API server's refusals: Kubernetes `Status` objects, word for word as kube-apiserver 1.37 writes them.

A handler raises a `Refusal`; the HTTP layer turns it into an answer, a watch into an ERROR event.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

EXPIRED_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class Refusal(Exception):  # noqa: N818
    """A failure that the client is told as a `Status`; `code` is the HTTP status."""

    def __init__(  # noqa: PLR0913
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": dict(metadata or {}),
            "status": "Failure",
            "message": message,
        }
        if reason:
            self.status["reason"] = reason
        if details is not None:
            self.status["details"] = dict(details)
        self.status["code"] = code

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.status)


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def internal_error(message: str) -> Refusal:
    return Refusal(500, "", message)


def unauthorized() -> Refusal:
    return Refusal(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, resource: str, name: str, sentence: str) -> Refusal:
    """`sentence` says who may not do what."""
    qualified = f"{resource}.{group}" if group else resource
    subject = f'{qualified} "{name}"' if name else qualified
    return Refusal(403, "Forbidden", f"{subject} is forbidden: {sentence}", details=_details(group, resource, name))


def forbidden_path(sentence: str) -> Refusal:
    return Refusal(403, "Forbidden", f"forbidden: {sentence}", details={})


def not_found(group: str, resource: str, name: str) -> Refusal:
    qualified = f"{resource}.{group}" if group else resource
    return Refusal(404, "NotFound", f'{qualified} "{name}" not found', details=_details(group, resource, name))


def no_such_resource() -> Refusal:
    """Something that a real API server may serve and this one does not."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", details={})


def method_not_allowed() -> Refusal:
    return Refusal(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={}
    )


def expired(message: str, *, continue_token: str = "") -> Refusal:
    """410: the version asked for is forgotten; `continue_token` goes on without consistency."""
    return Refusal(410, "Expired", message, metadata={"continue": continue_token} if continue_token else None)


def invalid(kind: str, group: str, causes: Sequence[tuple[str, str, str]]) -> Refusal:
    """422. A cause is (reason, message, field): ("FieldValueForbidden", "Forbidden: …", "sendInitialEvents")."""
    errors = [f"{field}: {message}" for _, message, field in causes]
    listed = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
    return Refusal(
        422,
        "Invalid",
        f'{kind}.{group} "" is invalid: {listed}',
        details={
            **_details(group, kind, ""),
            "causes": [{"reason": reason, "message": message, "field": field} for reason, message, field in causes],
        },
    )


def too_large_version(asked: int, current: int) -> Refusal:
    """504: nobody wrote that version yet, or the server went back in time."""
    return Refusal(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
        retry_after=1,
    )


def too_many_requests(retry_after: int) -> Refusal:
    """429 as the API server sends it while it starts or is overloaded; seconds."""
    return Refusal(
        429,
        "TooManyRequests",
        "Too many requests, please try again later.",
        details={"retryAfterSeconds": retry_after},
        retry_after=retry_after,
    )


def unavailable() -> Refusal:
    return Refusal(503, "ServiceUnavailable", "apiserver is shutting down", details={})


def _details(group: str, resource: str, name: str) -> dict[str, str]:
    return {key: value for key, value in (("name", name), ("group", group), ("kind", resource)) if value}
