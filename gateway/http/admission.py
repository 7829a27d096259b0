"""How many requests are at work at once, of everybody and of each user; the rest wait their turn for a short time.

The turn goes round the users, not the requests: whoever sends a thousand waits behind their own, and somebody who sends
one is next. A request is at work while it is executed; neither a slow body nor a slow reader takes a place.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

from auth.errors import TooManyRequests, Unavailable
from gateway.config import ServerSettings


class Busy(Unavailable):
    """Too many requests of everybody: this one was not started."""

    refused_for = "no_place"

    def __init__(self) -> None:
        super().__init__("The gateway is at work for others; nothing was started")


@final
class Admission:
    """Places for requests at work.

    Promised: never more at work than `requests_at_work`, nor of one user than `requests_per_user`; nobody waits for
    longer than `wait_seconds`; a place is given back however its request ends.
    Tests: tests/gateway/http/test_admission.py.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._at_work: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def at_work(self) -> int:
        return self._at_work.total()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def place(self, user: str) -> AsyncIterator[None]:
        """Hold a place for `user`. Raises Busy or TooManyRequests."""
        if self._free(user) and not self._waiting.get(user):
            self._at_work[user] += 1
        else:
            await self._wait(user)
        try:
            yield
        finally:
            self._leave(user)

    def _free(self, user: str) -> bool:
        settings = self._settings
        return self.at_work < settings.requests_at_work and self._at_work[user] < settings.requests_per_user

    async def _wait(self, user: str) -> None:
        mine = self._waiting.get(user, ())
        if len(mine) >= self._settings.requests_per_user:
            raise TooManyRequests(self._settings.requests_per_user)
        if self.waiting >= self._settings.requests_waiting:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, deque()).append(turn)
        try:
            async with asyncio.timeout(self._settings.wait_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave(user)  # the turn came just as the wait ended
            else:
                self._forget(user, turn)
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    def _forget(self, user: str, turn: asyncio.Future[None]) -> None:
        self._waiting[user].remove(turn)
        if not self._waiting[user]:
            del self._waiting[user]

    def _leave(self, user: str) -> None:
        self._at_work[user] -= 1
        if not self._at_work[user]:
            del self._at_work[user]
        self._admit()

    def _admit(self) -> None:
        """Give free places to who waits, one user after the other."""
        while (user := next(filter(self._free, self._waiting), None)) is not None:
            turn = self._waiting[user].popleft()
            if self._waiting[user]:
                self._waiting.move_to_end(user)
            else:
                del self._waiting[user]
            if not turn.done():  # else whoever waited is gone, and has not been told yet
                self._at_work[user] += 1
                turn.set_result(None)
