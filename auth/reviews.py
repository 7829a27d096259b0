"""How a review reaches the API server: few at once, each with its time, none while it does not answer."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import final

from auth.api import Reply, ReviewApi, Unreachable
from auth.breaker import Breaker, NoAnswer, unavailable
from auth.errors import TokenRejected
from auth.settings import AuthSettings

_log = logging.getLogger(__name__)

# What load balancers and a starting or overloaded API server say in its place. A 500 is not here: it came from the API
# server itself, quickly, and about one review only.
_NOT_ANSWERING = frozenset({429, 502, 503, 504})

_UNAUTHORIZED = 401

# What to do about it, for whoever reads the log.
_HELP = {
    _UNAUTHORIZED: "the API server does not accept the gateway's own credentials",
    403: "bind the gateway's account to the ClusterRole system:auth-delegator",
}
_HELP_OWN = {403: "bind the group system:authenticated to the ClusterRole system:basic-user, as Kubernetes does"}


@final
class ReviewCalls:
    """Posts reviews for the whole process; every failure is ReviewsUnavailable, and no body is ever logged.

    Promised: at most `reviews_in_flight` at once, each ends after `review_timeout_seconds`, and the pause that a 429
    asks for is kept. Tests: tests/auth/test_reviews.py.
    """

    def __init__(self, api: ReviewApi, settings: AuthSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._timeout = settings.review_timeout_seconds
        self._slots = asyncio.Semaphore(settings.reviews_in_flight)
        self._breaker = Breaker(settings.unreachable_pause_seconds, clock)

    async def post(self, path: str, body: bytes, token: str | None = None) -> bytes:
        """Return the body of a 2xx answer, asked as the holder of `token` if there is one, else as the gateway.

        Raises TokenRejected when the API server does not accept that token.
        """
        self._breaker.check()  # not behind those who still wait for a server that others found dead
        async with self._slots:
            with self._breaker.attempt():
                reply = await self._answer(path, body, token)
        if reply.status == _UNAUTHORIZED and token is not None:
            raise TokenRejected
        if not 200 <= reply.status < 300:
            _log.error("review.refused", extra={"path": path, "status": reply.status, "help": _help(reply, token)})
            raise unavailable()
        return reply.body

    async def _answer(self, path: str, body: bytes, token: str | None) -> Reply:
        """Return the API server's own answer, a refusal too; NoAnswer for everything else."""
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._sent(path, body, token)
        except Unreachable as error:
            raise NoAnswer(str(error)) from None
        except TimeoutError:
            raise NoAnswer(f"no answer within {self._timeout:g} s") from None
        if reply.status in _NOT_ANSWERING:
            raise NoAnswer(f"answered {reply.status}", pause=_retry_after(reply))
        return reply

    async def _sent(self, path: str, body: bytes, token: str | None) -> Reply:
        """Send once; and once more if the connection broke at once.

        Most often that is a kept connection which the API server closed just now. A review changes nothing, so it may
        be sent twice, and a server that is really gone refuses the second one as quickly.
        """
        began = time.monotonic()
        try:
            return await self._api.post(path, body, timeout=self._timeout, token=token)
        except Unreachable:
            left = self._timeout - (time.monotonic() - began)
            if left < self._timeout / 2:
                raise
            return await self._api.post(path, body, timeout=left, token=token)


def _retry_after(reply: Reply) -> float | None:
    """Read the seconds that the API server asked for; a date, which it never sends, counts as nothing said."""
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _help(reply: Reply, token: str | None) -> str:
    return (_HELP if token is None else _HELP_OWN).get(reply.status, "")
