"""Kinds that are watched while somebody asks for them."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.kinds import PODS, Kind
from schema.sources.kubernetes.objects import PodRecord, WirePod, pod_record
from schema.sources.kubernetes.policy import Backoff
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.schema.sources.kubernetes import pods
from tests.schema.sources.kubernetes.clock import Clock
from tests.schema.sources.kubernetes.model_api import KINDS, ModelApi
from tests.schema.sources.kubernetes.model_server import ModelServer, Refusal

WIDGETS: Kind[PodRecord] = Kind("widgets", "Widget", WirePod, pod_record, api_version="example.com/v1")
GADGETS: Kind[PodRecord] = Kind("gadgets", "Gadget", WirePod, pod_record, api_version="example.com/v1")
IDLE_S = 100.0


class Time:
    """A clock that a test moves on; sleepers wake when it is time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._moved = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            await self._moved.wait()

    async def move_on(self, seconds: float) -> None:
        """Let `seconds` pass, and everybody whom they wake have a turn."""
        self.now += seconds
        self._moved.set()
        self._moved.clear()
        for _ in range(20):
            await asyncio.sleep(0)


class World:
    """A cluster with widgets, of which nobody has asked yet."""

    def __init__(self, *, first_list_seconds: float = 5.0, retrying_at_once: bool = True) -> None:
        self.api = ModelApi(WIDGETS)
        self.widgets: ModelServer = self.api.kinds[WIDGETS.path()]
        self.widgets.put("a")
        self.time = Time()
        clock: Clock | Time = Clock() if retrying_at_once else self.time
        self.cluster = Cluster(
            self.api,
            on_demand=(WIDGETS, GADGETS),
            settings=KubernetesSettings(idle_kind_seconds=IDLE_S, first_list_seconds=first_list_seconds),
            backoff=lambda: Backoff(clock, clock.sleep, lambda: 0.0),
            clock=self.time,
            sleep=self.time.sleep,
        )
        self.running = asyncio.create_task(self.cluster.run(), name="cluster")

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(2_000):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError(f"never so: {self.cluster.status()}")

    async def names(self) -> list[str]:
        """What somebody sees who asks now."""
        await self.cluster.want([WIDGETS])
        return [widget.name for widget in self.cluster.snapshot().of(WIDGETS)]

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.wait([self.running])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.until(lambda: made.cluster.synced)
    yield made
    await made.end()
    assert all(server.closed == len(server.requests) for server in made.api.kinds.values())


async def test_the_first_question_starts_a_kind_and_waits_for_its_list(world: World):
    """Until then nothing is asked of the API server, and there is nothing to see."""
    before = (world.widgets.requests.copy(), list(world.cluster.snapshot().of(WIDGETS)))
    names = await world.names()
    world.widgets.put("b")
    await world.until(lambda: len(world.cluster.snapshot().of(WIDGETS)) == 2)

    assert before == ([], [])
    assert names == ["a"]
    assert len(world.widgets.requests) == 1, "the list goes on as the watch"
    assert world.cluster.status()["widgets"].live


async def test_many_who_ask_at_once_share_one_list(world: World):
    """One reflector for the process, however many ask."""
    answers = await asyncio.gather(*(world.names() for _ in range(20)))

    assert answers == [["a"]] * 20
    assert len(world.widgets.requests) == 1


async def test_standing_kinds_are_not_waited_for(world: World):
    """Wanting them changes nothing: they run anyway, and are given back never."""
    await world.cluster.want([PODS])
    for _ in range(5):
        await world.time.move_on(IDLE_S)

    assert set(world.cluster.status()) == set(KINDS)


