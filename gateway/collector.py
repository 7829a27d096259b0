"""When Python's collector of cycles runs: between large answers, and not in the middle of one.

It stops the whole process each time, for as long as there are young objects to look at. By itself it comes after 700
more of them: several times in each large answer, whose lists it then looks at from end to end though all of them are
gone a moment later; or in any small request beside. So it is sent for instead: after each piece of work of the threads
that give large answers and prepare new documents, if there is enough for it, and between them when there is none. What
it looks at then is only what has stayed: some tenths of a millisecond, most of it cycles that graphql-core leaves of
each new document. It still comes by itself where objects are made faster than that.

What is old it looks at when there is a quarter more of it than when it did so last: Python's own rule, which it keeps
only where it comes by itself.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NoReturn, ParamSpec, TypeVar, final

P = ParamSpec("P")
T = TypeVar("T")

EVERY_S: Final = 0.2
# Fewer young objects than this are not worth a look. A new document leaves some 800, half a millisecond of work: those
# of several, which wait for one large answer, would be a pause to be noticed.
ENOUGH: Final = 500
# With so many it comes by itself: some megabytes, and some milliseconds.
TOO_MANY: Final = 50_000
# As long as fewer objects than this have become old, they are not looked at again: some tens of megabytes.
OLD_ENOUGH: Final = 100_000


@asynccontextmanager
async def sent_for() -> AsyncIterator[None]:
    """While the block runs, the collector comes by itself only when there are too many young objects."""
    thresholds = gc.get_threshold()
    gc.set_threshold(TOO_MANY, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@final
class Collector:
    """Decides when there is enough for it, and how much it looks at. Several threads may have it at once."""

    def __init__(self) -> None:
        self._grown_old = 0  # by about how many objects, since it last looked at all
        self._old = 0  # how many there were then

    def look(self) -> None:
        """Have it look at what is young, or at everything, if there is enough."""
        young = gc.get_count()[0]
        if young < ENOUGH:
            return
        self._grown_old += max(0, young - gc.collect(1))
        if self._grown_old <= max(OLD_ENOUGH, self._old // 4):
            return
        # Much of what has become old is gone by now, or is of a sort that it need not look at: that has to be counted.
        self._grown_old = max(0, len(gc.get_objects(2)) - self._old)
        if self._grown_old > max(OLD_ENOUGH, self._old // 4):
            gc.collect()
            self._grown_old, self._old = 0, len(gc.get_objects(2))


@final
class CollectingThread(ThreadPoolExecutor):
    """One thread, in which the collector looks after each piece of work."""

    def __init__(self, name: str, collector: Collector) -> None:
        super().__init__(max_workers=1, thread_name_prefix=name)
        self._collector = collector

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        return super().submit(self._done, partial(work, *args, **kwargs))

    def _done(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            self._collector.look()


async def look_around(
    collector: Collector, thread: Executor, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> NoReturn:
    """Send for it where no work comes after which it would look."""
    while True:
        await sleep(EVERY_S)
        if gc.get_count()[0] >= ENOUGH:
            await asyncio.get_running_loop().run_in_executor(thread, collector.look)


def settle() -> None:
    """What was made until here stays, and is never looked at again: modules, the schema, first lists."""
    gc.collect()
    gc.freeze()
