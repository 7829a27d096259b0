"""Metrics that are read where the state is, when somebody scrapes: the watch cache, by kind."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.reflector import Reflector
from schema.sources.kubernetes.store import Snapshot

# About as many objects of a kind are looked at for what they take; the others are taken for like them.
SAMPLE: Final = 200
# What an object takes in the indexes of its store, about.
INDEXED_BYTES: Final = 120


@final
class WatchCache(Collector):
    """How well each kind is known that is watched, and what that takes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def collect(self) -> Iterator[Metric]:
        yield from self._known()
        yield from self._counted()
        version = self._cluster.snapshot().version
        server = InfoMetricFamily("binnacle_api_server", "Which Kubernetes the API server is.")
        server.add_metric((), {"version": version or "unknown"})
        yield server

    def _known(self) -> Iterable[Metric]:
        objects = _gauge("objects", "Objects in the watch cache.")
        size = _gauge("bytes", "Bytes that they take, estimated from a sample; what they share is not counted.")
        live = _gauge("live", "1 while the last attempt to list or watch is going well.")
        synced = _gauge("synced", "1 once a first list is complete.")
        refused = _gauge("refused", "1 while the gateway's account may not read the kind, or there is none.")
        silence = _gauge("silence_seconds", "Seconds since the API server last said anything about the kind.")
        for key, status in self._cluster.status().items():
            objects.add_metric((key,), status.objects)
            live.add_metric((key,), status.live)
            synced.add_metric((key,), status.synced)
            refused.add_metric((key,), status.refused)
            if status.age is not None:
                silence.add_metric((key,), status.age)
        snapshot = self._cluster.snapshot()
        for key in self._cluster.status():
            size.add_metric((key,), estimated_bytes(snapshot.named(key)))
        return objects, size, live, synced, refused, silence

    def _counted(self) -> Iterable[Metric]:
        events = _counter("events", "Events that watches brought.", "type")
        lists = _counter("lists", "Lists that were taken in: the first one, and each that replaced a lost watch.")
        failures = _counter("failures", "Lists and watches that failed.")
        odd = _counter("odd_objects", "Objects that were left out because they could not be read.")
        for key, reflectors in self._reflectors().items():
            for kind in reflectors[0].received:
                events.add_metric((key, kind.lower()), sum(each.received[kind] for each in reflectors))
            lists.add_metric((key,), sum(each.lists for each in reflectors))
            failures.add_metric((key,), sum(each.failures for each in reflectors))
            odd.add_metric((key,), sum(each.status().odd for each in reflectors))
        return events, lists, failures, odd

    def _reflectors(self) -> dict[str, list[Reflector[Any]]]:
        """By kind, of all its scopes."""
        found: dict[str, list[Reflector[Any]]] = defaultdict(list)
        for watched in self._cluster.kinds:
            found[watched.kind.key].append(watched.reflector)
        return found


def estimated_bytes(objects: Snapshot[Any]) -> int:
    """What a kind's objects take, by some of them from end to end; as quick for 150,000 as for 200."""
    blocks = objects.blocks
    if not blocks:
        return 0
    looked_into = blocks[:: max(1, len(blocks) // SAMPLE)]
    of_each = max(1, SAMPLE // len(looked_into))
    sample = [each for block in looked_into for each in block[:: max(1, len(block) // of_each)]]
    looked_at = sum(sys.getsizeof(each) + sys.getsizeof(each.rest) + sys.getsizeof(each.rest.packed) for each in sample)
    return round((looked_at / len(sample) + INDEXED_BYTES) * len(objects))


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"binnacle_watch_{name}", text, labels=("kind",))


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"binnacle_watch_{name}", text, labels=("kind", *labels))
