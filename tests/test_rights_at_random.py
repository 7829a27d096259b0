"""Who sees what, at random: users with random rights ask random questions of the gateway over the real API server.

    sound      everything in an answer is something that the API server lists, or for a look-up gets, with that token
    complete   a list and the counts are exactly what it lists with that token, everywhere or namespace by namespace
    unmoved    what somebody may not see can come and go, and no byte of any answer of theirs changes

The last holds counts, sums, cursors, reasons, metrics and errors alike, whatever a query asks.
"""

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLScalarType,
    NameNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    print_ast,
    visit,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis_graphql import queries

from auth.access import NAMESPACES
from schema.execution.settings import LimitSettings
from schema.schema import describe
from schema.sources.kubernetes.kinds import KINDS, Kind
from tests.cluster.control_plane import GATEWAY, ControlPlane, Refused
from tests.cluster.fixtures import Account, Namespace
from tests.front_door import Answer, FrontDoor, open_front_door
from tests.schema.execution.documents import VARIABLES, decorated
from tests.test_end_to_end import config_for

CORE = describe()._schema
SHOWN = {kind.kind: kind for kind in KINDS.values()}
WIDE = LimitSettings(
    document_bytes=1_000_000,
    tokens=100_000,
    fields=100_000,
    selections=100_000,
    aliases=10_000,
    directives=10_000,
    calls=1_000,
)
# Longer ones say nothing that shorter ones do not, and take their time.
LONGEST = 12_000
LISTED = ("pods", "services", "nodes", "namespaces", "events")
COUNTS = """{
  cluster { podCount nodeCount podsByPhase { count } podsByStatus { count } podsByNamespace { namespace count } }
  podsConnection(first: 1) { totalCount edges { node { id } } }
  podCounts(by: [NAMESPACE]) { namespace count }
}"""

# Ways from one object to others, and to sums over them, which random documents take rarely.
WRITTEN = (
    "{ nodes { pods { node { name } events { reason } } podCount podsConnection { totalCount } attention } }",
    "{ nodes(orderBy: [{key: PODS_REQUESTED}]) { requested { cpu pods } available { memory } limits { cpu } } }",
    "{ nodes { events { count } requested { pods } available { cpu } } }",
    "{ namespaces { podCount serviceCount pods { name } services { pods { name } } events { message } } }",
    "{ services { pods { services { name } } events { message } } pods(filter: {attention: true}) { attention } }",
    "{ pods(orderBy: [{metric: CPU_USAGE}]) { metrics { value missing } owner { name } } events { object { name } } }",
    "{ podsConnection(first: 2) { edges { cursor node { name } } pageInfo { endCursor hasNextPage } totalCount } }",
    "{ cluster { podsByNamespace { count } unscheduledPodCount requested { pods } limits { cpu } metrics { value } } }",
    '{ pod(namespace: "HIDDEN", name: "quietly") { name } namespace(name: "HIDDEN") { podCount pods { name } } }',
    '{ pods(filter: {nodeName: "worker-1", not: {namespace: "HIDDEN"}}) { name } podCounts(by: [NODE]) { count } }',
    '{ events(filter: {objectName: "quietly"}) { count } me { lists(kinds: ["Pod"]) { everywhere namespaces } } }',
    '{ me { can(verb: "get", resource: "pods", namespace: "HIDDEN", name: "quietly") { allowed reason } } }',
)


@dataclass
class Person:
    """Somebody, and what the API server itself shows to their token."""

    account: Account
    cluster: ControlPlane
    namespaces: Sequence[str]
    lists: dict[str, set[str] | None] = field(default_factory=dict)

    async def listed(self, kind: Kind[Any]) -> set[str] | None:
        """The UIDs that they list, everywhere or namespace by namespace; None if that is refused everywhere."""
        found = await self._list(kind.path())
        if found is None and kind.resource == NAMESPACES:
            paths = [f"{kind.path()}/{name}" for name in self.namespaces]
            found = _together([await self._get(path) for path in paths])
        elif found is None and kind.resource.namespaced:
            found = _together([await self._list(kind.path(name)) for name in self.namespaces])
        self.lists[kind.kind] = found
        return found

    async def sees(self, kind: str, uid: str) -> bool:
        """Whether they list it; asked again of what is not known, since a cluster does not stand still."""
        return uid in (self.lists.get(kind) or ()) or uid in (await self.listed(SHOWN[kind]) or ())

    async def gets(self, kind: str, namespace: str, name: str) -> bool:
        return bool(await self._get(f"{SHOWN[kind].path(namespace)}/{name}"))

    async def _list(self, path: str) -> set[str] | None:
        answer = await self._ask(path)
        return None if answer is None else {item["metadata"]["uid"] for item in answer["items"]}

    async def _get(self, path: str) -> set[str] | None:
        answer = await self._ask(path)
        return None if answer is None else {answer["metadata"]["uid"]}

    async def _ask(self, path: str) -> Any:
        try:
            return await self.cluster.request("GET", path, token=self.account.token)
        except Refused as refused:
            if refused.status not in (403, 404):
                raise
            return None


