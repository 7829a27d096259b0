"""Pages: keyset cursors that neither skip nor repeat, and tell nothing."""

import asyncio
import base64

import pytest

from gateway.demo import SimulatedCluster
from tests.front_door import SHOP, FrontDoor, simulated_door

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
A_SECOND = 200


class Crowd:
    """Objects of which 200 a second come and as many go, oldest first; what was there before them stays."""

    def __init__(self, simulated: SimulatedCluster, kind: str) -> None:
        self.come = self.gone = 0
        self._simulated = simulated
        self._kind = kind

    @property
    def seconds(self) -> float:
        """How long this many would take at that rate."""
        return self.gone / A_SECOND

    async def mill(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            await asyncio.sleep(0.02)
            due = int((loop.time() - started) * A_SECOND)
            while self.come < due:
                self._comes(self.come)
                self.come += 1
            while self.gone < due - 100:  # each lives for half a second
                self._simulated.delete(self._kind, "crowd", self._name(self.gone))
                self.gone += 1

    def _name(self, number: int) -> str:
        return f"{'abcdefghijklmnopqrstuvwxyz'[number * 7 % 26]}-{number}"  # all over the order

    def _comes(self, number: int) -> None:
        name = self._name(number)
        if self._kind == "pods":
            self._simulated.create_pod("crowd", name)
            return
        metadata = {"name": name, "namespace": "crowd", "uid": f"uid-{number}", "creationTimestamp": moment(number)}
        self._simulated.put(self._kind, {"metadata": metadata, "spec": {"selector": {}, "ports": []}})


def moment(number: int) -> str:
    return f"2026-11-24T{number % 24:02}:{number % 60:02}:00Z"


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("Pod", [{"key": "NAME", "direction": "DESC"}]),
        ("Pod", [{"key": "CREATED_AT"}, {"key": "NAMESPACE"}]),
        ("Service", []),
    ],
)
async def test_while_objects_come_and_go_every_one_that_lived_throughout_is_seen_once(kind, order):
    """Two hundred a second of each, several pages, an order by keys that never change."""
    plural = f"{kind.lower()}s"
    async with simulated_door(nodes=6, pods_per_node=40) as door, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        lived = {row["id"] for row in (await door.ask(f"{{ {plural} {{ id }} }}")).data[plural]}
        crowd = Crowd(door.simulated, plural)
        milling = tasks.create_task(crowd.mill())
        loop = asyncio.get_running_loop()
        seen: list[list[str]] = []
        started = loop.time()
        while len(seen) < 4 or crowd.seconds < 1.0:
            seen.append(await walk_all(door, NAMELESS % (kind, plural), order))
        took = loop.time() - started
        milling.cancel()

    assert crowd.gone / took > A_SECOND / 3, "as many as that really went, besides the first half second"
    assert crowd.come - crowd.gone <= took * A_SECOND
    assert len(lived) > 5
    newcomers = [len(set(walked) - lived) for walked in seen]
    assert max(newcomers) > 20, "the walks met the crowd"
    for walked in seen:
        assert len(walked) == len(set(walked))
        assert lived <= set(walked)


async def walk_all(door: FrontDoor, query: str, order) -> list[str]:
    uids: list[str] = []
    cursor = None
    while True:
        shown = (await door.ask(query, variables={"after": cursor, "order": order})).data["page"]
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
