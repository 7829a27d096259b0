"""Questions to Prometheus as narrow as what is shown, and no narrower: random questions, whose answer must not tell."""

import random
from collections.abc import Iterable, Mapping
from typing import Any, Final
from zlib import crc32

import pytest

from auth.access import PODS, Everywhere
from schema.execution.gather import NAMED_AT_MOST, Gatherer
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings, LimitSettings
from schema.schema import describe
from schema.sources.kubernetes.containers import pod_containers
from schema.sources.prometheus.catalogue import Level
from schema.sources.prometheus.frames import MetricFrame, Question
from tests.schema.execution.side_by_side import by_plan, found, prepared
from tests.schema.execution.world import ADMIN, CLERK, NEW, PORTER, World

SCHEMA: Final = describe()
NAMES: Final = "metrics(names: [CPU_USAGE, MEMORY_USAGE, CPU_REQUEST]) { name value missing }"
OVER_TIME: Final = 'metricsRange(names: [CPU_USAGE], range: {start: "2025-11-24T15:00:00Z"}) { missing }'
WORKLOADS: Final = ("deployments", "replicaSets", "statefulSets", "daemonSets", "jobs", "cronJobs")
MEASURED: Final = {"nodes", "pods", "namespaces", "containers", *WORKLOADS}
# What can be come to from where; in the singular: one object.
INSIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("nodes", "pods", "namespaces", "services", *WORKLOADS),
    "nodes": ("pods",),
    "pods": ("containers", "services", "node", "inNamespace"),
    "namespaces": ("pods", "services", "deployments", "jobs"),
    "services": ("pods",),
    "cronJobs": ("jobs", "pods"),
    "deployments": ("replicaSets", "pods"),
    "containers": (),
    **dict.fromkeys(("replicaSets", "statefulSets", "daemonSets", "jobs"), ("pods",)),
}
ONE: Final = {"node": "nodes", "inNamespace": "namespaces"}


class Writer:
    """Documents that nest lists with limits, orders, filters and pages, and ask for metrics at every level."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def fields(self, kind: str, depth: int) -> str:
        lines = ["name"] * bool(kind)
        if kind in MEASURED:
            lines += [NAMES] * self._likely(0.8) + [OVER_TIME] * self._likely(0.2)
        for number in range(self._chance.randint(0 if kind else 1, 2) if depth else 0):
            inner = self._chance.choice(INSIDE[kind] or ("",))
            if inner:
                lines.append(f"n{number}: {self._field(kind, inner, depth - 1)}")
        return " ".join(lines)

    def _field(self, around: str, name: str, depth: int) -> str:
        rows = f"{{ {self.fields(ONE.get(name, name), depth)} }}"
        if name in ONE or name == "containers":
            return f"{name} {rows}"
        if (not around or (around, name) == ("nodes", "pods")) and self._likely(0.3):
            return f"{name}Connection({self._page(name)}) {{ totalCount edges {{ node {rows} }} }}"
        arguments = self._arguments(name) + [f"limit: {self._chance.randint(0, 4)}"] * self._likely(0.6)
        return f"{name}({', '.join(arguments)}) {rows}" if arguments else f"{name} {rows}"

    def _page(self, name: str) -> str:
        return ", ".join(
            [*self._arguments(name), f"{self._chance.choice(('first', 'last'))}: {self._chance.randint(1, 4)}"]
        )

    def _arguments(self, name: str) -> list[str]:
        by = ["key: NAME", "key: CREATED_AT", *["metric: CPU_USAGE"] * (name in MEASURED)]
        order = f"orderBy: {{{self._chance.choice(by)}, direction: {self._chance.choice(('ASC', 'DESC'))}}}"
        wanted = self._chance.choice(
            ('nameContains: "1"', 'names: ["node-1", "pod-7", "web", "shop"]', 'not: {name: "x"}')
        )
        return [order] * self._likely(0.5) + [f"filter: {{{wanted}}}"] * self._likely(0.4)

    def _likely(self, chance: float) -> bool:
        return self._chance.random() < chance


class Answers:
    """A Prometheus that knows of everything, and tells it all or exactly what it was asked for."""

    def __init__(self, world: World, *, all_of_it: bool) -> None:
        self._world = world
        self._all_of_it = all_of_it
        self.asked: list[Question] = []

    async def frames(self, questions: Iterable[Question]) -> Mapping[Question, MetricFrame]:
        self.asked += questions
        return {question: self._frame(question) for question in self.asked}

    def _frame(self, question: Question) -> MetricFrame:
        samples: dict[str, dict[str, Any]] = {}
        for namespace, name in self._places(question.level):
            if self._all_of_it or _is_about(question, namespace, name):
                samples.setdefault(namespace, {})[name] = float(crc32(name.encode()) % 97)
        return MetricFrame(question, samples, evaluated_at=NEW)

    def _places(self, level: Level) -> list[tuple[str, str]]:
        snapshot = self._world.snapshot()
        match level:
            case Level.NODE:
                return [("", node.name) for node in snapshot.nodes]
            case Level.NAMESPACE:
                return [("", namespace.name) for namespace in snapshot.namespaces]
            case Level.POD:
                return [(pod.namespace, pod.name) for pod in snapshot.pods]
            case Level.CONTAINER:
                inside = ((pod, each) for pod in snapshot.pods for each in pod_containers(pod).containers)
                return [(pod.namespace, f"{pod.name}/{each.name}") for pod, each in inside]
            case Level.CLUSTER:
                return [("", "")]


def _is_about(question: Question, namespace: str, name: str) -> bool:
    named, within = question.selector.names, question.selector.namespaces
    place = name if question.level is Level.NAMESPACE else namespace
    return (named is None or name.partition("/")[0] in named) and (within is None or place in within)


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_shown_was_asked_about(seed: int):
    """The answer is the same from a Prometheus that tells more than it was asked; for people with any rights."""
    chance, world = random.Random(seed), World(seed, pods=60)
    documents, operations = Documents(), Operations(ExecutionSettings(compiled=True))
    narrow = 0
    for _ in range(60):
        text = f"{{ {Writer(chance).fields('', 3)} }}"
        operation = found(operations, SCHEMA, prepared(documents, SCHEMA, text), {})
        for who in (ADMIN, CLERK, PORTER):
            outcomes = []
            for all_of_it in (True, False):
                answers = Answers(world, all_of_it=all_of_it)
                gatherer = Gatherer(world, answers, world.access, lambda: NEW, LimitSettings(cost=10**9))
                view = await gatherer.view(who, operation.needs)
                outcomes.append(by_plan(operation, view))
            assert outcomes[0] == outcomes[1], text

            for question in answers.asked:
                named, within = question.selector.names, question.selector.namespaces
                narrow += named is not None
                assert len(named or ()) <= NAMED_AT_MOST
                if question.level in {Level.POD, Level.CONTAINER}:
                    scope = view.visibility.scope(PODS)
                    assert isinstance(scope, Everywhere) or (within is not None and within <= scope), text
    assert narrow > 50
    await world.access.aclose()