def _together(parts: Sequence[set[str] | None]) -> set[str] | None:
    allowed = [part for part in parts if part is not None]
    return set().union(*allowed) if allowed else None


class _Identified(Visitor):
    """Adds to every object of the cluster that a document asks for what it is: `is_kind` and `is_id`."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> Any:
        parent = self._info.get_parent_type()
        if not isinstance(parent, GraphQLObjectType) or parent.name not in SHOWN:
            return None
        wanted = {"is_kind": "__typename", "is_id": "id", "is_name": "name"}
        place = parent.fields.get("namespace")
        if place is not None and isinstance(get_named_type(place.type), GraphQLScalarType):
            wanted["is_in"] = "namespace"
        more = tuple(
            FieldNode(alias=NameNode(value=alias), name=NameNode(value=name)) for alias, name in wanted.items()
        )
        return SelectionSetNode(selections=(*node.selections, *more))


def random_documents(count: int, chance: random.Random, words: Sequence[str]) -> list[str]:
    """Valid documents about names that exist and that do not, in which everything says what it is."""
    found: list[str] = []

    @settings(
        max_examples=count * 3,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(queries(CORE))
    def collect(text: str) -> None:
        found.append(str(text))

    collect()
    documents = [identified(decorated(CORE, text, chance, words)) for text in chance.sample(found, len(found))]
    return [text for text in documents if len(text) <= LONGEST][:count]


def identified(text: str) -> str:
    """The document, with every object saying what it is."""
    info = TypeInfo(CORE)
    return print_ast(visit(parse(text), TypeInfoVisitor(info, _Identified(info))))


def objects_in(value: Any, depth: int = 0) -> Iterator[tuple[dict[str, Any], bool]]:
    """Everything of the cluster in an answer, and whether it stands at the root by itself, as what was looked up."""
    if isinstance(value, list):
        for each in value:
            yield from objects_in(each, depth + 2)
    elif isinstance(value, dict):
        if "is_kind" in value:
            yield value, depth == 1
        for each in value.values():
            yield from objects_in(each, depth + 1)


async def give_rights(cluster: ControlPlane, user: str, places: Sequence[str], chance: random.Random) -> None:
    """Up to four rules in Roles and ClusterRoles, some of them for named objects alone."""
    for _ in range(chance.randrange(5)):
        resources = chance.sample(LISTED, chance.randrange(1, 3))
        verbs = chance.choice((["list"], ["get"], ["get", "list"], ["get", "list", "watch"]))
        place = chance.choice((*places, *places, None))
        names = chance.choice(([], [], [], ["web-0", places[0]])) if verbs == ["get"] else []
        if place is not None:  # what is in no namespace is not given within one
            resources = [each for each in resources if each != "nodes"] or ["pods"]
        await cluster.allow(user, verbs, resources, namespace=place, names=names)


async def give_rights_within(cluster: ControlPlane, user: str, place: str, chance: random.Random) -> None:
    """Rights in one namespace, and on nodes: what is elsewhere is none of their business."""
    await cluster.allow(user, ["get", "list"], chance.sample(("pods", "services", "events"), 2), namespace=place)
    if chance.random() < 0.7:
        await cluster.allow(user, ["get", "list"], ["nodes"])


async def ask(door: FrontDoor, document: str, token: str) -> Answer:
    used = {name: value for name, value in VARIABLES.items() if f"${name}" in document}
    answer = await door.ask(document, token, variables=used)
    assert not {"GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED", "INTERNAL"}.intersection(answer.codes), answer.text
    return answer


async def hold_sound(person: Person, answer: Answer) -> None:
    for each, looked_up in objects_in(answer.body.get("data")):
        kind, uid = each["is_kind"], each["is_id"]
        seen = await person.sees(kind, uid)
        if not seen and looked_up:
            seen = await person.gets(kind, each.get("is_in", ""), each["is_name"])
        assert seen, f"{person.account.user} may not see {each}"


async def hold_complete(person: Person, door: FrontDoor) -> None:
    """The lists at the root, once the gateway has heard of what the API server has written."""
    for name, listed in CORE.query_type.fields.items() if CORE.query_type else ():
        kind = SHOWN.get(get_named_type(listed.type).name)
        if kind is None or kind.resource.name not in LISTED or any(each in listed.args for each in ("name", "first")):
            continue

        async def shown(name: str = name) -> set[str] | None:
            rows = (await door.ask(f"{{ {name} {{ id }} }}", person.account.token)).body["data"][name]
            return None if rows is None else {row["id"] for row in rows}

        expected = await person.listed(kind)
        if await shown() != expected:
            await door.eventually(shown, await person.listed(kind))


async def hold_counts(person: Person, door: FrontDoor) -> None:
    data = (await door.ask(COUNTS, person.account.token)).body["data"]
    pods, nodes = person.lists["Pod"], person.lists["Node"]
    cluster = data["cluster"]
    assert cluster["nodeCount"] == (None if nodes is None else len(nodes))
    if pods is None:
        assert set(cluster.values()) <= {None, cluster["nodeCount"]}
        assert (data["podsConnection"], data["podCounts"]) == (None, None)
        return
    assert cluster["podCount"] == data["podsConnection"]["totalCount"] == len(pods)
    for groups in (cluster["podsByPhase"], cluster["podsByStatus"], cluster["podsByNamespace"], data["podCounts"]):
        assert sum(group["count"] for group in groups) == len(pods)


async def fill(place: Namespace, *names: str) -> None:
    """Pods on nodes, with a service and an event about the first of them."""
    await place.run_pods(*names)
    base = f"/api/v1/namespaces/{place.name}"
    ports = [{"port": 80}]
    service = {"metadata": {"name": f"svc-{names[0]}"}, "spec": {"selector": {"app": names[0]}, "ports": ports}}
    await place.cluster.request("POST", f"{base}/services", service)
    event = {
        "metadata": {"name": f"event-{names[0]}"},
        "involvedObject": {"kind": "Pod", "namespace": place.name, "name": names[0]},
        "reason": "Testing",
        "message": f"about {names[0]}",
        "type": "Warning",
        "source": {"component": "tests"},
        "firstTimestamp": "2026-11-24T09:00:00Z",
        "lastTimestamp": "2026-11-24T09:00:00Z",
        "count": 1,
    }
    await place.cluster.request("POST", f"{base}/events", event)


async def hold(cluster: ControlPlane, namespace: Namespace, *, seed: int, people: int, documents: int) -> None:
    chance = random.Random(seed)
    other, hidden = (Namespace(cluster, f"{namespace.name}-{name}") for name in ("other", "hidden"))
    for place in (other, hidden):
        await cluster.create_namespace(place.name)
    await fill(namespace, "web-0", "web-1")
    await fill(other, "web-0", "api-0")
    await fill(hidden, "quietly")
    places = (namespace.name, other.name)
    known = sorted(item["metadata"]["name"] for item in (await cluster.request("GET", "/api/v1/namespaces"))["items"])
    anybody, within = [], []
    for number in range(people):
        account = await namespace.account(f"person-{number}")
        person = Person(account, cluster, known)
        if number % 2:
            await give_rights_within(cluster, account.user, chance.choice(places), chance)
            within.append(person)
        else:
            await give_rights(cluster, account.user, places, chance)
        anybody.append(person)
    words = [*known, "web-0", "web-1", "api-0", "quietly", "svc-web-0", "Running", "Testing", "nothing"]
    texts = [identified(text.replace("HIDDEN", hidden.name)) for text in WRITTEN]
    texts += random_documents(documents, chance, words)
    config = config_for(cluster).model_copy(update={"limits": WIDE})

    events = await cluster.allow(GATEWAY, ["list", "watch"], ["events"])
    async with open_front_door(config) as door:
        for person in anybody:
            await hold_complete(person, door)
            await hold_counts(person, door)
            for text in texts:
                await hold_sound(person, await ask(door, text, person.account.token))
        await hold_unmoved(within, texts, door, hidden)
    await events.revoke()
    for place in (other, hidden):
        await cluster.request("DELETE", f"/api/v1/namespaces/{place.name}")


async def hold_unmoved(people: Sequence[Person], texts: Sequence[str], door: FrontDoor, hidden: Namespace) -> None:
    """Ask everything, have hidden things come and others go, ask everything again."""
    before = [await _settled(door, text, person) for person in people for text in texts]
    await fill(hidden, *(f"secret-{number}" for number in range(5)))
    await hidden.cluster.request("DELETE", f"/api/v1/namespaces/{hidden.name}/services/svc-quietly")
    admin = hidden.cluster.token("admin")

    async def heard() -> bool:
        rows = (await door.ask("{ pods { name } services { name } events { message } }", admin)).text
        return "secret-4" in rows and "svc-secret-0" in rows and "about secret-0" in rows and "svc-quietly" not in rows

    await door.eventually(heard, expected=True)
    for (person, text), answer in zip(((one, each) for one in people for each in texts), before, strict=True):
        after = await ask(door, text, person.account.token)
        assert "secret-" not in after.text
        if after.text != answer:  # nodes live, and Kubernetes tells of it: then it moves without anything hidden, too
            assert json.loads(await _settled(door, text, person)) == json.loads(answer), text


async def _settled(door: FrontDoor, text: str, person: Person) -> str:
    """The answer, when two in a row are the same: the clock shows in some."""
    last = ""
    for _ in range(20):
        answer = await ask(door, text, person.account.token)
        if answer.text == last:
            return last
        last = answer.text
        await asyncio.sleep(0)
    return last


async def test_rights_at_random(real_cluster: ControlPlane, namespace: Namespace):
    """Some people and some questions."""
    await hold(real_cluster, namespace, seed=1, people=6, documents=12)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
async def test_rights_at_random_for_long(real_cluster: ControlPlane, namespace: Namespace, seed: int):
    """Many people and many questions."""
    await hold(real_cluster, namespace, seed=seed, people=16, documents=60)
