"""The histogram that every request tells is to a scraper what the library's own would be."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from gateway.telemetry import metrics  # noqa: F401 - switches the library's second series off
from gateway.telemetry.seconds import Seconds

BOUNDS = (0.001, 0.01, 0.5, 1.0, 10.0)
TOLD = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(BOUNDS) | st.floats(0, 20, allow_nan=False)), max_size=20
)


@given(TOLD)
def test_a_scrape_reads_what_the_library_would_have_said(told):
    """In both formats: the bounds belong to their buckets, the last one has all, the sum is the sum."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    seconds = Seconds("some_seconds", "Some.", "by", BOUNDS, registry=ours, shown=["a"])
    histogram = Histogram("some_seconds", "Some.", ["by"], buckets=BOUNDS, registry=theirs)
    histogram.labels("a")

    for value, each in told:
        seconds.observe(value, each)
        histogram.labels(value).observe(each)

    assert generate_latest(ours) == generate_latest(theirs)
    assert openmetrics(ours) == openmetrics(theirs)
