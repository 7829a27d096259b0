"""The process, wired in one place: what outlives a request is made here, once, and handed down as arguments.

    run        a config → a serving process → an exit code
    Gateway    everything that outlives a request; opened in order, closed in reverse
    build_app  the ASGI application over it: the list of its layers is the security policy

When a background task dies the process must not go on showing a frozen picture as live. In this order: not ready, stop
accepting, drain what is under way, close the sources, exit with the reason. A task group inside the lifespan alone
would close the sources first: uvicorn goes on serving when its lifespan task dies.
"""

import asyncio
import contextlib
import math
import resource
import signal
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast, final

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from auth.access import NAMESPACES, Access, Resource
from auth.authenticator import Authenticator
from auth.authenticators.chosen import open_chosen
from gateway import collector, logs
from gateway.config import Config, DemoOptions, ServerSettings
from gateway.demo import simulated_cluster
from gateway.graphiql.assets import DIST, page
from gateway.http.admission import Admission
from gateway.http.authentication import Authenticated
from gateway.http.explorer import ExplorerPage
from gateway.http.graphql import GraphQLEndpoint
from gateway.http.health import healthz, readyz
from gateway.http.protocol import ConnectionLimits, LimitedProtocol
from gateway.http.rim import Rim
from gateway.http.tls import VERSIONS, ServedTls, TlsFiles
from gateway.telemetry.endpoint import PATH as METRICS_PATH
from gateway.telemetry.endpoint import AllowedMetrics, MetricsPage, metrics_app
from gateway.telemetry.lag import watch_lag
from gateway.telemetry.request import Observed, Telemetry
from gateway.telemetry.reviews import CountedRights, CountedTokens
from gateway.telemetry.settings import TelemetrySettings
from gateway.telemetry.state import WatchCache
from gateway.telemetry.traces import make_traces
from gateway.telemetry.upstream import of_kubernetes, of_prometheus, upstream
from gateway.version import USER_AGENT
from schema.execution.extension import Pipeline
from schema.execution.gather import Gatherer, PassingOn
from schema.execution.limits import Limits
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.schema import GatewaySchema, build_schema
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.client import open_api
from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.objects import NamespaceRecord
from schema.sources.kubernetes.resource_metrics import ResourceMetrics
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.kubernetes.store import Snapshot
from schema.sources.prometheus.catalogue import Profile
from schema.sources.prometheus.client import open_prometheus
from schema.sources.prometheus.raw import right_to_ask
from schema.sources.prometheus.settings import PrometheusSettings


@dataclass(slots=True)
class Gateway:
    """Everything that outlives a request."""

    schema: GatewaySchema
    authenticator: Authenticator
    cluster: Cluster
    worker: Executor
    access: Access
    telemetry: Telemetry
    stopping: bool = False
    failure: BaseException | None = field(default=None)  # what ended the background tasks before their time

    def missing(self) -> str | None:
        """What keeps the gateway from answering; None when it is ready."""
        if self.failure is not None:
            return "a background task died"
        if self.stopping:
            return "shutting down"
        return None if self.cluster.synced else "the first lists are still on their way"


