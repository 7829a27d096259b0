"""What a client may be told when something is wrong: one class a mistake, each with a stable code.

    ClientError
    ├── Unauthenticated          401  who asks is not known; `extensions.reason` says why
    │   ├── TokenMissing              no Authorization header
    │   ├── TokenMalformed            not one well-formed bearer token
    │   ├── TokenTooLong              longer than this gateway accepts
    │   ├── TokenExpired              accepted by no authenticator, and past its own `exp`
    │   └── TokenRejected             accepted by no authenticator
    ├── Forbidden                200  known, and not allowed; the rest of the answer stands
    ├── BadRequest               400  the request is not GraphQL over HTTP
    │   ├── IdentityHeaderRefused     it claims an identity by a header that only a trusted proxy may send
    │   └── TokenInAddress            it has a token in its URL
    ├── InvalidArgument          200  an argument's value cannot be used
    │   ├── ArgumentTooLong
    │   └── QueryRefused              Prometheus does not answer a query of the caller's own
    ├── PromQLDisabled           200  this gateway passes no PromQL on
    ├── MetricsUnavailable       200  Prometheus did not answer; the values carry `missing`
    ├── Unavailable              503  a part that every answer needs is not there; try again
    │   ├── ReviewsUnavailable        the API server cannot be asked who somebody is, or what they may do
    │   └── NotSynced                 the first list of a kind is still on its way
    ├── ResourceVersionNotReached 504 what the request must show has not come here in time
    ├── TooManyRequests          429  one user's share is used up; try again
    └── InternalError            500  our mistake; the log has the reason under the request's id

Codes are added, never renamed or reused. Everything that is not a `ClientError` is masked before it leaves.
"""

# ruff: noqa: N818 - an error is named for what is the case, as HTTP and GraphQL name theirs

from enum import StrEnum
from typing import ClassVar

from graphql import GraphQLError


class Code(StrEnum):
    """The value of `extensions.code` of every error that leaves the gateway."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    BAD_REQUEST = "BAD_REQUEST"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    DOCUMENT_NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    ARGUMENT_TOO_LONG = "ARGUMENT_TOO_LONG"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    INTROSPECTION_DISABLED = "INTROSPECTION_DISABLED"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    TIMED_OUT = "TIMED_OUT"
    METRICS_UNAVAILABLE = "METRICS_UNAVAILABLE"
    PROMQL_DISABLED = "PROMQL_DISABLED"
    NOT_SYNCED = "NOT_SYNCED"
    RESOURCE_VERSION_NOT_REACHED = "RESOURCE_VERSION_NOT_REACHED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class ClientError(GraphQLError):
    """A mistake that its author may read: one sentence for people, `code` and details for programs.

    `status` is the HTTP status of an answer that consists of this error alone; errors beside data leave it at 200.
    """

    code: ClassVar[Code]
    status: ClassVar[int] = 200
    refused_for: ClassVar[str] = ""  # what tells refusals of one code apart, in metrics: one of few words

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message, extensions={"code": str(self.code), **details})


class Unauthenticated(ClientError):
    """Nobody we know: no token, or one that no authenticator accepts."""

    code = Code.UNAUTHENTICATED
    status = 401


class Reason(StrEnum):
    """The value of `extensions.reason` of every Unauthenticated."""

    MISSING = "MISSING"
    MALFORMED = "MALFORMED"
    TOO_LONG = "TOO_LONG"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class TokenMissing(Unauthenticated):
    """Nothing was sent that could say who asks."""

    def __init__(self) -> None:
        super().__init__(
            "No token was sent; send one in the header `Authorization: Bearer <token>`", reason=str(Reason.MISSING)
        )


class TokenMalformed(Unauthenticated):
    """Something was sent, and it is not one bearer token. The message never repeats what was sent."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"The Authorization header {problem}; send one header `Authorization: Bearer <token>`",
            reason=str(Reason.MALFORMED),
        )


class TokenTooLong(Unauthenticated):
    """A token above the configured limit: refused before it costs anything."""

    def __init__(self, *, got: int, limit: int) -> None:
        super().__init__(
            f"The token is {got} bytes long; this gateway accepts {limit}",
            reason=str(Reason.TOO_LONG),
            got=got,
            limit=limit,
        )


class TokenExpired(Unauthenticated):
    """No authenticator accepts the token, and by its own `exp` it is over."""

    def __init__(self) -> None:
        super().__init__("The token has expired; get a new one", reason=str(Reason.EXPIRED))


