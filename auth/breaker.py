"""Nobody waits for an API server that was just found not to answer.

    Closed ── no answer ──▶ Open(until) ── the pause is over, one tries ──▶ Probing ── answered ──▶ Closed
                              ▲                                                │
                              └──────────────────── no answer ─────────────────┘

One failure opens it: the reviews behind it are safe to refuse (503), and a pause of a second is shorter than what a
user would wait to no avail. Answers that say no, and answers that make no sense, came quickly and open nothing: nobody
can close the gateway to others with a request of their own that the API server dislikes.
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

from auth.errors import ReviewsUnavailable

_log = logging.getLogger(__name__)

# An API server asks for a second or so; whatever sends an hour must not keep everybody out for an hour.
_LONGEST_PAUSE_S = 30.0


class NoAnswer(Exception):  # noqa: N818 - an outcome, seen by the breaker alone
    """The API server gave no answer, or asked for a pause of `pause` seconds; `str()` is the reason in one line."""

    def __init__(self, reason: str, *, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Closed:
    """The API server answers."""


@dataclass(frozen=True, slots=True)
class Open:
    """It did not, and nobody asks before `until`, by the breaker's clock."""

    until: float


@dataclass(frozen=True, slots=True)
class Probing:
    """One asks, all others are refused until that one knows."""


State = Closed | Open | Probing


@final
class Breaker:
    """Whether the API server may be asked now.

    Promised: while it is open, `check` and `attempt` raise ReviewsUnavailable without waiting; one at a time probes.
    Tests: tests/auth/test_breaker.py.
    """

    def __init__(self, pause: float, clock: Callable[[], float]) -> None:
        self._pause = pause
        self._clock = clock
        self._state: State = Closed()

    @property
    def state(self) -> State:
        return self._state

    def check(self) -> None:
        """Raise ReviewsUnavailable if an attempt now would be refused."""
        match self._state:
            case Open(until) if (left := until - self._clock()) > 0:
                raise unavailable(retry_after=left)
            case Probing():
                raise unavailable()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let one review pass; NoAnswer raised inside opens the breaker, and becomes ReviewsUnavailable outside."""
        self.check()
        probing = isinstance(self._state, Open)
        if probing:
            self._state = Probing()
        try:
            yield
        except NoAnswer as failure:
            pause = min(self._pause if failure.pause is None else failure.pause, _LONGEST_PAUSE_S)
            self._open(pause, reason=str(failure))
            raise unavailable(retry_after=pause) from None
        except BaseException:
            if probing:  # cancelled: nothing was learned, and the next one may try
                self._state = Open(until=self._clock())
            raise
        # An attempt from before the breaker opened does not close it: a pause that was asked for is kept.
        if probing:
            self._state = Closed()
            _log.info("reviews.available")

    def _open(self, pause: float, *, reason: str) -> None:
        until = self._clock() + pause
        if isinstance(self._state, Open):
            until = max(until, self._state.until)
        elif isinstance(self._state, Closed):  # once for each outage, not once a second
            _log.warning("reviews.unavailable", extra={"reason": reason, "pause_seconds": pause})
        self._state = Open(until)


def unavailable(*, retry_after: float = 1.0) -> ReviewsUnavailable:
    """What the client hears, whatever the reason was: the log has it."""
    return ReviewsUnavailable(
        "The API server cannot be asked now who you are or what you may see; try again soon",
        retry_after=max(1, math.ceil(retry_after)),
    )
