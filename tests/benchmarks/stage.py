"""What the rows of one size share: the cluster, the servers, who asks, and how an answer is checked."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import zstandard

from tests.benchmarks.clusters import CLERKS
from tests.benchmarks.figures import Bar, Figure, Goal, Results
from tests.benchmarks.load import Connection, Reply, post
from tests.benchmarks.objects import Recipe, digest
from tests.benchmarks.servers import GatewayServer, Server, Servers
from tests.cluster.control_plane import ADMIN, GATEWAY, ControlPlane

FIELDS: Final = "namespace phase nodeName address"
NESTED: Final = f"{{ nodes {{ name pods {{ name {FIELDS} }} }} }}"
ONE_NODE: Final = '{ node(name: "%s") { name pods { name namespace phase nodeName address } } }'
ERRORS: Final = b'"errors":['
STALE: Final = b',"extensions":{"stale":'
MIB: Final = 2**20
PROFILED_S: Final = 3.0


class WrongAnswer(Exception):  # noqa: N818 - what it is
    """An answer is not what the recipe says: nothing that was timed with it counts."""


@dataclass(frozen=True)
class Peer:
    """Another gateway, to be measured beside."""

    name: str
    url: str
    token: str
    document: str


@dataclass(frozen=True)
class Options:
    runs: int = 9
    seconds: float = 2.0
    """Of each measurement of a rate."""
    peers: tuple[Peer, ...] = ()


@dataclass
class Stage:
    """One size. `variant` gives documents that nobody has asked before."""

    recipe: Recipe
    options: Options
    servers: Servers
    results: Results
    say: Callable[[str], None]
    plane: ControlPlane
    bare: Server
    gateway: GatewayServer
    _numbers: int = field(default=0)

    @property
    def admin(self) -> str:
        return self.plane.token(ADMIN)

    @contextmanager
    def with_gateway(self, gateway: GatewayServer) -> Iterator[None]:
        """Ask this one for a while."""
        kept, self.gateway = self.gateway, gateway
        try:
            yield
        finally:
            self.gateway = kept

    def kubernetes(self) -> dict[str, object]:
        """The gateway's settings for this cluster."""
        return {"kubeconfig": str(self.plane.kubeconfig_of(GATEWAY))}

    async def clerk(self, number: int) -> str:
        """The token of a user who sees a few namespaces; each has an account of their own, and nothing is cached."""
        return await self.plane.create_token(f"clerk-{number}", CLERKS)

    def body(self, name: str, content: bytes) -> str:
        """Have bare Starlette send these bytes; returns where."""
        (self.servers.bodies / name).write_bytes(content)
        return f"{self.bare.url}/{name}"

    def ask(self, document: str, token: str = "", *, encoding: str = "identity", **variables: object) -> bytes:
        """A request to the gateway."""
        body = {"query": document, "variables": variables}
        return post(f"{self.gateway.url}/graphql", body, token or self.admin, encoding)

    def as_asked(self, url: str, document: str) -> bytes:
        """What the gateway is asked, to somebody else: who answers the same is to read the same."""
        return post(url, {"query": document, "variables": {}}, self.admin)

    def variant(self) -> str:
        """The nested query under a name that its plan does not know yet: as long an answer, nothing kept of it."""
        return f"{{ nodes {{ name pods {{ v{self.fresh() % 1_000:03}: name {FIELDS} }} }} }}"

    @property
    def profiled_s(self) -> float:
        """How long a gateway that misses a goal is looked at; shorter where everything is."""
        return min(PROFILED_S, 2 * self.options.seconds)

    def fresh(self) -> int:
        """A number that was not used yet."""
        self._numbers += 1
        return self._numbers

    async def profile(
        self, connection: Connection, request: Callable[[], bytes], *, pause_s: float = 0.0
    ) -> list[dict[str, Any]]:
        """What the gateway does while it is asked this again and again."""
        profiling = asyncio.create_task(self.gateway.profile(self.profiled_s))
        while not profiling.done():
            await connection.time(request())
            await asyncio.sleep(pause_s)
        return profiling.result()

    # ------------------------------------------------------------------------------------------------------- results

    def bar(self, chart: str, who: str, found: Figure, unit: str = "s", **more: Any) -> None:
        self.results.bars.append(Bar(chart, self.recipe.title, who, unit, found, **more))
        self.say(f"{self.recipe.title}: {chart}: {who}: {found} {unit}")

    def goal(
        self,
        row: str,
        work: str,
        goal: str,
        measured: float,
        limit: float,
        unit: str,
        *,
        pods: Sequence[int] = (150_000,),
        at_least: bool = False,
        profile: Sequence[dict[str, Any]] = (),
    ) -> Goal:
        """Note what became of a goal that is set for clusters of so many pods."""
        judged = self.recipe.pods in pods
        made = Goal(
            row, work, self.recipe.title, goal, measured, limit, unit, judged, at_least=at_least, profile=list(profile)
        )
        self.results.goals.append(made)
        return made


async def answered(connection: Connection, request: bytes) -> bytes:
    """An answer's body, decoded; raises WrongAnswer for an error."""
    return checked(await connection.ask(request))


def checked(reply: Reply) -> bytes:
    if reply.status != 200:
        raise WrongAnswer(f"status {reply.status}: {reply.body[:500]!r}")
    body = reply.body
    head = reply.head.lower()
    if b"content-encoding: gzip" in head:
        body = zlib.decompress(body, wbits=31)
    elif b"content-encoding: zstd" in head:
        body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
    if ERRORS in body:
        raise WrongAnswer(f"errors in the answer: {body[body.find(ERRORS) :][:600]!r}")
    return body


def same(body: bytes, expected: bytes, what: str) -> None:
    """Raises WrongAnswer unless the answer is the expected one, to the byte; a variant's name counts as `name`."""
    if digest(unvaried(unmarked(body))) != digest(expected):
        raise WrongAnswer(f"{what}: {len(body)} bytes in place of {len(expected)}: {body[:300]!r}")


def unmarked(body: bytes) -> bytes:
    """Without the mark of a watch that was cut: an API server with 12 GB on half a core is silent for seconds."""
    at = body.rfind(STALE)
    return body if at < 0 else body[:at] + b"}"


def unvaried(body: bytes) -> bytes:
    at = body.find(b'"pods":[{"v')
    return body if at < 0 else body.replace(body[at + 9 : at + 15], b'"name"')
