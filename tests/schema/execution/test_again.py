"""What was asked before is found while it is still the answer, and at no other time."""

import random
from typing import Any, cast

import pytest
from msgspec.structs import fields, replace

from auth.access import Visibility
from auth.identity import Identity
from schema.asking.indexes import Indexes
from schema.execution.again import Again
from schema.execution.observer import UNOBSERVED
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.execution.view import View
from schema.schema import describe
from tests.schema.execution.side_by_side import Outcome, by_graphql_core, by_plan, found, prepared, told
from tests.schema.execution.world import ADMIN, CLERK, NOBODY, PORTER, World

SCHEMA = describe()
MAIN = "{ nodes { name pods { name phase } } }"
MANY = (
    MAIN,
    '{ node(name: "node-1") { name pods { name namespace phase nodeName address } } }',
    "query Of($n: String) { pods(filter: {namespace: $n}) { name } services { name } }",
    "{ namespaces { name pods { name } } cluster { podCount } }",
    "{ podsConnection(first: 3) { totalCount edges { node { name } } } }",
)


class Asking:
    """A world, and who asks about it."""

    def __init__(self, seed: int = 1) -> None:
        self.world = World(seed)
        self.documents = Documents()
        self.operations = Operations(ExecutionSettings())
        self.again = Again(self.documents, self.operations, self.world.gatherer)

    async def ask(self, text: str, who: Identity = ADMIN, **variables: object) -> Outcome:
        document = prepared(self.documents, SCHEMA, text)
        operation = found(self.operations, SCHEMA, document, variables)
        return by_plan(operation, await self.world.view(who, operation.needs))

    async def afresh(self, text: str, who: Identity, **variables: object) -> Outcome:
        document = prepared(Documents(), SCHEMA, text)
        operation = found(Operations(ExecutionSettings()), SCHEMA, document, variables)
        return by_graphql_core(SCHEMA, document, variables, await self.world.view(who, operation.needs))

    def find(self, text: str, who: Identity = ADMIN, name: str | None = None, **variables: object) -> Outcome | None:
        repeated = self.again.find(who, text, name, variables, UNOBSERVED)
        return None if repeated is None else (repeated.answer.data.encoded, told(repeated.answer.errors))


async def test_what_was_asked_is_found_until_something_changes():
    """The same bytes; before it was asked, and after a change, it must be executed."""
    asking = Asking()
    assert asking.find(MAIN) is None

    answer = await asking.ask(MAIN)
    assert asking.find(MAIN) == answer

    asking.world.write_pod("shop", "another")
    assert asking.find(MAIN) is None
    assert await asking.ask(MAIN) == asking.find(MAIN) != answer


async def test_it_is_found_for_those_who_see_the_same():
    """Nobody is given what was made for others' rights, and nobody whose rights are not known is given anything."""
    asking = Asking()
    await asking.ask(MAIN)

    assert asking.find(MAIN, CLERK) is None
    answer = await asking.ask(MAIN, CLERK)
    assert asking.find(MAIN, CLERK) == answer != asking.find(MAIN, ADMIN)
    assert asking.find(MAIN, Identity("somebody else")) is None


async def test_another_operation_or_other_variables_are_another_question():
    """Which operation of the document it is, and what with."""
    asking = Asking()
    await asking.ask(MANY[2], n="shop")

    assert asking.find(MANY[2], n="shop") is not None
    assert asking.find(MANY[2], n="web") is None
    assert asking.find(MANY[2]) is None
    assert asking.find(MANY[2], name="Of", n="shop") is not None
    assert asking.find(MANY[2], name="Other", n="shop") is None


