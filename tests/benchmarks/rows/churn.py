"""Pods that change: 1,000 a second, replayed as a real API server told them; 200 a second on a real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import orjson

from tests.benchmarks.clusters import recorded, watched
from tests.benchmarks.figures import Figure, figure, in_turns
from tests.benchmarks.load import Connection, connected, get, latencies, post
from tests.benchmarks.servers import Change, Server, Written
from tests.benchmarks.stage import ERRORS, NESTED, ONE_NODE, Stage, WrongAnswer, answered, same
from tests.cluster.control_plane import ControlPlane

CHART: Final = "while pods change"
VISIBLE: Final = "a change is visible after"
SHOWN: Final = NESTED.replace("address", "restarts")
SEEN: Final = "query S($n: String!, $p: String!) { pod(namespace: $n, name: $p) { restarts } }"
MARKS: Final = 30
PAUSE_S: Final = 1.0
"""Between two nested questions: all that a second changes is looked at anew in each answer.

What changes is a pod's restarts, and its version: the nested question shows none of it, as most of what changes in a
cluster is not what was asked for. Asked with the restarts, as many lists are others than before.
"""
NESTED_LIMIT: Final = 8.0
TAIL: Final = 1_000
UNSEEN_S: Final = 5.0
LOOKING_EVERY_S: Final = 0.001
"""Whoever looks all the time keeps the API server, on the same core, from telling what there is to see."""
SLOWER: Final = 4 / 3
"""So many times as slow may the small query become."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many changes a second, and where from."""

    per_second: int
    where: str

    def __str__(self) -> str:
        return f"{self.per_second:,} a second, {self.where}"


REPLAYED: Final = Pace(1_000, "replayed")
REAL: Final = Pace(200, "on the real API server")


async def measure(stage: Stage) -> None:
    """The replay has a gateway of its own, which knows nothing but what was recorded."""
    recording = await recorded(stage.recipe, stage.say)
    async with (
        stage.servers.replay(recording.folder) as api,
        stage.servers.gateway({"server": api.url}) as gateway,
        connected(api.url) as (control,),
    ):
        with stage.with_gateway(gateway):
            await _replayed(stage, api, control)
    await _real(stage)


async def _replayed(stage: Stage, api: Server, control: Connection) -> None:
    async with connected(stage.gateway.url) as (connection,), connected(stage.bare.url) as (bare,):
        sent = get(stage.body("nested", stage.recipe.nested()))
        same(await answered(connection, stage.ask(NESTED)), stage.recipe.nested(), "the answer over the replay")
        quiet = await _small(stage, connection)
        await bare.time(sent)
        limit = [
            await bare.time(sent) for _ in range(stage.options.runs)
        ]  # now: later the gateway is at work beside it
        await _pace(api, control, REPLAYED.per_second)
        await asyncio.sleep(0.5)
        share = await _absorbed(stage)
        busy = await _small(stage, connection)
        slowed = await _why(stage, connection, quiet.median / busy.median)
        for what, document in (("", NESTED), (", with what changes", SHOWN)):
            found = await _nested(stage, connection, document)
            ratio = found.median / figure(limit).median
            profile = []
            if ratio > NESTED_LIMIT:
                profile = await stage.profile(connection, partial(stage.ask, document), pause_s=PAUSE_S / 4)
            stage.bar(f"nested, again, {REPLAYED}", f"binnacle{what}", found)
            stage.goal(
                "churn", f"nested{what}, again, while pods change, {REPLAYED}", "at most 8 times bare Starlette",
                ratio, NESTED_LIMIT, "times", profile=profile,
            )  # fmt: skip
        seen = [await _mark_seen(stage, api, control, connection) for _ in range(MARKS)]
        await _pace(api, control, 0)
    stage.bar(f"nested, again, {REPLAYED}", "bare Starlette", figure(limit))
    _told(stage, REPLAYED, share, quiet, busy, slowed, seen)


