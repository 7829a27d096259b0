"""Kept connections to one server, and how those that lead nowhere any more are found.

A path can forget its connections without a word: a firewall that was restarted, a load balancer that was replaced, a
node that is gone. Each of them then swallows what is sent over it, and looks like a slow server. Three rules:

- A call that breaks on a kept connection before its answer begins leaves the pool that it used, and is asked once more,
  over a new connection: what closed one has as a rule closed them all.
- A call whose answer has not begun when its time is over leaves the pool that it used: whoever asks next connects anew.
- A call over a kept connection is doubted when nothing has come after a third of its time. It is asked once more, over
  a new connection; the first of the two answers counts. If that is the new one, the pool is dead: its idle connections
  are closed, and whoever else waits there for the first byte of an answer asks once more too.

The last rule must not double the load of a server that is only slow. A doubt is one request more, of the whole
process, and for `DOUBT_EVERY_S` after it there is no other, whatever came of it: a slow server's fresh connections are
slow too, so that the first request wins and all others go on waiting. Only what is safe to be sent twice may be asked
here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, Final, Generic, TypeVar, final

import aiohttp

A = TypeVar("A")

# The share of a call's time after which its connection is doubted, and the longest that this may be: a server that has
# much to say takes seconds for it, and no new connection is quicker.
PATIENCE: Final = 1 / 3
LONGEST_PATIENCE_S: Final = 1.0

# No path forgets its connections more often than that; a server that is always slow gets six requests more a minute.
DOUBT_EVERY_S: Final = 10.0


class Call:
    """One request as it goes: what aiohttp tells of its connection, and the sender of its answer."""

    def __init__(self) -> None:
        self.kept = False  # it went over a connection that others had used before
        self.heard = False  # its answer has begun

    @property
    def silent(self) -> bool:
        return self.kept and not self.heard


Sending = Callable[[aiohttp.ClientSession, Call], Awaitable[A]]  # marks the call as heard once its answer begins


def noting_kept_connections() -> aiohttp.TraceConfig:
    """What a session must be watched by whose requests carry their Call as `trace_request_ctx`."""

    async def reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
        context.trace_request_ctx.kept = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(reused)
    return config


class _Pool:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.calls = 0
        self.dead: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # resolved when that is known


class _Attempt(Generic[A]):
    """A call under way over some pool."""

    def __init__(self, pool: _Pool, sending: Sending[A]) -> None:
        self.pool = pool
        self.call = Call()
        self.task: asyncio.Task[A] = asyncio.create_task(self._send(sending), name="api-call")

    async def _send(self, sending: Sending[A]) -> A:
        return await sending(self.pool.session, self.call)

    @property
    def broke(self) -> bool:
        """Whether it failed because its connection was one that somebody had closed, or closed just then."""
        if not self.task.done() or self.task.cancelled() or not self.call.silent:
            return False
        failure = self.task.exception()
        return isinstance(failure, aiohttp.ClientError | OSError) and not isinstance(failure, TimeoutError)

    async def end(self) -> None:
        if not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.exception()  # marks it as seen: the other one's answer counted


@final
class Pools:
    """The connections to one server: those in use now, and those that were left and whose calls are not over yet.

    Promised: every call ends within its time, and leaves neither a task nor a response behind.
    Promised: at most one doubt in `DOUBT_EVERY_S`, however many calls are under way.
    Tests: tests/schema/sources/kubernetes/test_pools.py.
    """

    def __init__(
        self, open_session: Callable[[], aiohttp.ClientSession], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_session = open_session
        self._clock = clock
        self._current = self._new()
        self._left: set[_Pool] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._doubted_at: float | None = None

    async def ask(self, sending: Sending[A], limit: float) -> A:
        """Send, and wait for the answer for `limit` seconds; TimeoutError after them."""
        async with self._attempt(self._current, sending) as first:
            try:
                async with asyncio.timeout(limit):
                    return await self._answer(first, sending, min(limit * PATIENCE, LONGEST_PATIENCE_S))
            except TimeoutError:
                if first.call.silent:
                    self._leave(first.pool)
                raise

    async def _answer(self, first: _Attempt[A], sending: Sending[A], patience: float) -> A:
        await asyncio.wait([first.task], timeout=patience)
        if not first.task.done() and first.call.silent:
            if not first.pool.dead.done() and self._may_doubt():
                return await self._doubt(first, sending)
            either: list[asyncio.Future[Any]] = [first.task, first.pool.dead]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if first.broke:
            self._leave(first.pool)
        elif first.task.done() or not first.call.silent:
            return await first.task
        async with self._attempt(self._current, sending) as second:
            return await (await _first_answered(first, second)).task

    def _may_doubt(self) -> bool:
        return self._doubted_at is None or self._clock() - self._doubted_at >= DOUBT_EVERY_S

    async def _doubt(self, first: _Attempt[A], sending: Sending[A]) -> A:
        self._doubted_at = self._clock()
        fresh = self._new()
        self._left.add(fresh)  # closed with the others, should it not be wanted
        async with self._attempt(fresh, sending) as second:
            answered = await _first_answered(first, second)
            if answered is second:
                self._found_dead(first.pool, fresh)
            return await answered.task

    def _found_dead(self, pool: _Pool, fresh: _Pool) -> None:
        if pool is self._current:
            self._left.discard(fresh)
            self._left.add(pool)
            self._current = fresh
        if not pool.dead.done():
            pool.dead.set_result(None)

    def _leave(self, pool: _Pool) -> None:
        if pool is self._current:
            self._left.add(pool)
            self._current = self._new()

    @asynccontextmanager
    async def _attempt(self, pool: _Pool, sending: Sending[A]) -> AsyncIterator[_Attempt[A]]:
        pool.calls += 1
        attempt = _Attempt(pool, sending)
        try:
            yield attempt
        finally:
            try:
                await attempt.end()
            finally:
                pool.calls -= 1
                if pool in self._left and not pool.calls:
                    self._close(pool)

    def _new(self) -> _Pool:
        return _Pool(self._open_session())

    def _close(self, pool: _Pool) -> None:
        self._left.discard(pool)
        closing = asyncio.create_task(pool.session.close(), name="api-connections/close")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close every connection; calls under way fail."""
        for pool in (self._current, *self._left):
            await pool.session.close()
        while self._closing:
            await asyncio.wait(self._closing)


async def _first_answered(first: _Attempt[A], second: _Attempt[A]) -> _Attempt[A]:
    """Whichever has an answer first; the first one, with its failure, if neither has."""
    both = {first.task, second.task}
    while both:
        _, both = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for attempt in (first, second):
            if attempt.task.done() and not attempt.task.cancelled() and not attempt.task.exception():
                return attempt
    return first
