"""Plans and graphql-core side by side: random documents, clusters, changes, rights and metrics."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries

from schema.execution.limits import Limits
from schema.execution.plan.kinds import STRUCTS_FROM
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings, LimitSettings
from schema.schema import describe
from tests.schema.execution.documents import VARIABLES, asking, decorated
from tests.schema.execution.side_by_side import by_graphql_core, by_plan, found, prepared
from tests.schema.execution.world import EVERYBODY, World

pytestmark = pytest.mark.thorough

SCHEMA = describe()
CORE = SCHEMA._schema
QUERIES = queries(CORE)
# Random documents are long, and the larger the graph, the longer.
WIDE = LimitSettings(
    document_bytes=16_777_216,
    tokens=1_000_000,
    definitions=10_000,
    depth=200,
    root_fields=100_000,
    fields=1_000_000,
    selections=1_000_000,
    aliases=1_000_000,
    directives=1_000_000,
    directives_per_field=1_000,
    validation_budget=500_000,
    cost=10**12,
)

# What random documents rarely come to. Those of one line share shapes, objects or parts of them.
WRITTEN = {
    "the main query": "{ nodes { name pods { name namespace phase nodeName address } } }",
    "one list by two names": "{ nodes { a: pods { name } b: pods { id labels { key value } } } pods { name } }",
    "arguments of two calls": (
        '{ a: pods(filter: {namespace: "shop"}) { name } b: pods(filter: {namespace: "payroll"}) { name } }'
    ),
    "the other arguments": (
        '{ a: pods(filter: {namespace: "payroll"}) { name } b: pods(filter: {namespace: "shop"}) { name } }'
    ),
    "metrics": (
        "{ nodes { name metrics { name value missing labels { key } } "
        "pods { name metrics(names: [CPU_USAGE]) { value unit timestamp } phase } } }"
    ),
    "metrics, some places before others": (
        '{ nodes { x: pods(filter: {namespace: "shop"}) { metrics { value } } y: pods { metrics { value } } } }'
    ),
    "back and forth": "{ pods { name node { name podCount pods { ready node { ready } } } } }",
    "rights at several places": "{ nodes { name } pods { name node { name } } cluster { nodeCount podCount } }",
    "rights, written otherwise": "\n\n{ nodes { name }\n pods { name node { name } } cluster { nodeCount podCount } }",
    "too long": (
        f'{{ nodes {{ name pods(filter: {{name: "{"x" * 300}"}}) {{ name }} }} '
        f'pod(namespace: "shop", name: "{"x" * 300}") {{ id }} }}'
    ),
    "what stands beside pods": (
        "{ namespaces { name phase podCount serviceCount pods(limit: 3) { name } deployments { name rolloutText } } "
        "services { name type ports { port } pods { name } } deployments { name images replicaSets { name } "
        "pods { name phase } } cronJobs { name jobs { name status pods { name } } pods { name } } "
        "statefulSets { name pods { name labels { key } } } resourceQuotas { amounts { resource hard used } } "
        "podDisruptionBudgets { name pods { name } } horizontalPodAutoscalers { target { kind name } } }"
    ),
    "what is behind a pod": (
        "{ pods { name services { name } workload { kind name } inNamespace { name podCount } owner { name } } "
        "nodes(orderBy: {key: CPU_REQUESTED, direction: DESC}) { name } n: nodes(filter: {attention: true}) { name } }"
    ),
    "pages": (
        "{ podsConnection(first: 5) { totalCount edges { cursor node { name services { name } } } } "
        "servicesConnection { edges { node { name } } } deploymentsConnection { totalCount pageInfo { hasNextPage } } }"
    ),
    "nothing selected": (
        "{ nodes { ... @skip(if: true) { name } pods { ... @include(if: false) { name } } } "
        "pods { metrics { ... @skip(if: true) { name } } } }"
    ),
    "events": (
        "{ events { type count object { name } } pods { name events(limit: 2) { reason } } nodes { events { name } } }"
    ),
    "who asks": (
        "{ me { username groups lists { kind everywhere namespaces } "
        'can(verb: "get", resource: "pods") { allowed reason } } pods { name } }'
    ),
    "PromQL of one's own": (
        '{ prometheus(query: "up") { resultType warnings infos scalar { text value } string { timestamp text } '
        "vector { labels { key value } sample { timestamp text value } "
        "histogram { timestamp count sum buckets { boundaries lower upper count } } } "
        "matrix { labels { key } samples { timestamp text value } histograms { sum } } } "
        'other: prometheus(query: "up", start: "0", end: "1", step: "1") { resultType } '
        'bad: prometheus(query: "up", start: "0") { resultType } pods { name } }'
    ),
    "types": "{ __typename nodes { __typename pods { __typename } } cluster { t: __typename } }",
    "details of pods": (
        "{ pods { name reason conditions { type status since reportedAt } annotations { key value } qosClass priority "
        "hostAddresses startedAt deletionTimestamp finalizers tolerations { key effect seconds } nodeSelector { key } "
        "volumes { name kind claimName configMaps secrets sizeLimit readOnly } "
        "containers { name image ready started restarts state { phase reason exitCode } lastState { finishedAt } "
        "ports { port protocol } requests { cpu memory others { name amount unit } } limits { cpu } "
        "volumeMounts { path } } initContainers { name sidecar } ephemeralContainers { target } } }"
    ),
    "details among fields that are asked": (
        "{ pods { name restartsText qosClass node { name taints { key effect } } containers { name state { phase } } } "
        'pod(namespace: "shop", name: "pod-1") { containers { name } conditions { type } } }'
    ),
    "details of nodes": (
        "{ nodes { name podCount annotations { key } conditions { type status message } "
        "taints { key value effect since } system { kubeletVersion kubeProxyVersion architecture swap } podCidrs "
        "providerId volumes { name devicePath inUse } images { names size } pods { name containers { image } } } }"
    ),
    "elements, by the object alone": (
        '{ pods { name containers(filter: {not: {name: "log"}, minRestarts: 0}, orderBy: {key: NAME, direction: DESC}, '
        "limit: 1) { name restarts } all: containers { name } conditions(filter: {status: TRUE}, orderBy: {key: AGE}) "
        '{ type } volumes(filter: {kinds: ["secret", "configMap"]}, orderBy: [{key: KIND}, {key: NAME}]) { name kind } '
        'labels(filter: {keyPrefix: "a"}) { key value } tolerations(limit: 0) { key } '
        "requests { others(limit: 1) { name amount } } } nodes { addresses(limit: 1) { type } "
        'images(filter: {nameContains: "nginx"}) { size } taints(filter: {effects: [NO_EXECUTE]}) { key } } }'
    ),
    "elements, by the time and by metrics": (
        '{ pods { name containers(filter: {olderThan: "1h"}) { name startedAt } '
        'conditions(filter: {not: {youngerThan: "7d"}}) { type } } '
        "nodes { pods { busiest: containers(orderBy: [{metric: CPU_USAGE, direction: DESC}, {key: NAME}], limit: 2) "
        "{ name metrics(names: [CPU_USAGE]) { value } } "
        "largest: containers(orderBy: {metric: MEMORY_LIMIT}) { name } "
        "shares: containers(orderBy: {metric: CPU_REQUEST_UTILIZATION}) { name } } } }"
    ),
    "elements that cannot be asked for so": (
        '{ a: pods { name containers(filter: {olderThan: "soon"}) { name } } '
        "b: pods { name labels(limit: -1) { key } } nodes { name conditions(orderBy: {key: TYPE}, limit: 1) { type } } "
        "c: pods { containers(orderBy: {metric: NETWORK_RECEIVE}) { name } } "
        "d: nodes { events { reason } podCount labels(limit: -1) { key } pods { services { name } } } }"
    ),
    "orders by what objects say": (
        "{ pods(orderBy: {metric: MEMORY_REQUEST, direction: DESC}, limit: 5) { name } "
        "a: nodes(orderBy: {metric: CPU_REQUEST}) { name } b: nodes(orderBy: {metric: CPU_ALLOCATABLE_UTILIZATION}) "
        "{ name } namespaces(orderBy: [{metric: CPU_LIMIT}, {metric: CPU_REQUEST_UTILIZATION}]) { name } "
        "deployments(orderBy: {metric: MEMORY_REQUEST_UTILIZATION}) { name } cronJobs(orderBy: {metric: CPU_USAGE}) "
        "{ name } statefulSets(orderBy: {metric: CPU_LIMIT, direction: DESC}) { name } }"
    ),
    "everything of a node": (
        "{ nodes { id name address roles labels { key value } ready schedulable "
        "capacity { cpu memory ephemeralStorage pods } allocatable { cpu } createdAt } }"
    ),
}


async def hold_side_by_side(texts: Sequence[str], world: World, chance: random.Random, *, rounds: int) -> None:
    """Ask everything for everybody, again after each change, of plans that keep what they keep."""
    documents, operations = Documents(Limits(WIDE)), Operations(ExecutionSettings())
    with pytest.MonkeyPatch.context() as patch:
        # Rows as of long lists, which this world has none of, or as of short ones.
        patch.setattr("schema.execution.plan.run.STRUCTS_FROM", chance.choice((1, STRUCTS_FROM)))
        for _ in range(rounds):
            for text in texts:
                document = prepared(documents, SCHEMA, text)
                operation = found(operations, SCHEMA, document, VARIABLES)
                for who in EVERYBODY:
                    view = await world.view(who, operation.needs)
                    assert by_plan(operation, view) == by_graphql_core(SCHEMA, document, VARIABLES, view), text
            for _ in range(chance.randrange(3)):
                world.change()
    await world.access.aclose()


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(texts=st.lists(QUERIES, min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_a_plan_answers_what_graphql_core_answers(texts, seed):
    """Same bytes and same errors, for everybody, again after each change."""
    chance = random.Random(seed)
    world = World(seed)
    asked = [decorated(CORE, str(text), chance, world.words()) for text in texts]

    asyncio.run(hold_side_by_side(asked, world, chance, rounds=4))


async def test_lists_are_answered_the_same_however_they_are_asked():
    """At the root and inside one another, by random filters, orders and limits, also ones that cannot be used."""
    chance, world = random.Random(1), World(5, pods=25)
    words = [word for word in world.words() if len(word) < 300]

    await hold_side_by_side([asking(CORE, chance, words) for _ in range(30)], world, chance, rounds=3)


@pytest.mark.parametrize("seed", range(4))
async def test_what_people_write_is_answered_the_same(seed):
    """The written documents, over a cluster in which lists are long enough for blocks and things happen."""
    world = World(seed, nodes=4, pods=60)

    await hold_side_by_side(list(WRITTEN.values()), world, random.Random(seed), rounds=6)


async def test_long_lists_are_cut_and_stay_the_same():
    """More pods than one block holds."""
    world = World(1, nodes=2, pods=1_500)

    await hold_side_by_side(["{ pods { id name } nodes { pods { id } } }"], world, random.Random(1), rounds=5)