async def _nested(stage: Stage, connection: Connection, document: str) -> Figure:
    """A question again and again, the first time of which does not count."""
    seconds = []
    for _ in range(stage.options.runs + 1):
        await asyncio.sleep(PAUSE_S)
        reply = await connection.ask(stage.ask(document))
        if document == NESTED:
            same(reply.body, stage.recipe.nested(), "the answer while pods change")
        elif reply.body.count(b'"restarts":') != stage.recipe.pods or ERRORS in reply.body[-TAIL:]:
            raise WrongAnswer(f"while pods change: {reply.body[-TAIL:]!r}")
        seconds.append(reply.seconds)
    return figure(seconds[1:])


async def _real(stage: Stage) -> None:
    """Of each change, the moment in which the API server confirmed it.

    On two cores the API server, etcd and who writes share the client's: bare Starlette, which hears of no change, tells
    how much of what is lost that takes.
    """
    stage.say(f"{stage.recipe.title}: changing pods on the real API server")
    node = stage.recipe.node_names[-1]
    stage.body("small", stage.recipe.one_node(node))
    sent = stage.as_asked(f"{stage.bare.url}/checked/small", ONE_NODE % node)

    async def both() -> tuple[Figure, Figure]:
        async with connected(stage.gateway.url) as (ours,), connected(stage.bare.url) as (bare,):
            rates = {
                "ours": lambda: _rate(stage, ours, stage.ask(ONE_NODE % node)),
                "bare": lambda: _rate(stage, bare, sent),
            }
            found = await in_turns(rates, stage.options.runs)
        return found["ours"], found["bare"]

    quiet, bare_quiet = await both()
    async with stage.servers.writer(stage.plane, stage.recipe, REAL.per_second) as written:
        await asyncio.sleep(0.5)
        share = await _absorbed(stage)
        busy, bare_busy = await both()
        async with connected(stage.gateway.url) as (connection,):
            slowed = await _why(stage, connection, quiet.median / busy.median)
            seen, later = await _visible(stage, connection, written)
    stage.bar(f"{CHART}: small query", f"bare Starlette, quiet ({REAL.where})", bare_quiet, "requests/s")
    stage.bar(f"{CHART}: small query", f"bare Starlette meanwhile, {REAL}", bare_busy, "requests/s")
    stage.goal(
        "churn",
        f"small query while pods change, {REAL}, beside what bare Starlette loses",
        "at most a third slower",
        (quiet.median / busy.median) / (bare_quiet.median / bare_busy.median),
        SLOWER,
        "times",
        pods=(15_000, 150_000),
    )
    _told(stage, REAL, share, quiet, busy, slowed, seen)
    _told_visible(stage, f"{REAL.per_second} a second, beside a watch of the bench's own", later)


async def _visible(stage: Stage, connection: Connection, written: Written) -> tuple[list[float], list[float]]:
    """Seconds until changes are visible: after they were confirmed, and after a watch of the bench's own had them."""
    seen, later = [], []
    async with _listening(stage.plane) as heard:
        await asyncio.sleep(PAUSE_S)  # what was written before the watch began may be confirmed after that
        for _ in range(MARKS):
            change = await _next(written)
            seen.append(await _seen(stage, connection, change.namespace, change.name, change.restarts, change.at))
            at = await _heard(heard, change)
            later.append(max(0.0, change.at + seen[-1] - at))
    return seen, later


Heard: TypeAlias = dict[tuple[str, str, int], float]
"""When a watch told of a change: of a pod, and its restarts."""


@asynccontextmanager
async def _listening(plane: ControlPlane) -> AsyncIterator[Heard]:
    heard: Heard = {}

    async def listen(lines: AsyncIterator[bytes]) -> None:
        async for line in lines:
            pod = orjson.loads(line)["object"]
            metadata, (first, *_) = pod["metadata"], pod["status"]["containerStatuses"]
            heard[metadata["namespace"], metadata["name"], first["restartCount"]] = time.monotonic()

    async with watched(plane) as lines:
        listening = asyncio.create_task(listen(lines), name="listen")
        try:
            yield heard
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def _heard(heard: Heard, change: Change) -> float:
    try:
        async with asyncio.timeout(UNSEEN_S):
            while (at := heard.get((change.namespace, change.name, change.restarts))) is None:
                await asyncio.sleep(LOOKING_EVERY_S)
    except TimeoutError:
        raise WrongAnswer(f"no watch told of {change.namespace}/{change.name} within {UNSEEN_S} s") from None
    return at