@pytest.mark.parametrize(
    "text",
    [
        "{ pods { name metrics(names: [CPU_USAGE]) { value } } }",
        "{ pods { name age } }",
        "{ me { username } }",
        "{ deployments { name } }",
        "{ __typename __schema { types { name } } }",
        "{ nothing }",
    ],
)
async def test_what_waits_or_is_somebodys_own_is_left_to_execution(text: str):
    """Metrics, ages, what is told of the caller, kinds on demand, introspection, and what is refused."""
    asking = Asking()
    document = asking.documents.prepare(SCHEMA, text)
    if not document.errors:
        operation = found(asking.operations, SCHEMA, document, {})
        view = await asking.world.view(ADMIN, operation.needs)
        if operation.plan is not None:
            by_plan(operation, view)

    assert asking.find(text) is None


async def test_a_kind_in_trouble_is_left_to_execution(monkeypatch: pytest.MonkeyPatch):
    """A broken watch is told beside the answer."""
    asking = Asking()
    await asking.ask(MAIN)
    status = asking.world.cluster.status()["pods"]
    monkeypatch.setattr(asking.world, "troubled", lambda _kinds: {"pods": status})

    assert asking.find(MAIN) is None


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_what_is_found_is_the_answer(seed: int):
    """By everybody, over changes at random: to the byte what graphql-core makes of this moment."""
    asking, chance, hits = Asking(seed), random.Random(seed), 0
    for _ in range(60):
        text, who = chance.choice(MANY), chance.choice((ADMIN, CLERK, NOBODY, PORTER))
        variables = {"n": chance.choice(("shop", "payroll"))} if "$n" in text else {}
        answer = asking.find(text, who, **variables)
        if answer is not None:
            hits += 1
            assert answer == await asking.afresh(text, who, **variables)
        else:
            await asking.ask(text, who, **variables)
        if chance.random() < 0.1:
            asking.world.change()

    assert hits >= 5


async def test_what_was_made_of_look_ups_is_found_until_one_of_them_finds_something_else():
    """Where a thousand pods a second change, one node and its pods mostly stay what they are."""
    asking = Asking()
    of_node = '{ node(name: "node-1") { name podCount pods { name phase } } }'
    of_pod = '{ pod(namespace: "shop", name: "another") { phase node { name } } }'
    nothing = await asking.ask(of_pod)
    answer = await asking.ask(of_node)

    asking.world.write_pod("shop", "elsewhere", node="node-2")
    assert asking.find(of_node) == answer
    assert asking.find(of_pod) == nothing

    asking.world.write_pod("shop", "another", node="node-1")
    assert asking.find(of_node) is None
    assert asking.find(of_pod) is None
    assert await asking.ask(of_node) == await asking.afresh(of_node, ADMIN) != answer
    assert await asking.ask(of_pod) == await asking.afresh(of_pod, ADMIN) != nothing


@pytest.mark.parametrize(
    "text",
    [
        '{ node(name: "node-1") { name } cluster { podCount } }',
        '{ node(name: "node-1") { name } pods { name } }',
        '{ namespace(name: "shop") { podCount } }',
    ],
)
async def test_what_more_than_look_ups_were_read_for_is_found_at_its_moment_alone(text: str):
    """Else a count, or a list, would be the one of before."""
    asking = Asking()
    answer = await asking.ask(text)
    assert asking.find(text) == answer

    asking.world.write_pod("shop", "another", node="node-2")

    assert asking.find(text) is None
    assert await asking.ask(text) == await asking.afresh(text, ADMIN)


def test_a_view_is_compared_by_all_that_it_shows():
    """Also by a field that is still to come, with the snapshot and without."""
    view = View(cast("Any", "snapshot"), Visibility({}), {}, {}, {})
    compared = {each.name for each in fields(View)} - {"indexes", "cost"}

    for name in compared - {"snapshot"}:
        changed: dict[str, Any] = {name: "something else"}
        assert replace(view, **changed).beside_the_snapshot != view.beside_the_snapshot, name
        assert replace(view, **changed) != view, name
    another = replace(view, snapshot=cast("Any", "another"))
    assert another.beside_the_snapshot == view.beside_the_snapshot
    assert another != view
    assert replace(view, indexes=Indexes(), cost=1) == view
