"""Orders by metrics: sorted once for each answer of Prometheus and for all who see the same, and always as if anew."""

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from auth.identity import Identity
from schema.asking.indexes import Indexes
from schema.execution.gather import Gatherer
from schema.execution.limits import Limits
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings, LimitSettings
from schema.execution.view import View
from schema.schema import describe
from schema.sources.kubernetes import kinds
from schema.sources.prometheus.frames import MetricFrame, Question
from tests.schema.execution.side_by_side import by_graphql_core, found, prepared
from tests.schema.execution.world import ADMIN, CLERK, NAMESPACES, NEW, PORTER, WARDEN, World, made

SCHEMA = describe()
SETS = 60
TEMPLATE = {"spec": {"containers": [{"name": "main", "image": "web:1"}]}}

# By a metric that nobody may miss, of every kind that has such orders.
LISTS = (
    "pods",
    "nodes",
    "namespaces",
    "deployments",
    "replicaSets",
    "statefulSets",
    "daemonSets",
    "jobs",
    "cronJobs",
)
METRICS = ("CPU_USAGE", "CPU_REQUEST_UTILIZATION", "CPU_LIMIT")


class Counting(dict[str, float]):
    """What a frame has of one namespace, counting how often it is looked at."""

    def __init__(self, numbers: Mapping[str, float], read: Callable[[], None]) -> None:
        super().__init__(numbers)
        self._read = read

    def get(self, *arguments: Any) -> Any:
        self._read()
        return super().get(*arguments)


class Numbers:
    """Prometheus: the same answers until `scrape`, of everything there is."""

    def __init__(self, world: World) -> None:
        self.read = 0
        self._world = world
        self._chance = random.Random(7)
        self._frames: dict[Question, MetricFrame] = {}

    def scrape(self) -> None:
        self._frames.clear()

    @property
    def asked(self) -> list[Question]:
        return list(self._frames)

    def _count(self) -> None:
        self.read += 1

    async def frames(self, questions: Iterable[Question]) -> Mapping[Question, MetricFrame]:
        return {question: self._frames.setdefault(question, self._frame(question)) for question in questions}

    def _frame(self, question: Question) -> MetricFrame:
        snapshot = self._world.snapshot()
        rows: Any = {"NODE": snapshot.nodes, "NAMESPACE": snapshot.namespaces}.get(question.level.name, snapshot.pods)
        numbers: dict[str, dict[str, float]] = {}
        for row in rows:
            if self._chance.random() < 0.9:
                numbers.setdefault(row.namespace, {})[row.name] = self._chance.choice((0.0, 0.25, 0.5, 3.0))
        return MetricFrame(
            question, {place: Counting(names, self._count) for place, names in numbers.items()}, evaluated_at=NEW
        )


