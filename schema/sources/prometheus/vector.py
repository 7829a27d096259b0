"""Prometheus' JSON, decoded in pieces: an answer about every pod of a large cluster must not hold up the small ones.

One `decode` of 150,000 series takes 50 to 90 ms, and a thread would not help, since msgspec keeps the interpreter while
it decodes. So the array is cut between two series, where the bytes allow no doubt, and each piece is decoded and
indexed for itself; the loop may run in between.
"""

import math
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from schema.sources.prometheus.catalogue import Level
from schema.sources.prometheus.frames import Held, Missing, Sample

PIECE_BYTES: Final = 256 * 1024  # some 2,000 series: at most 5 ms at a time, where a whole answer took 190 ms


class Row(msgspec.Struct, gc=False):
    """One element of an instant vector: a moment (seconds since 1970) and a number, or a native histogram."""

    metric: dict[str, str]
    value: tuple[float, str] | None = None
    histogram: tuple[float, msgspec.Raw] | None = None


class Vector(msgspec.Struct):
    result_type: str = msgspec.field(name="resultType")
    result: list[Row]


class Answer(msgspec.Struct):
    """The envelope of every answer of Prometheus' HTTP API."""

    status: str
    data: Vector | None = None
    error_type: str = msgspec.field(name="errorType", default="")
    error: str = ""
    warnings: list[str] = []


class Shape(msgspec.Struct):
    result_type: str = msgspec.field(name="resultType")


class Outline(msgspec.Struct):
    """What can still be said of an answer that is no vector."""

    status: str
    data: Shape


_answers = msgspec.json.Decoder(Answer)
_outlines = msgspec.json.Decoder(Outline)
_rows = msgspec.json.Decoder(list[Row])

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


def decode_answer(body: bytes) -> Answer:
    """Raises msgspec.DecodeError (ValidationError where it is JSON of another shape)."""
    return _answers.decode(body)


def decode_rows(piece: bytes) -> list[Row]:
    """Raises msgspec.DecodeError."""
    return _rows.decode(piece)


def other_type(body: bytes) -> str | None:
    """The kind of result (`matrix`, `scalar`, `string`) of an answer that is sound, and no vector."""
    try:
        kind = _outlines.decode(body).data.result_type
    except msgspec.DecodeError:
        return None
    return kind if kind in {"matrix", "scalar", "string"} else None


class Index:
    """The rows of one vector by the object they speak of; `{namespace: {name: held}}` as a MetricFrame keeps them.

    `evaluated_at` is the rows' timestamp (Prometheus evaluates a vector at one moment), None before the first row.
    `unnamed` counts the rows that name no object of the level.
    """

    def __init__(self, level: Level, *, stale_before: float) -> None:
        self.samples: dict[str, dict[str, Held]] = {}
        self.evaluated_at: float | None = None
        self.unnamed = 0
        self._name_label = level.key_labels[-1]
        self._in_namespaces = level is Level.POD
        self._stale_before = stale_before

    def add(self, rows: Iterable[Row]) -> None:
        """Raises ValueError on a value that is no number at all."""
        for row in rows:
            labels = row.metric
            labels.pop("__name__", None)
            name = labels.pop(self._name_label, "")
            namespace = labels.pop("namespace", "") if self._in_namespaces else ""
            if not name or (self._in_namespaces and not namespace):
                self.unnamed += 1
                continue
            names = self.samples.setdefault(namespace, {})
            held = self._held(row, labels)
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
