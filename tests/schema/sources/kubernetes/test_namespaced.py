"""Only some namespaces are watched: each by itself, and seen as one picture."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.sources.kubernetes import progress
from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.kinds import NODES, PODS
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.policy import Backoff
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.kubernetes.store import Snapshot, Store
from tests.schema.sources.kubernetes import pods, promises
from tests.schema.sources.kubernetes.clock import Clock
from tests.schema.sources.kubernetes.model_api import ModelApi
from tests.schema.sources.kubernetes.model_server import ModelServer, Refusal
from tests.schema.sources.kubernetes.test_kinds_on_demand import WIDGETS

NAMESPACES = ("payroll", "shop")


class Corner:
    """A cluster of which two namespaces are watched. In each, some pods, a service's place, and a widget's."""

    def __init__(self) -> None:
        paths = [kind.path(each) for kind in (PODS, WIDGETS) for each in NAMESPACES]
        self.api = ModelApi(*paths, *(f"/api/v1/namespaces/{each}/services" for each in NAMESPACES))
        for number, namespace in enumerate(NAMESPACES):
            for name in ("a", "b", f"c{number}"):
                self.pods(namespace).put(name, namespace=namespace, uid=f"{namespace}-{name}")
        clock = Clock()
        self.cluster = Cluster(
            self.api,
            on_demand=(WIDGETS,),
            settings=KubernetesSettings(namespaces=("shop", "payroll")),
            backoff=lambda: Backoff(clock, clock.sleep, lambda: 0.0),
        )
        self.running: asyncio.Task[None]

    def pods(self, namespace: str) -> ModelServer:
        return self.api.kinds[PODS.path(namespace)]

    def start(self) -> None:
        self.running = asyncio.create_task(self.cluster.run(), name="cluster")

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(2_000):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError(f"never so: {self.cluster.status()}")

    def shown(self) -> list[str]:
        return [f"{pod.namespace}/{pod.name}" for pod in self.cluster.snapshot().pods]


@pytest.fixture
async def corner() -> AsyncIterator[Corner]:
    made = Corner()
    yield made
    made.running.cancel()
    await asyncio.wait([made.running])


async def test_a_version_counts_in_all_of_them(corner: Corner, monkeypatch: pytest.MonkeyPatch):
    """What one namespace shows is told; another must have heard of it too, of which nothing has changed."""
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    corner.start()
    await corner.until(lambda: corner.cluster.synced)
    corner.pods("shop").put("z", namespace="shop", uid="z", version=90)
    await corner.until(lambda: len(corner.shown()) == 7)
    told = corner.cluster.snapshot([PODS]).versions["pods"]
    corner.pods("payroll").version = 95  # it is one counter; nothing was written there

    assert told == "90"
    assert await corner.cluster.reach({PODS: told}, seconds=5.0) == {}
    assert corner.pods("payroll").asked_for_one == 1
    assert corner.pods("shop").asked_for_one == 0


async def test_a_namespace_that_may_not_be_watched_is_not_waited_for(corner: Corner):
    """Nothing of it is shown."""
    forbidden = Refusal(403, pods.failure(403, "Forbidden", "pods is forbidden"))
    corner.pods("payroll").refusals += [forbidden] * 50
    corner.start()
    await corner.until(lambda: corner.cluster.synced)
    newest = str(corner.pods("shop").version)

    assert await corner.cluster.reach({PODS: newest}, seconds=5.0) == {}
    assert await corner.cluster.reach({PODS: "1000"}, seconds=0.0) == {PODS: newest}


async def test_the_namespaces_are_seen_as_one(corner: Corner):
    """In order, whatever came first; and the rest of the cluster is never asked for."""
    corner.start()
    await corner.until(lambda: corner.cluster.synced)
    corner.pods("payroll").put("z", namespace="payroll", uid="z")
    await corner.until(lambda: len(corner.shown()) == 7)
    first, again = corner.cluster.snapshot().pods, corner.cluster.snapshot().pods

    assert corner.shown() == [f"payroll/{n}" for n in ("a", "b", "c0", "z")] + [f"shop/{n}" for n in ("a", "b", "c1")]
    assert first is again
    assert corner.api["pods"].requests == corner.api["nodes"].requests == corner.api["namespaces"].requests == []
    promises.all_of(first, PODS)
    assert corner.cluster.status()["pods"].objects == 7


async def test_what_belongs_to_no_namespace_is_refused_with_that_reason(corner: Corner):
    """And keeps nobody waiting."""
    corner.start()
    await corner.until(lambda: corner.cluster.synced)
    status = corner.cluster.status_of(NODES)

    assert (status.refused, len(corner.cluster.snapshot().nodes)) == (True, 0)
    assert status.reason == "This gateway watches the namespaces payroll, shop alone; nodes are in none"


async def test_a_namespace_without_rights_costs_itself_alone(corner: Corner):
    """The kind is shown without it and says that something is missing; refused everywhere, it names the Role's rule."""
    refusal = Refusal(403, pods.failure(403, "Forbidden", "no"))
    corner.pods("shop").refusals += [refusal] * 1_000_000
    corner.start()
    await corner.until(lambda: corner.cluster.synced)
    some = corner.cluster.status_of(PODS)
    shown = corner.shown()
    corner.pods("payroll").refusals += [refusal] * 1_000_000
    corner.pods("payroll").cut_watches()
    await corner.until(lambda: corner.cluster.status_of(PODS).refused)

    assert (some.synced, some.refused, some.live) == (True, False, False)
    assert f"its Role in shop needs the rule {PODS.rule}" in some.reason
    assert shown == ["payroll/a", "payroll/b", "payroll/c0"]
    assert "its Role in payroll" in corner.cluster.status_of(PODS).reason


async def test_kinds_on_demand_are_watched_in_the_same_namespaces(corner: Corner):
    """One reflector for each, started by the first question, waited for together."""
    for namespace in NAMESPACES:
        corner.api.kinds[WIDGETS.path(namespace)].put("w", namespace=namespace)
    corner.start()
    await corner.cluster.want([WIDGETS])
    names = {task.get_name() for task in asyncio.all_tasks()}

    assert [each.namespace for each in corner.cluster.snapshot().of(WIDGETS)] == ["payroll", "shop"]
    assert {"reflector/widgets/payroll", "reflector/widgets/shop"} <= names


@given(
    placed=st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from("stuvw")),
        st.tuples(st.sampled_from([None, "n1", "n2"]), st.sampled_from(["Running", "Failed"])),
    )
)
def test_a_united_picture_is_the_picture_of_all(placed: dict[tuple[str, str], tuple[str | None, str]]):
    """Whatever stands where: it reads as if one store had held everything."""
    records = [
        pods.record(name, version=7, namespace=namespace, node=node, phase=phase)
        for (namespace, name), (node, phase) in sorted(placed.items())
    ]

    def stored(some: list[PodRecord], version: str) -> Snapshot[PodRecord]:
        store: Store[PodRecord] = Store(PODS.counted_by, PODS.grouped_by, PODS.summing)
        store.replace(some, version)
        return store.snapshot()

    versions = {"a": "9", "b": "10", "c": "11"}
    united = Snapshot.united([stored([r for r in records if r.namespace == each], versions[each]) for each in "abc"])
    whole = stored(records, "11")

    promises.all_of(united, PODS)
    assert united.version == "9"
    assert list(united) == list(whole)
    assert united.ungrouped == whole.ungrouped
    for attribute in ("namespace", *PODS.counted_by):
        assert united.counts(attribute) == whole.counts(attribute)