class Town:
    """A world in which each workload has many of its kind, and its orders, asked without HTTP."""

    def __init__(self, *, require_metrics_right: bool = False) -> None:
        self.world = World(3, nodes=20, pods=0)
        self.chance = random.Random(5)
        for namespace in NAMESPACES[:2]:
            self._people(namespace)
        for number in range(SETS):
            self.world.put(kinds.NAMESPACES, made(f"place-{number}"))
            self._pod(f"place-{number}", "db", number % 2, 0)
        self.numbers = Numbers(self.world)
        self.gatherer = Gatherer(
            self.world, self.numbers, self.world.access, require_metrics_right=require_metrics_right
        )
        self._documents, self._operations = Documents(Limits(LimitSettings())), Operations(ExecutionSettings())

    async def view(self, query: str, who: Identity) -> tuple[Any, View]:
        document = prepared(self._documents, SCHEMA, query)
        operation = found(self._operations, SCHEMA, document, {})
        return document, await self.gatherer.view(who, operation.needs)

    async def ask(self, query: str, who: Identity = ADMIN, *, anew: bool = False) -> Any:
        """The data; `anew`: as if nothing had been asked before."""
        document, view = await self.view(query, who)
        if anew:
            view = replace(view, indexes=Indexes())
        data, errors = by_graphql_core(SCHEMA, document, {}, view)
        assert errors == []
        return orjson.loads(data)

    def pod_changes(self) -> None:
        """A pod is deleted, or comes back, or claims something else, or moves to another node or owner."""
        namespace, number = self.chance.choice(NAMESPACES[:2]), self.chance.randrange(SETS)
        kind = self.chance.choice(("rs", "db", "agent", "job"))
        if self.chance.random() < 0.3:
            self.world.delete_pod(namespace, f"{kind}-{number}-0")
        else:
            self._pod(namespace, kind, number, self.chance.randrange(SETS))

    def place_changes(self) -> None:
        """A pod of one of the many namespaces that have few."""
        self._pod(f"place-{self.chance.randrange(SETS)}", "db", self.chance.randrange(2), 0)

    def owner_changes(self) -> None:
        """A replica set is taken over by another deployment."""
        namespace, number = self.chance.choice(NAMESPACES[:2]), self.chance.randrange(SETS)
        self._replica_set(namespace, number, self.chance.randrange(SETS))

    def _people(self, namespace: str) -> None:
        put = self.world.put
        for number in range(SETS):
            put(kinds.DEPLOYMENTS, _named(namespace, "web", number, spec={"template": TEMPLATE}))
            put(kinds.CRON_JOBS, _named(namespace, "cron", number, spec={"schedule": "* * * * *"}))
            put(kinds.STATEFUL_SETS, _named(namespace, "db", number, spec={"template": TEMPLATE}))
            put(kinds.DAEMON_SETS, _named(namespace, "agent", number, spec={"template": TEMPLATE}))
            owner = ("CronJob", "batch/v1", f"cron-{number}")
            put(kinds.JOBS, _named(namespace, "job", number, owner=owner, spec={"template": TEMPLATE}))
            self._replica_set(namespace, number, number)
            for kind in ("rs", "db", "agent", "job"):
                self._pod(namespace, kind, number, number)

    def _replica_set(self, namespace: str, number: int, deployment: int) -> None:
        owner = ("Deployment", "apps/v1", f"web-{deployment}")
        for kind in (kinds.REPLICA_SETS, kinds.REPLICA_SET_OWNERS):
            self.world.put(kind, _named(namespace, "rs", number, owner=owner, spec={"template": TEMPLATE}))

    def _pod(self, namespace: str, kind: str, number: int, owner: int) -> None:
        named = {"rs": "ReplicaSet", "db": "StatefulSet", "agent": "DaemonSet", "job": "Job"}[kind]
        claimed = {"cpu": self.chance.choice(("100m", "250m", "2")), "memory": self.chance.choice(("1Gi", "3Gi"))}
        resources = {"requests": claimed, "limits": claimed} if self.chance.random() < 0.7 else {}
        pod = made(
            f"{kind}-{number}-0",
            namespace,
            owner=(named, "apps/v1", f"{kind}-{owner}"),
            spec={
                "containers": [{"name": "main", "resources": resources}],
                "nodeName": f"node-{self.chance.randrange(20)}",
            },
            status={"phase": self.chance.choice(("Running", "Running", "Succeeded"))},
        )
        self.world.put(kinds.PODS, pod)


def _named(namespace: str, prefix: str, number: int, **parts: Any) -> dict[str, Any]:
    """Owners are found by the uid that the world's owner references have."""
    return made(f"{prefix}-{number}", namespace, uid=f"{prefix}-{number}-{namespace}", **parts)


def asked(kind: str, metric: str = "CPU_USAGE") -> str:
    limit = 'filter: {not: {name: "nothing"}}, limit: 200'
    return f"{{ {kind}(orderBy: {{metric: {metric}, direction: DESC}}, {limit}) {{ id name }} }}"


@pytest.mark.parametrize(
    ("kind", "who"),
    [(kind, ADMIN) for kind in LISTS] + [(kind, CLERK) for kind in LISTS if kind not in ("nodes", "namespaces")],
)
async def test_an_order_is_sorted_once_for_an_answer_and_for_who_sees_the_same(kind: str, who: Identity):
    """The second question looks at no number; one over the next answer of Prometheus looks at all of them again."""
    town = Town()
    first = await town.ask(asked(kind), who)
    once = town.numbers.read
    assert first[kind]
    assert once > 0

    assert await town.ask(asked(kind), who) == first
    assert await town.ask(asked(kind), Identity(who.username, "again")) == first
    assert town.numbers.read == once

    town.numbers.scrape()
    await town.ask(asked(kind), who)
    assert town.numbers.read == 2 * once