async def _next(written: Written) -> Change:
    """The newest change, once there is one that nobody has looked for."""
    written.news()
    while not (changes := written.news()):
        await asyncio.sleep(0.001)
    return changes[-1]


def _told(
    stage: Stage,
    pace: Pace,
    share: float,
    quiet: Figure,
    busy: Figure,
    slowed: list[dict[str, Any]],
    seen: list[float],
) -> None:
    stage.bar(f"{CHART}: share of one core", str(pace), figure([share * 100]), "%")
    stage.bar(f"{CHART}: small query", f"quiet ({pace.where})", quiet, "requests/s")
    stage.bar(f"{CHART}: small query", str(pace), busy, "requests/s")
    pods = (15_000, 150_000)
    stage.goal("churn", f"absorbing {pace}", "under 30 % of one core", share * 100, 30, "%", pods=pods)
    stage.goal(
        "churn",
        f"small query while pods change, {pace}",
        "at most a third slower",
        quiet.median / busy.median,
        SLOWER,
        "times",
        pods=pods,
        profile=slowed,
    )
    _told_visible(stage, str(pace), seen)


def _told_visible(stage: Stage, where: str, seen: list[float]) -> None:
    milliseconds = figure([each * 1000 for each in seen])
    stage.bar(VISIBLE, where, milliseconds, "ms")
    for what, value, limit in (("median", milliseconds.median, 10), ("longest", milliseconds.high, 100)):
        stage.goal(
            "churn", f"a change is visible, {where}: {what}", f"{limit} ms", value, limit, "ms", pods=(15_000, 150_000)
        )  # fmt: skip


async def _absorbed(stage: Stage) -> float:
    """The share of one core that the gateway takes while nobody asks anything."""
    began, before = time.monotonic(), stage.gateway.cpu_seconds()
    await asyncio.sleep(stage.options.seconds * 2)
    return (stage.gateway.cpu_seconds() - before) / (time.monotonic() - began)


async def _small(stage: Stage, connection: Connection) -> Figure:
    """Small queries a second, on one connection."""
    request = stage.ask(ONE_NODE % stage.recipe.node_names[-1])
    rates = await in_turns({"": lambda: _rate(stage, connection, request)}, stage.options.runs)
    return rates[""]


async def _rate(stage: Stage, connection: Connection, request: bytes) -> float:
    seconds = stage.options.seconds / 3
    return len(await latencies([connection], [request], seconds)) / seconds


async def _why(stage: Stage, connection: Connection, slower: float) -> list[dict[str, Any]]:
    """What the gateway does while it is asked the small query, if that has become too slow."""
    request = stage.ask(ONE_NODE % stage.recipe.node_names[-1])
    return [] if slower <= SLOWER else await stage.profile(connection, lambda: request)


async def _pace(api: Server, control: Connection, per_second: int) -> None:
    await answered(control, post(f"{api.url}/bench/rate?per_second={per_second}", {}))


async def _mark_seen(stage: Stage, api: Server, control: Connection, connection: Connection) -> float:
    mark = orjson.loads(await answered(control, post(f"{api.url}/bench/mark", {})))
    return await _seen(stage, connection, mark["namespace"], mark["name"], mark["restarts"], mark["at"])


async def _seen(stage: Stage, connection: Connection, namespace: str, name: str, restarts: int, at: float) -> float:
    """Seconds from a moment of the machine's clock until an answer has the change, or one after it."""
    request = stage.ask(SEEN, n=namespace, p=name)
    while True:
        shown = orjson.loads(await answered(connection, request))["data"]["pod"]["restarts"]
        now = time.monotonic()
        if shown >= restarts:
            return max(0.0, now - at)
        await asyncio.sleep(LOOKING_EVERY_S)
        if now - at > UNSEEN_S:
            raise WrongAnswer(f"{namespace}/{name} has {shown} restarts in place of {restarts}, {now - at:.1f} s later")
