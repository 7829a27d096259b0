"""What a question waits for, in which order, and who makes the gateway watch what."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import pytest

from auth.access import Access, AccessNeed, Resource
from auth.api import Unreachable
from auth.errors import NotSynced
from auth.identity import Identity
from auth.reviewers import Attributes, Decision
from auth.settings import AuthSettings
from schema.execution.gather import Gatherer
from schema.execution.needs import FieldNeeds, Needs
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.execution.view import View
from schema.schema import describe
from schema.sources.kubernetes.cluster import NotNeeded
from schema.sources.kubernetes.kinds import NODES, PODS, Kind
from schema.sources.kubernetes.objects import PodRecord, WirePod, pod_record
from schema.sources.prometheus.frames import MetricFrame, Question
from tests.schema.execution import world as made_up_world
from tests.schema.execution.side_by_side import found, prepared
from tests.schema.sources.kubernetes import pods
from tests.schema.sources.kubernetes.model_server import Refusal
from tests.schema.sources.kubernetes.test_kinds_on_demand import GADGETS, WIDGETS, World

OWNERS: Kind[PodRecord] = Kind("pods", "Pod", WirePod, pod_record, metadata_only=True)


class Rights:
    """A reviewer: who may do what is written down as `verb resource namespace name`."""

    def __init__(self, *allowed: str) -> None:
        self._allowed = {tuple(one.split(" ")) for one in allowed}
        self.watched_when_asked: list[bool] = []
        self.world: World | None = None

    async def authenticate(self, token: str) -> Identity:
        return Identity(token)

    async def decide(self, identity: Identity, attributes: Attributes) -> Decision:
        assert self.world is not None
        self.watched_when_asked.append("widgets" in self.world.cluster.status())
        asked = (attributes.verb, attributes.resource, attributes.namespace, attributes.name)
        return Decision(asked in self._allowed)


class NoMetrics:
    async def frames(self, questions: Iterable[Question]) -> Mapping[Question, MetricFrame]:
        raise AssertionError("nobody asked for metrics")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.until(lambda: made.cluster.synced)
    yield made
    await made.end()


async def view(world: World, rights: Rights, *needs: AccessNeed, kinds: Iterable[Kind[Any]] = (WIDGETS,)) -> View:
    rights.world = world
    access = Access(rights, lambda _resource: {"shop"}, AuthSettings())
    gatherer = Gatherer(world.cluster, NoMetrics(), access)
    return await gatherer.view(Identity("alice"), Needs(frozenset(needs), frozenset(), kinds=tuple(kinds)))


@pytest.mark.parametrize(
    ("right", "need"),
    [
        ("list widgets  ", AccessNeed(WIDGETS.resource)),
        ("list widgets shop ", AccessNeed(WIDGETS.resource)),
        ("list widgets shop ", AccessNeed(WIDGETS.resource, frozenset({"shop"}))),
        ("get widgets shop a", AccessNeed(WIDGETS.resource, frozenset({"shop"}), "a")),
    ],
)
async def test_who_may_see_a_kind_has_it_watched(world: World, right: str, need: AccessNeed):
    """Wherever it is, and be it one object: rights first, then the list, then the answer."""
    rights = Rights(right)
    seen = await view(world, rights, need)

    assert [widget.name for widget in seen.snapshot.of(WIDGETS)] == ["a"]
    assert not any(rights.watched_when_asked)
    assert (seen.refused, seen.pending, seen.stale) == ({}, {}, {})


@pytest.mark.parametrize(
    "need",
    [
        AccessNeed(WIDGETS.resource),
        AccessNeed(WIDGETS.resource, frozenset({"shop"})),
        AccessNeed(WIDGETS.resource, frozenset({"shop"}), "a"),
    ],
)
async def test_nobody_else_has_it_watched(world: World, need: AccessNeed):
    """A stranger's question costs the API server its reviews and nothing else, and tells nothing of the kind."""
    seen = await view(world, Rights("list pods  "), need)

    assert world.widgets.requests == []
    assert list(seen.snapshot.of(WIDGETS)) == []
    assert (seen.refused, seen.pending) == ({}, {})


async def test_a_stranger_does_not_keep_it_watched(world: World):
    """Only questions of those who may see the kind count."""
    await view(world, Rights("list widgets  "), AccessNeed(WIDGETS.resource))
    for _ in range(5):
        await view(world, Rights(), AccessNeed(WIDGETS.resource))
        await world.time.move_on(25)

    assert "widgets" not in world.cluster.status()


async def test_a_kind_that_cannot_be_watched_is_told_with_its_reason(world: World):
    """The rest of the question is answered."""
    rights = Rights("list widgets  ", "list gadgets  ", "list pods  ")
    needs = [AccessNeed(kind.resource) for kind in (GADGETS, PODS, WIDGETS)]
    refusal = Refusal(403, pods.failure(403, "Forbidden", "no"))
    world.widgets.refusals.append(refusal)
    seen = await view(world, rights, *needs, kinds=(GADGETS, PODS, WIDGETS))

    assert {*seen.refused} == {"gadgets", "widgets"}
    assert "has no gadgets" in seen.refused["gadgets"]
    assert WIDGETS.rule in seen.refused["widgets"]
    assert [pod.name for pod in seen.snapshot.pods] == []


