"""What was written to the cluster, and whether an answer shows it.

Each kind has one writer, who makes one write after the other: the order of its log is the API server's own. After each
write the state of the kind is one number, the sum of the hashes of its rows; so is each namespace's. An answer is right

- if its rows come to the number of a moment: nothing made up, nothing of two moments mixed, no write that nobody began;
- if that moment is not before one that was shown to anybody before the question was asked: no time runs backwards;
- if it is no older than FRESH_S, or the answer says how old it is.

A write whose outcome is not known (its connection broke) is repeated until it is: no moment is ever taken back.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

# One object as an answer shows it: its key (namespace and name, or its name), then what changes.
Row: TypeAlias = tuple[str | int | bool | None, ...]

EVERYWHERE: Final = ""

# How far behind the API server an answer may be that says nothing of it. A socket that falls silent is noticed after
# the gateway's own limit (stage.SILENCE_S); the rest is for a busy machine.
FRESH_S: Final = 8.0
# How far off the age may be that an answer tells: whole seconds, counted from the last byte that came.
AGE_SLACK_S: Final = 3.0


class Wrong(Exception):  # noqa: N818 - what an answer was
    """An answer that no moment explains; str() says why."""


@dataclass(slots=True)
class Write:
    """One change of one object, sent at `begun` for the first time and known to have happened at `known`."""

    namespace: str
    before: Row | None
    after: Row | None
    begun: float
    known: float = math.inf


@dataclass(slots=True)
class _Scope:
    """The moments of one namespace, or of everything: where in the log it changed, and what it came to."""

    positions: list[int] = field(default_factory=lambda: [0])
    sums: list[int] = field(default_factory=lambda: [0])
    of_sum: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list, {0: [0]}))

    def append(self, position: int, change: int) -> None:
        self.of_sum[self.sums[-1] + change].append(len(self.sums))
        self.positions.append(position)
        self.sums.append(self.sums[-1] + change)

    def ends(self, moment: int) -> float:
        """The position in the log at which the moment is over."""
        return self.positions[moment + 1] if moment + 1 < len(self.positions) else math.inf


@final
class Log:
    """The writes to one kind, in the order in which they happen."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.writes: list[Write] = []
        self.shown = 0  # how many of them some answer has shown already
        self._scopes: dict[str, _Scope] = {EVERYWHERE: _Scope()}

    def begin(self, namespace: str, before: Row | None, after: Row | None, now: float) -> None:
        """A write is sent: from now on it may show."""
        assert not self.writes or self.writes[-1].known < math.inf, "one write after the other"
        self.writes.append(Write(namespace, before, after, now))
        change = (hash(after) if after else 0) - (hash(before) if before else 0)
        for scope in {EVERYWHERE, namespace}:
            self._scopes.setdefault(scope, _Scope()).append(len(self.writes), change)

    def happened(self, now: float) -> None:
        """The API server has said that the last write has happened."""
        self.writes[-1].known = now

    def check(self, rows: Iterable[Row], scope: str, asked: "Asked", stale: float | None) -> float:
        """Take in what an answer shows of this kind; returns how old that was when it was asked for. Raises Wrong."""
        rows = list(rows)
        moments = self._scopes.setdefault(scope, _Scope())
        floor = asked.floors[self.kind]
        same = moments.of_sum.get(sum(map(hash, rows)), ())
        moment = next((each for each in same if moments.ends(each) > floor), None)
        if moment is None:
            raise Wrong(self._why(rows, scope, same, floor))
        self.shown = max(self.shown, moments.positions[moment])
        age = self._age(moments.ends(moment), asked.at)
        if age > (FRESH_S if stale is None else stale + AGE_SLACK_S):
            told = "and does not say so" if stale is None else f"and says {stale:g} s"
            raise Wrong(f"{self.kind} are {age:.1f} s old {told}")
        return age

    def _age(self, next_position: float, at: float) -> float:
        """How long before `at` the first write that is not shown was known to have happened."""
        if math.isinf(next_position):
            return 0.0
        return max(0.0, at - self.writes[int(next_position) - 1].known)

    def _why(self, rows: Sequence[Row], scope: str, same: Sequence[int], floor: int) -> str:
        if same:
            position = self._scopes[scope].positions[same[-1]]
            return f"{self.kind} of moment {position} are shown after those of moment {floor}"
        lives = self._lives(scope)
        unknown = [row for row in rows if row not in lives]
        if unknown:
            return f"{self.kind} show what was never written: {unknown[:3]}"
        twice = len(rows) - len(set(rows))
        first = max((max(lives[row])[0] for row in rows), default=0)
        gone = [row for row in rows if not any(start <= first < end for start, end in lives[row])]
        missing = [row for row, spans in lives.items() if any(start <= first < end for start, end in spans)]
        missing = sorted(set(missing) - set(rows), key=repr)
        return (
            f"{self.kind} are of no single moment; of moment {first} they lack {missing[:3]}, and have {gone[:3]} of "
            f"others, {twice} of them twice (now {len(self.writes)})"
        )

    def _lives(self, scope: str) -> Mapping[Row, list[tuple[int, float]]]:
        """When each row of a scope was true, from and to which position."""
        began: dict[Row, int] = {}
        lives: dict[Row, list[tuple[int, float]]] = defaultdict(list)
        for position, write in enumerate(self.writes, 1):
            if scope not in (EVERYWHERE, write.namespace):
                continue
            if write.before:
                lives[write.before].append((began.pop(write.before), position))
            if write.after:
                began[write.after] = position
        for row, position in began.items():
            lives[row].append((position, math.inf))
        return lives


@dataclass(frozen=True, slots=True)
class Asked:
    """A question at the moment in which it was sent."""

    at: float
    floors: Mapping[str, int]


@final
class Model:
    """All that was written, by kind."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.logs = {kind: Log(kind) for kind in kinds}

    def asked(self, now: float) -> Asked:
        return Asked(now, {kind: log.shown for kind, log in self.logs.items()})

    @property
    def writes(self) -> int:
        return sum(len(log.writes) for log in self.logs.values())
