"""How late the event loop is: what every request on it waits for beside its own work."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

EVERY_S: Final = 0.25


async def watch_lag(
    tell: Callable[[float], object],
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> NoReturn:
    """Ask to be woken four times a second, and tell by how much that came too late."""
    while True:
        due = clock() + EVERY_S
        await sleep(EVERY_S)
        tell(max(0.0, clock() - due))