async def test_a_kind_is_given_back_when_nobody_asks_any_more(world: World):
    """Its watch is left, its objects are let go, those who keep something of it are told; the next question starts it
    again.
    """
    told: list[Kind[Any]] = []
    world.cluster.when_given_back(told.append)
    await world.names()
    store = weakref.ref(world.cluster.watched(WIDGETS).store)
    await world.time.move_on(IDLE_S - 1)
    still = (set(world.cluster.status()), told.copy())
    await world.time.move_on(IDLE_S / 4 + 1)
    gc.collect()

    assert still == ({*KINDS, "widgets"}, [])
    assert told == [WIDGETS]
    assert set(world.cluster.status()) == set(KINDS)
    assert (len(world.widgets.watchers), world.widgets.closed) == (0, 1)
    assert list(world.cluster.snapshot().of(WIDGETS)) == []
    assert store() is None

    world.widgets.put("b")
    assert await world.names() == ["a", "b"]


async def test_a_kind_that_is_asked_for_stays(world: World):
    """Each question begins the time anew."""
    for _ in range(8):
        await world.names()
        await world.time.move_on(IDLE_S / 2)

    assert len(world.widgets.requests) == 1


async def test_a_kind_that_the_server_does_not_have_costs_only_itself(world: World):
    """Who asks is told at once; everything else is as it was."""
    await world.cluster.want([WIDGETS, GADGETS])
    status = world.cluster.status_of(GADGETS)

    assert (status.refused, status.synced, status.live) == (True, False, False)
    assert status.reason == "The API server has no gadgets in example.com/v1: 404"
    assert list(world.cluster.snapshot().of(GADGETS)) == []
    assert world.cluster.status_of(WIDGETS).synced
    assert world.cluster.synced


async def test_a_kind_that_the_gateway_may_not_watch_names_the_missing_rule(world: World):
    """As a person would write it in a ClusterRole; the first refusal counts, and a grant is found out."""
    refusal = Refusal(403, pods.failure(403, "Forbidden", 'User "binnacle" cannot watch resource "widgets"'))
    world.widgets.refusals.append(refusal)
    await world.cluster.want([WIDGETS])
    status = world.cluster.status_of(WIDGETS)
    await world.until(lambda: world.cluster.status_of(WIDGETS).synced)

    assert status.refused
    assert '{apiGroups: ["example.com"], resources: ["widgets"], verbs: ["list", "watch"]}' in status.reason
    assert 'User "binnacle" cannot watch' in status.reason
    assert not world.cluster.status_of(WIDGETS).refused


async def test_a_rule_that_was_just_granted_is_found_out_by_the_next_question():
    """However often it was missing before, and however long the reflector itself would wait."""
    world = World(retrying_at_once=False)
    await world.until(lambda: world.cluster.synced)
    world.widgets.refusals += [Refusal(403, pods.failure(403, "Forbidden", "no"))] * 6
    await world.cluster.want([WIDGETS])
    for pause in (0.8, 1.6, 3.2, 6.4, 12.8):
        await world.time.move_on(pause)
    granted = (world.widgets.refusals.copy(), world.cluster.status_of(WIDGETS).refused)
    names = await world.names()
    await world.end()

    assert granted == ([], True)
    assert names == ["a"]
    assert len(world.widgets.requests) == 7


async def test_a_restarting_server_takes_nothing_away(world: World):
    """What is known stays to be seen while the server does not know its own roles yet."""
    await world.names()
    world.widgets.refusals += [Refusal(403, pods.failure(403, "Forbidden", "not yet"))] * 2
    world.widgets.cut_watches()
    await world.until(lambda: not world.widgets.refusals)

    assert not world.cluster.status_of(WIDGETS).refused
    assert await world.names() == ["a"]


async def test_a_first_list_that_takes_too_long_is_waited_for_no_longer():
    """Whoever asks gets an answer; the list goes on, for those who ask again."""
    world = World(first_list_seconds=0.01)
    world.widgets.streams.append(b"")
    await world.cluster.want([WIDGETS])
    early = world.cluster.status_of(WIDGETS)
    world.widgets.send(pods.event("ADDED", world.widgets.objects["shop", "a"]))
    world.widgets.send(pods.bookmark(world.widgets.version, initial_end=True))
    await world.until(lambda: world.cluster.status_of(WIDGETS).synced)
    names = await world.names()
    await world.end()

    assert (early.synced, early.refused) == (False, False)
    assert names == ["a"]


