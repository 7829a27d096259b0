"""Every metric has one query, and a selector says exactly what it means."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.sources.described import Described
from schema.sources.prometheus.catalogue import (
    CATALOGUE,
    MEASURED,
    SAID,
    Level,
    MetricName,
    MetricUnit,
    Profile,
    averaged_over,
    literal,
    matcher,
    quoted,
    render,
)
from schema.sources.prometheus.frames import Missing, Question, Range, Selector
from schema.sources.prometheus.profiles import PROFILES
from schema.sources.prometheus.settings import PrometheusSettings

POD_MEMORY = "m{container!='',$selector}"
NODE_MEMORY = "n{$selector} or i{x='y',$instances} or rate(c{$selector}[$window])"
SETTINGS = PrometheusSettings.model_validate(
    {"catalogue": {"MEMORY_USAGE": {"POD": POD_MEMORY, "NODE": NODE_MEMORY}}, "rate_window": "10m"}
)


SELECTED_BY = {
    Level.CLUSTER: lambda _: Selector(),
    Level.NODE: lambda wanted: Selector(names=wanted),
    Level.NAMESPACE: lambda wanted: Selector(namespaces=wanted),
    Level.POD: lambda wanted: Selector(names=wanted),
    Level.CONTAINER: lambda wanted: Selector(names=wanted),
}


def names(*values: str) -> frozenset[str]:
    return frozenset(values)


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        (Selector(), "m{container!=''}"),
        (Selector(namespaces=names("shop")), "m{container!='',namespace=\"shop\"}"),
        (Selector(namespaces=names("shop", "pay")), "m{container!='',namespace=~\"pay|shop\"}"),
        (Selector(names=names("web-0")), "m{container!='',pod=\"web-0\"}"),
        (
            Selector(names("shop"), names("web-0", "web.1")),
            'm{container!=\'\',namespace="shop",pod=~"web-0|web\\\\.1"}',
        ),
    ],
)
def test_a_pod_question_selects_by_namespace_and_pod(selector: Selector, query: str):
    """One value is compared, several are an alternation, none leaves no comma behind."""
    assert render(Question(MetricName.MEMORY_USAGE, Level.POD, selector), SETTINGS) == query


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        (Selector(), "n{} or i{x='y'} or rate(c{}[10m])"),
        (
            Selector(names=names("b", "a")),
            'n{node=~"a|b"} or i{x=\'y\',instance=~"a|b"} or rate(c{node=~"a|b"}[10m])',
        ),
    ],
)
def test_a_node_question_selects_by_node_or_instance(selector: Selector, query: str):
    """Nodes go by either label, and the window is the configured one."""
    assert render(Question(MetricName.MEMORY_USAGE, Level.NODE, selector), SETTINGS) == query


@pytest.mark.parametrize(("metric", "level"), CATALOGUE)
def test_every_metric_of_every_level_is_filled_in(metric: MetricName, level: Level):
    """No placeholder is left, and what is asked for stands in every part that could answer."""
    wanted = names("wanted-1", "wanted-2")
    question = Question(metric, level, SELECTED_BY[level](wanted))

    query = render(question, PrometheusSettings())

    assert not re.search(r"\$[a-z]", query)
    for part in query.split("\nor\n"):
        assert level is Level.CLUSTER or "wanted-1|wanted-2" in part


def test_every_metric_of_a_level_can_be_asked_for():
    """It has a query, or what it is a share of has one, or the objects say it themselves."""
    for level in Level:
        assert MEASURED[level]
        assert all(metric in SAID or (metric.measured, level) in CATALOGUE for metric in MEASURED[level])
    assert {(metric, level) for level in Level for metric in MEASURED[level] if metric.measured is metric} == set(
        CATALOGUE
    )


@pytest.mark.parametrize(("step", "window"), [(60, "5m"), (300, "5m"), (3600, "3600s")])
def test_a_rate_over_time_loses_nothing_between_two_points(step: int, window: str):
    """The window is no narrower than the step, and never narrower than configured."""
    question = Question(MetricName.CPU_USAGE, Level.POD, range=Range(0, step, step))

    assert f"[{window}]" in render(question, PrometheusSettings())


RATES = {
    MetricName.CPU_USAGE,
    MetricName.CPU_THROTTLING,
    *(metric for metric in MetricName if metric.unit is MetricUnit.BYTES_PER_SECOND),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_averaged_is_so_over_the_rate_window(profile: Profile):
    """Or over what a recording rule says; what is of one moment over nothing."""
    settings = PrometheusSettings(rate_window="10m")
    for metric, level in PROFILES[profile]:
        window = averaged_over(Question(metric, level), settings, PROFILES[profile])
        below_nodes = level not in (Level.NODE, Level.CLUSTER)
        recorded = profile is Profile.KUBERNETES_MIXIN and metric is MetricName.CPU_USAGE and below_nodes
        assert window == (None if metric not in RATES else "5m" if recorded else "10m")


@pytest.mark.parametrize(
    ("level", "range_", "window"),
    [(Level.POD, None, None), (Level.NODE, None, "10m"), (Level.NODE, Range(0, 9_000, 900), "900s")],
)
def test_a_configured_query_is_averaged_where_it_leaves_that_to_the_gateway(
    level: Level, range_: Range | None, window: str | None
):
    """Else only whoever wrote it knows."""
    assert averaged_over(Question(MetricName.MEMORY_USAGE, level, range=range_), SETTINGS) == window


def test_equal_questions_are_equal_queries_whatever_the_order_of_names():
    """Otherwise equal questions of two users could not share one flight."""
    one, other = ({"a", "b", "c"}, {"c", "b", "a"})

    assert matcher("pod", one) == matcher("pod", other) == 'pod=~"a|b|c"'


def test_nodes_cannot_be_selected_by_namespace():
    """A node is in none: the mistake is ours and is found where it is made."""
    with pytest.raises(ValueError, match="no namespace"):
        Question(MetricName.CPU_USAGE, Level.NODE, Selector(namespaces=names("shop")))


@given(st.text(), st.text())
def test_an_escaped_name_matches_itself_and_nothing_else(name: str, other: str):
    """Whatever a name holds, it is no pattern (Python's anchored match stands in for RE2's)."""
    pattern = re.compile(f"^(?s:{literal(name)})$(?!\n)")

    assert pattern.match(name)
    assert bool(pattern.match(other)) is (name == other)


@given(st.text())
def test_a_quoted_text_cannot_end_its_string(text: str):
    """Read back by the rules of Go's strings, it is the same text, and no quote stands bare."""
    inside = quoted(text)

    assert not re.search(r'(?<!\\)(?:\\\\)*"', inside)
    assert re.sub(r"\\(x(..)|.)", lambda found: chr(int(found[2], 16)) if found[2] else found[1], inside) == text


