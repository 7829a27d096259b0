"""What is broken, how it is mended, and what clients may be told meanwhile; everything else is a mistake.

A fault is a context manager: entered it bites, left it is mended. From then on the time is taken until an answer is
whole again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from tests.cluster.keys import Authority
from tests.faults.replies import Lie
from tests.soak import serving
from tests.soak.stage import PATIENCE_S, SILENCE_S, Stage

# The API server cannot say who asks and what they may see; the pictures that are there say how old they are.
NO_REVIEWS: Final = frozenset({"503 UNAVAILABLE", "stale"})
NO_METRICS: Final = frozenset({"200 METRICS_UNAVAILABLE"})
REFUSED: Final = frozenset({"401 UNAUTHENTICATED"})
NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Fault:
    """`may` is what clients may be told, `must` what some of them must have been told: else it did not bite."""

    name: str
    breaks: Callable[[Stage], AbstractAsyncContextManager[None]]
    seconds: float
    may: frozenset[str] = NOTHING
    must: frozenset[str] = NOTHING


# ------------------------------------------------------------------------------------------------------- the API server


@asynccontextmanager
async def frozen(stage: Stage) -> AsyncIterator[None]:
    stage.plane.freeze_api_server()
    try:
        yield
    finally:
        stage.plane.thaw_api_server()


@asynccontextmanager
async def killed(stage: Stage) -> AsyncIterator[None]:
    stage.plane.stop_api_server()
    try:
        yield
    finally:
        await stage.plane.start_api_server()


def answering(status: int) -> Callable[[Stage], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def refused(stage: Stage) -> AsyncIterator[None]:
        stage.refusing.status = status
        stage.proxy.lead_to("127.0.0.1", stage.refusing.port)
        stage.proxy.cut()
        try:
            yield
        finally:
            stage.lead_to_api_server()
            stage.proxy.cut()

    return refused


@asynccontextmanager
async def history_gone(stage: Stage) -> AsyncIterator[None]:
    """The gateway is cut off while others write; then neither etcd nor the API server remembers what it saw last."""
    stage.proxy.refuse()
    stage.proxy.cut()
    try:
        yield
    finally:
        await _compact(stage)
        stage.plane.stop_api_server()
        await stage.plane.start_api_server()
        stage.lead_to_api_server()


async def _compact(stage: Stage) -> None:
    """etcd forgets every version but the newest."""
    address = f"http://127.0.0.1:{stage.plane._etcd_port}/v3/kv"
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        async with session.post(f"{address}/range", json={"key": "AA=="}) as answer:
            revision = (await answer.json())["header"]["revision"]
        async with session.post(f"{address}/compaction", json={"revision": revision, "physical": True}):
            pass


@asynccontextmanager
async def another_authority(stage: Stage) -> AsyncIterator[None]:
    """The API server shows a certificate that its clients do not know yet; their bundle follows."""
    aside = stage.folder / f"authority-{len(list(stage.folder.glob('authority-*')))}"
    aside.mkdir()
    authority = Authority(aside)
    stage.plane._certificate = authority.server("kube-apiserver")
    bundle = stage.plane.ca_file.read_bytes() + authority.certificate.read_bytes()
    stage.plane.ca_file.write_bytes(bundle)
    for context in stage.trust:
        context.load_verify_locations(stage.plane.ca_file)
    stage.plane.stop_api_server()
    await stage.plane.start_api_server()
    try:
        yield
    finally:
        stage.replace("ca.crt", bundle)


# ------------------------------------------------------------------------------------------------------ the connections


@asynccontextmanager
async def cut(stage: Stage) -> AsyncIterator[None]:
    """All of them are reset, again and again."""

    async def again() -> None:
        while True:
            stage.proxy.cut()
            await asyncio.sleep(0.4)

    cutting = asyncio.create_task(again(), name="cutting")
    try:
        yield
    finally:
        cutting.cancel()


@asynccontextmanager
async def delayed(stage: Stage) -> AsyncIterator[None]:
    stage.proxy.delay_s = 0.15
    try:
        yield
    finally:
        stage.proxy.delay_s = 0.0


@asynccontextmanager
async def stranded(stage: Stage) -> AsyncIterator[None]:
    """Those that stand fall silent, new ones work. Reviews find out, and nobody is refused; watches take a while."""
    stage.proxy.strand()
    yield


@asynccontextmanager
async def half_open(stage: Stage) -> AsyncIterator[None]:
    """They stand, and nothing comes through: no end, no reset."""
    stage.proxy.stall()
    try:
        yield
    finally:
        stage.proxy.flow()


# ----------------------------------------------------------------------------------------------------------- Prometheus


@asynccontextmanager
async def prometheus_stopped(stage: Stage) -> AsyncIterator[None]:
    stage.prometheus.kill()
    try:
        yield
    finally:
        await stage.prometheus.start_again()


@asynccontextmanager
async def prometheus_slow(stage: Stage) -> AsyncIterator[None]:
    stage.prometheus.freeze()
    try:
        yield
    finally:
        stage.prometheus.thaw()


def lying(lie: Lie) -> Callable[[Stage], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lies(stage: Stage) -> AsyncIterator[None]:
        stage.lying.lie = lie
        try:
            yield
        finally:
            stage.lying.lie = None

    return lies


# ------------------------------------------------------------------------------------ credentials, certificates, clocks


@asynccontextmanager
async def own_token_replaced(stage: Stage) -> AsyncIterator[None]:
    """The gateway's token stops counting before the next one is in its file, and its connections break."""
    await stage.withdraw_token("gateway")
    token = await stage.new_token("gateway")
    stage.proxy.cut()
    try:
        yield
    finally:
        stage.replace("token", token.encode())


