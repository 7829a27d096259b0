"""The gateway as its clients meet it: a real server on a free port, asked over HTTP.

`front_door` serves the simulated cluster; tests that need the real one call `open_front_door` with its config.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest_asyncio

from gateway.app import Gateway, build_app, listen, make_server, open_gateway
from gateway.config import Config, ServerSettings
from gateway.demo import simulated_cluster
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.catalogue import Profile
from schema.sources.prometheus.settings import PrometheusSettings

# What a busy machine may make of a review before it counts as an API server that is away. Tests of that limit itself
# set their own.
REVIEW_PATIENCE_S = 10.0
ADMIN, VIEWER, SHOP = "demo-admin", "demo-viewer", "demo-shop"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, its body decoded if it is JSON."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def data(self) -> Any:
        """The data of an answer that must have no errors."""
        assert "errors" not in self.body, self.body["errors"]
        return self.body["data"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        errors: list[dict[str, Any]] = self.body.get("errors", [])
        return errors

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.errors]


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """A serving gateway and a client for it."""

    url: str
    gateway: Gateway
    session: aiohttp.ClientSession
    simulated: Any = None

    async def ask(
        self,
        query: str,
        token: str | None = ADMIN,
        *,
        variables: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST one operation with a token (None: without)."""
        body = {"query": query} | ({"variables": variables} if variables else {})
        return await self.request("POST", "/graphql", token, json=body, headers=headers or {})

    async def request(self, method: str, path: str, token: str | None = None, **options: Any) -> Answer:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            return Answer(response.status, response.headers, await response.text())

    async def eventually(self, ask: Callable[[], Awaitable[Any]], expected: Any, *, within: float = 10.0) -> None:
        """Ask until the answer is the expected one: a change travels through a watch before it shows."""
        answer = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while (answer := await ask()) != expected:
                    await asyncio.sleep(0.02)
        assert answer == expected


@contextlib.asynccontextmanager
async def open_front_door(
    config: Config, *, ready_within: float = 30.0, trusting: ssl.SSLContext | bool = True
) -> AsyncIterator[FrontDoor]:
    """Serve `config` until the block ends; entered when the first lists are done. `trusting`: how https is asked."""
    config = _patient(config)
    stopped = asyncio.Event()
    with listen(config.server) as listener:
        async with open_gateway(config, stopped.set) as gateway:
            server = make_server(build_app(gateway, config.server), config.server)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
                    host = "localhost" if config.server.protocol == "https" else "127.0.0.1"
                    url = f"{config.server.protocol}://{host}:{listener.getsockname()[1]}"
                    door = FrontDoor(url, gateway, session)
                    await _until_ready(door, ready_within)
                    yield door
            finally:
                server.should_exit = True
                await serving


def _patient(config: Config) -> Config:
    if "review_timeout_seconds" in config.auth.model_fields_set:
        return config
    auth = config.auth.model_copy(update={"review_timeout_seconds": REVIEW_PATIENCE_S})
    return config.model_copy(update={"auth": auth})


async def _until_ready(door: FrontDoor, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while (await door.request("GET", "/readyz")).status != 200:
            await asyncio.sleep(0.02)


def free_port() -> ServerSettings:
    return ServerSettings(host="127.0.0.1", port=0, shutdown_grace_seconds=1)


@contextlib.asynccontextmanager
async def simulated_door(
    *,
    prometheus: bool | Mapping[str, Any] = True,
    server: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    trusting: ssl.SSLContext | bool = True,
    **options: Any,
) -> AsyncIterator[FrontDoor]:
    """The gateway over a simulated cluster with these options (`nodes`, `pods_per_node`, …).

    `prometheus`: whether there is one, or settings of it.
    """
    async with simulated_cluster(**{"nodes": 3, "pods_per_node": 10, "churn": 0, **options}) as simulated:
        config = Config(
            server=free_port().model_copy(update=server),
            kubernetes=KubernetesSettings(server=simulated.kubernetes_url, token_file=simulated.gateway_token_file),
            prometheus=PrometheusSettings(
                url=simulated.prometheus_url if prometheus else None,
                profile=Profile.GENERIC,
                **(prometheus if isinstance(prometheus, Mapping) else {}),
            ),
            **(settings or {}),
        )
        async with open_front_door(config, trusting=trusting) as door:
            yield FrontDoor(door.url, door.gateway, door.session, simulated)


@pytest_asyncio.fixture
async def front_door() -> AsyncIterator[FrontDoor]:
    """The gateway over a small simulated cluster that stands still."""
    async with simulated_door() as door:
        yield door
