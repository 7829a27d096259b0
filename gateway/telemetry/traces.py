"""Spans: one a request, one each of its phases, one each of the upstream calls that it makes; none per field.

W3C's trace context is taken from the request and passed on to the API server and to Prometheus. No span has a
document, a variable or a token; names of operations are what clients call them.

OpenTelemetry is imported where traces are switched on, and nothing is set globally: the provider belongs to the
gateway that opened it.
"""

import threading
from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol, final

from starlette.datastructures import Headers
from starlette.types import Scope

from gateway.telemetry.settings import TelemetrySettings
from gateway.version import VERSION
from schema.execution.observer import Phase

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span


# Of the seconds that a pod has for its end this may take some; see the chart's terminationGracePeriodSeconds.
CLOSING_S: Final = 3.0


class RequestSpan(Protocol):
    """The span of a request."""

    trace_id: str  # "" if it is not traced

    def named(self, kind: str, name: str | None) -> None: ...
    def end(self, status: int) -> None: ...


class UpstreamSpan(Protocol):
    def end(self, code: str) -> None: ...


class Traces(Protocol):
    """What the rest of the gateway needs of tracing."""

    def request(self, scope: Scope) -> AbstractContextManager[RequestSpan]:
        """Wraps a request: what is begun inside is part of its trace."""
        ...

    def phase(self, phase: Phase) -> AbstractContextManager[object] | None:
        """Wraps a phase of the request under way; None where there is nothing to tell."""
        ...

    def upstream(
        self, system: str, operation: str, method: str, headers: MutableMapping[str, str]
    ) -> UpstreamSpan | None:
        """Begins a call and gives its trace context to its headers; None for calls of nobody's request."""
        ...

    def close(self) -> None:
        """Send what is not sent yet, if that is quick."""
        ...


@final
class _NoSpan:
    trace_id = ""

    def named(self, kind: str, name: str | None) -> None: ...
    def end(self, status: int) -> None: ...


_NO_SPAN: Final = nullcontext(_NoSpan())


@final
class NoTraces:
    """Traces are switched off."""

    def request(self, scope: Scope) -> AbstractContextManager[RequestSpan]:  # noqa: ARG002
        return _NO_SPAN

    def phase(self, phase: Phase) -> None:  # noqa: ARG002
        return None

    def upstream(self, system: str, operation: str, method: str, headers: MutableMapping[str, str]) -> None:  # noqa: ARG002
        return None

    def close(self) -> None: ...


@final
class SentTraces:
    """Traces that go to a provider."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("binnacle", VERSION)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, scope: Scope) -> Iterator[RequestSpan]:
        from opentelemetry.trace import SpanKind

        headers = Headers(scope=scope)
        carried = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        with self._tracer.start_as_current_span(
            f"{scope['method']} {scope['path']}",
            context=self._propagator.extract(carried),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"], "url.path": scope["path"]},
            record_exception=False,  # its text may hold what a client sent
            set_status_on_exception=False,
        ) as span:
            yield _RequestSpan(span)

    def phase(self, phase: Phase) -> AbstractContextManager[object]:
        return self._tracer.start_as_current_span(phase, record_exception=False, set_status_on_exception=False)

    def upstream(
        self, system: str, operation: str, method: str, headers: MutableMapping[str, str]
    ) -> UpstreamSpan | None:
        from opentelemetry.trace import SpanKind, get_current_span, set_span_in_context

        if not get_current_span().get_span_context().is_valid:
            return None  # a watch of ours, that no request waits for
        attributes = {"http.request.method": method, "peer.service": system}
        span = self._tracer.start_span(f"{system} {operation}", kind=SpanKind.CLIENT, attributes=attributes)
        self._propagator.inject(headers, set_span_in_context(span))
        return _UpstreamSpan(span)

    def close(self) -> None:
        closing = threading.Thread(target=self._provider.shutdown, name="traces/close", daemon=True)
        closing.start()
        closing.join(CLOSING_S)  # with nobody to take them it goes on trying for 10 s: what is left is lost then


@final
class _RequestSpan:
    def __init__(self, span: "Span") -> None:
        self._span = span
        self.trace_id = f"{span.get_span_context().trace_id:032x}"

    def named(self, kind: str, name: str | None) -> None:
        """The names of the semantic conventions for GraphQL servers."""
        self._span.update_name(f"{kind} {name}" if name else kind)
        self._span.set_attribute("graphql.operation.type", kind)
        if name:
            self._span.set_attribute("graphql.operation.name", name)

    def end(self, status: int) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)


@final
class _UpstreamSpan:
    def __init__(self, span: "Span") -> None:
        self._span = span

    def end(self, code: str) -> None:
        from opentelemetry.trace import StatusCode

        if code.isdecimal():
            self._span.set_attribute("http.response.status_code", int(code))
        if not code.isdecimal() or int(code) >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def make_traces(settings: TelemetrySettings) -> Traces:
    """As the settings want them."""
    if not settings.traces:
        return NoTraces()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    ours = Resource({SERVICE_NAME: "binnacle", SERVICE_VERSION: VERSION})
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.traces_share)),
        resource=ours.merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,  # `close` does
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces_endpoint)))
    return SentTraces(provider)
