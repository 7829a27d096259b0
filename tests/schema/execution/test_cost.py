"""What an answer may cost is estimated from what the caller sees, and refused before anything is asked for it."""

from graphql import GraphQLList, GraphQLObjectType, get_named_type, get_nullable_type

from schema.execution.cost import COUNTED
from schema.schema import describe
from tests.front_door import ADMIN, SHOP, FrontDoor, simulated_door

CIRCLE = "{ pods { node { pods { node { pods { name } } } } } }"


def limited(cost: int, **options):
    return simulated_door(settings={"limits": {"cost": cost}}, **options)


async def cost_of(door: FrontDoor, query: str, token: str = ADMIN) -> tuple[int, str]:
    """What the gateway counts for a query that it refuses, and the place that it names."""
    answer = await door.ask(query, token)
    assert (answer.status, answer.codes) == (400, ["LIMIT_EXCEEDED"]), answer.text
    extensions = answer.errors[0]["extensions"]
    assert (extensions["exceeded"], extensions["limit"]) == ("cost", 1)
    assert answer.errors[0]["locations"]
    return extensions["got"], extensions["field"]


async def test_lists_multiply_by_what_the_caller_sees():
    """Every pod of every node, each with its fields; pods inside nodes are all pods once, not once per node."""
    async with simulated_door() as door:
        counts = (await door.ask("{ cluster { nodeCount podCount } }")).data["cluster"]
    nodes, pods = counts["nodeCount"], counts["podCount"]
    per_node = -(-pods // nodes)
    async with limited(1) as door:
        assert await cost_of(door, "{ nodes { name ready } }") == (1 + 2 * nodes, "nodes")
        assert await cost_of(door, "{ pods { name } }") == (1 + pods, "pods")
        nested = 1 + 2 * nodes + 3 * nodes * per_node
        assert await cost_of(door, "{ nodes { name pods { name phase ready } } }") == (nested, "nodes.pods")
        circle = 1 + pods + pods + pods * per_node * 2 + pods * per_node * per_node
        assert await cost_of(door, CIRCLE) == (circle, "pods.node.pods.node.pods")


async def test_a_circle_is_refused_where_a_plain_question_is_answered():
    """30 pods ask for their neighbours' neighbours: thousands of values from 60 bytes."""
    async with limited(2_000) as door:
        assert (await door.ask("{ nodes { name pods { name phase } } }")).data
        refused = await door.ask(CIRCLE)

    assert (refused.status, refused.codes) == (400, ["LIMIT_EXCEEDED"])


async def test_metrics_cost_one_list_per_name_and_are_not_asked_for_when_refused():
    """Prometheus hears nothing of a question that is refused."""
    async with limited(1) as door:
        asked = door.simulated.metrics.requests.copy()
        one, _ = await cost_of(door, "{ nodes { metrics(names: [CPU_USAGE]) { value } } }")
        two, _ = await cost_of(door, "{ nodes { metrics(names: [CPU_USAGE, MEMORY_USAGE]) { value } } }")
        nodes = (await cost_of(door, "{ nodes { name } }"))[0] - 1

        assert door.simulated.metrics.requests == asked
    assert two - one == nodes


async def test_metrics_over_time_cost_every_point():
    """An hour by the minute is 61 points for each node; a longer list of points costs more."""
    query = "{{ nodes {{ metricsRange(names: [CPU_USAGE], range: {range}) {{ points {{ value timestamp }} }} }} }}"
    async with limited(1) as door:
        nodes = (await cost_of(door, "{ nodes { name } }"))[0] - 1
        hour, place = await cost_of(door, query.format(range="{}"))
        longest, _ = await cost_of(door, query.format(range='{start: "2026-01-01T00:00:00Z"}'))

    assert place == "nodes.metricsRange.points"
    assert 2 * 60 * nodes <= hour <= 2 * 64 * nodes
    assert longest >= 2 * 500 * nodes


async def test_what_is_hidden_costs_nothing_and_tells_nothing():
    """Somebody who sees one namespace gets the same number, byte by byte, however much there is beside it."""
    answers = []
    for pods in (10, 40):
        async with limited(1, pods_per_node=pods) as door:
            seen = (await door.gateway.schema.execute("{ __typename }", context_value=None)).data
            assert seen is None
            everything, _ = await cost_of(door, "{ pods { name } }")
            named = await door.ask('{ pods(filter: {namespace: "no-such"}) { name } }', SHOP)
            answers.append((everything, named.text))

    (few, first), (many, second) = answers
    assert many > few
    assert first == second


async def test_a_filter_by_namespace_or_a_page_bounds_what_a_list_costs():
    """A question about little is cheap, however large the cluster is."""
    async with limited(1) as door:
        everything, _ = await cost_of(door, "{ pods { name } }")
        one, _ = await cost_of(door, '{ pods(filter: {namespace: "shop"}) { name } }')
        paged, _ = await cost_of(door, "query ($n: Int = 3) { pods(limit: $n) { name } }")

    assert 1 < one < everything
    assert paged == 1 + 3


async def test_a_page_costs_what_is_in_it():
    """As many rows as asked for, 100 unless said, and never more than there are."""
    query = "{{ podsConnection{0} {{ edges {{ node {{ name }} }} }} }}"
    async with limited(1, nodes=5, pods_per_node=40) as door:
        default, place = await cost_of(door, query.format(""))
        three, _ = await cost_of(door, query.format("(first: 3)"))
        last, _ = await cost_of(door, query.format("(last: 7)"))
        most, _ = await cost_of(door, query.format("(first: 1000)"))
        everything, _ = await cost_of(door, "{ pods { name } }")

    assert place == "podsConnection.edges"
    assert (three, last, default) == (2 + 3 * 2, 2 + 7 * 2, 2 + 100 * 2)
    assert most == 2 + (everything - 1) * 2


def test_every_list_at_the_root_is_counted():
    """A new kind that is listed at the root must say in `COUNTED` how long its lists are."""
    query = describe()._schema.query_type
    assert query is not None
    lists = {
        get_named_type(field.type).name
        for field in query.fields.values()
        if isinstance(get_nullable_type(field.type), GraphQLList)
        and isinstance(get_named_type(field.type), GraphQLObjectType)
        and not get_named_type(field.type).name.endswith(("Count", "Group"))
    }

    assert lists <= COUNTED.keys()
