"""The reflector's decisions, as plain values: what to ask next, and how long to wait before it. After client-go's.

    Streaming ──delivered──▶ Watching ──delivered──▶ Watching …
        │ unsupported           │ 410, or a version too large
        ▼                       ▼
    Listing ───listed────▶ Watching    Streaming("")

`fallback` and `version` of the first two are what a plain LIST is asked for: "0" is any state the API server has in its
watch cache; after a version was lost it is "", the newest, at the price of a quorum read.
"""

import random
import time
from asyncio import sleep as asyncio_sleep
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

# ------------------------------------------------------------------------------------------------ states and outcomes


@dataclass(frozen=True, slots=True)
class Streaming:
    """Ask for a streaming list, which goes on as a watch."""

    fallback: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Ask for a LIST, because the server has no streaming lists."""

    version: str


@dataclass(frozen=True, slots=True)
class Watching:
    """Ask for what happened since `version`."""

    version: str


State = Streaming | Listing | Watching


@dataclass(frozen=True, slots=True)
class Delivered:
    """A stream came further, up to `version`, and ended: by the server's own limit, or by a cut that the next attempt
    will meet if it lasts.
    """

    version: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A LIST is complete, as of `version`."""

    version: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The server knows no streaming lists."""


@dataclass(frozen=True, slots=True)
class TooShort:
    """A watch ended within a second and brought nothing: something ends each of them at once."""


@dataclass(frozen=True, slots=True)
class Expired:
    """The version asked for is forgotten (410), or larger than the server's own (its etcd came back from a backup)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway may not list or watch this (403), or the API server has just started and not yet read its roles."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotServed:
    """The API server has no such kind (404); it may get one, as custom resources do."""

    reason: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """The server asked for `seconds` of peace: normal after its start."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer, a broken one, or an error of the server's."""

    reason: str


Outcome = Delivered | Listed | Unsupported | TooShort | Expired | Refused | NotServed | Throttled | Failed


class Series(Enum):
    """What a backoff counts by itself: a 410 right after an outage is the first of its kind, not the outage's tenth."""

    RETRY = "retry"
    RELIST = "relist"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait: not at all (no series), or as that series' backoff says and `at_least` so many seconds."""

    series: Series | None
    at_least: float = 0.0


NO_PAUSE: Final = Pause(None)
BACKOFF: Final = Pause(Series.RETRY)
RELIST: Final = Pause(Series.RELIST)
REFUSED: Final = Pause(Series.REFUSED)


def after(state: State, outcome: Outcome) -> tuple[State, Pause]:  # noqa: PLR0911 - a table
    """The reflector's whole policy: no clock, no socket, no store.

    Everything pauses but a list or watch that came further: a server that answers 410 for ever, or a proxy that ends
    each watch at once, would otherwise get hundreds of requests a second from us.
    """
    match state, outcome:
        case ((Streaming() | Watching()), Delivered(version)):
            return Watching(version), NO_PAUSE  # a watch that ends is normal: resume, do not relist
        case Listing(), Listed(version):
            return Watching(version), NO_PAUSE
        case Streaming(fallback), Unsupported():
            return Listing(fallback), NO_PAUSE
        case Watching(), Expired():
            return Streaming(""), RELIST
        case Listing(), Expired():
            return Listing(""), RELIST
        case Streaming(), Expired():
            return state, RELIST
        case _, Throttled(seconds):
            return state, Pause(Series.RETRY, at_least=seconds)
        case _, (Refused() | NotServed()):
            return state, REFUSED
        case _, (TooShort() | Failed()):
            return state, BACKOFF
    raise AssertionError((state, outcome))


# --------------------------------------------------------------------------------------------------- reading refusals


class _Cause(msgspec.Struct, frozen=True, gc=False):
    reason: str = ""


class _Details(msgspec.Struct, frozen=True, gc=False):
    causes: tuple[_Cause, ...] | None = None
    retry_after_seconds: float | None = msgspec.field(name="retryAfterSeconds", default=None)


class Status(msgspec.Struct, frozen=True, gc=False):
    """Kubernetes' own word on a failure: the body of an answer, or the object of an ERROR event."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


# Retry-After says when a server expects to be well again; one that asks for an hour would freeze our picture.
LONGEST_RETRY_AFTER_S: Final = 120.0

_TOO_LARGE: Final = "ResourceVersionTooLarge"
_status: Final = msgspec.json.Decoder(Status)


def status_of(body: bytes | msgspec.Raw) -> Status:
    """The Status in a body; an empty one if it is something else, such as a proxy's page."""
    try:
        return _status.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return Status()


def refusal(state: State, code: int, status: Status, retry_after: str | None = None) -> Outcome:  # noqa: PLR0911 - a table
    """What an answer other than 200, or an ERROR event, means for somebody in `state`."""
    reason = " ".join(f"{code} {status.reason}: {status.message}".split()).rstrip(": ")
    match code:
        case 410:
            return Expired(reason)
        case 504 if _is_too_large(status):
            return Expired(reason)
        case 400 | 422 if isinstance(state, Streaming):
            return Unsupported()
        case 403:
            return Refused(reason)
        case 404:
            return NotServed(reason)
        case 429 | 503 if (seconds := _seconds(retry_after, status)) is not None:
            return Throttled(min(seconds, LONGEST_RETRY_AFTER_S), reason)
        case _:
            return Failed(reason)


def _is_too_large(status: Status) -> bool:
    causes = (status.details.causes if status.details else None) or ()
    # Servers before 1.19 say so in the message alone.
    return any(cause.reason == _TOO_LARGE for cause in causes) or "too large resource version" in status.message.lower()


def _seconds(header: str | None, status: Status) -> float | None:
    """Retry-After in seconds; the API server never sends a date."""
    if header is not None and header.strip().isdecimal():
        return float(header)
    return status.details.retry_after_seconds if status.details else None


# ------------------------------------------------------------------------------------------------------------ backoff


class Backoff:
    """client-go's: 0.8 s, doubled up to 30 s, with as much again at random; from the beginning after 2 min of health.

    A broken server gets at most 7 requests a kind in the first minute, and one or two a minute later on (twice that, if
    it is broken in two ways). The jitter keeps gateways that lost the same server from coming back in step.
    """

    FIRST_S: Final = 0.8
    LONGEST_S: Final = 30.0
    LONGEST_REFUSED_S: Final = (
        60.0  # one request a minute for a kind that the gateway may not read, or that is not there
    )
    FACTOR: Final = 2.0
    HEALTHY_S: Final = 120.0

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio_sleep,
        jitter: Callable[[], float] = random.random,
        longest: float = LONGEST_S,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._longest = {Series.RETRY: longest, Series.RELIST: longest, Series.REFUSED: self.LONGEST_REFUSED_S}
        self._next = dict.fromkeys(Series, self.FIRST_S)
        self._woke_at = dict.fromkeys(Series, clock())

    async def observe(self, pause: Pause) -> None:
        """Wait as long as `pause` says."""
        series = pause.series
        if series is None:
            return
        if self._clock() - self._woke_at[series] >= self.HEALTHY_S:
            self._next[series] = self.FIRST_S
        wait = max(self._next[series], pause.at_least) * (1.0 + self._jitter())
        self._next[series] = min(self._next[series] * self.FACTOR, self._longest[series])
        await self._sleep(wait)
        self._woke_at[series] = self._clock()
