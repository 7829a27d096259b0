"""What plans keep, for whom, for how long, and within which bound."""

import gc
import tracemalloc
from typing import Any, cast

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from auth.identity import Identity
from schema.execution.context import GraphContext, GraphInfo
from schema.execution.plan.blocks import BLOCK_OBJECTS, Block, EncodedList, cut
from schema.execution.plan.encoded import SLICE_BYTES, EncodedData
from schema.execution.plan.keeping import IDLE_SECONDS, Answer, Keeper, Kept
from schema.execution.plan.operations import Operation, Operations, Plan
from schema.execution.plan.run import PlanContext, Run
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.execution.view import View
from schema.schema import describe
from schema.sources.kubernetes.kinds import NODES, PODS
from schema.sources.prometheus.catalogue import MetricName
from schema.sources.prometheus.frames import MetricFrame, Missing, Question
from tests.schema.execution.side_by_side import found, prepared
from tests.schema.execution.world import ADMIN, CLERK, NEW, PORTER, World

SCHEMA = describe()
MAIN = "{ nodes { name pods { name phase } } }"


def operation_of(text: str, settings: ExecutionSettings | None = None) -> Operation:
    document = prepared(Documents(), SCHEMA, text)
    return found(Operations(settings or ExecutionSettings()), SCHEMA, document, {})


def plan_of(operation: Operation) -> Plan:
    assert operation.plan is not None
    return operation.plan


def executed(operation: Operation, view: View, who: Identity = ADMIN) -> None:
    context = GraphContext(headers=(), identity=who)
    context.view = view
    plan_of(operation).execute(context, operation.nodes)


async def test_an_answer_is_kept_while_its_view_stays_the_same():
    """Asked again it is the very same bytes; after a change there is none to reuse."""
    world, operation = World(1), operation_of(MAIN)
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)

    again = plan_of(operation).kept(await world.view(ADMIN, operation.needs), operation.nodes)
    assert again is not None
    assert again.data.encoded.startswith(b'{"nodes":[')

    world.write_pod("shop", "another")
    assert plan_of(operation).kept(await world.view(ADMIN, operation.needs), operation.nodes) is None


@pytest.mark.parametrize("more", [0, 12_000])
async def test_an_answer_that_shows_the_same_is_the_one_before(more: int):
    """Something has changed that was not asked for: what was made of the bytes holds, and counts once.

    Its lists are short: where a long one is cut, the new object may have a say.
    """
    world, operation = World(1, nodes=40), operation_of(MAIN)
    for number in range(more):
        world.write_pod("shop", f"web-{number:05}-7d4b9c6f5-x2k4q", node=f"node-{number % 40}")

    async def answered() -> tuple[EncodedData, int]:
        view = await world.view(ADMIN, operation.needs)
        executed(operation, view)
        kept = plan_of(operation).kept(view, operation.nodes)
        assert kept is not None
        return kept.data, plan_of(operation).keeper.size

    def write(phase: str, label: str) -> None:
        world.put(
            PODS,
            {
                "metadata": {"namespace": "shop", "name": "another", "uid": "1", "labels": {"app": label}},
                "spec": {"nodeName": "node-1"},
                "status": {"phase": phase},
            },
        )

    write("Running", "one")
    first, size = await answered()
    assert (first.length > SLICE_BYTES) == (more > 0)
    first.keep("gzip", (), b"x" * 10_000)
    write("Running", "two")
    same, size_then = await answered()
    assert same is first
    assert same.made("gzip", ()) == b"x" * 10_000
    assert abs(size_then - size - 10_000) < 100
    write("Failed", "two")
    other, size_at_last = await answered()
    assert other.encoded != first.encoded
    assert other.made("gzip", ()) is None
    assert size_at_last < size_then - 9_000
    other.keep("gzip", (), b"y" * 10_000)
    assert plan_of(operation).keeper.size > size + 9_000