@asynccontextmanager
async def open_gateway(config: Config, stop_serving: Callable[[], None]) -> AsyncIterator[Gateway]:
    """Open the sources, start the background tasks, build the schema over them; close in reverse.

    Start-up does not wait for the first lists: /readyz does. `stop_serving` is called when a background task dies.
    """
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(_open_telemetry(config))
        metrics, traces = telemetry.metrics, telemetry.traces
        api = await stack.enter_async_context(
            open_api(config.kubernetes, USER_AGENT, [upstream("kubernetes", of_kubernetes, metrics, traces)])
        )
        prometheus = await stack.enter_async_context(
            open_prometheus(
                config.prometheus,
                USER_AGENT,
                watched_by=[upstream("prometheus", of_prometheus, metrics, traces)],
            )
        )
        collecting = collector.Collector()
        worker = stack.enter_context(collector.CollectingThread("large-answers", collecting))
        parser = stack.enter_context(collector.CollectingThread("new-documents", collecting))
        cluster = Cluster(api, settings=config.kubernetes)
        chosen = await stack.enter_async_context(open_chosen(config.auth, config.oidc, api, USER_AGENT))
        authenticator = Authenticator(CountedTokens(chosen.authenticator, metrics), config.auth)
        stack.push_async_callback(authenticator.aclose)
        access = Access(
            CountedRights(chosen.reviewer, metrics),
            Places(cluster),
            config.auth,
            within=cluster.only_namespaces or None,
        )
        stack.push_async_callback(access.aclose)
        operations = Operations(config.execution, parser)
        documents = Documents(Limits(config.limits), parser)
        # Where there is no Prometheus, the API server's own numbers take its place, if it has any.
        in_its_place = ResourceMetrics(api, config.prometheus, config.kubernetes.namespaces)
        stack.push_async_callback(in_its_place.close)
        measuring = in_its_place if config.prometheus.url is None else prometheus
        gatherer = Gatherer(
            cluster,
            measuring,
            access,
            limits=config.limits,
            execution=config.execution,
            require_metrics_right=config.prometheus.require_metrics_right,
            passing_on=None if (right := right_to_ask(config.prometheus)) is None else PassingOn(prometheus, right),
        )
        cluster.when_given_back(gatherer.forget)
        cluster.when_given_back(operations.forget_kind)
        pipeline = Pipeline(documents, operations, gatherer, worker)
        metrics.collect_also([WatchCache(cluster)])
        metrics.read(
            "binnacle_kept_bytes", "Bytes of answers and parts of them that are kept.", lambda: operations.kept_bytes
        )
        metrics.read("binnacle_plans", "Plans of operations that are kept.", lambda: operations.plans)
        metrics.read("binnacle_tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
        schema = build_schema(authenticator, pipeline)
        gateway = Gateway(schema, authenticator, cluster, worker, access, telemetry)
        background = asyncio.create_task(cluster.run(), name="cluster")
        stack.push_async_callback(_end, background)
        background.add_done_callback(lambda task: _died(task, gateway, stop_serving))
        lag = asyncio.create_task(watch_lag(metrics.loop_lag.observe), name="event-loop-lag")
        stack.push_async_callback(_end, lag)
        lag.add_done_callback(lambda task: _died(task, gateway, stop_serving))
        await stack.enter_async_context(collector.sent_for())
        looking = asyncio.create_task(collector.look_around(collecting, worker), name="collecting")
        stack.push_async_callback(_end, looking)
        looking.add_done_callback(lambda task: _died(task, gateway, stop_serving))
        recognising = asyncio.create_task(measuring.recognise(), name="metrics/recognise")
        stack.push_async_callback(_end, recognising)
        recognising.add_done_callback(lambda task: _died(task, gateway, stop_serving, may_end=True))
        yield gateway


@asynccontextmanager
async def _open_telemetry(config: Config) -> AsyncIterator[Telemetry]:
    traces = make_traces(config.telemetry)
    try:
        yield Telemetry(config.telemetry, traces)
    finally:
        await asyncio.to_thread(traces.close)  # it sends what is left, and may wait for whom it sends it to


@final
class Places:
    """Where it is worth asking for rights: every namespace that exists, also without objects of the kind.

    Somebody who may list pods in an empty namespace gets an empty list, not a refusal.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._namespaces: Snapshot[NamespaceRecord] | None = None
        self._names: frozenset[str] = frozenset()

    def __call__(self, resource: Resource) -> frozenset[str]:
        existing = self._cluster.only_namespaces or self._existing()
        if resource == NAMESPACES:
            return existing
        snapshot = self._cluster.snapshot([kinds.PODS, kinds.SERVICES])
        return existing.union(snapshot.pods.namespaces(), snapshot.services.namespaces())

    def _existing(self) -> frozenset[str]:
        """Collected anew where one has come or gone: every request of a restricted user asks."""
        namespaces = self._cluster.snapshot([kinds.NAMESPACES]).namespaces
        if namespaces is not self._namespaces:
            self._namespaces, self._names = namespaces, frozenset(namespace.name for namespace in namespaces)
        return self._names


def _died(
    task: asyncio.Task[None], gateway: Gateway, stop_serving: Callable[[], None], *, may_end: bool = False
) -> None:
    if task.cancelled() or (may_end and task.exception() is None):
        return  # the ordinary end
    gateway.failure = task.exception() or RuntimeError(f"{task.get_name()} ended by itself")
    stop_serving()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])  # its failure, if any, is told by `run`


def build_app(gateway: Gateway, server: ServerSettings) -> ASGIApp:
    """The ASGI application. Without a token: health, GraphiQL's page and its assets; nothing else."""
    telemetry = gateway.telemetry
    admission = Admission(server)
    telemetry.metrics.read("binnacle_requests_at_work", "Requests that are executed.", lambda: admission.at_work)
    telemetry.metrics.read("binnacle_requests_waiting", "Requests that wait their turn.", lambda: admission.waiting)
    endpoint = GraphQLEndpoint(gateway.schema, gateway.worker, server, admission)
    guarded = Authenticated(endpoint, gateway.authenticator)
    graph = Observed(_for_other_sites(ExplorerPage(guarded, page()), server.cors_origins), telemetry)
    shown = AllowedMetrics(MetricsPage(telemetry.metrics.registry), gateway.authenticator, gateway.access)
    others = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz(gateway.missing)),
            Route("/graphql", graph),  # for who adds a slash, and is told where it is
            Route(METRICS_PATH, shown, methods=["GET"]),
            Mount("/graphiql", StaticFiles(directory=DIST)),
        ]
    )
    return Rim(others, {"/graphql": graph})


