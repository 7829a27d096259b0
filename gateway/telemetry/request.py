"""One request as it goes: what becomes its metrics, its span, and its line in the log if it was slow."""

import hashlib
import time
from collections.abc import Awaitable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import logs
from gateway.telemetry.metrics import NONE, Metrics
from gateway.telemetry.settings import TelemetrySettings
from gateway.telemetry.traces import NoTraces, RequestSpan, Traces
from schema.execution.observer import Phase

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_KEY: Final = "binnacle.request"


@final
class Telemetry:
    """What all requests are told to."""

    def __init__(
        self,
        settings: TelemetrySettings = TelemetrySettings(),  # noqa: B008 - it never changes
        traces: Traces | None = None,
    ) -> None:
        self.metrics = Metrics(settings)
        self.traces = traces or NoTraces()
        self._slow_seconds = settings.slow_seconds
        self.under_way = 0
        self.metrics.read(
            "binnacle_requests_in_flight", "Requests that are not answered to their end.", lambda: self.under_way
        )

    def request(self, scope: Scope) -> "_Observing":
        """Wraps a request to the graph; `of(scope)` finds it meanwhile."""
        return _Observing(self, scope)

    def begun(self, scope: Scope, span: RequestSpan) -> "ObservedRequest":
        self.under_way += 1
        request = scope[_KEY] = ObservedRequest(self.metrics, self.traces, span)
        if span.trace_id:
            logs.bind(trace_id=span.trace_id)
        return request

    def ended(self, request: "ObservedRequest") -> None:
        self.under_way -= 1
        request.ended()
        if self._slow_seconds and request.seconds > self._slow_seconds:
            self.metrics.slow.inc()
            logs.event("request.slow", level=30, **request.details())


@final
class _Observing:
    """A request under way, as a block. (A generator in its place takes longer than all that is done in it.)"""

    __slots__ = ("_request", "_scope", "_telemetry", "_traced")

    def __init__(self, telemetry: Telemetry, scope: Scope) -> None:
        self._telemetry = telemetry
        self._scope = scope
        self._traced = telemetry.traces.request(scope)

    def __enter__(self) -> "ObservedRequest":
        self._request = self._telemetry.begun(self._scope, self._traced.__enter__())
        return self._request

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._telemetry.ended(self._request)
        finally:
            self._traced.__exit__(kind, error, trace)


@final
class Observed:
    """Has every request to an application observed."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._telemetry.request(scope) as request:

            def send_and_tell(message: Message) -> Awaitable[None]:
                request.sent(message)
                return send(message)

            await self._app(scope, receive, send_and_tell)


def of(scope: Scope) -> "ObservedRequest":
    """The request that a scope is of."""
    request: ObservedRequest = scope[_KEY]
    return request


@final
class ObservedRequest:
    """One request to the graph. Implements schema.execution's Observer."""

    def __init__(self, metrics: Metrics, traces: Traces, span: RequestSpan) -> None:
        self.document = ""  # for the log of slow ones, as a hash
        self._metrics = metrics
        self._traces = traces
        self._span = span
        self._began = time.perf_counter()
        self._answered_at: float | None = None
        self._status = 500  # until there is another: what nothing below answers is answered so by the last resort
        self._label = NONE
        self._name: str | None = None
        self._cost: int | None = None
        self._kept = False
        self._phases: dict[Phase, float] = {}

    @property
    def seconds(self) -> float:
        """Until its answer began, or until now. How fast a client sends and reads is the client's business."""
        return (self._answered_at or time.perf_counter()) - self._began - self._phases.get(Phase.READ, 0.0)

    # ------------------------------------------------------------------------------------- told by the layers it passes

    def phase(self, phase: Phase) -> "_Timed":
        return _Timed(self._phases, phase, self._traces.phase(phase))

    def operation(self, kind: str, name: str | None) -> None:
        self._name = name
        self._label = self._metrics.names.label(name)
        self._span.named(kind, name)

    def cost(self, cost: int) -> None:
        self._cost = cost

    def answered(self, *, kept: bool) -> None:
        self._kept = kept
        self._metrics.answers.by["kept" if kept else "executed",] += 1

    def verdict(self, verdict: str) -> None:
        """What became of its token."""
        self._metrics.verdicts.by[verdict,] += 1

    def refused(self, code: str, reason: str) -> None:
        """It was not executed; `reason` tells apart what has the same code, and is empty for most of them."""
        self._metrics.refused.labels(code, reason).inc()

    def errors(self, codes: Iterable[str]) -> None:
        """These stand in its answer, beside data: as a rule none."""
        for code in codes:
            self._metrics.errors.labels(code).inc()

    def sent(self, message: Message) -> None:
        """Something of its answer leaves."""
        if message["type"] == "http.response.start":
            self._answered_at = time.perf_counter()
            self._status = message["status"]

    # ------------------------------------------------------------------------------------------------------- at its end

    def ended(self) -> None:
        metrics = self._metrics
        metrics.requests.by[self._label, self._status] += 1
        metrics.request_seconds.observe(self._label, self.seconds)
        for phase, seconds in self._phases.items():
            metrics.phase_seconds.observe(phase, seconds)
        self._span.end(self._status)

    def details(self) -> dict[str, Any]:
        """What somebody looks for in a slow request. Neither its document nor its variables: they may hold anything."""
        found: dict[str, Any] = {"milliseconds": round(self.seconds * 1000, 1), "status": self._status}
        if self._name:
            found["operation"] = self._name
        if self.document:
            found["document"] = hashlib.sha256(self.document.encode()).hexdigest()
        if self._cost is not None:
            found["cost"] = self._cost
            found["kept"] = self._kept
        return found | {f"{phase}_ms": round(seconds * 1000, 1) for phase, seconds in self._phases.items()}


@final
class _Timed:
    """A phase under way; one that comes several times is the sum of them."""

    __slots__ = ("_began", "_phase", "_phases", "_span")

    def __init__(self, phases: dict[Phase, float], phase: Phase, span: "AbstractContextManager[object] | None") -> None:
        self._phases = phases
        self._phase = phase
        self._span = span

    def __enter__(self) -> None:
        if self._span is not None:
            self._span.__enter__()
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._phases[self._phase] = self._phases.get(self._phase, 0.0) + time.perf_counter() - self._began
        if self._span is not None:
            self._span.__exit__(kind, error, trace)