async def test_a_long_answer_is_kept_once():
    """It is made of the blocks that are kept anyway: in memory, and in the estimate of it."""
    world, operation = World(1), operation_of(MAIN)
    for number in range(12_000):
        world.write_pod("shop", f"web-{number:05}-7d4b9c6f5-x2k4q")
    view = await world.view(ADMIN, operation.needs)
    tracemalloc.start()
    executed(operation, view)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    kept = plan_of(operation).kept(view, operation.nodes)
    assert kept is not None
    assert kept.data.length > 2 * SLICE_BYTES
    assert taken < 1.5 * kept.data.length
    assert kept.data.length < plan_of(operation).keeper.size < 1.5 * kept.data.length


async def test_what_several_lists_show_is_encoded_and_kept_once():
    """Those that only begin and end alike are two; and the memory of what is shared counts once."""
    operation = operation_of("{ pods { name phase } }")
    view = await World(1).view(ADMIN, operation.needs)
    context = GraphContext(headers=(), identity=ADMIN)
    context.view = view
    run = Run(PlanContext(context), operation.nodes, {}, {})
    listed = plan_of(operation).selection.fields[0]
    selection = cast("Any", listed.kind).item.selection
    first, second, third, last = list(view.snapshot.pods)[:4]
    assert run._reads_only_frames(selection, listed.site)

    def size(*lists: tuple[Any, ...]) -> int:
        return Kept({0: run._as_blocks(selection, listed.site, lists, None)}, None).size

    once, twice = size((first, second, last)), size((first, second, last), (first, second, last))
    assert 0 < twice - once < 150, "a list more, and no block"
    assert size((first, second, last), (first, third, last)) > twice + 50
    one, other, again = run._as_blocks(
        selection, listed.site, [(first, second, last), (first, third, last), (first, second, last)], None
    )
    assert one.blocks[0] is again.blocks[0]
    assert one.blocks[0].encoded != other.blocks[0].encoded


async def test_the_garbage_collector_does_not_look_at_what_is_kept():
    """There are as many blocks as nodes, for each question that is asked."""
    world, operation = World(1), operation_of(MAIN)
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)

    kept = plan_of(operation).keeper.get(plan_of(operation), view.visibility)
    assert kept is not None
    assert kept.answer is not None
    lists = [each for some in kept.lists.values() for each in some]
    assert lists
    assert not any(map(gc.is_tracked, [*lists, *[block for each in lists for block in each.blocks]]))  # not even once
    gc.collect()
    assert not any(map(gc.is_tracked, [*kept.answer.data.slices, *kept.lists.values()]))


async def test_only_the_blocks_of_changed_nodes_are_encoded_again():
    """One pod of one node changes: every other block is the object that it was."""
    world, operation = World(1, nodes=5, pods=80), operation_of(MAIN)
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)
    before = blocks_of(operation, view)

    world.write_pod("shop", "another", node="node-1")
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)
    after = blocks_of(operation, view)

    assert len(after) == len(before) == 5
    assert sum(after[block] is before.get(block) for block in after) == 4


@pytest.mark.parametrize("first", [True, False])
async def test_lists_that_stand_elsewhere_now_are_found(first: bool):  # noqa: FBT001
    """A node comes before or among all others: their blocks are the objects that they were."""
    world, operation = World(1, nodes=9, pods=80), operation_of(MAIN)
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)
    before = blocks_of(operation, view)

    name = "a-node" if first else "node-4-and-a-half"
    world.put(NODES, {"metadata": {"name": name}})
    world.write_pod("shop", "another", node=name)
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)
    after = blocks_of(operation, view)

    assert len(after) == len(before) + 1 == 10
    assert sum(after[block] is before.get(block) for block in after) == 9


@pytest.mark.parametrize("name", ["a-pod", "web-00700-and-a-half"])
async def test_blocks_of_a_long_list_are_found_wherever_it_changes(name: str):
    """A pod comes before all others, or among them: one block is another, or two where it is at a border."""
    world, operation = World(1), operation_of("{ pods { name phase } }")
    for number in range(4_000):
        world.write_pod("shop", f"web-{number:05}")
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)
    before = blocks_of(operation, view)

    world.write_pod("shop" if name.startswith("web") else "a-namespace", name)
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)
    after = blocks_of(operation, view)

    assert len(before) > 5
    assert sum(after[block] is not before.get(block) for block in after) in {1, 2}


