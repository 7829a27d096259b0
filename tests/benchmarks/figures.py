"""What was measured: numbers with their spread, bars of the charts, and goals with what became of them."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """The values of several runs of one thing."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def __str__(self) -> str:
        return f"{number(self.median)} [{number(self.low)} … {number(self.high)}]"


def figure(values: Sequence[float]) -> Figure:
    if not values:
        raise ValueError("nothing was measured")
    return Figure(tuple(values))


def number(value: float) -> str:
    """For people: three digits, or all that stand before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: who did a piece of work, and how fast. Beside the seconds, what it cost."""

    chart: str
    size: str
    who: str
    unit: str
    figure: Figure
    bytes: int | None = None
    cpu_seconds: float | None = None
    memory: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """A line of the table of goals. `judged`: it was measured at the size that the goal is about."""

    row: str
    work: str
    size: str
    goal: str
    measured: float
    limit: float
    unit: str
    judged: bool
    at_least: bool = False
    profile: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reached(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        if not self.judged:
            return "not this size"
        return "met" if self.reached else "NOT MET"


@dataclass(slots=True)
class Results:
    """Everything of one run of the suite."""

    about: dict[str, Any]
    bars: list[Bar] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """What could not be measured, and why: a wrong answer, a server that ended."""

    def plain(self) -> dict[str, Any]:
        return {
            "about": self.about,
            "failed": self.failed,
            "goals": [{**asdict(goal), "verdict": goal.verdict} for goal in self.goals],
            "bars": [
                {**asdict(bar), "median": bar.figure.median, "figure": list(bar.figure.values)} for bar in self.bars
            ],
        }


Turn = Callable[[], Awaitable[float]]


async def in_turns(turns: Mapping[str, Turn], runs: int, *, warm_up: int = 1) -> dict[str, Figure]:
    """Everybody takes turns, so that a slow minute of the machine slows all of them; the warm-up does not count.

    Each round has an order of its own, the same in each run of the suite: who comes behind a large answer finds the
    processor's caches full of it.
    """
    found: dict[str, list[float]] = {name: [] for name in turns}
    for run in range(-warm_up, runs):
        for name in random.Random(run).sample(sorted(turns), len(turns)):
            value = await turns[name]()
            if run >= 0:
                found[name].append(value)
    return {name: figure(values) for name, values in found.items()}
