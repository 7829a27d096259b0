"""Prometheus' JSON, decoded in pieces: an answer about every pod of a large cluster must not hold up the small ones.

One `decode` of 150,000 series takes 50 to 90 ms, and a thread would not help, since msgspec keeps the interpreter while
it decodes. So the array is cut between two series, where the bytes allow no doubt, and each piece is decoded and
indexed for itself; the loop may run in between.
"""

import math
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from schema.sources.prometheus.catalogue import Level
from schema.sources.prometheus.frames import Held, Missing, Range, Sample, Series

PIECE_BYTES: Final = 256 * 1024  # some 2,000 series: at most 5 ms at a time, where a whole answer took 190 ms


class Row(msgspec.Struct, gc=False):
    """One element of an instant vector: a moment (seconds since 1970) and a number, or a native histogram."""

    metric: dict[str, str]
    value: tuple[float, str] | None = None
    histogram: tuple[float, msgspec.Raw] | None = None


class RangeRow(msgspec.Struct, gc=False):
    """One element of a matrix: moments and numbers; `histograms` are no numbers."""

    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    histograms: list[tuple[float, msgspec.Raw]] = []


R = TypeVar("R", Row, RangeRow)


class Result(msgspec.Struct, Generic[R]):
    result_type: str = msgspec.field(name="resultType")
    result: list[R]


class Answer(msgspec.Struct, Generic[R]):
    """The envelope of every answer of Prometheus' HTTP API."""

    status: str
    data: Result[R] | None = None
    error_type: str = msgspec.field(name="errorType", default="")
    error: str = ""
    warnings: list[str] = []


class Shape(msgspec.Struct):
    result_type: str = msgspec.field(name="resultType")


class Outline(msgspec.Struct):
    """What can still be said of an answer that is no vector."""

    status: str
    data: Shape


@dataclass(frozen=True, slots=True)
class Reading(Generic[R]):
    """How the answers of one kind of result are decoded. Both decoders raise msgspec.DecodeError (ValidationError
    where it is JSON of another shape).
    """

    kind: str
    answer: msgspec.json.Decoder[Answer[R]]
    rows: msgspec.json.Decoder[list[R]]


VECTOR: Final = Reading("vector", msgspec.json.Decoder(Answer[Row]), msgspec.json.Decoder(list[Row]))
MATRIX: Final = Reading("matrix", msgspec.json.Decoder(Answer[RangeRow]), msgspec.json.Decoder(list[RangeRow]))
_outlines = msgspec.json.Decoder(Outline)

_RESULT = re.compile(rb'"result"\s*:\s*\[')
# Between two elements. A bare quote ends a string in JSON, so none of these bytes can stand inside a label's value; and
# where a server writes its objects otherwise nothing is found, and the answer is decoded whole.
_BETWEEN = re.compile(rb'(?<=\})\s*,\s*(?=\{\s*"metric"\s*:)')


def split(body: bytes, piece_bytes: int = PIECE_BYTES) -> tuple[bytes, Iterator[bytes]]:
    """`body` as a whole answer that holds only its last series, and the other series as JSON arrays."""
    start = _RESULT.search(body)
    if start is None:
        return body, iter(())
    cuts = list(_cuts(body, start.end(), piece_bytes))
    if not cuts:
        return body, iter(())
    starts = (start.end(), *(end for _, end in cuts))
    pieces = (b"[" + body[begin:end] + b"]" for begin, (end, _) in zip(starts, cuts, strict=False))
    return body[: start.end()] + body[cuts[-1][1] :], pieces


def _cuts(body: bytes, begin: int, piece_bytes: int) -> Iterator[tuple[int, int]]:
    while len(body) - begin > piece_bytes:
        found = _BETWEEN.search(body, begin + piece_bytes)
        if found is None:
            return
        yield found.span()
        begin = found.end()


def other_type(body: bytes) -> str | None:
    """The kind of result (`matrix`, `scalar`, `string`) of an answer that is sound, and not what was expected."""
    try:
        kind = _outlines.decode(body).data.result_type
    except (msgspec.DecodeError, RecursionError):
        return None
    return kind if kind in {"vector", "matrix", "scalar", "string"} else None


