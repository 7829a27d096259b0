"""Every metric that is counted as things happen; what is read at a scrape stands in state.py.

Names follow Prometheus' rules (promtool lints them in a test), and docs/operations.md lists all of them (so does a
test). No label's values are what a client chose, but for names of operations: the first `operations` that are valid
and authorised are told apart, and no more.
"""

from collections.abc import Callable, Iterable
from typing import Final, final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.registry import Collector

from gateway.telemetry.counts import Counts
from gateway.telemetry.seconds import Seconds
from gateway.telemetry.settings import TelemetrySettings
from gateway.version import VERSION
from schema.execution.observer import Phase

ANONYMOUS: Final = "anonymous"  # an operation without a name
OTHER: Final = "other"  # one whose name came too late to be told apart, or is too long
NONE: Final = "none"  # what never came to an operation: refused before, GraphiQL's page, a preflight
OURS: Final = frozenset({ANONYMOUS, OTHER, NONE})
LONGEST_NAME: Final = 100

# From an answer that was kept to the time limit of a request.
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
PHASE_SECONDS: Final = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0)
LAG_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

# A switch of the library's, for the process: a second series beside each counter, which says when it began.
disable_created_metrics()  # type: ignore[no-untyped-call]


@final
class OperationNames:
    """The values of the label `operation`: at most so many of them, for as long as the process lives."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._known: set[str] = set()

    def label(self, name: str | None) -> str:
        if not name:
            return ANONYMOUS
        if name in self._known:
            return name
        if len(self._known) >= self._bound or len(name) > LONGEST_NAME or name in OURS:
            return OTHER
        self._known.add(name)
        return name


@final
class Metrics:
    """The process' metrics, in a registry of its own."""

    def __init__(self, settings: TelemetrySettings = TelemetrySettings()) -> None:  # noqa: B008 - it never changes
        self.registry = registry = CollectorRegistry()
        self.names = OperationNames(settings.operations)
        self.requests = Counts(
            "binnacle_requests",
            "Requests to /graphql, by operation and HTTP status.",
            ("operation", "status"),
            registry=registry,
        )
        self.request_seconds = Seconds(
            "binnacle_request_seconds",
            "Seconds from a request's headers to the beginning of its answer, less its body's, by operation.",
            "operation",
            SECONDS,
            registry=registry,
        )
        self.phase_seconds = Seconds(
            "binnacle_phase_seconds",
            "Seconds that requests spent in each phase: auth, read, wait, prepare, gather, execute, encode.",
            "phase",
            PHASE_SECONDS,
            registry=registry,
            shown=Phase,
        )
        self.refused = Counter(
            "binnacle_requests_refused",
            "Requests that were not executed, by error code and, where that can mean several things, the reason.",
            ("code", "reason"),
            registry=registry,
        )
        self.errors = Counter(
            "binnacle_errors", "Errors in answers, beside their data, by code.", ("code",), registry=registry
        )
        self.verdicts = Counts(
            "binnacle_auth_verdicts",
            "Requests by what became of their token: accepted, or why not.",
            ("verdict",),
            registry=registry,
        )
        self.reviews = Counter(
            "binnacle_reviews",
            "What was found out of tokens and of rights, not taken from a cache, by how it ended.",
            ("review", "outcome"),
            registry=registry,
        )
        self.answers = Counts(
            "binnacle_answers",
            "Answers, by where they came from: kept, as nothing that they show has changed, or executed.",
            ("origin",),
            registry=registry,
        )
        self.slow = Counter("binnacle_requests_slow", "Requests that the log calls slow.", registry=registry)
        self.upstream = Counter(
            "binnacle_upstream_requests",
            "Requests to the API server and to Prometheus, by what was asked and HTTP status; `error`: no answer; "
            "`given_up`: not within its time limit, or nobody waited for it any more.",
            ("system", "operation", "code"),
            registry=registry,
        )
        self.upstream_seconds = Histogram(
            "binnacle_upstream_seconds",
            "Seconds until the API server or Prometheus began to answer.",
            ("system", "operation"),
            buckets=SECONDS,
            registry=registry,
        )
        self.loop_lag = Histogram(
            "binnacle_event_loop_lag_seconds",
            "Seconds by which the event loop was late for a timer, four times a second.",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        Info("binnacle_build", "Which Binnacle this is.", registry=registry).info({"version": VERSION})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def read(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is read when somebody scrapes."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def collect_also(self, collectors: Iterable[Collector]) -> None:
        for collector in collectors:
            self.registry.register(collector)
