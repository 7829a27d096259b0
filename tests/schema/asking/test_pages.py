"""Pages: keyset cursors that neither skip nor repeat, and tell nothing."""

import asyncio
import base64
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo import SimulatedCluster
from schema.asking import connections as pages
from schema.asking.connections import Bounds
from schema.asking.orders import NATURAL, place_of
from schema.schema import describe
from schema.sources.kubernetes.kinds import KINDS, PODS, Kind
from tests.front_door import SHOP, FrontDoor, simulated_door

CORE = describe()._schema
PAGE = """
query($first: Int, $after: String, $last: Int, $before: String, $order: [PodOrder!], $filter: PodFilter) {
  podsConnection(first: $first, after: $after, last: $last, before: $before, orderBy: $order, filter: $filter) {
    totalCount
    edges { cursor node { id namespace name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


async def page(front_door: FrontDoor, token="demo-admin", **variables):
    return (await front_door.ask(PAGE, token, variables=variables)).data["podsConnection"]


async def walk(front_door: FrontDoor, size, order, *, backwards=False):
    """All pages, one after the other; their rows."""
    rows: list[dict[str, str]] = []
    cursor = None
    while True:
        if backwards:
            shown = await page(front_door, last=size, before=cursor, order=order)
            rows[:0] = [edge["node"] for edge in shown["edges"]]
            more, cursor = shown["pageInfo"]["hasPreviousPage"], shown["pageInfo"]["startCursor"]
        else:
            shown = await page(front_door, first=size, after=cursor, order=order)
            rows += [edge["node"] for edge in shown["edges"]]
            more, cursor = shown["pageInfo"]["hasNextPage"], shown["pageInfo"]["endCursor"]
        if not more:
            return rows


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "order",
    [
        [],
        [{"key": "NAME", "direction": "DESC"}],
        [{"key": "AGE"}, {"key": "NAMESPACE", "direction": "DESC"}],
        [{"key": "NODE", "direction": "DESC"}, {"key": "RESTARTS"}],
        [{"metric": "CPU_USAGE", "direction": "DESC"}],
    ],
)
async def test_the_pages_are_the_list(front_door: FrontDoor, order, backwards):
    """From either end and in every order, while nothing changes."""
    query = "query($order: [PodOrder!]) { pods(orderBy: $order) { id namespace name } }"
    whole = (await front_door.ask(query, variables={"order": order})).data["pods"]

    assert await walk(front_door, 7, order, backwards=backwards) == whole


async def test_a_page_says_what_stands_around_it(front_door: FrontDoor):
    """Counts and flags, also of an empty page and of a page of a filter."""
    whole = await page(front_door)
    second = await page(front_door, first=5, after=whole["edges"][4]["cursor"])
    none = await page(front_door, first=0)
    between = await page(front_door, after=whole["edges"][1]["cursor"], before=whole["edges"][4]["cursor"])
    filtered = await page(front_door, first=1, filter={"namespace": "shop"})

    assert second["edges"] == whole["edges"][5:10]
    assert second["totalCount"] == whole["totalCount"] == len(whole["edges"])
    assert second["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": True,
        "startCursor": whole["edges"][5]["cursor"],
        "endCursor": whole["edges"][9]["cursor"],
    }
    assert none["edges"] == []
    assert none["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
    assert between["edges"] == whole["edges"][2:4]
    assert filtered["totalCount"] == sum(edge["node"]["namespace"] == "shop" for edge in whole["edges"])


@dataclass(frozen=True)
class Row:
    """What stands in an order."""

    name: str
    namespace: str = "shop"
    uid: str = ""


ROWS = [Row(f"{number:05}") for number in range(9_000)]
KEPT = st.one_of(st.integers(1, 9_000).map(lambda every: set(range(0, 9_000, every))), st.sets(st.integers(0, 8_999)))


@given(KEPT, st.booleans(), st.integers(0, 1_000), *[st.none() | st.integers(0, 8_999)] * 2)
@settings(max_examples=100, deadline=None)
def test_a_page_of_what_a_filter_leaves_is_cut_from_all_that_it_leaves(
    kept: set[int],
    forwards: bool,  # noqa: FBT001 - drawn
    size: int,
    after: int | None,
    before: int | None,
) -> None:
    """Whatever it leaves: the rows, whether something stands around them, and how many there are in all."""
    after_place, before_place = (None if each is None else place_of(ROWS[each], NATURAL) for each in (after, before))
    bounds = Bounds(size if forwards else 100, None if forwards else size, after_place, before_place)
    left = sorted(kept)
    start = 0 if after is None else bisect_right(left, after)
    end = max(start, len(left) if before is None else bisect_left(left, before))
    start, end = (start, min(end, start + size)) if forwards else (max(start, end - size), end)

    shown = pages.page(ROWS, NATURAL, bounds, b"", lambda rows: [row for row in rows if int(row.name) in kept])

    assert [int(row.name) for row in shown.rows] == left[start:end]
    assert (shown.has_previous, shown.has_next) == (start > 0, end < len(left))
    assert shown.total() == len(left)


@pytest.mark.parametrize("bounds", [Bounds(50), Bounds(last=50)], ids=["first", "last"])
def test_no_more_rows_are_looked_at_than_it_takes_to_fill_a_page(bounds: Bounds) -> None:
    """Of those that a filter leaves 2 % of, some thousands; all of them only for their number."""
    rows = ROWS * 20
    looked_at = 0

    def choose(some: Iterable[Row]) -> list[Row]:
        nonlocal looked_at
        some = list(some)
        looked_at += len(some)
        return [row for row in some if row.name.endswith(("07", "57"))]

    shown = pages.page(rows, NATURAL, bounds, b"", choose)

    assert len(shown.rows) == 50
    assert looked_at <= 2 * 51 / 0.02
    assert shown.total() == len(rows) * 0.02
    assert looked_at > len(rows)


async def test_pages_of_nodes_and_of_one_node_s_pods(front_door: FrontDoor):
    """The same below a node, and for nodes."""
    query = """{ nodesConnection(first: 1, orderBy: {key: NAME, direction: DESC}) { totalCount edges { node {
        name pods { name } podsConnection(first: 2) { totalCount edges { node { name } } } } } } }"""
    shown = (await front_door.ask(query)).data["nodesConnection"]

    (node,) = [edge["node"] for edge in shown["edges"]]
    assert shown["totalCount"] == 3
    assert node["name"] == max(front_door.simulated.nodes())
    assert [edge["node"] for edge in node["podsConnection"]["edges"]] == node["pods"][:2]
    assert node["podsConnection"]["totalCount"] == len(node["pods"])


async def test_a_cursor_of_another_list_is_refused(front_door: FrontDoor):
    """Another order, another filter, another kind, a tampered one, and something else altogether."""
    cursor = (await page(front_door, first=1))["pageInfo"]["endCursor"]
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[-1] ^= 1
    tampered = base64.urlsafe_b64encode(raw).decode().rstrip("=")

    for variables in (
        {"after": cursor, "order": [{"key": "NAME"}]},
        {"after": cursor, "filter": {"namespace": "shop"}},
        {"after": tampered},
        {"before": tampered},
        {"after": ""},
        {"after": "ä" * 5_000},
    ):
        answer = await front_door.ask(PAGE, variables=variables)
        assert answer.codes == ["BAD_USER_INPUT"], variables
        assert "is not a cursor of this list" in answer.errors[0]["message"]
    of_nodes = await front_door.ask(f'{{ nodesConnection(after: "{cursor}") {{ totalCount }} }}')
    assert of_nodes.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"first": 1_001}, "`first` is 1001; it must be from 0 to 1000"),
        ({"last": -1}, "`last` is -1; it must be from 0 to 1000"),
        ({"first": 1, "last": 1}, "`first` and `last` cannot both be given: a page is counted from one end"),
    ],
)
async def test_pages_are_bounded(front_door: FrontDoor, variables, message):
    """With the argument and its limit in the message."""
    answer = await front_door.ask(PAGE, variables=variables)

    assert answer.codes == ["BAD_USER_INPUT"]
    assert answer.errors[0]["message"] == message


async def test_hidden_pods_change_nothing_of_a_page(front_door: FrontDoor):
    """No count, no flag, no byte of a cursor."""
    question = {"first": 3, "order": [{"key": "NAME"}]}
    before = await page(front_door, SHOP, **question)

    for index in range(50):
        front_door.simulated.create_pod("payments", f"aaa-{index}")

    async def admin_sees():
        return (await front_door.ask('{ pods(filter: {name: "aaa-49"}) { namespace } }')).data["pods"]

    await front_door.eventually(admin_sees, [{"namespace": "payments"}])
    assert await page(front_door, SHOP, **question) == before


NAMELESS = """query($after: String, $order: [%sOrder!]) {
  page: %sConnection(first: 20, after: $after, orderBy: $order) {
    edges { node { id } } pageInfo { hasNextPage endCursor }
  }
}"""
OF_A_NODE = """query($after: String, $order: [PodOrder!]) {
  node(name: "worker-1") { page: podsConnection(first: 20, after: $after, orderBy: $order) {
    edges { node { id } } pageInfo { hasNextPage endCursor }
  } }
}"""
A_SECOND = 200
# The connections at the root: each beside a list of the same name without it, of objects of one kind.
CONNECTIONS = {kind.kind: f"{kind.kind[0].lower()}{kind.kind[1:]}s" for kind in KINDS.values()}
BY_AGE, BY_NAME = [{"key": "CREATED_AT"}], [{"key": "NAME", "direction": "DESC"}]


class Crowd:
    """Objects of which 200 a second come and as many go, oldest first; what was there before them stays.

    By the clock: after a pause of the whole process as many come and go at once as were due in it.
    """

    def __init__(self, simulated: SimulatedCluster, kind: Kind[Any], *, at_a_time: int = 100) -> None:
        self.come = self.gone = 0
        self._simulated = simulated
        self._kind = kind
        self._at_a_time = at_a_time
        self._namespace = "crowd" if kind.namespaced else ""

    @property
    def seconds(self) -> float:
        """How long this many would take at that rate."""
        return self.gone / A_SECOND

    def stays(self, count: int) -> None:
        """So many are there from the beginning, in the midst of the others."""
        for number in range(-count, 0):
            self._comes(number)

    async def mill(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            await asyncio.sleep(0.02)
            due = int((loop.time() - started) * A_SECOND)
            while self.come < due:
                self._comes(self.come)
                self.come += 1
            while self.gone < due - self._at_a_time:
                self._simulated.delete(self._kind.name, self._namespace, self._name(self.gone))
                self.gone += 1

    def _name(self, number: int) -> str:
        return f"{'abcdefghijklmnopqrstuvwxyz'[number * 7 % 26]}-{number % 100_000}"  # all over the order

    def _comes(self, number: int) -> None:
        name = self._name(number)
        if self._kind is PODS:
            self._simulated.create_pod("crowd", name, node="worker-1")
            return
        uid = f"{self._kind.name}-{number}"
        metadata = {"name": name, "namespace": self._namespace, "uid": uid, "creationTimestamp": moment(number)}
        self._simulated.put(self._kind.name, {"metadata": metadata, "spec": {"selector": {}, "ports": []}})


def moment(number: int) -> str:
    return f"2026-11-24T{number % 24:02}:{number % 60:02}:00Z"


async def hold_while_it_mills(
    door: FrontDoor, crowd: Crowd, query: str, orders: Sequence[Any], *, seconds: float, walks: int
) -> None:
    """Walk through all pages again and again: who was there before is seen once in each, others at most once."""
    lived = set(await walk_all(door, query, orders[0]))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        milling = tasks.create_task(crowd.mill())
        seen: list[list[str]] = []
        while len(seen) < walks or crowd.seconds < seconds:
            seen.append(await walk_all(door, query, orders[len(seen) % len(orders)]))
        milling.cancel()

    assert len(lived) > 5
    newcomers = [len(set(walked) - lived) for walked in seen]
    assert max(newcomers) > 10, "the walks met the crowd"
    for walked in seen:
        assert len(walked) == len(set(walked))
        assert lived <= set(walked)


@pytest.mark.parametrize("order", [BY_NAME, [*BY_AGE, {"key": "NAMESPACE"}]])
async def test_while_pods_come_and_go_every_one_that_lived_throughout_is_seen_once(order):
    """Two hundred a second, many pages, an order by keys that never change."""
    async with simulated_door(nodes=6, pods_per_node=40) as door:
        crowd = Crowd(door.simulated, PODS)
        await hold_while_it_mills(door, crowd, NAMELESS % ("Pod", "pods"), [order], seconds=1.0, walks=4)


async def test_no_connection_skips_or_repeats_while_objects_of_its_kind_come_and_go():
    """All at the root, and that of a node, one after the other, each while two hundred a second come and go."""
    orders: list[Any] = [[], BY_NAME, BY_AGE]
    async with simulated_door(nodes=3, pods_per_node=30) as door:
        for kind in KINDS.values():
            query = OF_A_NODE if kind is PODS else NAMELESS % (kind.kind, CONNECTIONS[kind.kind])
            crowd = Crowd(door.simulated, kind, at_a_time=40)
            crowd.stays(50)
            await door.eventually(partial(has_rows, door, query, 50), expected=True, within=30)
            await hold_while_it_mills(door, crowd, query, orders, seconds=0.2, walks=4)


async def has_rows(door: FrontDoor, query: str, at_least: int) -> bool:
    return len(await walk_all(door, query, BY_NAME)) >= at_least


def test_every_connection_is_walked_through():
    """One that is added is of a kind that is watched."""
    assert CORE.query_type is not None
    at_the_root = {name for name in CORE.query_type.fields if name.endswith("Connection")}
    assert at_the_root == {f"{plural}Connection" for plural in CONNECTIONS.values()}


async def walk_all(door: FrontDoor, query: str, order) -> list[str]:
    uids: list[str] = []
    cursor = None
    while True:
        data = (await door.ask(query, variables={"after": cursor, "order": order})).data
        shown = (data.get("node") or data)["page"]
        uids += [edge["node"]["id"] for edge in shown["edges"]]
        if not shown["pageInfo"]["hasNextPage"]:
            return uids
        cursor = shown["pageInfo"]["endCursor"]


async def test_a_page_asks_for_the_metrics_of_its_own_pods_alone():
    """By name, and every pod of the page has its value."""
    async with simulated_door(nodes=10, pods_per_node=60) as door:
        query = """{ podsConnection(first: 5, filter: {phase: "Running"}, orderBy: {key: AGE, direction: DESC}) {
            edges { node { name metrics(names: [MEMORY_USAGE]) { value missing } } } }
            pods(limit: 3, filter: {labelSelector: "!no-such-label"}) { name metrics(names: [CPU_USAGE]) { value } }
        }"""

        data = (await door.ask(query)).data
        questions = list(door.simulated.metrics.questions)
        await door.ask("{ pods { metrics(names: [NETWORK_RECEIVE]) { value } } }")
        (everything,) = set(door.simulated.metrics.questions) - set(questions)

    shown = {edge["node"]["name"]: edge["node"]["metrics"][0] for edge in data["podsConnection"]["edges"]}
    assert len(shown) == 5
    assert all(metric["value"] is not None for metric in shown.values())
    asked = {question.metric.name: question.selector.names or frozenset() for question in questions}
    assert asked.keys() == {"MEMORY_USAGE", "CPU_USAGE"}
    assert shown.keys() <= asked["MEMORY_USAGE"]
    assert {pod["name"] for pod in data["pods"]} <= asked["CPU_USAGE"]
    assert max(map(len, asked.values())) < 50
    assert everything.selector.names is None
