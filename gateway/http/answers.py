"""Answers as bytes. The only place that encodes what leaves, and that decides what of an error may leave."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, final

import orjson
from graphql import GraphQLError, GraphQLFormattedError, GraphQLSyntaxError
from starlette.types import Receive, Scope, Send

from auth.errors import ClientError, Code, InternalError, TooManyRequests, Unauthenticated, Unavailable
from gateway import logs
from gateway.http.media import MediaType
from schema.execution.plan.encoded import SLICE_BYTES, Around, EncodedData, slices_of
from schema.execution.versions import RESOURCE_VERSIONS

# Answers depend on who asks: nobody else's cache may keep them, and a browser's must not confuse two people.
_RAW_HEADERS: Final = (
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Accept, Accept-Encoding"),
)
_CONTENT_TYPES: Final = {each: f"{each}; charset=utf-8".encode() for each in MediaType}


# A part of a body. Data that was encoded before is one of its own, and not copied. (Asked is whether it is bytes: as a
# Mapping, the other is looked for among abstract classes, which takes ten times as long where it is not one.)
Piece: TypeAlias = bytes | EncodedData

# What an answer tells beside what it shows: it changes while that stays the same.
_ASIDE: Final = frozenset({RESOURCE_VERSIONS})


class Aside(bytes):
    """A piece of an answer that its entity tag leaves out."""


def client_error(error: GraphQLError) -> ClientError | None:
    """The ClientError that a located or plain error stands for; None for everything else."""
    if isinstance(error, ClientError):
        return error
    return error.original_error if isinstance(error.original_error, ClientError) else None


def present(errors: Iterable[GraphQLError]) -> list[GraphQLFormattedError]:
    """Errors as clients see them: ours as they are, graphql-core's with a code, everything else masked and logged."""
    return [_present(error) for error in errors]


def _present(error: GraphQLError) -> GraphQLFormattedError:
    if client_error(error) is not None:
        return error.formatted
    if error.original_error is None:
        code = Code.GRAPHQL_PARSE_FAILED if isinstance(error, GraphQLSyntaxError) else Code.GRAPHQL_VALIDATION_FAILED
        return {**error.formatted, "extensions": {"code": str(code)}}
    logs.event("resolver.failed", level=40, error=error.original_error, path=error.path)
    masked = GraphQLError(InternalError().message, nodes=error.nodes, path=error.path)
    return {**masked.formatted, "extensions": {"code": str(Code.INTERNAL)}}


def encode(body: Mapping[str, object]) -> bytes:
    return orjson.dumps(body)


def pieces(body: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The body as JSON, to be sent one after the other."""
    extensions = body.get("extensions")
    if extensions and (aside := {name: extensions[name] for name in _ASIDE & extensions.keys()}):
        kept = {name: value for name, value in extensions.items() if name not in aside}
        *first, last = pieces({**body, "extensions": kept})  # it ends with the extensions, which are last of a body
        assert isinstance(last, bytes)  # noqa: S101 - as just said
        separator = b"," if kept else b""
        return (*first, last[:-2], Aside(separator + encode(aside)[1:-1]), b"}}")
    data = body.get("data")
    if not isinstance(data, EncodedData):
        return (encode(body),)
    rest = encode({name: value for name, value in body.items() if name != "data"})
    return (b'{"data":', data, b"}" if rest == b"{}" else b"," + rest[1:])


def size_of(pieces: Iterable[Piece]) -> int:
    """In bytes. (The length of EncodedData as a mapping is how many fields it has.)"""
    return sum([len(each) if isinstance(each, bytes) else each.length for each in pieces])


def slices(pieces: Iterable[Piece]) -> Iterator[bytes | memoryview]:
    """What leaves at once, put together only then; a part of one long piece as it is, without a copy."""
    waiting: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        for each in slices_of((piece,)) if isinstance(piece, bytes) else piece.slices:
            waiting += each
            size += sum(map(len, each))
            if size >= SLICE_BYTES:
                yield _joined(waiting)
                waiting, size = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(parts: Sequence[bytes | memoryview]) -> bytes | memoryview:
    return parts[0] if len(parts) == 1 else b"".join(parts)


@dataclass(slots=True, eq=False)
class Answer:
    """An answer before it is packed."""

    body: tuple[Piece, ...]
    media_type: MediaType
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = field(init=False)  # in bytes

    def __post_init__(self) -> None:
        self.size = size_of(self.body)

    def plain(self, headers: Mapping[str, str]) -> "AnswerResponse":
        """As it is, with these headers."""
        content_type = (b"content-type", _CONTENT_TYPES[self.media_type])
        return AnswerResponse(self.body, self.size, self.status, [content_type, *_raw(headers)])

    @property
    def data(self) -> EncodedData | None:
        """Its data, if that was encoded before."""
        return next((piece for piece in self.body if not isinstance(piece, bytes)), None)

    @property
    def around(self) -> Around:
        """What stands around the data."""
        return tuple(piece for piece in self.body if isinstance(piece, bytes))


def answer(
    body: tuple[Piece, ...], media_type: MediaType, status: int = 200, headers: Mapping[str, str] | None = None
) -> "AnswerResponse":
    """A response with an encoded GraphQL answer."""
    return Answer(body, media_type, status).plain(headers or {})


def nothing_new(headers: Mapping[str, str]) -> "AnswerResponse":
    """304: the client has this answer."""
    return AnswerResponse((), 0, 304, _raw(headers))


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


@final
class AnswerResponse:
    """A body on its way, and what HTTP says of it. Starlette's own response takes several times as long to make.

    A long one is sent in slices: a slow reader holds up its own answer alone, and what is not sent yet is not copied.
    uvicorn waits in `send` while more than 64 KiB of a connection are unsent; between slices others have their turn.
    """

    __slots__ = ("headers", "pieces", "size", "status")

    def __init__(self, pieces: Sequence[Piece], size: int, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """`headers` beside those that every answer has; a status without a body has no length."""
        self.pieces = pieces
        self.status = status
        self.size = size
        self.headers = [*_RAW_HEADERS, *headers]
        if pieces:
            self.headers.append((b"content-length", b"%d" % self.size))

    @property
    def long(self) -> bool:
        return self.size > SLICE_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI calls it
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if not self.long:
            body = b"".join([each if isinstance(each, bytes) else each.encoded for each in self.pieces])
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        for each in slices(self.pieces):
            await send({"type": "http.response.body", "body": each, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def refuse(error: ClientError, media_type: MediaType, headers: Mapping[str, str] | None = None) -> AnswerResponse:
    """A response that consists of one error: nothing was executed. Its status is the error's own."""
    body = encode({"errors": [error.formatted]})
    status = 500 if error.status == 200 else error.status
    return answer((body,), media_type, status, {**refusal_headers(error), **(headers or {})})


def refusal_headers(error: ClientError) -> dict[str, str]:
    """What HTTP says beside the error itself (RFC 6750 for 401, RFC 9110 for 503)."""
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case Unavailable() | TooManyRequests():
            return {"Retry-After": str(error.retry_after)}
        case _:
            return {}