async def test_blocks_with_metrics_are_kept_until_there_are_newer_numbers():
    """Neither the pods of other nodes nor a second question encode a node's pods again; the next scrape does."""
    world = World(1, nodes=5, pods=80)
    world.numbers._frame = lambda question: MetricFrame(question, {"shop": {"pod-1": 0.5}}, evaluated_at=NEW)  # type: ignore[method-assign]
    operation = operation_of("{ nodes { name pods { name metrics(names: [CPU_USAGE, CPU_REQUEST]) { value } } } }")

    async def encoded() -> Any:
        view = await world.view(ADMIN, operation.needs)
        executed(operation, view)
        return blocks_of(operation, view)

    before = await encoded()
    world.write_pod("shop", "another", node="node-1")
    after = await encoded()
    world.numbers.scrape()
    fresh = await encoded()

    assert len(after) == len(before) == len(fresh) == 5
    assert sum(after[block] is before.get(block) for block in after) == 4
    assert not any(fresh[block] is after[block] for block in fresh)


@pytest.mark.parametrize(
    "rows",
    [
        "nodes { name metrics(names: [CPU_REQUEST]) { value } }",  # from the pods on them
        "pods { name metrics(names: [MEMORY_USAGE]) { value } }",  # of which there is something to tell
        "pods { name restartsText metrics(names: [CPU_USAGE]) { value } }",  # and from the time
    ],
)
async def test_rows_that_depend_on_more_than_their_objects_and_metrics_are_not_kept(rows: str):
    """They are made anew, and what there is to tell is told again."""
    world, operation = World(1, nodes=5), operation_of(f"{{ {rows} }}")

    def frame(question: Question) -> MetricFrame:
        if question.metric is MetricName.MEMORY_USAGE:
            return MetricFrame.failed(question, Missing.UNREACHABLE, "away", NEW)
        return MetricFrame(question, {}, evaluated_at=NEW)

    world.numbers._frame = frame  # type: ignore[method-assign]
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)

    assert blocks_of(operation, view) == {}


async def test_promql_of_ones_own_is_kept_for_nobody():
    """Neither the answer nor any part of it, however long it is."""
    world = World(1)
    operation = operation_of(
        '{ prometheus(query: "up") { vector { labels { key } sample { text } } matrix { labels { key } } } }'
    )
    for _ in range(10):  # every kind of outcome
        view = await world.view(ADMIN, operation.needs)
        executed(operation, view)

        assert plan_of(operation).kept(view, operation.nodes) is None
        assert plan_of(operation).keeper.get(plan_of(operation), view.visibility) is None


def blocks_of(operation: Operation, view: View) -> Any:
    """By their objects."""
    kept = plan_of(operation).keeper.get(plan_of(operation), view.visibility)
    assert kept is not None
    return {block.objects: block for some in kept.lists.values() for each in some for block in each.blocks}


async def test_nobody_is_answered_from_what_others_see():
    """The same question of people with other rights finds nothing kept."""
    world, operation = World(1), operation_of("{ pods { name } }")
    executed(operation, await world.view(ADMIN, operation.needs))

    for who in (CLERK, PORTER):
        assert plan_of(operation).kept(await world.view(who, operation.needs), operation.nodes) is None


async def test_answers_of_an_old_snapshot_do_not_hold_it():
    """When one operation is answered from a newer snapshot, the whole answers from older ones are let go."""
    world, operations = World(1), Operations(ExecutionSettings())
    first, second = (
        found(operations, SCHEMA, prepared(Documents(), SCHEMA, text), {}) for text in (MAIN, "{ pods { name } }")
    )
    old = await world.view(ADMIN, first.needs)
    executed(first, old)

    world.write_pod("shop", "another")
    executed(second, await world.view(ADMIN, second.needs))

    kept = plan_of(first).keeper.get(plan_of(first), old.visibility)
    assert kept is not None
    assert kept.answer is None
    assert kept.lists


