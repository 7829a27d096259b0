"""Calls to the API server and to Prometheus, by aiohttp's own hooks: counted, timed, and part of the trace."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final, TypeAlias

import aiohttp
from yarl import URL

from gateway.telemetry.metrics import Metrics
from gateway.telemetry.traces import Traces

Naming: TypeAlias = Callable[[URL], str]

_QUERIES: Final = frozenset({"query", "query_range"})


def upstream(system: str, named: Naming, metrics: Metrics, traces: Traces) -> aiohttp.TraceConfig:
    """What a session for one system is watched by. `named` gives one of few names to each call."""

    async def begun(
        _session: aiohttp.ClientSession, call: SimpleNamespace, sent: aiohttp.TraceRequestStartParams
    ) -> None:
        call.operation = named(sent.url)
        call.began = time.perf_counter()
        call.span = traces.upstream(system, call.operation, sent.method, sent.headers)

    async def answered(
        _session: aiohttp.ClientSession, call: SimpleNamespace, got: aiohttp.TraceRequestEndParams
    ) -> None:
        ended(call, str(got.response.status))

    async def failed(
        _session: aiohttp.ClientSession, call: SimpleNamespace, why: aiohttp.TraceRequestExceptionParams
    ) -> None:
        ended(call, "cancelled" if isinstance(why.exception, asyncio.CancelledError) else "error")

    def ended(call: SimpleNamespace, code: str) -> None:
        metrics.upstream.labels(system, call.operation, code).inc()
        metrics.upstream_seconds.labels(system, call.operation).observe(time.perf_counter() - call.began)
        if call.span is not None:
            call.span.end(code)

    config = aiohttp.TraceConfig()
    config.on_request_start.append(begun)
    config.on_request_end.append(answered)
    config.on_request_exception.append(failed)
    return config


def of_kubernetes(url: URL) -> str:
    """`list pods`, `watch pods`, `tokenreviews`: paths are ours, their last part is a resource."""
    resource = url.path.rstrip("/").rpartition("/")[2]
    if resource == "version" or resource.endswith("reviews"):
        return resource
    return f"{'watch' if url.query.get('watch') else 'list'} {resource}"


def of_prometheus(url: URL) -> str:
    name = url.path.rpartition("/")[2]
    return name if name in _QUERIES else "other"
