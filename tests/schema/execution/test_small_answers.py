"""A small answer is made at once, a large one in the worker thread, where it holds up nobody."""

from collections.abc import Callable
from typing import Any

import pytest

from schema.execution.context import GraphContext
from schema.execution.extension import OBJECTS_AT_ONCE
from tests.benchmarks.execution import Bench

NODES, PODS = 60, 1_800
OF_ONE_NODE = '{ node(name: "node-00007") { pods { name phase } podCount } }'
HEADERS = ((b"authorization", b"Bearer t"),)


class Asked:
    """A cluster in memory; how often its worker was given something."""

    def __init__(self, nodes: int, pods: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = Bench(nodes, pods)
        self.executed = 0
        submit = self.bench.worker.submit

        def counted(work: Callable[..., Any], *arguments: Any) -> Any:
            self.executed += getattr(work, "__name__", "") == "_execute"
            return submit(work, *arguments)

        monkeypatch.setattr(self.bench.worker, "submit", counted)

    async def ask(self, text: str) -> dict[str, Any]:
        result = await self.bench.schema.execute(text, context_value=GraphContext(headers=HEADERS))
        assert result.errors is None
        assert result.data is not None
        return dict(result.data)


async def test_the_pods_of_one_node_are_shown_at_once_however_many_others_there_are(monkeypatch: pytest.MonkeyPatch):
    """They are found by an index: what else is in the cluster is not looked at."""
    asked = Asked(NODES, PODS, monkeypatch)

    answer = await asked.ask(OF_ONE_NODE)

    assert len(answer["node"]["pods"]) == answer["node"]["podCount"] == PODS / NODES
    assert asked.executed == 0


@pytest.mark.parametrize(
    "text",
    [
        "{ pods { name } }",
        "{ pods(limit: 1) { name } }",  # the first of what must be looked through
        "{ podCounts(by: [PHASE]) { count } }",
        "{ nodes { pods { name phase } } }",
        '{ node(name: "node-00007") { pods { name node { pods { name node { pods { name } } } } } } }',
    ],
)
async def test_what_looks_through_the_cluster_or_shows_much_of_it_leaves_the_event_loop(
    text: str, monkeypatch: pytest.MonkeyPatch
):
    """Also where the answer is short."""
    asked = Asked(NODES, PODS, monkeypatch)

    await asked.ask(text)

    assert asked.executed == 1


async def test_a_node_with_far_more_pods_than_others_is_left_to_the_worker(monkeypatch: pytest.MonkeyPatch):
    """How many it has is an estimate; the answer is whole all the same."""
    pods = OBJECTS_AT_ONCE + 1
    asked = Asked(1, pods, monkeypatch)
    monkeypatch.setattr("schema.execution.extension.LARGE_ANSWER_VALUES", 10 * pods)

    answer = await asked.ask('{ node(name: "node-00000") { pods { name } } }')

    assert len(answer["node"]["pods"]) == pods
    assert asked.executed == 1