def take_key(level: Level, labels: dict[str, str]) -> tuple[str, str] | None:
    """Namespace and name of the object that a row speaks of, as a frame keeps them; None if it names none.

    What remains in `labels` tells several rows of one object apart.
    """
    labels.pop("__name__", None)
    parts = [labels.pop(label, "") for label in level.key_labels]
    if "" in parts:
        return None
    if len(parts) < 2:
        return "", "".join(parts)
    namespace, *names = parts
    return namespace, "/".join(names)


class Index:
    """The rows of one vector by the object they speak of; `{namespace: {name: held}}` as a MetricFrame keeps them.

    `evaluated_at` is the rows' timestamp (Prometheus evaluates a vector at one moment), None before the first row.
    `unnamed` counts the rows that name no object of the level.
    """

    def __init__(self, level: Level, *, stale_before: float) -> None:
        self.samples: dict[str, dict[str, Held]] = {}
        self.evaluated_at: float | None = None
        self.unnamed = 0
        self._level = level
        self._stale_before = stale_before

    def add(self, rows: Iterable[Row]) -> None:
        """Raises ValueError on a value that is no number at all."""
        for row in rows:
            key = take_key(self._level, row.metric)
            if key is None:
                self.unnamed += 1
                continue
            namespace, name = key
            names = self.samples.setdefault(namespace, {})
            held = self._held(row, row.metric)
            before = names.get(name)
            names[name] = held if before is None else self._samples(before) + self._samples(held)

    def _held(self, row: Row, labels: dict[str, str]) -> Held:
        timestamp, number = _measured(row)
        if self.evaluated_at is None:
            self.evaluated_at = timestamp
        if timestamp == self.evaluated_at and not labels and timestamp >= self._stale_before and math.isfinite(number):
            return number
        missing = _missing(number, stale=timestamp < self._stale_before)
        return (Sample(None if missing else number, missing, timestamp, tuple(labels.items())),)

    def _samples(self, held: Held) -> tuple[Sample, ...]:
        return (Sample(held, None, self.evaluated_at or 0.0),) if isinstance(held, float) else held


def _measured(row: Row) -> tuple[float, float]:
    """Moment and number; a histogram is no number."""
    if row.value is not None:
        return row.value[0], float(row.value[1])
    if row.histogram is not None:
        return row.histogram[0], math.nan
    raise ValueError("a row without value and histogram")


def _missing(number: float, *, stale: bool) -> Missing | None:
    if stale:
        return Missing.STALE
    return None if math.isfinite(number) else Missing.NOT_A_NUMBER


class RangeIndex:
    """The rows of one matrix by the object they speak of, as a MetricFrame keeps its `series`."""

    def __init__(self, level: Level, asked: Range) -> None:
        self.series: dict[str, dict[str, tuple[Series, ...]]] = {}
        self.unnamed = 0
        self._level = level
        self._asked = asked
        self._count = len(asked.moments())

    def add(self, rows: Iterable[RangeRow]) -> None:
        """Raises ValueError on a value that is no number, or of a moment that was not asked for."""
        for row in rows:
            key = take_key(self._level, row.metric)
            if key is None:
                self.unnamed += 1
                continue
            namespace, name = key
            names = self.series.setdefault(namespace, {})
            series = Series(self._numbers(row), tuple(row.metric.items()))
            names[name] = (*names.get(name, ()), series)

    def _numbers(self, row: RangeRow) -> "array[float]":
        numbers = array("d", [math.nan]) * self._count
        for moment, text in row.values:
            number = float(text)
            numbers[self._place(moment)] = number if math.isfinite(number) else math.inf
        for moment, _ in row.histograms:
            numbers[self._place(moment)] = math.inf
        return numbers

    def _place(self, moment: float) -> int:
        place = round((moment - self._asked.start) / self._asked.step)
        if not 0 <= place < self._count:
            raise ValueError("a moment that was not asked for")
        return place