async def test_a_late_first_list_is_no_reason_to_refuse_the_rest():
    """Only what needs the kind is not known yet."""
    world = World(first_list_seconds=0.01)
    await world.until(lambda: world.cluster.synced)
    world.widgets.streams.append(b"")
    seen = await view(
        world,
        Rights("list widgets  ", "list pods  "),
        *[AccessNeed(kind.resource) for kind in (PODS, WIDGETS)],
        kinds=(PODS, WIDGETS),
    )
    await world.end()

    assert {*seen.pending} == {"widgets"}
    assert seen.refused == {}
    assert seen.snapshot.pods.version


async def test_a_kind_on_demand_whose_watch_is_broken_is_shown_and_called_stale(world: World):
    """As a standing one is; and whoever asks for others hears nothing of it."""
    rights = Rights("list widgets  ", "list pods  ")
    needs = AccessNeed(WIDGETS.resource)
    await view(world, rights, needs)
    world.widgets.refusals += [Unreachable("connection refused")] * 1_000_000
    world.widgets.cut_watches()
    await world.until(lambda: not world.cluster.status_of(WIDGETS).live)
    seen = await view(world, rights, needs)
    others = await view(world, rights, AccessNeed(PODS.resource), kinds=(PODS,))

    assert [widget.name for widget in seen.snapshot.of(WIDGETS)] == ["a"]
    assert (dict(seen.stale), dict(others.stale)) == ({"widgets": 0}, {})


async def test_a_gateway_that_has_just_started_refuses_questions_about_standing_kinds():
    """It says that it is not ready, as /readyz does."""
    world = World()
    with pytest.raises(NotSynced, match="The first list of pods is still on its way"):
        await view(world, Rights("list pods  "), AccessNeed(PODS.resource), kinds=(PODS,))
    await world.end()


async def test_views_are_equal_while_what_they_need_stays_the_same(world: World):
    """A kind that ticks all the time outdates no answer about another."""
    rights = Rights("list widgets  ", "list pods  ")
    before = await view(world, rights, AccessNeed(PODS.resource), kinds=(PODS,))
    both = await view(world, rights, *(AccessNeed(kind.resource) for kind in (PODS, WIDGETS)), kinds=(PODS, WIDGETS))
    world.widgets.put("b")
    await world.until(lambda: len(world.cluster.snapshot().of(WIDGETS)) == 2)

    assert await view(world, rights, AccessNeed(PODS.resource), kinds=(PODS,)) == before
    later = await view(world, rights, *(AccessNeed(kind.resource) for kind in (PODS, WIDGETS)), kinds=(PODS, WIDGETS))
    assert later != both


async def test_what_nobody_said_would_be_read_cannot_be_read(world: World):
    """A field that forgets to say what it needs fails its first test, instead of showing nothing."""
    seen = await view(world, Rights("list pods  "), AccessNeed(PODS.resource), kinds=(PODS,))

    with pytest.raises(NotNeeded, match="nodes"):
        _ = seen.snapshot.nodes


def test_a_right_is_also_the_need_of_its_kind():
    """But where only the metadata is read, the whole objects need not be watched."""
    both = (AccessNeed(PODS.resource), AccessNeed(NODES.resource), AccessNeed(Resource("metrics.k8s.io", "pods")))

    assert FieldNeeds(access=both).watched() == {PODS, NODES}
    assert FieldNeeds(access=both, kinds=(OWNERS,)).watched() == {OWNERS, NODES}


@pytest.mark.parametrize(("rows", "newest"), [("pods(limit: 3)", False), ("pods", True), ("nodes { pods", True)])
async def test_an_answer_shows_those_whose_metrics_were_asked_for(rows: str, *, newest: bool):
    """What comes while Prometheus answers is shown at once, unless the question was about single objects."""
    made_up = made_up_world.World(1)
    text = f"{{ {rows} {{ name metrics(names: [CPU_USAGE]) {{ value }} }} }}" + "}" * rows.count("{")
    schema = describe()
    operation = found(Operations(ExecutionSettings()), schema, prepared(Documents(), schema, text), {})
    asked: list[Question] = []

    async def frames(questions: Iterable[Question]) -> Mapping[Question, MetricFrame]:
        asked.extend(questions)
        made_up.write_pod("payroll", "a-new-one")
        return {question: MetricFrame(question, {}) for question in asked}

    made_up.numbers.frames = frames  # type: ignore[method-assign]
    seen = await made_up.view(made_up_world.ADMIN, operation.needs)

    assert (seen.snapshot.pods.get("payroll", "a-new-one") is not None) == newest
    (question,) = asked
    assert question.selector.names == (None if newest else {pod.name for pod in list(seen.snapshot.pods)[:3]})