@pytest.mark.parametrize("kind", LISTS)
async def test_an_order_is_that_of_the_values_that_are_shown(kind: str):
    """Measured, said by the objects or both; what has no value stands last either way."""
    town = Town()
    share = "CPU_ALLOCATABLE_UTILIZATION" if kind == "nodes" else "CPU_REQUEST_UTILIZATION"
    for name, down in (("CPU_USAGE", True), ("CPU_REQUEST", False), ("MEMORY_LIMIT", True), (share, False)):
        order = f"orderBy: {{metric: {name}, direction: {'DESC' if down else 'ASC'}}}"
        rows = (await town.ask(f"{{ {kind}({order}) {{ metrics(names: [{name}]) {{ value }} }} }}"))[kind]
        values = [row["metrics"][0]["value"] for row in rows]
        known = [value for value in values if value is not None]
        assert len(set(known)) > 1
        assert known == sorted(known, reverse=down)
        assert values[len(known) :] == [None] * (len(values) - len(known))


async def test_an_order_is_sorted_once_for_each_that_sees_a_part_of_an_answer():
    """Also where the right to metrics is asked for, and each is shown what of an answer they may see."""
    town = Town(require_metrics_right=True)
    await town.ask(asked("deployments"), CLERK)
    once = town.numbers.read

    await town.ask(asked("deployments"), CLERK)
    assert town.numbers.read == once > 0


@pytest.mark.thorough
@pytest.mark.parametrize("metric", METRICS)
async def test_an_order_that_is_kept_up_to_date_is_what_sorting_anew_would_give(metric: str):
    """Whatever happens to pods, to what stands between them and their workloads, and whoever asks."""
    town = Town()
    for _ in range(5):
        for kind in LISTS:
            if (kind, metric) == ("nodes", "CPU_REQUEST_UTILIZATION"):  # there is none
                continue
            for who in (ADMIN,) if kind == "nodes" else (ADMIN, WARDEN, CLERK):
                kept = await town.ask(asked(kind, metric), who)
                assert kept == await town.ask(asked(kind, metric), who, anew=True), (kind, who)
        for _ in range(town.chance.randrange(1, 4)):
            town.pod_changes()
        town.place_changes()
        if town.chance.random() < 0.5:
            town.owner_changes()


async def test_a_change_of_a_pod_costs_the_rows_behind_it_alone():
    """The numbers of other workloads are looked at only to find where one is put in."""
    town = Town()
    await town.ask(asked("statefulSets"))
    once = town.numbers.read

    town.pod_changes()
    await town.ask(asked("statefulSets"))
    assert town.numbers.read - once < once / 4


async def test_what_stands_first_by_what_objects_say_is_asked_about_alone():
    """Such an order is known before Prometheus is asked."""
    town = Town()
    order = "orderBy: {metric: MEMORY_REQUEST, direction: DESC}, limit: 2"
    shown = await town.ask(f"{{ pods({order}) {{ name metrics(names: [CPU_USAGE]) {{ value }} }} }}")

    (question,) = town.numbers.asked
    assert question.selector.names == frozenset(pod["name"] for pod in shown["pods"])


async def test_who_may_not_list_all_pods_has_no_order_by_what_they_claim_of_nodes():
    """As for the keys that say the same."""
    town = Town()
    document, view = await town.view(asked("nodes", "CPU_REQUEST"), PORTER)
    data, errors = by_graphql_core(SCHEMA, document, {}, view)

    assert orjson.loads(data) == {"nodes": None}
    assert [error[3]["code"] for error in errors] == ["FORBIDDEN"]
    assert (await town.ask(asked("nodes", "CPU_ALLOCATABLE"), PORTER))["nodes"]
