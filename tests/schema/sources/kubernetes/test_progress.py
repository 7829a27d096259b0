"""Whoever waits for a version, against an API server in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from auth.api import Unreachable
from schema.sources.kubernetes import progress
from schema.sources.kubernetes.kinds import EVENTS, PODS, Kind
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.progress import Progress
from tests.schema.sources.kubernetes import pods
from tests.schema.sources.kubernetes.model_server import Refusal
from tests.schema.sources.kubernetes.test_reflector import Watch


class Waited(Watch):
    """A reflector, and those who wait for what it has not."""

    def __init__(self, kind: Kind[PodRecord] = PODS) -> None:
        super().__init__(kind)
        self.progress = Progress(self.server, kind, self.reflector)


@pytest.fixture
async def watch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Waited]:
    """A reflector that has listed two pods, and nobody with patience."""
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    watch = Waited()
    watch.server.put("a")
    watch.server.put("b")
    watch.start()
    await watch.settled()
    yield watch
    await watch.stop()
    assert watch.server.closed == len(watch.server.requests), "a stream was left open"


def waiting(watch: Waited, version: int) -> asyncio.Task[None]:
    return asyncio.create_task(watch.progress.reached(str(version)))


async def test_a_version_that_is_there_is_not_waited_for(watch: Waited):
    """Nor asked for."""
    await watch.progress.reached(str(watch.server.version))
    await watch.progress.reached("1")

    assert len(watch.server.requests) == 1
    assert watch.server.asked_for_one == 0


async def test_what_is_written_comes_by_the_watch(watch: Waited, monkeypatch: pytest.MonkeyPatch):
    """In time: nothing more is asked."""
    monkeypatch.setattr(progress, "PATIENCE_S", 60.0)
    arrives = waiting(watch, watch.server.version + 2)
    watch.server.put("c")
    await watch.until(lambda: "c" in watch.names())
    assert not arrives.done()
    watch.server.put("d")

    await arrives
    assert watch.names() == ["a", "b", "c", "d"]
    assert len(watch.server.requests) == 1


async def test_a_version_of_a_quiet_moment_is_asked_for(watch: Waited):
    """Nothing happened to pods up to there, and no bookmark has said so yet: a short watch does."""
    watch.server.version += 100

    await waiting(watch, watch.server.version)

    assert watch.store.version == str(watch.server.version)
    assert watch.asked()[1:] == ["WATCH@3"]
    await watch.until(lambda: not watch.server.short)


async def test_a_watch_that_lags_is_overtaken(watch: Waited):
    """What the short watch brings is taken in, told once, and nothing the second time."""
    lagging, *watch.server.watchers = watch.server.watchers
    watch.server.put("c")
    watch.server.delete("a")

    await waiting(watch, watch.server.version)
    assert watch.names() == ["b", "c"]
    assert [(change.before, change.after) for change in watch.store.changes_since("3")][-1][1] is None
    await watch.keeps_its_promises()

    told = len(watch.store.changes_since("3"))
    for _, line in watch.server.history[-2:]:
        lagging.queue.put_nowait(line)
    watch.server.watchers.append(lagging)
    watch.server.put("d")
    await watch.settled()
    assert len(watch.store.changes_since("3")) == told + 1
    await watch.keeps_its_promises()


async def test_a_version_that_nobody_has_written_costs_one_small_question(watch: Waited):
    """No watch: there is nothing that it could bring."""
    arrives = waiting(watch, 10_000)
    await watch.until(lambda: watch.server.asked_for_one)
    await asyncio.sleep(0)

    assert len(watch.server.requests) == 1
    watch.server.put("c", version=10_000)
    await arrives


async def test_many_who_wait_ask_one_after_the_other(watch: Waited):
    """And what the first one has found out, the others need not ask."""
    watch.server.version += 100
    await asyncio.gather(*(waiting(watch, watch.server.version - number) for number in range(20)))

    assert watch.server.asked_for_one == 1
    assert len(watch.server.requests) == 2


async def test_who_goes_away_takes_the_question_along(watch: Waited):
    """No stream stays open for nobody."""
    watch.server.version += 100
    watch.server.bookmarks_soon = False
    arrives = waiting(watch, watch.server.version)
    await watch.until(lambda: watch.server.short)
    arrives.cancel()
    await asyncio.wait([arrives])

    assert arrives.cancelled()
    assert not watch.server.short


@pytest.mark.parametrize(
    "refusal",
    [Unreachable("connection refused"), Refusal(410, pods.failure(410, "Expired")), Refusal(429), Refusal(500)],
)
async def test_a_question_that_fails_leaves_the_watch_alone(watch: Waited, refusal: Refusal | Exception):
    """It is waited for on, and comes in the end."""
    watch.server.version += 100
    watch.server.refusals.append(refusal)
    arrives = waiting(watch, watch.server.version)
    await watch.until(lambda: len(watch.server.requests) == 2)
    assert not arrives.done()
    watch.server.bookmark()

    await arrives
    assert watch.reflector.status().live
    assert watch.reflector.failures == 0


async def test_nothing_is_written_into_a_list_that_is_being_swapped_in(watch: Waited):
    """A short watch that began before waits its turn, and is of no use where the list is older than it."""
    began_at = watch.store.version
    watch.server.restore_backup(2)
    await watch.settled()

    line = pods.event("ADDED", pods.manifest("z", 50))
    assert not await watch.reflector._take_aside(began_at, [line])
    assert "z" not in watch.names()


async def test_kinds_without_bookmarks_are_waited_for_alone(monkeypatch: pytest.MonkeyPatch):
    """No question could tell that nothing has happened."""
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    watch = Waited(EVENTS)  # type: ignore[arg-type] # of pods, but for its bookmarks
    watch.server.path = EVENTS.path()
    watch.start()
    await watch.settled()
    arrives = waiting(watch, watch.server.version + 1)
    await asyncio.sleep(0.01)
    assert watch.server.asked_for_one == 0
    watch.server.put("a")

    await arrives
    await watch.stop()
