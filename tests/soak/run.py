"""A soak: load throughout, one fault after the other, calm in between; then everything must be as it was.

While a fault bites, and until an answer is whole again, clients may be told what the fault's row says; in the calm
nothing but whole answers is right. A wrong answer is a mistake at any time.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.soak.faults import FAULTS, Fault
from tests.soak.load import DASHBOARD, Client, Outcome, Tally
from tests.soak.report import Held, Report, Struck, oldest
from tests.soak.stage import Stage, set_stage

CLIENTS: Final = 50
PAUSE_S: Final = 0.15  # between an answer and the next question of the same client, on average
WARM_S: Final = 4.0
CALM_S: Final = 1.5
# A reflector's longest pause is 30 s, and twice that with its jitter; after faults of seconds it is far from there.
RECOVERY_LIMIT_S: Final = 40.0
# Other kinds' watches come back a moment after the ones that are looked at.
ALL_BACK_S: Final = 1.0

SHOWN: Final = 5  # wrong answers of one fault that are told in full
MORE_MEMORY: Final = 40e6
# What no line of the gateway's log may have.
MISTAKES: Final = ("Traceback", "request.failed", "resolver.failed", '"died"', "never retrieved", "never awaited")
SETTLED_LIMIT_S: Final = 25.0  # kept connections to the API server and Prometheus are closed after 15 s


async def soak(folder: Path, *, seconds: float, seed: int) -> Report:
    """Break everything in turn for so many seconds; longer if a fault has just begun."""
    report = Report(seed)
    chance = random.Random(seed)
    report.say("starting etcd, kube-apiserver, Prometheus and the gateway")
    async with set_stage(folder, seed) as stage, _written(stage) as writing:
        async with _asked(stage, chance):
            await asyncio.sleep(WARM_S)
        report.before = await _held(stage)
        report.say(f"warm; the gateway holds {report.before}")
        began = time.monotonic()
        async with _asked(stage, chance) as tally, _prober(stage, chance) as prober:
            for fault in _schedule(chance, began + seconds):
                report.add(await _strike(fault, stage, tally, prober))
                if writing.done():
                    writing.result()
        report.seconds = time.monotonic() - began
        report.answers = len(tally.outcomes)
        report.writes = stage.model.writes
        report.after = await _settled(stage, report.before)
        report.mistakes += _left_behind(report.before, report.after)
        report.mistakes += _told_in_the_log(stage)
    print(report.table(), flush=True)
    return report


def _schedule(chance: random.Random, until: float) -> Iterator[Fault]:
    """All faults in a random order, and again, as long as there is time for the next one."""
    while True:
        some = list(FAULTS)
        chance.shuffle(some)
        fits = [fault for fault in some if time.monotonic() + fault.seconds + CALM_S < until]
        if not fits:
            return
        for fault in some:
            if time.monotonic() + fault.seconds + CALM_S < until:
                yield fault


async def _strike(fault: Fault, stage: Stage, tally: Tally, prober: Client) -> Struck:
    """Break, mend, wait until an answer is whole, and look at what everybody was told from beginning to end."""
    began = time.monotonic()
    async with fault.breaks(stage):
        await asyncio.sleep(fault.seconds)
        bitten = tally.problems(since=began)
        mending = time.monotonic()
    mended = time.monotonic()
    recovered = await _recovery(stage, prober, mended)
    await asyncio.sleep(ALL_BACK_S)
    calm = time.monotonic()
    await asyncio.sleep(CALM_S)
    outcomes = tally.since(began)
    bitten |= tally.problems(since=began)
    wrong = [outcome.wrong for outcome in outcomes if outcome.wrong]
    mistakes = [
        *wrong[:SHOWN],
        *([f"and {len(wrong) - SHOWN} wrong answers more"] if len(wrong) > SHOWN else []),
        *(f"{problem} was told" for problem in sorted(set(bitten) - fault.may)),
        *(f"{problem} was told to nobody: it did not bite" for problem in sorted(fault.must - set(bitten))),
        *_told_in_the_calm(tally.since(calm), mended),
        *([] if recovered is not None else [f"no whole answer within {RECOVERY_LIMIT_S:g} s"]),
    ]
    return Struck(
        fault.name,
        mending - began,
        recovered,
        len(outcomes),
        bitten,
        oldest(outcomes),
        mistakes,
    )


def _told_in_the_calm(outcomes: Sequence[Outcome], mended: float) -> Sequence[str]:
    """What should not have been: each problem once, with what was said and how long after all was mended."""
    first: dict[str, Outcome] = {}
    for outcome in outcomes:
        for problem in [*outcome.problems, *(["stale"] if outcome.stale else [])]:
            first.setdefault(problem, outcome)
    return [
        f"{problem} was told when all was well, {outcome.began - mended:.1f} s after it was mended, to"
        f" {outcome.question}: {outcome.said}"
        for problem, outcome in first.items()
    ]


async def _recovery(stage: Stage, prober: Client, mended: float) -> float | None:
    """The time until somebody who sees everything is told everything: no error, not stale, all metrics, all writes.

    And until the API server is asked again who somebody is: whoever is known already may be answered before.
    """
    written = {kind: len(log.writes) for kind, log in stage.model.logs.items()}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RECOVERY_LIMIT_S):
            while True:
                outcome = await prober.ask(DASHBOARD)
                fresh = all(stage.model.logs[kind].shown >= count for kind, count in written.items())
                if outcome.whole and fresh and not outcome.blank and (await prober.ask_as_stranger()).whole:
                    return outcome.ended - mended
                await asyncio.sleep(0.05)
    return None


# ------------------------------------------------------------------------------------------------------------- the load


@asynccontextmanager
async def _written(stage: Stage) -> AsyncIterator[asyncio.Task[None]]:
    """Writers at work until the block ends."""

    async def write() -> None:
        async with asyncio.TaskGroup() as tasks:
            for writer in stage.writers:
                tasks.create_task(writer.run(), name="writer")

    writing = asyncio.create_task(write(), name="writers")
    try:
        yield writing
    finally:
        writing.cancel()
        await asyncio.wait([writing])


@asynccontextmanager
async def _asked(stage: Stage, chance: random.Random) -> AsyncIterator[Tally]:
    """Clients at work until the block ends; then their connections are closed."""
    tally = Tally()
    clients = [
        Client(
            stage.gateway.url,
            stage.callers[number % len(stage.callers)],
            stage.model,
            stage.trusted,
            random.Random(chance.random()),
        )
        for number in range(CLIENTS)
    ]
    first, *others = clients
    asking = [asyncio.create_task(client.run(tally.tell, PAUSE_S), name="client") for client in others]
    asking.append(asyncio.create_task(first.run_as_strangers(tally.tell, PAUSE_S), name="strangers"))
    try:
        yield tally
    finally:
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        await asyncio.gather(*(client.close() for client in clients))
        for task in asking:
            if not task.cancelled():
                task.result()


@asynccontextmanager
async def _prober(stage: Stage, chance: random.Random) -> AsyncIterator[Client]:
    prober = Client(stage.gateway.url, stage.callers[0], stage.model, stage.trusted, random.Random(chance.random()))
    try:
        yield prober
    finally:
        await prober.close()


# -------------------------------------------------------------------------------------------------- what is left behind


async def _held(stage: Stage) -> Held:
    stage.gateway.give_back()
    await asyncio.sleep(0.5)  # that takes its time, and closed connections are closed at both ends
    tasks = await stage.gateway.metric("binnacle_tasks")
    return Held(stage.gateway.memory, stage.gateway.files, int(tasks))


async def _settled(stage: Stage, before: Held) -> Held:
    """What is held once it is no more than before; or after a while, what it is then."""
    until = time.monotonic() + SETTLED_LIMIT_S
    while True:
        held = await _held(stage)
        if not _left_behind(before, held) or time.monotonic() > until:
            return held
        await asyncio.sleep(0.5)


def _left_behind(before: Held, after: Held) -> Sequence[str]:
    found = []
    if after.files > before.files:
        found.append(f"{after.files - before.files} more open files than before")
    if after.tasks > before.tasks:
        found.append(f"{after.tasks - before.tasks} more tasks than before")
    if after.memory > before.memory + MORE_MEMORY:
        found.append(f"{(after.memory - before.memory) / 1e6:.0f} MB more memory than before")
    return found


def _told_in_the_log(stage: Stage) -> Sequence[str]:
    log = stage.gateway.log
    found = [f"a token of {caller.name} is in the log" for caller in stage.callers if caller.token in log]
    mistakes = [line for line in log.splitlines() if any(word in line for word in MISTAKES)]
    return [*found, *(f"the log has {line[:300]}" for line in mistakes[:5])]
