"""PromQL of somebody's own, and what becomes of it: passed on as it is, answered as Prometheus' HTTP API has it.

Nothing of it is interpreted here but its shape. Who may ask is decided before: by the right to read Prometheus through
the API server, or another that stands for it.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import msgspec

from auth.reviewers import Attributes
from schema.sources.described import Described
from schema.sources.prometheus.settings import PrometheusSettings
from schema.sources.prometheus.vector import split

R = TypeVar("R")

# errorType of answers that say nothing about the query: it may be answered in a while (Prometheus' web/api/v1/api.go,
# and what Mimir adds to it).
NOT_THE_QUERYS_FAULT: Final = frozenset({"unavailable", "internal", "timeout", "canceled", "too_many_requests"})


@dataclass(frozen=True, slots=True)
class RawQuery:
    """A query as somebody wrote it, and its moments as Prometheus takes them; a range has all of the last three."""

    promql: str
    time: str | None = None
    start: str | None = None
    end: str | None = None
    step: str | None = None

    @property
    def path(self) -> str:
        return "/api/v1/query" if self.start is None else "/api/v1/query_range"

    @property
    def form(self) -> Mapping[str, str]:
        moments = {"time": self.time, "start": self.start, "end": self.end, "step": self.step}
        return {"query": self.promql, **{name: text for name, text in moments.items() if text is not None}}


class ResultType(Described):
    """What kind of result a query has."""

    VECTOR = "vector", "One sample of each series, all of one moment."
    MATRIX = "matrix", "The samples of each series over time: of a range, or of a range selector at one moment."
    SCALAR = "scalar", "One number without a series."
    STRING = "string", "A text."


def finite(text: str) -> float | None:
    """The number that Prometheus wrote as text; None for NaN and infinities, which JSON has no numbers for."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# The rows compare by value, unlike the store's records: an answer of one request must not be kept as theirs are.
class RawSample(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Moment (seconds since 1970) and number, or a text."""

    timestamp: float
    text: str


class RawBucket(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One bucket of a native histogram: which of its bounds belong to it, and how many observations it counts."""

    boundaries: int
    lower: str
    upper: str
    count: str


class Observations(msgspec.Struct, frozen=True, gc=False):
    count: str
    sum: str
    buckets: tuple[RawBucket, ...] = ()


class RawHistogram(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A native histogram at one moment."""

    timestamp: float
    observed: Observations


class VectorRow(msgspec.Struct, frozen=True, gc=False):
    metric: dict[str, str]
    sample: RawSample | None = msgspec.field(name="value", default=None)
    histogram: RawHistogram | None = None

    @property
    def size(self) -> int:
        return 1


class MatrixRow(msgspec.Struct, frozen=True, gc=False):
    metric: dict[str, str]
    samples: tuple[RawSample, ...] = msgspec.field(name="values", default=())
    histograms: tuple[RawHistogram, ...] = ()

    @property
    def size(self) -> int:
        return len(self.samples) + len(self.histograms)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What Prometheus answered; of the four results the one that `result_type` names is not None."""

    result_type: ResultType
    vector: Sequence[VectorRow] | None = None
    matrix: Sequence[MatrixRow] | None = None
    scalar: RawSample | None = None
    string: RawSample | None = None
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many samples it holds."""
        return 1 + sum(row.size for row in self.vector or self.matrix or ())


@dataclass(frozen=True, slots=True)
class RawRefused:
    """Prometheus does not answer this query, now or later; `error_type` in its own word, empty where it has none."""

    reason: str
    error_type: str = ""


@dataclass(frozen=True, slots=True)
class RawUnanswered:
    """There was no answer; the query may be right."""

    reason: str


@dataclass(frozen=True, slots=True)
class RawForbidden:
    """Who asks has not the right to it."""

    right: Attributes


@dataclass(frozen=True, slots=True)
class RawDisabled:
    """Nobody may: the gateway passes none on."""


RawOutcome: TypeAlias = RawAnswer | RawRefused | RawUnanswered | RawForbidden | RawDisabled


def right_to_ask(settings: PrometheusSettings) -> Attributes | None:
    """What somebody must be allowed to do, to ask what they like; None: nobody may."""
    if not settings.raw_queries:
        return None
    if settings.service is None:
        return Attributes("get", "", "", path=settings.non_resource_url or "")
    namespace, _, name = settings.service.partition("/")
    return Attributes("get", "", "services", namespace, name, subresource="proxy")


class _Result(msgspec.Struct):
    result_type: str = msgspec.field(name="resultType")
    result: msgspec.Raw


class _Envelope(msgspec.Struct):
    status: str
    data: _Result | None = None
    error_type: str = msgspec.field(name="errorType", default="")
    error: str = ""
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


_envelope: Final = msgspec.json.Decoder(_Envelope)
_vector: Final = msgspec.json.Decoder(tuple[VectorRow, ...])
_matrix: Final = msgspec.json.Decoder(tuple[MatrixRow, ...])
_sample: Final = msgspec.json.Decoder(RawSample)


async def decoded(body: bytes) -> RawAnswer | RawRefused | RawUnanswered:
    """The outcome that a body says. Raises msgspec.DecodeError for what is not Prometheus'."""
    whole, pieces = split(body)
    envelope = _envelope.decode(whole)
    if envelope.status != "success" or envelope.data is None:
        return _failure(envelope)
    last, said = envelope.data.result, (envelope.warnings, envelope.infos)
    match envelope.data.result_type:
        case "vector":
            rows = await _rows(_vector, pieces, last)
            return RawAnswer(ResultType.VECTOR, rows, None, None, None, *said)
        case "matrix":
            series = await _rows(_matrix, pieces, last)
            return RawAnswer(ResultType.MATRIX, None, series, None, None, *said)
        case "scalar":
            return RawAnswer(ResultType.SCALAR, None, None, _sample.decode(last), None, *said)
        case "string":
            return RawAnswer(ResultType.STRING, None, None, None, _sample.decode(last), *said)
        case unknown:
            raise msgspec.DecodeError(f"no such result: {unknown}")


async def _rows(decoder: msgspec.json.Decoder[tuple[R, ...]], pieces: Iterable[bytes], last: msgspec.Raw) -> list[R]:
    """All rows in their order, which the query may have asked for."""
    rows: list[R] = []
    for piece in pieces:
        rows += decoder.decode(piece)
        await asyncio.sleep(0)  # other requests go first, every few milliseconds
    rows += decoder.decode(last)
    return rows


def _failure(envelope: _Envelope) -> RawRefused | RawUnanswered:
    if not envelope.error_type:
        raise msgspec.DecodeError("neither a success nor an error")
    if envelope.error_type in NOT_THE_QUERYS_FAULT:
        return RawUnanswered(f"{envelope.error_type}: {envelope.error}")
    return RawRefused(envelope.error, envelope.error_type)