class TokenRejected(Unauthenticated):
    """No authenticator accepts the token; which rule it failed is for the log, not for who sent it."""

    def __init__(self) -> None:
        super().__init__("This token is not accepted here; get one for this cluster", reason=str(Reason.REJECTED))


class Forbidden(ClientError):
    """Somebody we know, without the right that a field needs."""

    code = Code.FORBIDDEN


class BadRequest(ClientError):
    """The request does not follow GraphQL over HTTP; `status` says how."""

    code = Code.BAD_REQUEST
    status = 400


class IdentityHeaderRefused(BadRequest):
    """A header that claims to be somebody. It is refused, not ignored: whoever sends it believes that it works."""

    def __init__(self, header: str) -> None:
        super().__init__(f"The header `{header}` is not accepted; who asks is told by the token alone", header=header)


class TokenInAddress(BadRequest):
    """A token in the URL. It is refused, not ignored: whoever sent it should take it for known to others."""

    def __init__(self, parameter: str) -> None:
        super().__init__(
            f"`{parameter}` in the URL is not accepted, as addresses end up in logs and histories; send the token in "
            "the header `Authorization: Bearer <token>`",
            parameter=parameter,
        )


class InvalidArgument(ClientError):
    """An argument has the right type, and a value that cannot be used."""

    code = Code.BAD_USER_INPUT


class ArgumentTooLong(InvalidArgument):
    """An argument is longer than anything it could match."""

    code = Code.ARGUMENT_TOO_LONG

    def __init__(self, argument: str, *, got: int, limit: int) -> None:
        super().__init__(
            f"`{argument}` is {got} bytes long; the limit is {limit}",
            argument=argument,
            got=got,
            limit=limit,
        )


class MetricsUnavailable(ClientError):
    """Prometheus did not answer one question; everything else of the answer stands."""

    code = Code.METRICS_UNAVAILABLE


class QueryRefused(InvalidArgument):
    """Prometheus does not answer this query, however often it is asked: in its own words, if it has any."""

    def __init__(self, reason: str, error_type: str) -> None:
        said = {"errorType": error_type} if error_type else {}
        super().__init__(f"Prometheus does not answer the query: {reason}", argument="query", **said)


class PromQLDisabled(ClientError):
    """The operator has not switched it on."""

    code = Code.PROMQL_DISABLED

    def __init__(self) -> None:
        super().__init__("This gateway passes no PromQL on (prometheus.raw_queries)")


class Unavailable(ClientError):
    """Nothing can be answered now. `retry_after` (seconds) becomes the Retry-After header."""

    code = Code.UNAVAILABLE
    status = 503

    def __init__(self, message: str, *, retry_after: int = 1, **details: object) -> None:
        super().__init__(message, retryAfter=retry_after, **details)
        self.retry_after = retry_after


class TooManyRequests(ClientError):
    """Too many requests of one user: this one was not started. `retry_after` becomes the Retry-After header."""

    code = Code.TOO_MANY_REQUESTS
    status = 429
    refused_for = "no_place"

    def __init__(self, limit: int, *, retry_after: int = 1) -> None:
        super().__init__(
            f"You have {limit} requests under way, as many as one user may, and as many waiting; nothing was started",
            limit=limit,
            retryAfter=retry_after,
        )
        self.retry_after = retry_after


class ReviewsUnavailable(Unavailable):
    """The API server (or an issuer of tokens) cannot be asked who somebody is or what they may do: never a yes."""

    refused_for = "reviews"


class NotSynced(Unavailable):
    """The first list of a kind is still on its way."""

    refused_for = "not_synced"


class ResourceVersionNotReached(ClientError):
    """What the request must show of a kind has not come to this gateway in time, or nobody has written it."""

    code = Code.RESOURCE_VERSION_NOT_REACHED
    status = 504

    def __init__(self, kind: str, *, wanted: str, seen: str) -> None:
        super().__init__(
            f"Of {kind} this gateway knows what happened up to version {seen or '(none yet)'}, not up to {wanted}",
            kind=kind,
            wanted=wanted,
            seen=seen,
        )


class InternalError(ClientError):
    """What a client sees of a mistake of ours."""

    code = Code.INTERNAL
    status = 500

    def __init__(self) -> None:
        super().__init__("Internal error; the gateway's log has the reason under this request's id")
