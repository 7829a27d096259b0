"""What every request counts: the library's counters take a lock for each step, and longer than what they count.

These are told by the event loop alone, and read by it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


@final
class Counts(Collector):
    """A counter in Prometheus' sense, by labels: `counts.by["query", 200] += 1`."""

    def __init__(self, name: str, text: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self.by: defaultdict[tuple[str | int, ...], int] = defaultdict(int)
        self._about = (name, text)
        self._labels = labels
        registry.register(self)

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(*self._about, labels=self._labels)
        for values, count in self.by.items():
            family.add_metric([str(value) for value in values], count)
        yield family