async def test_what_happens_to_one_kind_leaves_answers_about_others():
    """A pod comes: what was answered about nodes is still the answer, also when pods are asked for in between."""
    world, operations = World(1), Operations(ExecutionSettings())
    nodes, pods = (
        found(operations, SCHEMA, prepared(Documents(), SCHEMA, text), {})
        for text in ("{ nodes { name } }", "{ pods { name } }")
    )
    for each in (nodes, pods):
        executed(each, await world.view(ADMIN, each.needs))
    world.write_pod("shop", "another")
    executed(pods, await world.view(ADMIN, pods.needs))

    assert plan_of(nodes).kept(await world.view(ADMIN, nodes.needs), nodes.nodes) is not None


async def test_a_kind_that_is_given_back_is_held_by_nothing_that_is_kept():
    """Neither blocks nor answers hold its objects; those of other kinds stay."""
    world, operations = World(1), Operations(ExecutionSettings())
    texts = ("{ nodes { name } }", "{ pods { name } }", MAIN)
    asked = [found(operations, SCHEMA, prepared(Documents(), SCHEMA, text), {}) for text in texts]
    views = [await world.view(ADMIN, each.needs) for each in asked]
    for each, view in zip(asked, views, strict=True):
        executed(each, view)
    operations.forget_kind(PODS)
    kept = [plan_of(each).keeper.get(plan_of(each), view.visibility) for each, view in zip(asked, views, strict=True)]

    assert [each is not None for each in kept] == [True, False, False]
    assert plan_of(asked[0]).kept(views[0], asked[0].nodes) is not None


async def test_what_is_kept_stays_within_its_bound():
    """The least recently used leaves first, and what is too large is not kept at all."""
    world = World(1)
    visibility = (await world.view(ADMIN, operation_of(MAIN).needs)).visibility
    now = 0.0
    keeper = Keeper(10_000, lambda: now)

    def keep(plan: str, size: int) -> None:
        keeper.put(plan, visibility, Kept({0: [EncodedList((), (Block((), b"x" * size),))]}, None))

    keep("first", 900)
    keep("second", 900)
    assert keeper.get("first", visibility) is not None
    keep("third", 900)
    keep("fourth", 900)

    assert keeper.size <= 10_000
    assert [plan for plan in ("first", "second", "third", "fourth") if keeper.get(plan, visibility)] == [
        "first",
        "third",
        "fourth",
    ]
    keep("too large", 20_000)
    assert keeper.get("too large", visibility) is None

    now = IDLE_SECONDS + 1
    keep("new", 900)
    assert keeper.get("first", visibility) is None
    keeper.drop("new")
    assert keeper.size == 0


def test_a_long_list_keeps_nearly_all_its_borders():
    """One object more, at the very beginning, leaves all blocks but one as they were."""
    objects = tuple(type("Thing", (), {})() for _ in range(20_000))
    before = cut(objects)
    after = cut((object(), *objects))

    assert [each for block in before for each in block] == list(objects)
    assert max(map(len, before)) < 20 * BLOCK_OBJECTS
    assert len(before) > 20
    assert before[1:] == after[-len(before) + 1 :]


async def test_an_answer_that_depends_on_who_asks_is_not_kept():
    """A resolver may read the rest of the context; such an answer is given to nobody else."""

    @strawberry.type
    class Query:
        @strawberry.field
        def me(self, info: GraphInfo) -> str | None:
            return None if info.context.identity is None else info.context.identity.username

    schema = strawberry.Schema(query=Query, config=StrawberryConfig(info_class=GraphInfo))
    operation = found(Operations(ExecutionSettings()), schema, prepared(Documents(), schema, "{ me }"), {})
    view = await World(1).view(ADMIN, operation.needs)
    context = GraphContext(headers=(), identity=ADMIN)
    context.view = view

    data, errors = plan_of(operation).execute(context, operation.nodes)

    assert data is not None
    assert (data.plain, errors) == ({"me": "admin"}, ())
    assert plan_of(operation).kept(view, operation.nodes) is None