def _for_other_sites(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let pages of these origins ask; a browser's preflight needs no token, as it cannot bring one.

    Credentials that a browser adds by itself stay out: the token comes in a header that the page sets.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
        expose_headers=["X-Request-Id", "ETag", "Retry-After"],
    )


# How long the threads of large answers and new documents keep the interpreter when the event loop wants it, which is
# some times in each small request. Python's own 5 ms make a request of 2 ms take 15 beside them. Two threads that work
# side by side lose some 5 % so, no more than at 0.5 ms.
SWITCH_S: Final = 0.0001

# What the process itself keeps open beside its clients' connections: the log, the two systems behind it.
OWN_FILES: Final = 128

# A client that keeps its connection busy hears `Connection: close` with its next answer; idle ones, which hear of
# nothing, end after this time. It is a part of the grace that requests under way have, and does not grow with it: one
# idle connection would hold up every shutdown for all of that.
PARTING_S: Final = 1.0


class _Server(uvicorn.Server):
    """uvicorn, with signals left to the process: its own handler would raise them again after a clean shutdown.

    Kept connections are parted from before they are closed: uvicorn closes each that has no request under way, also one
    whose next request is on the wire already, and no client sends a POST again that was lost so.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()  # accepts no more
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        began, grace = time.monotonic(), self.config.timeout_graceful_shutdown or 0
        ended = began + min(PARTING_S, grace)
        while self.server_state.connections and not self.force_exit and time.monotonic() < ended:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.01)
        self.config.timeout_graceful_shutdown = max(0, grace - round(time.monotonic() - began))
        await super().shutdown(sockets)


async def serve(config: Config, announce: Callable[[str], None] = lambda _address: None) -> int:
    """Serve until a signal comes (exit code 0) or a background task dies (1; the log has the reason).

    `announce` is called with the gateway's address once it can answer. Raises OSError when the address cannot be
    listened on.
    """
    settings = config.server
    with listen(settings) as listener, _listen_for_metrics(config.telemetry) as metrics_listener:
        server: uvicorn.Server | None = None

        def stop() -> None:
            """End in order; called a second time (Ctrl-C twice), without waiting for requests under way."""
            if server is not None:
                server.force_exit = gateway.stopping
                server.should_exit = True
            gateway.stopping = True

        async with open_gateway(config, stop) as gateway:
            server = make_server(build_app(gateway, settings), settings)
            _stop_on_signals(stop)
            address = address_of(settings, listener)
            logs.event("serving", address=address)
            async with asyncio.TaskGroup() as tasks:
                announcing = tasks.create_task(_announce(gateway, address, announce), name="announce")
                async with _serving_metrics(gateway, settings, metrics_listener):
                    await server.serve(sockets=[listener])
                announcing.cancel()
            logs.event("stopping", reason="signal" if gateway.failure is None else "a background task died")
    if gateway.failure is None:
        return 0
    logs.event("died", level=40, error=gateway.failure)
    return 1


async def _announce(gateway: Gateway, address: str, announce: Callable[[str], None]) -> None:
    started = time.monotonic()
    while gateway.missing() is not None:  # noqa: ASYNC110 - several causes, and nobody else waits for them
        await asyncio.sleep(0.05)
    collector.settle()
    logs.event("ready", seconds=round(time.monotonic() - started, 2))
    announce(address)


def listen(settings: ServerSettings) -> socket.socket:
    """The listening socket, opened before anything else: a port in use is known at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    # Its connections inherit it: asyncio sets it on sockets of its own making only, and without it the second write of
    # an answer waits for the client's delayed acknowledgement, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextlib.contextmanager
