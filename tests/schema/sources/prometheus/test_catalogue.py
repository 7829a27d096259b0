"""Every metric has one query, and a selector says exactly what it means."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.sources.described import Described
from schema.sources.prometheus.catalogue import (
    CATALOGUE,
    Level,
    MetricName,
    MetricUnit,
    literal,
    matcher,
    quoted,
    render,
)
from schema.sources.prometheus.frames import Missing, Question, Selector
from schema.sources.prometheus.settings import PrometheusSettings

POD_MEMORY = "m{container!='',$selector}"
NODE_MEMORY = "n{$selector} or i{x='y',$instances} or rate(c{$selector}[$window])"
SETTINGS = PrometheusSettings.model_validate(
    {"catalogue": {"MEMORY_USAGE": {"POD": POD_MEMORY, "NODE": NODE_MEMORY}}, "rate_window": "10m"}
)


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


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("metric", MetricName)
def test_every_metric_of_every_level_is_filled_in(metric: MetricName, level: Level):
    """No placeholder is left, and what is asked for stands in every part that could answer."""
    question = Question(metric, level, Selector(names=names("wanted-1", "wanted-2")))

    query = render(question, PrometheusSettings())

    assert not re.search(r"\$[a-z]", query)
    for part in query.split("\nor\n"):
        assert "wanted-1|wanted-2" in part
    assert set(CATALOGUE) == {(metric, level) for metric in MetricName for level in Level}


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
        "MEMORY_USAGE": "BYTES",
        "NETWORK_RECEIVE": "BYTES_PER_SECOND",
        "NETWORK_TRANSMIT": "BYTES_PER_SECOND",
        "FILESYSTEM_USAGE": "BYTES",
    }
