"""What metrics cost stays small whatever clients send and however large the cluster is."""

import json
import sys
from typing import Any, cast

import pytest
from prometheus_client import generate_latest

from gateway.telemetry.metrics import LONGEST_NAME, OURS, Metrics
from gateway.telemetry.request import Telemetry
from gateway.telemetry.settings import TelemetrySettings
from gateway.telemetry.state import SAMPLE, WatchCache, estimated_bytes
from schema.execution.observer import Phase
from schema.sources.kubernetes.cluster import Cluster

SCOPE = {"type": "http", "method": "POST", "path": "/graphql", "headers": []}


def series(metrics: Metrics) -> int:
    return len([line for line in generate_latest(metrics.registry).splitlines() if not line.startswith(b"#")])


def asked(telemetry: Telemetry, name: str | None) -> None:
    """One request, as all layers tell of it."""
    with telemetry.request(dict(SCOPE)) as request:
        for phase in Phase:
            with request.phase(phase):
                pass
        request.verdict("accepted")
        request.operation("query", name)
        request.answered(kept=False)
        request.errors(["FORBIDDEN"])
        request.sent({"type": "http.response.start", "status": 200})


def test_a_thousand_names_of_operations_are_fifty_series_and_one_for_the_rest():
    """For as long as the process lives: neither its memory nor Prometheus' grows with what clients make up."""
    telemetry = Telemetry(TelemetrySettings(operations=50))
    asked(telemetry, "First")
    one = series(telemetry.metrics)
    for number in range(1_000):
        asked(telemetry, f"Operation{number}")
    many = series(telemetry.metrics)
    for number in range(1_000):
        asked(telemetry, f"Another{number}")

    assert series(telemetry.metrics) == many
    count = telemetry.metrics.registry.get_sample_value
    assert count("binnacle_requests_total", {"operation": "other", "status": "200"}) == 1_000 - 49 + 1_000
    assert many - one == (1 + 12 + 1 + 2) * 50, "50 more: a counter each, and 12 buckets with +Inf, a count and a sum"


def test_hostile_names_are_neither_kept_nor_taken_for_ours():
    """Long ones, and those that would be mixed up with `none`, `anonymous` and `other`."""
    telemetry = Telemetry(TelemetrySettings(operations=50))
    for name in (*OURS, "x" * (LONGEST_NAME + 1), "x" * 10_000):
        asked(telemetry, name)
    asked(telemetry, None)

    page = generate_latest(telemetry.metrics.registry).decode()
    requests = [line for line in page.splitlines() if line.startswith("binnacle_requests_total{")]
    assert requests == [
        'binnacle_requests_total{operation="other",status="200"} 5.0',
        'binnacle_requests_total{operation="anonymous",status="200"} 1.0',
    ]


class Blocks:
    """A snapshot that cannot be walked from end to end."""

    def __init__(self, pods: int) -> None:
        cluster = Cluster(cast("Any", None))
        made = [cluster.pods.decoder.decode(pod(number)) for number in range(pods)]
        cluster.pods.store.replace(made, "1")
        self.cluster = cluster
        self.blocks = cluster.snapshot().pods.blocks

    def __len__(self) -> int:
        return sum(map(len, self.blocks))


def pod(number: int) -> bytes:
    metadata = {"name": f"pod-{number:06}", "namespace": f"team-{number % 50}", "uid": str(number)}
    labels = {"labels": {"app": f"app-{number % 7}"}, "resourceVersion": "1"}
    return json.dumps({"metadata": metadata | labels, "status": {"phase": "Running"}}).encode()


def test_a_scrape_looks_at_some_objects_whatever_the_size_of_the_cluster(monkeypatch: pytest.MonkeyPatch):
    """With 12,000 pods at as many as with 600: 0.3 ms at 150,000, where walking through them took 8."""
    looked_at = 0
    size_of = sys.getsizeof

    def counted(thing: object) -> int:
        nonlocal looked_at
        looked_at += 1
        return size_of(thing)

    monkeypatch.setattr("gateway.telemetry.state.sys.getsizeof", counted)
    looks = []
    for pods in (600, 12_000):
        blocks = Blocks(pods)
        looked_at = 0
        assert 200 < estimated_bytes(cast("Any", blocks)) / pods < 2_000
        looks.append(looked_at)
        shown = {family.name: family for family in WatchCache(blocks.cluster).collect()}
        objects = {sample.labels["kind"]: sample.value for sample in shown["binnacle_watch_objects"].samples}
        assert objects["pods"] == pods

    assert looks[1] <= looks[0] * 1.5
    assert max(looks) < 3 * 2 * SAMPLE
    assert estimated_bytes(cast("Any", Blocks(0))) == 0
