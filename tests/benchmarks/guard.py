"""How much the hot paths do, counted instead of timed: what a change makes heavier shows on any machine, at once.

Counted are Python's own instructions (bytecode) and the most memory that is in use on the way, both the same each time
but for a fraction of a percent. What C code does inside one call is not: that is what `make bench` times.

    python -m tests.benchmarks.guard --check   counts, and says what is heavier than the baseline: part of `make test`
    python -m tests.benchmarks.guard           counts, and writes the baseline of this version of Python anew

The baseline is a file of the repository: a change that makes a path heavier on purpose writes it anew, and its reviewer
sees by how much. Each version of Python has its own; one that has none is not checked.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, cast

from auth.access import PODS, AccessNeed
from auth.identity import Identity
from gateway.app import Gateway, build_app
from gateway.config import ServerSettings
from gateway.telemetry.request import Telemetry
from schema.execution.context import GraphContext
from schema.execution.plan.operations import Operation
from schema.execution.view import View
from schema.sources.kubernetes import kinds, reflector
from schema.sources.kubernetes.objects import Sharing
from schema.sources.kubernetes.policy import Watching
from schema.sources.kubernetes.reflector import Reflector
from schema.sources.kubernetes.store import Store
from tests.benchmarks.execution import QUERY, SMALL, Bench
from tests.schema.sources.kubernetes import full_objects

BASELINE: Final = Path(__file__).parent / "baseline.json"
RECORD: Final = ".venv/bin/python -m tests.benchmarks.guard"

# Dictionaries and sets are laid out anew in each process, caches fill up at other moments: more than that is the code.
INSTRUCTIONS_MORE: Final = 0.05
BYTES_MORE: Final = 0.10
BYTES_ANYWAY: Final = 4_096

PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"

REPEATS: Final = 3
NODES, PODS_IN_ALL, EVENTS = 20, 600, 100
PAGE: Final = (
    '{ podsConnection(first: 50, filter: {phase: "Running", labelSelector: "app"}, '
    "orderBy: [{key: NODE}, {key: NAME, direction: DESC}]) { totalCount edges { node { name namespace phase } } } }"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one path does."""

    instructions: int
    bytes: int  # the most that it has in use at once, beyond what there was before


@dataclass(frozen=True, slots=True)
class HotPath:
    """`ready` brings about what is there before, and is not counted; `run` is the path."""

    name: str
    run: Callable[[], Awaitable[object]]
    ready: Callable[[], Awaitable[object]] | None = None


async def hot_paths() -> Sequence[HotPath]:
    bench = Bench(NODES, PODS_IN_ALL)
    return [*_of_the_store(), *await _of_queries(bench), *_of_a_request(bench), await _of_permissions(bench)]


def heavier(counted: Mapping[str, Cost], baseline: Mapping[str, Cost]) -> list[str]:
    """Which paths do more than the baseline says, by how much, in a sentence each."""
    found = []
    for name, cost in counted.items():
        before = baseline.get(name)
        if before is None:
            found.append(f"`{name}` has no baseline")
            continue
        if cost.instructions > before.instructions * (1 + INSTRUCTIONS_MORE):
            found.append(_more(name, "executes", before.instructions, cost.instructions, "instructions"))
        if cost.bytes > before.bytes * (1 + BYTES_MORE) + BYTES_ANYWAY:
            found.append(_more(name, "takes", before.bytes, cost.bytes, "bytes at its peak"))
    return found


def _more(name: str, does: str, before: int, now: int, what: str) -> str:
    return f"`{name}` {does} {now / before - 1:.0%} more {what} than before: {before:,} then, {now:,} now"


async def _count() -> Mapping[str, Cost]:
    """What each path does now. In a process of its own: it leaves two switches turned."""
    gc.disable()  # it would come at another moment each time
    reflector.SLICE_S = 3_600.0  # type: ignore[misc] # one turn: how many there are depends on time
    return {path.name: await _counted(path) for path in await hot_paths()}


async def _counted(path: HotPath) -> Cost:
    """The least of some times: what else runs in the process can only add to it."""
    instructions: list[int] = []
    memory: list[int] = []
    for warming_up in (True, *[False] * REPEATS):
        for measure, into in ((_instructions_of, instructions), (_bytes_of, memory)):
            if path.ready is not None:
                await path.ready()
            measured = await measure(path.run)
            if not warming_up:
                into.append(measured)
    return Cost(min(instructions), min(memory))


if sys.version_info >= (3, 12):

    async def _instructions_of(run: Callable[[], Awaitable[object]]) -> int:
        watch = sys.monitoring
        executed = 0

        def instruction(_code: CodeType, _offset: int) -> None:
            nonlocal executed
            executed += 1

        watch.use_tool_id(watch.PROFILER_ID, "guard")
        watch.register_callback(watch.PROFILER_ID, watch.events.INSTRUCTION, instruction)
        watch.set_events(watch.PROFILER_ID, watch.events.INSTRUCTION)
        try:
            await run()
        finally:
            watch.set_events(watch.PROFILER_ID, watch.events.NO_EVENTS)
            watch.free_tool_id(watch.PROFILER_ID)
        return executed

