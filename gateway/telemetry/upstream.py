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
from schema.sources.kubernetes.kinds import ON_DEMAND, STANDING

Naming: TypeAlias = Callable[[str, URL], str]

OTHER: Final = "other"
METRICS_GROUP: Final = "metrics.k8s.io"  # its pods and nodes are no pods and nodes
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_REVIEWS: Final = frozenset({"tokenreviews", "subjectaccessreviews", "selfsubjectreviews", "selfsubjectaccessreviews"})
_RESOURCES: Final = frozenset(kind.resource.name for kind in (*STANDING, *ON_DEMAND))
_QUERIES: Final = frozenset({"query", "query_range"})


def upstream(system: str, named: Naming, metrics: Metrics, traces: Traces) -> aiohttp.TraceConfig:
    """What a session for one system is watched by. `named` gives one of few names to a call's method and URL."""

    async def begun(
        _session: aiohttp.ClientSession, call: SimpleNamespace, sent: aiohttp.TraceRequestStartParams
    ) -> None:
        call.operation = named(sent.method, sent.url)
        call.began = time.perf_counter()
        call.span = traces.upstream(system, call.operation, sent.method, sent.headers)

    async def answered(
        _session: aiohttp.ClientSession, call: SimpleNamespace, got: aiohttp.TraceRequestEndParams
    ) -> None:
        ended(call, str(got.response.status))

    async def failed(
        _session: aiohttp.ClientSession, call: SimpleNamespace, why: aiohttp.TraceRequestExceptionParams
    ) -> None:
        # Our own time limits end a call so too.
        ended(call, "given_up" if isinstance(why.exception, asyncio.CancelledError) else "error")

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


def of_kubernetes(method: str, url: URL) -> str:
    """`list pods`, `watch pods`, `get pods`, `tokenreviews`: never a name or a namespace, whatever the URL."""
    group = ""
    match _below_a_prefix(url.path):
        case ["api", _, *place]:
            pass
        case ["apis", group, _, *place]:
            pass
        case [*_, "version"]:
            return "version"
        case _:
            return OTHER
    if place[:1] == ["namespaces"] and len(place) > 2:
        place = place[2:]
    resource, *name = place or [""]
    if resource in _REVIEWS:
        return resource
    if resource not in _RESOURCES:
        return OTHER
    verb = _VERBS.get(method) or ("get" if name else "watch" if url.query.get("watch") else "list")
    return f"{verb} {resource}.{METRICS_GROUP}" if group == METRICS_GROUP else f"{verb} {resource}"


def _below_a_prefix(path: str) -> list[str]:
    """The parts of a path from its root on: some API servers stand behind a proxy, below a path of its own."""
    parts = path.strip("/").split("/")
    roots = [number for number, part in enumerate(parts) if part in ("api", "apis")]
    return parts[roots[0] :] if roots else parts


def of_prometheus(_method: str, url: URL) -> str:
    name = url.path.rpartition("/")[2]
    return name if name in _QUERIES else OTHER
