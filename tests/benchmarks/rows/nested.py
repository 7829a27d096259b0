"""All nodes and pods, five fields a pod: the first time after the start, and again; and what the start itself takes.

`first` is called once for each start of a gateway, `conclude` after the last one.
"""

from __future__ import annotations

import asyncio
import mmap
import time
from dataclasses import dataclass, field
from typing import Final

from gateway.http.packing import ENCODERS
from tests.benchmarks.clusters import INITIAL_END, LISTED, streaming_list
from tests.benchmarks.figures import figure, in_turns
from tests.benchmarks.load import Connection, connected, ends_with, get, latencies
from tests.benchmarks.objects import Recipe
from tests.benchmarks.servers import SERVER, GatewayServer, as_client_on
from tests.benchmarks.stage import MIB, NESTED, Stage, answered, same

FIRST: Final = "nested, first time after start"
AGAIN: Final = "nested, again, nothing changed"
START: Final = "start: first sync"
MEMORY: Final = "memory"
SETTLED_S: Final = 5.0
ORDERS: Final = tuple(
    f"{{ podsConnection(orderBy: {{key: {key}, direction: DESC}}) {{ edges {{ node {{ name status }} }} }} }}"
    for key in ("RESTARTS", "CREATED_AT")
)
STREAMED_PODS: Final = 15_000
STREAMED_RUNS: Final = 2
"""Above so many pods the raw lists are fetched so often only: a gigabyte each time."""
ASKED: Final = 10
MOST_CONNECTED_PODS: Final = 15_000
"""50 connections at once are asked for so many pods at most: more is the network's business, not the gateway's."""


@dataclass
class Starts:
    """What was seen at each start."""

    first: list[float] = field(default_factory=list)
    sync: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    streamed: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


async def first(stage: Stage, gateway: GatewayServer, starts: Starts) -> None:
    """The first question that a gateway hears, of a caller whom it does not know."""
    stage.gateway = gateway
    starts.sync.append(await gateway.sync_seconds())
    starts.ready.append(gateway.start_seconds)
    async with connected(gateway.url) as (connection,):
        connection.make_room(len(expected(stage.recipe)))  # as has whoever asks bare Starlette again and again
        before = gateway.cpu_seconds()
        reply = await connection.ask(stage.ask(NESTED))
        starts.cpu.append(gateway.cpu_seconds() - before)
    same(reply.body, expected(stage.recipe), "the first answer")
    starts.first.append(reply.seconds)
    starts.memory.append(seconds_of_memory(len(reply.body)))


def seconds_of_memory(size: int) -> float:
    """What the machine takes to hand out so many bytes, page by page, to a process that has not had them before.

    A first answer is kept in as much: that is most of what sets it apart from those of a process that has given some.
    """
    with as_client_on(SERVER), mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        began = time.perf_counter()
        memory[:: mmap.PAGESIZE] = bytes(len(range(0, size, mmap.PAGESIZE)))
        return time.perf_counter() - began


async def raw_stream(stage: Stage, starts: Starts) -> None:
    """How long the streaming lists of the same objects take to arrive, at a client on the gateway's core."""
    if stage.recipe.pods > STREAMED_PODS and len(starts.streamed) >= STREAMED_RUNS:
        return
    with as_client_on(SERVER):
        async with connected(stage.plane.server, len(LISTED), stage.plane.ca_file) as connections:
            asked = [get(f"{stage.plane.server}{streaming_list(kind)}", stage.admin) for kind in LISTED]
            ends = ends_with(INITIAL_END)
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with asyncio.TaskGroup() as tasks:
                for connection, request in zip(connections, asked, strict=True):
                    tasks.create_task(connection.drain(request, ends))
            starts.streamed.append(loop.time() - began)


