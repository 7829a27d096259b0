"""A frame answers for every object, also for those it knows nothing of."""

import pytest

from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import MetricFrame, Missing, Question, Sample, Selector

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
