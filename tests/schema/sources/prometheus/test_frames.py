"""A frame answers for every object, also for those it knows nothing of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import (
    POINTS_AT_MOST,
    MetricFrame,
    Missing,
    Question,
    Range,
    Sample,
    Selector,
    TimeWindow,
)

PODS = Question(MetricName.CPU_USAGE, Level.POD)
NODES = Question(MetricName.CPU_USAGE, Level.NODE)
NOON = 1_700_000_000.0


def test_a_number_is_found_under_the_objects_name():
    """Pods by namespace and name, nodes by name."""
    pods = MetricFrame(PODS, {"shop": {"web-0": 0.25}}, evaluated_at=NOON)
    nodes = MetricFrame(NODES, {"": {"worker-1": 3.0}}, evaluated_at=NOON)

    assert pods.of(("shop", "web-0")) == (Sample(0.25, None, NOON),)
    assert nodes.of("worker-1") == (Sample(3.0, None, NOON),)


@pytest.mark.parametrize("key", [("shop", "web-1"), ("pay", "web-0")])
def test_an_object_without_series_has_one_sample_that_says_so(key: tuple[str, str]):
    """The graph shows a metric for every name asked."""
    frame = MetricFrame(PODS, {"shop": {"web-0": 0.25}}, evaluated_at=NOON)

    assert frame.of(key) == (Sample(None, Missing.NO_SERIES, NOON),)


def test_a_failed_frame_gives_its_failure_for_everyone():
    """No object is left without an answer."""
    frame = MetricFrame.failed(PODS, Missing.UNREACHABLE, "it cannot be connected to", NOON)

    assert frame.of(("shop", "web-0"), not_before=NOON + 1) == (Sample(None, Missing.UNREACHABLE, NOON),)


@pytest.mark.parametrize(("created", "missing"), [(NOON - 1, None), (NOON, None), (NOON + 1, Missing.STALE)])
def test_what_was_measured_before_an_object_existed_is_not_its_own(created: float, missing: Missing | None):
    """A pod created again under its old name does not show its predecessor's use."""
    frame = MetricFrame(PODS, {"shop": {"web-0": 0.25}}, evaluated_at=NOON)

    (sample,) = frame.of(("shop", "web-0"), not_before=created)

    assert sample.missing is missing
    assert (sample.value is None) is (missing is not None)


def test_several_samples_of_one_object_are_told_apart_by_their_labels():
    """A configured query may keep a label, such as the device."""
    sda, sdb = (Sample(1.0, None, NOON, (("device", device),)) for device in ("sda", "sdb"))
    frame = MetricFrame(NODES, {"": {"worker-1": (sda, sdb)}}, evaluated_at=NOON)

    assert frame.of("worker-1") == (sda, sdb)
    assert frame.size == 1


def test_a_selector_of_nothing_is_told_from_a_selector_of_all():
    """An empty page of pods must not become the question about every pod."""
    assert Selector(names=frozenset()).empty
    assert Selector(namespaces=frozenset()).empty
    assert not Selector().empty


@pytest.mark.parametrize(
    ("window", "asked"),
    [
        (TimeWindow(), Range(1_699_996_440, 1_699_999_980, 60)),
        (TimeWindow(step=300), Range(1_699_996_500, 1_699_999_800, 300)),
        (TimeWindow(start=NOON - 86_400), Range(1_699_914_600, 1_700_000_000 - 800, 1_800)),
        (TimeWindow(start=NOON - 30 * 86_400), Range(1_697_414_400, 1_699_963_200, 43_200)),
        (TimeWindow(start=NOON - 86_400, step=1), Range(1_699_913_700, 1_699_999_800, 300)),
        (TimeWindow(end=NOON - 86_400), Range(1_699_910_040, 1_699_913_580, 60)),
        (TimeWindow(start=NOON - 5, end=NOON, step=60), Range(1_699_999_980, 1_699_999_980, 60)),
    ],
)
def test_a_window_becomes_moments_that_others_ask_for_too(window: TimeWindow, asked: Range):
    """Whole multiples of the step; by default the last hour by the minute; a step that is too fine is widened."""
    assert window.at(NOON) == asked


@given(st.integers(0, 2**31), st.integers(0, 40 * 365 * 86_400), st.none() | st.integers(1, 10**7))
def test_no_window_gives_more_points_than_the_most(start: int, span: int, step: int | None):
    """Nor moments outside it, save the last one where the step is wider than all of it."""
    asked = TimeWindow(start, start + span, step).at(NOON)

    assert 1 <= len(asked.moments()) <= POINTS_AT_MOST
    assert asked.start % asked.step == asked.end % asked.step == 0
    assert asked.end <= start + span
    assert asked.start >= start or asked.start == asked.end
    assert step is None or asked.step >= step


@pytest.mark.parametrize(
    ("level", "selector"),
    [
        (Level.NODE, Selector(namespaces=frozenset({"shop"}))),
        (Level.CLUSTER, Selector(namespaces=frozenset({"shop"}))),
        (Level.NAMESPACE, Selector(names=frozenset({"web-0"}))),
    ],
)
def test_a_level_is_selected_by_its_own_labels_only(level: Level, selector: Selector):
    """The mistake is ours and is found where it is made."""
    with pytest.raises(ValueError, match=r"node|sum"):
        Question(MetricName.CPU_USAGE, level, selector)
