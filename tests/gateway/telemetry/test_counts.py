"""The counter that every request tells is to a scraper what the library's own would be."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from gateway.telemetry import metrics  # noqa: F401 - switches the library's second series off
from gateway.telemetry.counts import Counts


@given(st.lists(st.tuples(st.sampled_from(["a", 'say "b"\n', ""]), st.sampled_from([200, 503])), max_size=20))
def test_a_scrape_reads_what_the_library_would_have_said(told):
    """In both formats."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts = Counts("some_things", "Some.", ("name", "status"), registry=ours)
    counter = Counter("some_things", "Some.", ("name", "status"), registry=theirs)

    for labels in told:
        counts.by[labels] += 1
        counter.labels(*labels).inc()

    assert generate_latest(ours) == generate_latest(theirs)
    assert openmetrics(ours) == openmetrics(theirs)