@given(st.sets(st.text(min_size=1), min_size=2, max_size=5), st.text())
def test_an_alternation_matches_its_members_only(values: set[str], other: str):
    """What a matcher of several names lets through is those names."""
    inside = matcher("pod", values).removeprefix('pod=~"').removesuffix('"')
    pattern = re.sub(r"\\(x(..)|.)", lambda found: chr(int(found[2], 16)) if found[2] else found[1], inside)

    assert bool(re.fullmatch(pattern, other, re.DOTALL)) is (other in values)
    assert all(re.fullmatch(pattern, value, re.DOTALL) for value in values)


@pytest.mark.parametrize("enum", [MetricName, MetricUnit, Level, Missing])
def test_every_value_of_an_enum_is_described(enum: type[Described]):
    """The schema shows these sentences."""
    assert all(value.description.endswith(".") and value == value.name for value in enum)


def test_every_metric_has_a_unit():
    """Rates are per second, amounts are bytes, processors are cores."""
    assert {metric: metric.unit for metric in MetricName} == {
        "CPU_USAGE": "CORES",
        "CPU_REQUEST": "CORES",
        "CPU_LIMIT": "CORES",
        "CPU_ALLOCATABLE": "CORES",
        "CPU_REQUEST_UTILIZATION": "RATIO",
        "CPU_LIMIT_UTILIZATION": "RATIO",
        "CPU_ALLOCATABLE_UTILIZATION": "RATIO",
        "CPU_THROTTLING": "RATIO",
        "MEMORY_USAGE": "BYTES",
        "MEMORY_REQUEST": "BYTES",
        "MEMORY_LIMIT": "BYTES",
        "MEMORY_ALLOCATABLE": "BYTES",
        "MEMORY_REQUEST_UTILIZATION": "RATIO",
        "MEMORY_LIMIT_UTILIZATION": "RATIO",
        "MEMORY_ALLOCATABLE_UTILIZATION": "RATIO",
        "NETWORK_RECEIVE": "BYTES_PER_SECOND",
        "NETWORK_TRANSMIT": "BYTES_PER_SECOND",
        "FILESYSTEM_USAGE": "BYTES",
        "FILESYSTEM_SIZE": "BYTES",
        "DISK_READ": "BYTES_PER_SECOND",
        "DISK_WRITE": "BYTES_PER_SECOND",
    }