def _listen_for_metrics(settings: TelemetrySettings) -> Iterator[socket.socket | None]:
    """The listening socket of /metrics, if it has a port of its own."""
    if not settings.metrics_port:
        yield None
        return
    host, port = settings.metrics_host, settings.metrics_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"telemetry.metrics_port {port} on {host}") from None
    with listener:
        yield listener


@asynccontextmanager
async def _serving_metrics(
    gateway: Gateway, settings: ServerSettings, listener: socket.socket | None
) -> AsyncIterator[None]:
    """Serve /metrics beside, until the last request is answered; in plain http, as Prometheus asks pods."""
    if listener is None:
        yield
        return
    plain = settings.model_copy(
        update={
            "protocol": "http",
            "tls_certificate": None,
            "tls_key": None,
            "tls_client_ca": None,
            "connections": 64,
            "shutdown_grace_seconds": 1.0,
        }
    )
    server = make_server(metrics_app(gateway.telemetry.metrics.registry), plain)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="metrics")
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def address_of(settings: ServerSettings, listener: socket.socket) -> str:
    """The address as a person would open it: `http://127.0.0.1:8080`."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{settings.protocol}://{shown}:{port}"


def _stop_on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def make_server(app: ASGIApp, settings: ServerSettings) -> uvicorn.Server:
    """The HTTP server; its `serve` takes the listening socket, and ends when `should_exit` is set."""
    tls = _served_tls(settings)
    return _Server(
        uvicorn.Config(
            app,
            lifespan="off",  # `open_gateway` is the lifespan
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing that a client says of itself is believed
            ws="none",
            timeout_graceful_shutdown=math.ceil(settings.shutdown_grace_seconds),
            http=cast("type[asyncio.Protocol]", partial(LimitedProtocol, _connection_limits(settings), OrderedDict())),
            ssl_context_factory=None if tls is None else lambda _config, _default: tls.context,
        )
    )


def _connection_limits(settings: ServerSettings) -> ConnectionLimits:
    return ConnectionLimits(
        header_bytes=settings.header_limit_bytes,
        header_seconds=settings.header_seconds,
        body_seconds=settings.body_seconds,
        idle_seconds=settings.idle_seconds,
        stalled_seconds=settings.stalled_seconds,
        connections=min(settings.connections, _files_left()),
    )


def _files_left() -> int:
    """How many connections the process can have open; as many more files as the system's administrator allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(hard - OWN_FILES, 1) if hard != resource.RLIM_INFINITY else sys.maxsize


def _served_tls(settings: ServerSettings) -> ServedTls | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return ServedTls(
        TlsFiles(
            settings.tls_certificate, settings.tls_key, settings.tls_client_ca, VERSIONS[settings.tls_minimum_version]
        )
    )


def run(config: Config) -> int:
    """Serve the cluster that the config names; returns the exit code."""
    logs.configure(config.server.log_level, config.server.log_format)
    with _runner() as runner:
        return runner.run(serve(config))


def run_demo(options: DemoOptions, announce: Callable[[str], None]) -> int:
    """Serve a simulated cluster of the size asked for; returns the exit code."""
    logs.configure("warning", "text")
    with _runner() as runner:
        return runner.run(_serve_demo(options, announce))


def _runner() -> asyncio.Runner:
    sys.setswitchinterval(SWITCH_S)
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _serve_demo(options: DemoOptions, announce: Callable[[str], None]) -> int:
    async with simulated_cluster(
        nodes=options.nodes, pods_per_node=options.pods_per_node, churn=options.churn, seed=options.seed
    ) as simulated:
        return await serve(
            Config(
                server=ServerSettings(host=options.host, port=options.port),
                kubernetes=KubernetesSettings(server=simulated.kubernetes_url, token_file=simulated.gateway_token_file),
                prometheus=PrometheusSettings(
                    url=simulated.prometheus_url,
                    profile=Profile.GENERIC,
                    raw_queries=True,
                    service=simulated.prometheus_service,
                ),
            ),
            announce,
        )
