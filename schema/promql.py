"""PromQL of the caller's own: passed on to Prometheus, and its answer as Prometheus' HTTP API has it."""

from typing import Annotated, Final, cast

import strawberry

from auth.errors import Forbidden, InvalidArgument, MetricsUnavailable, PromQLDisabled, QueryRefused
from auth.reviewers import Attributes
from schema.arguments import check_length
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo
from schema.execution.needs import FieldNeeds, Reach
from schema.label import Label
from schema.sources.prometheus.raw import (
    MatrixRow,
    RawAnswer,
    RawDisabled,
    RawForbidden,
    RawHistogram,
    RawQuery,
    RawRefused,
    RawSample,
    RawUnanswered,
    ResultType,
    VectorRow,
    finite,
)

QUERY_BYTES: Final = 16_384
MOMENT_BYTES: Final = 64

graphql_enum(ResultType, "PrometheusResultType", "What kind of result a PromQL query has.")


def _value(root: strawberry.Parent[RawSample]) -> float | None:
    return finite(root.text)


@strawberry.type(description="A number at one moment.")
class PrometheusSample:
    timestamp: float = strawberry.field(description="The moment: seconds since 1970-01-01T00:00:00Z.")
    text: str = strawberry.field(description="The number as Prometheus writes it: `0.25`, `NaN`, `+Inf`.")
    value: float | None = strawberry.field(
        resolver=_value, description="The same as a number; null for NaN and infinities, which JSON does not have."
    )


@strawberry.type(description="A text at one moment.")
class PrometheusString:
    timestamp: float = strawberry.field(description="The moment: seconds since 1970-01-01T00:00:00Z.")
    text: str = strawberry.field(description="The text.")


@strawberry.type(description="One bucket of a native histogram.")
class PrometheusBucket:
    boundaries: int = strawberry.field(
        description=(
            "Which bounds belong to it, in Prometheus' numbers: 0 the upper one, 1 the lower one, 2 neither, 3 both."
        )
    )
    lower: str = strawberry.field(description="Its lower bound as Prometheus writes it; may be `-Inf`.")
    upper: str = strawberry.field(description="Its upper bound as Prometheus writes it; may be `+Inf`.")
    count: str = strawberry.field(description="How many observations it counts, as Prometheus writes it.")


def _count(root: strawberry.Parent[RawHistogram]) -> str:
    return root.observed.count


def _sum(root: strawberry.Parent[RawHistogram]) -> str:
    return root.observed.sum


def _buckets(root: strawberry.Parent[RawHistogram]) -> list[PrometheusBucket]:
    return cast("list[PrometheusBucket]", root.observed.buckets)  # read as its type, as all rows here are


@strawberry.type(description="A native histogram at one moment.")
class PrometheusHistogram:
    timestamp: float = strawberry.field(description="The moment: seconds since 1970-01-01T00:00:00Z.")
    count: str = strawberry.field(resolver=_count, description="How many observations, as Prometheus writes it.")
    sum: str = strawberry.field(resolver=_sum, description="The sum of the observations, as Prometheus writes it.")
    buckets: list[PrometheusBucket] = strawberry.field(
        resolver=_buckets, description="Its buckets that hold observations, the lowest first."
    )


def _labels(root: strawberry.Parent[VectorRow | MatrixRow]) -> list[Label]:
    return [Label(key=key, value=value) for key, value in root.metric.items()]


@strawberry.type(description="One series at one moment: a number or a native histogram, the other is null.")
class PrometheusVectorSample:
    labels: list[Label] = strawberry.field(
        resolver=_labels, description="The series' labels; its name is the label `__name__`, where it has one."
    )
    sample: PrometheusSample | None = strawberry.field(description="Its number.")
    histogram: PrometheusHistogram | None = strawberry.field(description="Its native histogram.")


@strawberry.type(description="One series over time.")
class PrometheusSeries:
    labels: list[Label] = strawberry.field(
        resolver=_labels, description="The series' labels; its name is the label `__name__`, where it has one."
    )
    samples: list[PrometheusSample] = strawberry.field(
        description="Its numbers, the oldest first; moments without one are left out."
    )
    histograms: list[PrometheusHistogram] = strawberry.field(description="Its native histograms, the oldest first.")


