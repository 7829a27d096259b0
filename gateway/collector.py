"""When Python's collector of cycles runs: between large answers, and not in the middle of one.

It stops the whole process each time, for as long as there are young objects to look at. By itself it comes after 700
more of them: several times in each large answer, whose lists it then looks at from end to end though all of them are
gone a moment later; or in any small request beside. So it is sent for instead, as soon as there is enough for it, in
the thread that gives large answers and at the end of its queue: what it looks at then is only what has stayed. It still
comes by itself where objects are made faster than that.

What is old it looks at when a quarter more has become old since it did so last: Python's own rule, which it keeps only
where it comes by itself.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Final, NoReturn, final

EVERY_S: Final = 0.05
# Fewer young objects than this are not worth a look, some hundred kilobytes; a look at not many more takes no
# millisecond, so that the pauses are as short as they are many.
ENOUGH: Final = 2_000
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
class Collecting:
    """Sends for the collector, and decides how much it looks at."""

    def __init__(self, worker: Executor, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._worker = worker
        self._sleep = sleep
        self._grown_old = 0  # about how many objects, since it last looked at all
        self._old = 0  # how many there were then

    async def run(self) -> NoReturn:
        while True:
            await self._sleep(EVERY_S)
            if gc.get_count()[0] >= ENOUGH:
                await asyncio.get_running_loop().run_in_executor(self._worker, self.collect)

    def collect(self) -> None:
        """Have it look at what is young, or at everything."""
        young = gc.get_count()[0]
        self._grown_old += max(0, young - gc.collect(1))
        if self._grown_old > max(OLD_ENOUGH, self._old // 4):
            gc.collect()
            self._grown_old, self._old = 0, len(gc.get_objects())


def settle() -> None:
    """What was made until here stays, and is never looked at again: modules, the schema, first lists."""
    gc.collect()
    gc.freeze()
