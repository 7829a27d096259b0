"""One question, many who wait for its answer.

A flight is a task of its own, detached from whoever started it: a caller who goes away (its client closed the
connection) neither cancels it nor fails the others. What was rejected: awaiting it through `asyncio.shield`, which
leaves nobody who awaits it at the end, and so a warning for each flight that failed after its last caller had left.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar, final

from auth.breaker import unavailable
from auth.errors import ClientError, ReviewsUnavailable

_log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@final
class Flights(Generic[K, V]):
    """The questions under way, at most one per key.

    Promised: every flight ends, at the latest with `aclose`, which cancels and awaits all of them; none starts after.
    Promised: an answer, a failure too, reaches everybody who waits for it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: dict[K, asyncio.Task[V]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """Return the flight under way for the key, else a new one. Await it through `landed` only."""
        task = self._tasks.get(key)
        if task is not None:
            return task
        if self._closed:
            raise unavailable()
        task = asyncio.create_task(ask(), name=self._name)
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._end(key, done))
        return task

    def _end(self, key: K, task: asyncio.Task[V]) -> None:
        del self._tasks[key]
        if task.cancelled():
            return
        failure = task.exception()  # also marks it as seen: it may have outlived all who waited for it
        if failure is not None and not isinstance(failure, ClientError):
            _log.error("flight.failed", extra={"flight": self._name}, exc_info=failure)

    async def aclose(self) -> None:
        """Cancel what is under way and wait until it has ended; those who waited for it hear ReviewsUnavailable."""
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def landed(*flights: asyncio.Task[V], timeout: float) -> list[V]:  # noqa: ASYNC109 - expiry is an error of ours
    """Wait for flights without owning them; return their answers in order.

    Raises what the first failing one raised, at once; and ReviewsUnavailable after `timeout` seconds, or when they were
    cancelled by the end of the process. The flights go on: whoever asks again finds more of them answered.
    """
    if not flights:
        return []
    _, pending = await asyncio.wait(flights, timeout=timeout, return_when=asyncio.FIRST_EXCEPTION)
    for flight in flights:
        if flight in pending:
            continue
        if flight.cancelled():
            raise unavailable()
        match flight.exception():
            case None:
                pass
            case ReviewsUnavailable() as failure:  # a copy for each: what many raise at once collects their tracebacks
                raise ReviewsUnavailable(failure.message, retry_after=failure.retry_after)
            case failure:
                raise failure
    if pending:
        raise unavailable()
    return [flight.result() for flight in flights]
