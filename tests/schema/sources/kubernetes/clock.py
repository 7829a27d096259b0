"""Time that passes only while somebody sleeps, or is told to."""

import asyncio


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once; others have their turn meanwhile."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
