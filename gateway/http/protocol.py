"""HTTP/1.1 as uvicorn's httptools protocol speaks it, with bounds on what a connection may hold and for how long.

uvicorn has one time limit: a kept connection without a request. Here every state of a connection has one, and none is
extended by a byte that trickles in:

    fresh, or between requests   nothing has come yet: closed without a word, as browsers open some in advance
    headers, body                408
    an answer nobody reads       aborted, when not one slice of it could be sent

A header that is too long is 431; requests on one connection that do not wait for their answers are read a few ahead.
While an answer is under way nothing else is written: a refusal then only closes, or it would stand inside that answer.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from itertools import chain
from typing import Any, Final, TypeAlias

import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from auth.errors import Code
from gateway import logs

# Browsers send one at a time, and so do the clients that people use; a few let a proxy's reordering pass.
PIPELINED_AT_MOST: Final = 16


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may cost before anything is known of it; times in seconds."""

    header_bytes: int
    header_seconds: float  # from the connection, or from the header's first byte, to its end
    body_seconds: float  # from the header's end to the body's
    idle_seconds: float  # between an answer and the next request
    stalled_seconds: float  # for one slice of an answer
    connections: int


# The connections of one server that have no request, the longest idle first: they make room for one more.
Idle: TypeAlias = "OrderedDict[LimitedProtocol, None]"


class _Phase(Enum):
    """How much of a message has come."""

    NOTHING = auto()
    HEADER = auto()
    BODY = auto()
    ALL = auto()


class _Refused(Exception):  # noqa: N818 - it only stops the parser
    pass


class LimitedProtocol(HttpToolsProtocol):
    """One connection of a server."""

    def __init__(
        self,
        limits: ConnectionLimits,
        idle: Idle,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._idle = idle
        self.timeout_keep_alive = limits.idle_seconds  # type: ignore[assignment] # uvicorn hands it to call_later
        self._phase = _Phase.NOTHING
        self._unfinished = 0  # bytes of a header whose end has not come
        self._refusal = (HTTPStatus.BAD_REQUEST, "This is not HTTP/1.1")
        self._watched: _Phase | None = None  # what `_deadline` is for
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------------------- the connection's life

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections and not self._make_room():
            logs.event("connection.refused", level=30, reason=f"all {self._limits.connections} are at work")
            transport.abort()
            return
        self._idle[self] = None
        self._watch()

    def _make_room(self) -> bool:
        """Close the connection that has been idle for longest; False if none is."""
        if not self._idle:
            return False
        longest, _ = self._idle.popitem(last=False)
        longest.transport.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.pop(self, None)
        for timer in (self._deadline, self._stalled, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        went_on = self._phase is _Phase.HEADER
        super().data_received(data)
        if self.transport.is_closing():
            return
        # A chunk in which a header begins may hold the end of a body too, and is not counted: chunks are bounded.
        self._unfinished = self._unfinished + len(data) if went_on and self._phase is _Phase.HEADER else 0
        if self._unfinished > self._limits.header_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, self._too_long())
            return
        self._watch()
        self._keep()

    # -------------------------------------------------------------------------------------------- what the parser finds

    def on_message_begin(self) -> None:
        self._idle.pop(self, None)
        self._phase = _Phase.HEADER
        self._watched = None  # a second header has its own time
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(map(len, chain.from_iterable(self.headers)))
        if size > self._limits.header_bytes:
            self._stop(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, self._too_long())
        if len(self.pipeline) >= PIPELINED_AT_MOST:
            self._stop(HTTPStatus.BAD_REQUEST, f"More than {PIPELINED_AT_MOST} requests that wait for one another")
        super().on_headers_complete()  # raises for a URL that is none
        self._phase = _Phase.BODY

    def on_message_complete(self) -> None:
        self._phase = _Phase.ALL
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._phase is _Phase.ALL and not self.transport.is_closing() and self._answered:
            self._idle[self] = None

    def _too_long(self) -> str:
        return f"The request line and its headers are longer than {self._limits.header_bytes} bytes"

    # ------------------------------------------------------------------------------------------------------- the clocks

    def _watch(self) -> None:
        """Set the clock for what the connection waits for now; one that runs for it already runs on."""
        if self._phase is self._watched:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._watched = self._phase
        match self._phase:
            case _Phase.NOTHING | _Phase.HEADER:
                self._deadline = self.loop.call_later(self._limits.header_seconds, self._too_slow)
            case _Phase.BODY:
                self._deadline = self.loop.call_later(self._limits.body_seconds, self._too_slow)
            case _Phase.ALL:
                pass  # ours to answer; between requests uvicorn's own clock runs

    def _keep(self) -> None:
        """Start uvicorn's own clock again: any byte stops it, also an empty line, which begins no request."""
        if self._phase is _Phase.ALL and self._answered and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _too_slow(self) -> None:
        match self._phase:
            case _Phase.HEADER:
                seconds = self._limits.header_seconds
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"The headers took longer than {seconds:g} seconds")
            case _Phase.BODY:
                seconds = self._limits.body_seconds
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"The body took longer than {seconds:g} seconds")
            case _:
                self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._limits.stalled_seconds, self._abort)

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def _abort(self) -> None:
        logs.event("connection.stalled", level=30, seconds=self._limits.stalled_seconds)
        self.transport.abort()

    # --------------------------------------------------------------------------------------------------------- refusals

    @property
    def _answered(self) -> bool:
        """There is no request whose answer is not sent."""
        return self.cycle is None or (self.cycle.response_complete and not self.pipeline)

    def _stop(self, status: HTTPStatus, message: str) -> None:
        """Refuse from inside the parser, which then reads no further."""
        self._refusal = (status, message)
        raise _Refused

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """What uvicorn calls when the parser stopped."""
        self._refuse(*self._refusal)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        logs.event("connection.refused", status=status.value, reason=message)
        if self._may_write:
            self.transport.write(_refusal(status, message))
        self.transport.close()

    @property
    def _may_write(self) -> bool:
        if self._phase is _Phase.BODY:
            return not self.cycle.response_started and not self.pipeline
        return self._answered


def _refusal(status: HTTPStatus, message: str) -> bytes:
    body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": str(Code.BAD_REQUEST)}}]})
    head = (
        b"content-type: application/json; charset=utf-8\r\n"
        b"content-length: %d\r\n"
        b"cache-control: no-store\r\n"
        b"connection: close\r\n"
        b"\r\n"
    )
    return STATUS_LINE[status.value] + head % len(body) + body