async def test_a_kind_whose_list_is_waited_for_is_not_given_back():
    """However soon the idle ones are: whoever waits gets what they wait for."""
    world = World(first_list_seconds=2 * IDLE_S)
    world.widgets.streams.append(b"")
    asked = asyncio.create_task(world.names())
    await world.until(lambda: world.widgets.watchers)
    await world.time.move_on(IDLE_S * 1.5)
    world.widgets.send(pods.event("ADDED", world.widgets.objects["shop", "a"]))
    world.widgets.send(pods.bookmark(world.widgets.version, initial_end=True))
    names = await asked
    await world.end()

    assert names == ["a"]


async def test_readiness_waits_for_standing_kinds_alone():
    """A kind that somebody happens to ask for early keeps no replica out of service."""
    world = World(first_list_seconds=0.01)
    world.widgets.streams.append(b"")
    await world.cluster.want([WIDGETS])
    await world.until(lambda: world.cluster.synced)
    late = world.cluster.status_of(WIDGETS)
    await world.end()

    assert not late.synced


async def test_a_kind_that_dies_tells_the_process(world: World):
    """As a standing one does: a frozen picture must not be shown as live."""
    await world.names()

    def fail(_: object) -> None:
        raise RuntimeError("a mistake of ours")

    world.cluster.watched(WIDGETS).store.consume(fail)
    world.widgets.put("b")
    await asyncio.wait([world.running], timeout=5)

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a mistake of ours")):
        world.running.result()


async def test_a_kind_that_is_asked_for_before_the_start_is_watched_from_the_start():
    """A request may come before the first task had its turn."""
    world = World()
    names = await world.names()
    await world.end()

    assert names == ["a"]


async def test_what_happens_to_one_kind_leaves_a_picture_of_others_equal(world: World):
    """Answers that do not depend on it are still answers."""
    await world.names()
    others, both = ([PODS], [PODS, WIDGETS])
    before = [world.cluster.snapshot(kinds) for kinds in (others, both)]
    world.widgets.put("b")
    await world.until(lambda: len(world.cluster.snapshot().of(WIDGETS)) == 2)
    after = [world.cluster.snapshot(kinds) for kinds in (others, both)]

    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False]
    assert before[0].contradicts(after[1]) is False
    assert before[1].contradicts(after[1]) is True


class Lifecycle(RuleBasedStateMachine):
    """Widgets come and go, questions come and do not come, watches break: whoever asks sees what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        self.world = World()
        await self.world.until(lambda: self.world.cluster.synced)

    def teardown(self) -> None:
        self.runner.run(self.world.end())
        self.runner.close()

    @rule(name=st.sampled_from("abcd"))
    def put(self, name: str) -> None:
        self.world.widgets.put(name)

    @rule(name=st.sampled_from("abcd"))
    def delete(self, name: str) -> None:
        self.world.widgets.delete(name)

    @rule(seconds=st.sampled_from([1.0, IDLE_S / 3, IDLE_S * 2]))
    def let_time_pass(self, seconds: float) -> None:
        self.runner.run(self.world.time.move_on(seconds))

    @rule()
    def cut(self) -> None:
        self.world.widgets.cut_watches()

    @rule()
    def forget_the_past(self) -> None:
        self.world.widgets.forget()

    @rule()
    def refuse_once(self) -> None:
        self.world.widgets.refusals.append(Refusal(500, pods.failure(500, "InternalError", "for once")))

    @rule()
    def ask(self) -> None:
        self.runner.run(self._ask())

    async def _ask(self) -> None:
        there = sorted(name for _, name in self.world.widgets.objects)
        await self.world.names()
        await self.world.until(lambda: [w.name for w in self.world.cluster.snapshot().of(WIDGETS)] == there)

    @invariant()
    def one_watch_at_most(self) -> None:
        """And none for a kind that is not in use."""
        in_use = WIDGETS.key in self.world.cluster.status()
        assert len(self.world.widgets.watchers) <= in_use
        if not in_use:
            assert list(self.world.cluster.snapshot().of(WIDGETS)) == []


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