async def conclude(stage: Stage, starts: Starts) -> None:
    body = expected(stage.recipe)
    # As the gateway does it: what is compared is when it is done, not how well.
    compressed = {"gzip": ("gz", ENCODERS["gzip"]([body])), "zstd": ("zst", ENCODERS["zstd"]([body]))}
    urls = {"identity": stage.body("nested", body)}
    urls |= {coding: stage.body(f"nested.{suffix}", packed) for coding, (suffix, packed) in compressed.items()}
    _start(stage, starts)
    await _memory(stage)
    async with connected(stage.gateway.url) as (ours,), connected(stage.bare.url) as (bare,):

        async def new(coding: str) -> float:
            reply = await ours.ask(stage.ask(stage.variant(), encoding=coding))
            return reply.seconds

        async def again(coding: str) -> float:
            return await ours.time(stage.ask(NESTED, encoding=coding))

        async def sent(coding: str) -> float:
            return await bare.time(get(urls[coding]))

        for coding in urls:
            same(await answered(ours, stage.ask(NESTED, encoding=coding)), body, f"the answer by {coding}")
            same(await answered(ours, stage.ask(stage.variant(), encoding=coding)), body, f"a variant by {coding}")
        turns = {
            f"{what} {coding}": lambda act=act, coding=coding: act(coding)
            for coding in urls
            for what, act in (("again", again), ("bare", sent), *((("new", new),) if coding != "identity" else ()))
        }
        found = await in_turns(turns, stage.options.runs)
        found["new identity"] = figure(starts.first)
        cpu = {"new identity": figure(starts.cpu).median, "again identity": await _cpu(stage, ours)}
        for coding in urls:
            size = len(body) if coding == "identity" else len(compressed[coding][1])
            suffix = "" if coding == "identity" else f", {coding}"
            for chart, what in ((FIRST, f"new {coding}"), (AGAIN, f"again {coding}")):
                stage.bar(chart + suffix, "binnacle", found[what], bytes=size, cpu_seconds=cpu.get(what))
            stage.bar(FIRST + suffix, "bare Starlette", found[f"bare {coding}"], bytes=size)
            stage.bar(AGAIN + suffix, "bare Starlette", found[f"bare {coding}"], bytes=size)
        stage.bar(FIRST, "the machine, handing out as much memory", figure(starts.memory), bytes=len(body))
        for coding in urls:
            limit = found[f"bare {coding}"].median
            new_s, again_s = found[f"new {coding}"].median, found[f"again {coding}"].median
            words = "identity" if coding == "identity" else f"{coding}, beside bytes compressed beforehand"
            asked = (
                lambda coding=coding: stage.ask(stage.variant(), encoding=coding),
                lambda coding=coding: stage.ask(NESTED, encoding=coding),
            )
            profile = [] if new_s <= 5 * limit + 0.150 else await stage.profile(ours, asked[0])
            stage.goal(
                "nested", f"nested, first time ({words})", "at most 150 ms + 5 times bare Starlette",
                new_s * 1000, (5 * limit + 0.150) * 1000, "ms", profile=profile,
            )  # fmt: skip
            profile = [] if again_s <= 1.5 * limit else await stage.profile(ours, asked[1])
            stage.goal(
                "nested", f"nested, again ({words})", "at most 1.5 times bare Starlette",
                again_s / limit, 1.5, "times", profile=profile,
            )  # fmt: skip
    await _many_connections(stage, urls["identity"])


async def _cpu(stage: Stage, connection: Connection) -> float:
    """Of the whole process, for an answer that is kept."""
    before = stage.gateway.cpu_seconds()
    for _ in range(ASKED):
        await connection.time(stage.ask(NESTED))
    return (stage.gateway.cpu_seconds() - before) / ASKED


async def _many_connections(stage: Stage, bare_url: str) -> None:
    if stage.recipe.pods > MOST_CONNECTED_PODS:
        return
    chart = f"{AGAIN}, 50 connections"
    request, sent = stage.ask(NESTED), get(bare_url)
    async with connected(stage.gateway.url, 50) as ours, connected(stage.bare.url, 50) as bare:
        await latencies(ours, [request], 0.2)
        await latencies(bare, [sent], 0.2)
        rates: dict[str, list[float]] = {"binnacle": [], "bare Starlette": []}
        for _ in range(stage.options.runs):
            for who, connections, asked in (("binnacle", ours, request), ("bare Starlette", bare, sent)):
                found = await latencies(connections, [asked], stage.options.seconds / 2)
                rates[who].append(len(found) / (stage.options.seconds / 2))
    for who, values in rates.items():
        stage.bar(chart, who, figure(values), "requests/s")


def _start(stage: Stage, starts: Starts) -> None:
    stage.bar(START, "binnacle: lists decoded and indexed", figure(starts.sync))
    stage.bar(START, "binnacle: from the start of its process", figure(starts.ready))
    stage.bar(START, "the raw streaming lists arriving", figure(starts.streamed))
    sync, streamed = figure(starts.sync).median, figure(starts.streamed).median
    stage.goal(
        "nested",
        "first sync beside the raw streaming list",
        "at most 1.5 times",
        sync / streamed,
        1.5,
        "times",
        pods=[15_000],
    )


async def _memory(stage: Stage) -> None:
    """After the start, the main query and two orders; as they are once nothing happens."""
    gateway = stage.gateway
    after_start = gateway.memory()
    async with connected(gateway.url) as (connection,):
        for order in ORDERS:
            await answered(connection, stage.ask(order))
        same(await answered(connection, stage.ask(NESTED)), expected(stage.recipe), "the answer before memory is read")
    await asyncio.sleep(SETTLED_S if stage.recipe.pods >= 15_000 else 0.1)
    steady, peak = gateway.memory(), gateway.peak_memory()
    for who, value in (("once started and asked", after_start), ("steady", steady), ("peak", peak)):
        stage.bar(MEMORY, f"binnacle, {who}", figure([value / MIB]), "MiB")
    for name, value in stage.plane.memory().items():
        stage.bar(MEMORY, name, figure([value / MIB]), "MiB")
    stage.goal("nested", "steady memory, main query and two orders kept", "at most 400 MB", steady / 1e6, 400, "MB")
    stage.goal("nested", "peak memory beside steady memory", "at most 2 times", peak / steady, 2, "times")


def expected(recipe: Recipe) -> bytes:
    return recipe.nested()