@strawberry.type(
    description=(
        "What Prometheus answered to PromQL of the caller's own, as its HTTP API has it: nothing is added, converted "
        "or left out. Of `vector`, `matrix`, `scalar` and `string` the one that `resultType` names is there; the "
        "others are null."
    )
)
class PrometheusResult:
    result_type: ResultType = strawberry.field(description="What kind of result the query has.")
    vector: list[PrometheusVectorSample] | None = strawberry.field(
        description="Of a VECTOR: the series, in Prometheus' order, which functions such as `sort` decide."
    )
    matrix: list[PrometheusSeries] | None = strawberry.field(description="Of a MATRIX: the series.")
    scalar: PrometheusSample | None = strawberry.field(description="Of a SCALAR: the number.")
    string: PrometheusString | None = strawberry.field(description="Of a STRING: the text.")
    warnings: list[str] = strawberry.field(
        description="What Prometheus warns of, such as a store behind it that did not answer; show it with the result."
    )
    infos: list[str] = strawberry.field(
        description="What Prometheus remarks about the query, such as `rate` of something that looks like no counter."
    )


PromQL = Annotated[str, strawberry.argument(description="The query.")]
Time = Annotated[
    str | None,
    strawberry.argument(
        description="The moment, by RFC 3339 or in seconds since 1970; left out or null: now. Not with a range."
    ),
]
Start = Annotated[
    str | None,
    strawberry.argument(description="The first moment of a range, written as `time`; goes with `end` and `step`."),
]
End = Annotated[str | None, strawberry.argument(description="The last moment of a range.")]
Step = Annotated[
    str | None,
    strawberry.argument(
        description="What lies between two moments of a range: seconds (`15`, `0.5`) or a duration (`1m`, `1h30m`)."
    ),
]

DESCRIPTION: Final = (
    "PromQL of the caller's own, evaluated by Prometheus at one moment, or over a range with `start`, `end` and "
    "`step`. It reads every series that Prometheus has, of all namespaces, so it is for those alone who may read all "
    "of Prometheus anyway: with the right to `get` `services/proxy` of its Service, by which the API server passes "
    "queries on, or a non-resource URL that stands for it (`prometheus.service`, `prometheus.non_resource_url`). Off "
    "unless the operator has switched it on (`prometheus.raw_queries`): then null, with the error PROMQL_DISABLED. A "
    "mistake in the query, or one that asks for more than Prometheus allows, is BAD_USER_INPUT with Prometheus' own "
    "words. Each different query is a call to Prometheus; nothing of it is shared or kept, and an operation may have "
    "50 of them together with `me.can` (`limits.calls`). For the metrics of nodes, pods and the rest ask for "
    "`metrics`: those need no such right, and are shared by all who ask."
)


def promql_needs(
    _reach: Reach,
    query: str,
    time: str | None = None,
    start: str | None = None,
    end: str | None = None,
    step: str | None = None,
) -> FieldNeeds:
    return FieldNeeds(raw=(_asked(query, time, start, end, step),))


def promql(  # noqa: PLR0913, PLR0917 - the schema's arguments
    info: GraphInfo,
    query: PromQL,
    time: Time = None,
    start: Start = None,
    end: End = None,
    step: Step = None,
) -> PrometheusResult | None:
    match info.context.raw[_asked(query, time, start, end, step)]:
        case RawAnswer() as answer:
            return cast("PrometheusResult", answer)
        case RawRefused(reason, error_type):
            raise QueryRefused(reason, error_type)
        case RawUnanswered(reason):
            raise MetricsUnavailable(f"Prometheus gave no answer to the query: {reason}")
        case RawForbidden(right):
            raise _forbidden(right)
        case RawDisabled():
            raise PromQLDisabled


def _asked(query: str, time: str | None, start: str | None, end: str | None, step: str | None) -> RawQuery:
    """The query, as Prometheus is asked it. Raises InvalidArgument."""
    check_length("query", query, QUERY_BYTES)
    moments = {"time": time, "start": start, "end": end, "step": step}
    for argument, text in moments.items():
        check_length(argument, text, MOMENT_BYTES)
    if not query.strip():
        raise InvalidArgument("`query` is empty", argument="query")
    of_range = ("start", "end", "step")
    missing = [argument for argument in of_range if moments[argument] is None]
    if len(missing) < len(of_range):
        if missing:
            raise InvalidArgument(
                f"A range has `start`, `end` and `step`; `{missing[0]}` is missing", argument=missing[0]
            )
        if time is not None:
            raise InvalidArgument("`time` is one moment, and there is a range too; give one of them", argument="time")
    return RawQuery(query, time, start, end, step)


def _forbidden(right: Attributes) -> Forbidden:
    """Says which setting names the right, and not what it says: that may be the name of something hidden."""
    if right.path:
        what = "the non-resource URL that stands for Prometheus (prometheus.non_resource_url)"
        return Forbidden(f"You may not {right.verb} {what}", verb=right.verb)
    resource = f"{right.resource}/{right.subresource}"
    what = f"{resource} of the Service of Prometheus (prometheus.service)"
    return Forbidden(f"You may not {right.verb} {what}", verb=right.verb, group=right.group, resource=resource)