def test_what_has_no_plan():
    """Introspection is graphql-core's, and everything is when plans are switched off."""
    assert operation_of("{ __schema { types { name } } nodes { name } }").plan is None
    assert operation_of(MAIN, ExecutionSettings(compiled=False)).plan is None


def test_one_shape_is_one_plan():
    """However it is written."""
    operations = Operations(ExecutionSettings())
    texts = (
        MAIN,
        "query Again { nodes { ...F } } fragment F on Node { name pods { name ... @skip(if: false) { phase } } }",
        "{ nodes { name pods { name } } }",
        '{ nodes { name pods(filter: {namespace: "shop"}) { name phase } } }',
        "{ nodes { name pods { name state: phase } } }",
    )
    plans = [found(operations, SCHEMA, prepared(Documents(), SCHEMA, text), {}).plan for text in texts]

    assert None not in plans
    assert plans[1] is plans[0]
    assert len(set(plans)) == len(texts) - 1


def test_encoded_data_reads_as_what_it_encodes():
    """Whoever executes the schema in Python sees plain data."""
    data = EncodedData([b'{"nodes":[', b'{"name":"a"}]}'])

    assert data["nodes"] == [{"name": "a"}]
    assert dict(cast("dict[str, object]", data)) == {"nodes": [{"name": "a"}]}
    assert (list(data), len(data)) == (["nodes"], 1)


def test_no_block_is_empty_wherever_the_borders_fall():
    """A border behind the last object would leave an empty block, and a comma too many in the answer."""
    objects = tuple(object() for _ in range(2 * BLOCK_OBJECTS))

    for length in range(BLOCK_OBJECTS + 1, len(objects)):
        blocks = cut(objects[:length])

        assert all(blocks)
        assert [each for block in blocks for each in block] == list(objects[:length])


async def test_what_is_made_of_an_answer_counts_and_leaves_with_it():
    """Its compressed forms are within the same bound, one of each sort; of an answer that has left nothing is kept."""
    world = World(1)
    view = await world.view(ADMIN, operation_of(MAIN).needs)
    keeper, data = Keeper(50_000), EncodedData([b"{}" * 500])
    keeper.put("plan", view.visibility, Kept({}, Answer(view, data, (), ())))
    empty = keeper.size

    data.keep("gzip", (b"around",), b"x" * 1_000)
    data.keep("zstd", (b"around",), b"y" * 500)
    assert keeper.size == empty + 1_500 + 2 * len(b"around")
    assert (data.made("gzip", (b"around",)), data.made("gzip", ())) == (b"x" * 1_000, None)
    data.keep("gzip", (), b"z" * 100)
    assert keeper.size == empty + 600 + len(b"around")
    assert data.made("gzip", ()) == b"z" * 100

    data.keep("br", (), b"too much" * 10_000)
    assert keeper.get("plan", view.visibility) is None
    assert keeper.size == 0
    data.keep("zstd", (), b"late")
    assert keeper.size == 0


async def test_of_an_outdated_answer_only_the_moment_is_let_go():
    """It answers nothing any more, and would hold all that was there. The next answer may show the same bytes."""
    world = World(1)
    operation, other = operation_of(MAIN), operation_of("{ pods { name } }")
    view = await world.view(ADMIN, operation.needs)
    executed(operation, view)
    outdated = plan_of(operation).kept(view, operation.nodes)
    assert outdated is not None
    outdated.data.keep("gzip", (), b"x" * 10_000)
    keeper = plan_of(operation).keeper

    world.write_pod("shop", "another")
    keeper.put(
        "other", view.visibility, Kept({}, Answer(await world.view(ADMIN, other.needs), EncodedData([b""]), (), ()))
    )

    kept = keeper.get(plan_of(operation), view.visibility)
    assert kept is not None
    assert kept.answer is None
    assert kept.data is outdated.data
    assert keeper.size > 10_000
    keeper.drop(plan_of(operation))
    assert keeper.size < 10_000
