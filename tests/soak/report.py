"""A line as it goes, and a table at the end."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.soak.load import Outcome

MEGABYTE: Final = 1e6


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault, as it went: how long it lasted, how long until an answer was whole again, what clients were told."""

    name: str
    lasted_s: float
    recovered_s: float | None  # None: not within the limit
    answers: int
    told: Counter[str]
    oldest_s: float
    mistakes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What the gateway holds while nobody asks."""

    memory: int
    files: int
    tasks: int

    def __str__(self) -> str:
        return f"{self.memory / MEGABYTE:.0f} MB, {self.files} files, {self.tasks} tasks"


@dataclass(slots=True)
class Report:
    """What a soak found. It is good when `mistakes` is empty."""

    seed: int
    struck: list[Struck] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    before: Held | None = None
    after: Held | None = None
    answers: int = 0
    writes: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def say(self, line: str) -> None:
        print(f"{time.monotonic() - self.started:6.1f} s  {line}", flush=True)

    def add(self, struck: Struck) -> None:
        self.struck.append(struck)
        self.mistakes += [f"{struck.name}: {mistake}" for mistake in struck.mistakes]
        back = "did NOT recover" if struck.recovered_s is None else f"whole again after {struck.recovered_s:.1f} s"
        self.say(f"{struck.name}: {struck.lasted_s:.1f} s, {back}; {struck.answers} answers, {told(struck.told)}")
        for mistake in struck.mistakes:
            self.say(f"  WRONG: {mistake}")

    def table(self) -> str:
        columns = f"{'fault':32} {'times':>5} {'lasted':>7} {'whole again: median, worst':>27}"
        lines = ["", f"{columns} {'oldest':>7} {'answers':>8}  told"]
        for name in dict.fromkeys(struck.name for struck in self.struck):
            some = [struck for struck in self.struck if struck.name == name]
            times = [struck.recovered_s for struck in some if struck.recovered_s is not None]
            back = f"{statistics.median(times):.1f} s, {max(times):.1f} s" if times else "never"
            oldest = max(struck.oldest_s for struck in some)
            lines.append(
                f"{name:32} {len(some):5} {sum(struck.lasted_s for struck in some) / len(some):5.1f} s {back:>27}"
                f" {oldest:5.1f} s {sum(struck.answers for struck in some):8}"
                f"  {told(sum((struck.told for struck in some), Counter()))}"
            )
        lines += [
            "",
            f"{self.answers} answers in {self.seconds:.0f} s, compared with {self.writes} writes (seed {self.seed})",
            f"held before: {self.before}; after: {self.after}",
            *(f"WRONG: {mistake}" for mistake in self.mistakes),
            "No wrong answer, no error that the design does not know, nothing left behind."
            if not self.mistakes
            else f"{len(self.mistakes)} mistakes",
        ]
        return "\n".join(lines)


def told(problems: Counter[str]) -> str:
    return ", ".join(f"{count} times {problem}" for problem, count in sorted(problems.items())) or "nothing amiss"


def oldest(outcomes: Sequence[Outcome]) -> float:
    return max((outcome.age for outcome in outcomes), default=0.0)