@asynccontextmanager
async def callers_token_replaced(stage: Stage) -> AsyncIterator[None]:
    """A caller's token is withdrawn while it is in use: it is theirs no more, and others notice nothing."""
    await stage.withdraw_token("robot")
    try:
        yield
    finally:
        stage.robot.token = await stage.new_token("robot")


@asynccontextmanager
async def own_certificate_replaced(stage: Stage) -> AsyncIterator[None]:
    stage.serve_another_certificate()
    yield


def clock_moved(seconds: float) -> Callable[[Stage], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def moved(stage: Stage) -> AsyncIterator[None]:
        serving.move(stage.gateway.clock, seconds)
        try:
            yield
        finally:
            serving.move(stage.gateway.clock, 0.0)

    return moved


# The API server keeps its verdicts on tokens for 10 s, and the gateway its own for 5.
OWN_WITHDRAWN_S: Final = 13.0
WITHDRAWN_S: Final = 17.0
HALF_OPEN_S: Final = SILENCE_S + 3

FAULTS: Final = (
    Fault("API server frozen", frozen, PATIENCE_S + 4, NO_REVIEWS, frozenset({"503 UNAVAILABLE"})),
    Fault("API server killed", killed, 2, NO_REVIEWS, NO_REVIEWS),
    Fault("API server answers 429", answering(429), 3, NO_REVIEWS, NO_REVIEWS),
    Fault("API server answers 503", answering(503), 3, NO_REVIEWS, NO_REVIEWS),
    Fault("history gone (410)", history_gone, 3, NO_REVIEWS, NO_REVIEWS),
    Fault("connections cut", cut, 3, NO_REVIEWS, frozenset({"stale"})),
    Fault("connections delayed", delayed, 3, NO_REVIEWS),
    Fault("connections half open", half_open, HALF_OPEN_S, NO_REVIEWS, frozenset({"503 UNAVAILABLE"})),
    Fault("standing connections stranded", stranded, HALF_OPEN_S, frozenset({"stale"}), frozenset({"stale"})),
    Fault("Prometheus stopped", prometheus_stopped, 2, NO_METRICS, NO_METRICS),
    Fault("Prometheus slow", prometheus_slow, PATIENCE_S + 1.5, NO_METRICS, NO_METRICS),
    Fault("Prometheus lies: status", lying(Lie.STATUS), 1.5, NO_METRICS, NO_METRICS),
    Fault("Prometheus lies: error", lying(Lie.ERROR), 1.5, NO_METRICS, NO_METRICS),
    Fault("Prometheus lies: NaN", lying(Lie.NAN), 1.5),
    Fault("Prometheus lies: huge", lying(Lie.HUGE), 1.5, NO_METRICS, NO_METRICS),
    Fault("Prometheus lies: nested", lying(Lie.DEEP), 1.5, NO_METRICS, NO_METRICS),
    Fault("Prometheus lies: truncated", lying(Lie.TRUNCATED), 1.5, NO_METRICS, NO_METRICS),
    Fault("Prometheus cut in mid-answer", lying(Lie.CUT), 1.5, NO_METRICS, NO_METRICS),
    Fault("own token replaced", own_token_replaced, OWN_WITHDRAWN_S, NO_REVIEWS, frozenset({"503 UNAVAILABLE"})),
    Fault("own certificate replaced", own_certificate_replaced, 1.5),
    Fault("another authority", another_authority, 2, NO_REVIEWS, NO_REVIEWS),
    Fault("clock an hour ahead", clock_moved(3_600), 1.5),
    Fault("clock an hour behind", clock_moved(-3_600), 1.5),
    Fault("a caller's token withdrawn", callers_token_replaced, WITHDRAWN_S, REFUSED, REFUSED),
)