else:

    async def _instructions_of(run: Callable[[], Awaitable[object]]) -> int:
        executed = 0

        def inside(_frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal executed
            executed += event == "opcode"
            return inside

        def called(frame: FrameType, _event: str, _argument: object) -> Any:
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            return inside

        sys.settrace(called)
        try:
            await run()
        finally:
            sys.settrace(None)
        return executed


async def _bytes_of(run: Callable[[], Awaitable[object]]) -> int:
    tracemalloc.start()
    try:
        await run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ----------------------------------------------------------------------------------------------------- the paths


def _of_the_store() -> Iterable[HotPath]:
    """A socket read of events from their bytes into the store, and the snapshot of the first reader after it."""
    store: Store[Any] = Store(kinds.PODS.counted_by, kinds.PODS.grouped_by, kinds.PODS.summing)
    decoder = kinds.Decoder(kinds.PODS, Sharing())
    watching = Reflector(cast("Any", None), kinds.PODS, decoder, store)
    numbers = itertools.count()
    lines: list[bytes] = []

    async def arrive() -> None:
        lines[:] = [_event(number) for number in itertools.islice(numbers, EVENTS)]

    async def decode() -> None:
        await watching._take(Watching("1"), lines, None)

    async def change() -> None:
        await arrive()
        await decode()

    async def snapshot() -> None:
        store.snapshot()

    yield HotPath(f"{EVENTS} pod events into the store", decode, arrive)
    yield HotPath("a snapshot after a change", snapshot, change)


def _event(number: int) -> bytes:
    """One of some hundred pods, changed."""
    metadata = {
        **full_objects.POD["metadata"],
        "name": f"pod-{number % (3 * EVENTS):04}",
        "uid": f"uid-{number % (3 * EVENTS):04}",
        "resourceVersion": str(number + 2),
    }
    return json.dumps({"type": "MODIFIED", "object": {**full_objects.POD, "metadata": metadata}}).encode()


async def _of_queries(bench: Bench) -> Sequence[HotPath]:
    """From a gathered view to the bytes."""
    asked: list[tuple[Operation, View]] = []

    async def gathered(text: str) -> None:
        _, operation, view = await bench.asked(text)
        asked[:] = [(operation, view)]

    async def execute() -> None:
        ((operation, view),) = asked
        assert operation.plan is not None
        if operation.plan.kept(view, operation.nodes) is None:
            context = GraphContext(headers=())
            context.view = view
            _, errors = operation.plan.execute(context, operation.nodes)
            assert not errors, errors

    async def forgotten(text: str = QUERY) -> None:
        bench.operations.forget()
        await gathered(text)

    async def repeated() -> None:
        await gathered(QUERY)
        await execute()

    async def changed() -> None:
        await repeated()
        bench.change(0.01)
        await gathered(QUERY)

    async def plan() -> None:
        bench.operations.forget()

    async def page() -> None:
        bench.change(0.01)  # so that nothing of it is kept, as while things happen
        await gathered(PAGE)

    await gathered(QUERY)
    return [
        HotPath("planning a query", lambda: gathered(QUERY), plan),
        HotPath("all nodes and pods for the first time", execute, forgotten),
        HotPath("all nodes and pods after a change", execute, changed),
        HotPath("all nodes and pods again", execute, repeated),
        HotPath("a page of pods, filtered and ordered", execute, page),
    ]


def _of_a_request(bench: Bench) -> Iterable[HotPath]:
    """A small query through the whole application, its token and rights known, its answer kept."""
    telemetry = Telemetry()
    gateway = Gateway(bench.schema, bench.authenticator, bench.cluster, bench.worker, bench.access, telemetry)
    app = build_app(gateway, ServerSettings())
    body = json.dumps({"query": SMALL}).encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"authorization", b"Bearer t"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_080),
    }

    async def ask() -> None:
        sent: list[Mapping[str, Any]] = []
        unread: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> MutableMapping[str, Any]:
            if unread:
                return unread.pop()
            await asyncio.Event().wait()  # the client stays
            raise AssertionError

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await app(dict(scope), receive, send)
        assert sent[0]["status"] == 200, sent
        assert b'"node-00007"' in b"".join(message.get("body", b"") for message in sent)

    yield HotPath("a small query through the application", ask)


async def _of_permissions(bench: Bench) -> HotPath:
    who, needs = Identity("admin"), frozenset({AccessNeed(PODS)})

    async def visibility() -> None:
        await bench.access.visibility(who, needs)

    await visibility()
    return HotPath("permissions that are known", visibility)


def recorded() -> dict[str, dict[str, Cost]]:
    """The baselines, by the version of Python."""
    if not BASELINE.exists():
        return {}
    versions = json.loads(BASELINE.read_text())
    return {version: {name: Cost(**cost) for name, cost in paths.items()} for version, paths in versions.items()}


def record(baselines: Mapping[str, Mapping[str, Cost]]) -> None:
    plain = {version: {name: asdict(cost) for name, cost in paths.items()} for version, paths in baselines.items()}
    BASELINE.write_text(json.dumps(dict(sorted(plain.items())), indent=2) + "\n")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.guard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="compare with the baseline, and write nothing")
    check = parser.parse_args(arguments).check
    baselines = recorded()
    before, counted = baselines.get(PYTHON), asyncio.run(_count())
    for name, cost in counted.items():
        then = (before or {}).get(name, Cost(0, 0))
        print(f"{name:<42}{then.instructions:>10,} → {cost.instructions:>8,} instructions", end="")
        print(f"{then.bytes:>12,} → {cost.bytes:>9,} bytes")
    if not check:
        record({**baselines, PYTHON: counted})
        return 0
    if before is None:
        print(f"There is no baseline of Python {PYTHON}; {RECORD} writes one")
        return 0
    found = heavier(counted, before)
    print(
        "\n".join((*found, f"If it is meant to be so: {RECORD}, and commit {BASELINE.name}")) if found else "As before"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
