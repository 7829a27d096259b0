"""Who sees what, at random: users with random rights ask random questions of the gateway over the real API server.

    sound      everything in an answer is something that the API server lists, or for a look-up gets, with that token
    complete   a list, its pages and its counts are exactly what it lists with that token, everywhere or namespace by
               namespace; a look-up finds what it lists there or gets; sums and metrics, of now and of the past, are
               shown to whom they are for, and are sums of what it lists
    unmoved    what somebody may not see can come and go, and no byte of any answer of theirs changes
    silent     an error says the same of what is hidden as of what does not exist

Rights are Roles and ClusterRoles of every kind that the graph shows, bound in the cluster or in a namespace, to users
or groups, some of them for named objects alone.
"""

import asyncio
import contextlib
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import aiohttp
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
from gateway.config import Config
from schema.execution.settings import LimitSettings
from schema.schema import describe
from schema.sources.kubernetes.kinds import KINDS, Kind
from tests.cluster.control_plane import GATEWAY, ControlPlane, Grant, eventually
from tests.cluster.fixtures import Account, Namespace
from tests.cluster.prometheus import PrometheusServer
from tests.front_door import Answer, FrontDoor, open_front_door
from tests.schema.execution.documents import VARIABLES, decorated
from tests.test_end_to_end import config_for

CORE = describe()._schema
SHOWN: Final = {kind.kind: kind for kind in KINDS.values()}
WIDE = LimitSettings(
    document_bytes=1_000_000,
    tokens=100_000,
    fields=100_000,
    selections=100_000,
    aliases=10_000,
    directives=10_000,
    calls=1_000,
    root_fields=1_000,
)
# Longer ones say nothing that shorter ones do not, and take their time.
LONGEST = 12_000
RBAC = "/apis/rbac.authorization.k8s.io/v1"
READING = ({"list"}, {"get"}, {"get", "list"}, {"get", "list", "watch"})


def patient(config: Config) -> Config:
    """For hundreds of questions and reviews at once, on a machine that is busy with all that is real here."""
    auth = config.auth.model_copy(update={"review_timeout_seconds": 30.0})
    return config.model_copy(update={"limits": WIDE, "auth": auth})


def _at_the_root() -> tuple[dict[str, Kind[Any]], dict[str, Kind[Any]]]:
    """The lists at the root that have pages beside them, and the look-ups."""
    assert CORE.query_type is not None
    lists, look_ups = {}, {}
    for name, each in CORE.query_type.fields.items():
        kind = SHOWN.get(get_named_type(each.type).name)
        if kind is not None and "name" in each.args:
            look_ups[name] = kind
        elif kind is not None and f"{name}Connection" in CORE.query_type.fields:
            lists[name] = kind
    return lists, look_ups


LISTS, LOOK_UPS = _at_the_root()
COUNTS = f"""{{
  cluster {{
    podCount nodeCount podsByPhase {{ count }} podsByStatus {{ count }} podsByNamespace {{ namespace count }}
    nodesByStatus {{ count }} unscheduledPodCount requested {{ pods }}
  }}
  podCounts(by: [NAMESPACE]) {{ namespace count }}
  troubled: podsConnection(filter: {{attention: true}}) {{ totalCount edges {{ node {{ id }} }} }}
  calm: podsConnection(filter: {{not: {{attention: true}}}}) {{ totalCount }}
  nodes {{ name podCount attention requested {{ pods }} }}
  namespaces {{ name podCount serviceCount }}
  me {{ lists {{ kind everywhere namespaces }} }}
  {" ".join(f"{name}Connection(first: 1) {{ totalCount }}" for name in LISTS)}
}}"""
MEASURED = """{
  cluster { metrics(names: [MEMORY_USAGE]) { value missing } }
  nodes { name metrics(names: [MEMORY_USAGE, MEMORY_REQUEST]) { value missing } }
  namespaces { name metrics(names: [MEMORY_USAGE]) { value missing } }
  pods(orderBy: [{metric: MEMORY_USAGE}]) { namespace name metrics(names: [MEMORY_USAGE]) { value missing } }
  deployments { namespace name metrics(names: [MEMORY_USAGE]) { value missing } }
  daemonSets { namespace name metrics(names: [MEMORY_USAGE]) { value missing } }
}"""
# What pods have used does not move: of what they may not list, nothing is in these sums.
OWN_USE = """{
  namespaces { name metrics(names: [MEMORY_USAGE]) { value } }
  pods(orderBy: [{metric: MEMORY_USAGE, direction: DESC}]) { name metrics(names: [MEMORY_USAGE]) { value } }
  deployments { name metrics(names: [MEMORY_USAGE]) { value } }
}"""

# What stands for a drawn question over time.
PAST = """{
  cluster { LINES }
  nodes { name LINES }
  namespaces { id name LINES }
  pods { id LINES containers { name LINES } }
  deployments { id namespace LINES }
  daemonSets { id namespace LINES }
}"""
OWN_PAST = "{ namespaces { name LINES } pods { name LINES } deployments { name LINES } }"
# Of each pod, asked of Prometheus independently of the gateway.
MEMORY_OF_PODS = (
    "sum by (namespace, pod) (max by (namespace, pod, container)"
    ' (container_memory_working_set_bytes{container!="",container!="POD"}))'
)

# Ways from one object to others, and to sums over them, which random documents take rarely.
WRITTEN = (
    "{ nodes { pods { node { name } events { reason } } podCount podsConnection { totalCount } attention } }",
    "{ nodes(orderBy: [{key: PODS_REQUESTED}]) { requested { cpu pods } available { memory } limits { cpu } } }",
    "{ nodes { events { count } requested { pods } available { cpu } } }",
    "{ namespaces { podCount serviceCount pods { name } services { pods { name } } events { message } } }",
    "{ namespaces { deployments { name } statefulSets { name } daemonSets { name } jobs { name } cronJobs { name } } }",
    "{ namespaces { resourceQuotas { name amounts { used } events { message } } metrics { value missing } } }",
    "{ services { pods { services { name } } events { message } } pods(filter: {attention: true}) { attention } }",
    "{ pods(orderBy: [{metric: CPU_USAGE}]) { metrics { value missing } owner { name } } events { object { name } } }",
    "{ pods { workload { kind name } inNamespace { name podCount } services { name pods { name } } } }",
    "{ podsConnection(first: 2) { edges { cursor node { name } } pageInfo { endCursor hasNextPage } totalCount } }",
    "{ cluster { podsByNamespace { count } unscheduledPodCount requested { pods } limits { cpu } metrics { value } } }",
    "{ deployments { name replicaSets { name pods { name } } pods { name } metrics { value missing } } }",
    "{ replicaSets { owner { name } pods { workload { name } } } statefulSets { pods { name } metrics { value } } }",
    "{ daemonSets { pods { name node { name } } events { message } } jobs { pods { name workload { name } } } }",
    "{ cronJobs { jobs { name pods { name } } pods { name } metrics { value } events { message } } }",
    "{ podDisruptionBudgets { pods { name } events { message } } horizontalPodAutoscalers { target { name } } }",
    "{ persistentVolumeClaims { status events { message } } resourceQuotas { amounts { hard used } } }",
    '{ pod(namespace: "HIDDEN", name: "quietly") { name } namespace(name: "HIDDEN") { podCount pods { name } } }',
    '{ deployment(namespace: "HIDDEN", name: "quietly-web") { pods { name } metrics { value } } }',
    '{ pods(filter: {nodeName: "worker-1", not: {namespace: "HIDDEN"}}) { name } podCounts(by: [NODE]) { count } }',
    '{ events(filter: {objectName: "quietly"}) { count } me { lists(kinds: ["Pod"]) { everywhere namespaces } } }',
    '{ me { can(verb: "get", resource: "pods", namespace: "HIDDEN", name: "quietly") { allowed reason } } }',
)


@dataclass(frozen=True, slots=True)
class Listed:
    """What the API server lists of a kind to somebody, by uid: everywhere, or in some namespaces."""

    rows: Mapping[str, Any]
    everywhere: bool
    within: frozenset[str]

    @property
    def refused(self) -> bool:
        return not self.everywhere and not self.within

    def in_(self, namespace: str) -> bool:
        return self.everywhere or namespace in self.within


@dataclass
class Person:
    """Somebody, and what the API server itself shows to their token."""

    account: Account
    asking: aiohttp.ClientSession
    namespaces: Sequence[str]
    lists: dict[str, Listed] = field(default_factory=dict)

    async def listed(self, kind: Kind[Any]) -> Listed:
        self.lists[kind.kind] = found = await self._listed(kind)
        return found

    async def _listed(self, kind: Kind[Any]) -> Listed:
        whole = await self.get(kind.path())
        if whole is not None:
            return Listed(_by_uid(whole["items"]), everywhere=True, within=frozenset())
        if kind.resource != NAMESPACES and not kind.resource.namespaced:
            return Listed({}, everywhere=False, within=frozenset())
        if kind.resource == NAMESPACES:
            one_by_one = await asyncio.gather(*(self.get(f"{kind.path()}/{name}") for name in self.namespaces))
            parts = [None if one is None else {"items": [one]} for one in one_by_one]
        else:
            parts = await asyncio.gather(*(self.get(kind.path(name)) for name in self.namespaces))
        allowed = {name: part["items"] for name, part in zip(self.namespaces, parts, strict=True) if part is not None}
        rows = [row for items in allowed.values() for row in items]
        return Listed(_by_uid(rows), everywhere=False, within=frozenset(allowed))

    async def sees(self, kind: str, uid: str) -> bool:
        """Whether they list it; asked again of what is not known, since a cluster does not stand still."""
        known = self.lists.get(kind)
        return (known is not None and uid in known.rows) or uid in (await self.listed(SHOWN[kind])).rows

    async def gets(self, kind: str, namespace: str, name: str) -> bool:
        return await self.get(f"{SHOWN[kind].path(namespace)}/{name}") is not None

    async def get(self, path: str) -> Any:
        """None for what is refused or does not exist."""
        async with self.asking.get(path) as answer:
            if answer.status in (403, 404):
                return None
            assert answer.status == 200, await answer.text()
            return await answer.json()


def _by_uid(items: Sequence[Any]) -> dict[str, Any]:
    return {item["metadata"]["uid"]: item for item in items}


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
        max_examples=count * 2,
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


# --------------------------------------------------------------------------------------------------------------- rights


async def grant(
    cluster: ControlPlane, subject: Mapping[str, str], rules: Sequence[dict[str, Any]], place: str | None, *, wide: bool
) -> Grant:
    """These rules to a user or a group, in one namespace or everywhere; `wide`: the role is a ClusterRole."""
    name = f"random-{secrets.token_hex(4)}"
    wide = wide or place is None
    role, where = ("ClusterRole", RBAC) if wide else ("Role", f"{RBAC}/namespaces/{place}")
    await cluster.request("POST", f"{where}/{role.lower()}s", {"metadata": {"name": name}, "rules": list(rules)})
    binding, where = ("clusterrolebindings", RBAC) if place is None else ("rolebindings", f"{RBAC}/namespaces/{place}")
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", **subject}]
    await cluster.request(
        "POST", f"{where}/{binding}", {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}
    )
    attributes = {
        "verb": rules[-1]["verbs"][0],
        "group": rules[-1]["apiGroups"][0],
        "resource": rules[-1]["resources"][0],
        "namespace": place or "",
        "name": next(iter(rules[-1].get("resourceNames", ())), ""),
    }
    asked = {"user": subject["name"]} if subject["kind"] == "User" else {"user": "any", "groups": [subject["name"]]}

    async def in_force() -> bool:
        review = {"spec": {**asked, "resourceAttributes": attributes}}
        answer = await cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    await eventually(in_force)
    return Grant(cluster, f"{where}/{binding}/{name}")


def rule(kinds: Sequence[Kind[Any]], verbs: set[str], names: Sequence[str] = ()) -> dict[str, Any]:
    groups = sorted({kind.group for kind in kinds})
    resources = sorted({kind.name for kind in kinds})
    return {"apiGroups": groups, "resources": resources, "verbs": sorted(verbs), "resourceNames": list(names)}


def user(account: Account) -> dict[str, str]:
    return {"kind": "User", "name": account.user}


def group_of(namespace: str) -> dict[str, str]:
    """All service accounts of a namespace."""
    return {"kind": "Group", "name": f"system:serviceaccounts:{namespace}"}


def _in_places(kind: Kind[Any]) -> bool:
    """Whether a rule within a namespace can mean it: a namespace is an object in itself."""
    return kind.namespaced or kind.resource == NAMESPACES


async def give_rights(
    cluster: ControlPlane, subject: Mapping[str, str], places: Sequence[str], chance: random.Random
) -> None:
    """Up to four roles, some of their rules for named objects alone."""
    kinds = list(SHOWN.values())
    for _ in range(chance.randrange(5)):
        place = chance.choice((*places, *places, None))
        rules = []
        for _ in range(chance.randrange(1, 3)):
            wanted = [
                kind for kind in chance.sample(kinds, chance.randrange(1, 6)) if place is None or _in_places(kind)
            ]
            verbs = chance.choice(READING)
            names = chance.choice(([], [], [], ["web-0", "web", "worker-1", "team", places[0]]))
            rules.append(rule(wanted or [SHOWN["Pod"]], verbs, names))
        await grant(cluster, subject, rules, place, wide=chance.random() < 0.5)


async def give_rights_within(
    cluster: ControlPlane, subject: Mapping[str, str], place: str, chance: random.Random
) -> None:
    """Rights in one namespace, and on nodes: what is elsewhere is none of their business."""
    kinds = [kind for kind in SHOWN.values() if _in_places(kind)]
    await grant(cluster, subject, [rule(chance.sample(kinds, 8), {"get", "list"})], place, wide=chance.random() < 0.5)
    if chance.random() < 0.7:
        await grant(cluster, subject, [rule([SHOWN["Node"]], {"get", "list"})], None, wide=True)


# ----------------------------------------------------------------------------------------------------------- what holds


async def ask(door: FrontDoor, document: str, token: str) -> Answer:
    used = {name: value for name, value in VARIABLES.items() if f"${name}" in document}
    answer = await door.ask(document, token, variables=used)
    assert "data" in answer.body, (document, answer.text)
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
    """The lists at the root and their pages, once the gateway has heard of what the API server has written."""
    everything = " ".join(f"{name} {{ id }}" for name in LISTS)

    async def shown() -> dict[str, set[str] | None]:
        data = (await door.ask(f"{{ {everything} }}", person.account.token)).body["data"]
        return {name: None if data[name] is None else {row["id"] for row in data[name]} for name in LISTS}

    difference: dict[str, Any] = {}

    async def same() -> bool:
        found = await asyncio.gather(*(person.listed(kind) for kind in LISTS.values()))
        now = await shown()
        difference.clear()
        for name, listed in zip(LISTS, found, strict=True):
            expected = None if listed.refused else set(listed.rows)
            if now[name] != expected:
                difference[name] = (now[name], expected)
        return not difference

    with contextlib.suppress(TimeoutError):
        await eventually(same, limit_s=30.0)
    assert not difference, person.account.user


async def hold_pages(person: Person, door: FrontDoor, name: str, chance: random.Random) -> None:
    """Page by page, both ways, a list is what the API server lists, each object once, in an order that it is asked."""
    seen = person.lists[LISTS[name].kind]
    rows, keys = chance.randrange(1, 9), ["NAME", "CREATED_AT", *(["NAMESPACE"] if LISTS[name].namespaced else [])]
    order = ", ".join(
        f"{{key: {key}, direction: {chance.choice(('ASC', 'DESC'))}}}"
        for key in chance.sample(keys, chance.randrange(3))
    )
    for size, after, page in (("first", "after", "endCursor"), ("last", "before", "startCursor")):
        found: list[str] = []
        cursor = "null"
        while True:
            wanted = f"{{ edges {{ node {{ id }} }} pageInfo {{ {page} }} }}"
            text = f"{{ {name}Connection({size}: {rows}, {after}: {cursor}, orderBy: [{order}]) {wanted} }}"
            data = (await ask(door, text, person.account.token)).body["data"]
            connection = data[f"{name}Connection"]
            if connection is None or not connection["edges"]:
                break
            found += [edge["node"]["id"] for edge in connection["edges"]]
            cursor = json.dumps(connection["pageInfo"][page])
        assert Counter(found) == Counter(seen.rows.keys()), name


async def hold_counts(person: Person, door: FrontDoor) -> None:
    data = (await ask(door, COUNTS, person.account.token)).body["data"]
    cluster, pods, nodes = data["cluster"], person.lists["Pod"], person.lists["Node"]
    for name, kind in LISTS.items():
        listed, connection = person.lists[kind.kind], data[f"{name}Connection"]
        assert connection == (None if listed.refused else {"totalCount": len(listed.rows)}), name
    for each in data["me"]["lists"]:
        listed = person.lists[each["kind"]]
        assert each["everywhere"] == listed.everywhere, each
        if each["kind"] != "Namespace":
            assert set(each["namespaces"]) == listed.within, each
    assert cluster["nodeCount"] == (None if nodes.refused else len(nodes.rows))
    assert (cluster["nodesByStatus"] is None) == nodes.refused
    assert (cluster["requested"] is None) == (not pods.everywhere)
    hold_counts_of_nodes(data["nodes"], pods)
    inside = Counter(pod["metadata"]["namespace"] for pod in pods.rows.values())
    for each in data["namespaces"] or ():
        assert each["podCount"] == (inside[each["name"]] if pods.in_(each["name"]) else None), each
        services = person.lists["Service"]
        assert (each["serviceCount"] is None) == (not services.in_(each["name"])), each
    if pods.refused:
        assert {cluster["podCount"], cluster["podsByPhase"], cluster["podsByStatus"], data["podCounts"]} == {None}
        assert (data["troubled"], data["calm"]) == (None, None)
        return
    assert cluster["podCount"] == len(pods.rows)
    for groups in (cluster["podsByPhase"], cluster["podsByStatus"], cluster["podsByNamespace"], data["podCounts"]):
        assert sum(group["count"] for group in groups) == len(pods.rows)
    assert {group["namespace"]: group["count"] for group in data["podCounts"]} == inside
    assert data["troubled"]["totalCount"] + data["calm"]["totalCount"] == len(pods.rows)
    assert {edge["node"]["id"] for edge in data["troubled"]["edges"]} <= pods.rows.keys()


async def hold_groups(person: Person, door: FrontDoor, chance: random.Random) -> None:
    """Pods are counted by whatever they are grouped by, all that the API server lists and no others."""
    by = chance.sample(["NAMESPACE", "NODE", "PHASE", "STATUS"], chance.randrange(1, 5))
    named = [{"NODE": "nodeName"}.get(group, group.lower()) for group in by]
    text = f"{{ podCounts(by: [{', '.join(by)}]) {{ {' '.join(named)} count }} pods {{ id status }} }}"
    data = (await ask(door, text, person.account.token)).body["data"]
    pods = person.lists["Pod"]
    if pods.refused:
        assert data["podCounts"] is None
        return
    status = {pod["id"]: pod["status"] for pod in data["pods"]}
    of = {
        uid: {
            "namespace": pod["metadata"]["namespace"],
            "nodeName": pod["spec"].get("nodeName"),
            "phase": pod["status"]["phase"],
            "status": status[uid],
        }
        for uid, pod in pods.rows.items()
    }
    counted = {tuple(group[name] for name in named): group["count"] for group in data["podCounts"]}
    assert counted == Counter(tuple(each[name] for name in named) for each in of.values()), by


def hold_counts_of_nodes(nodes: Sequence[Any] | None, pods: Listed) -> None:
    """What is computed from all pods of a node is for those who may list all pods."""
    on = Counter(pod["spec"].get("nodeName") for pod in pods.rows.values())
    alive = [pod for pod in pods.rows.values() if pod["status"]["phase"] not in ("Succeeded", "Failed")]
    requesting = Counter(pod["spec"].get("nodeName") for pod in alive)
    for node in nodes or ():
        name = node["name"]
        assert node["podCount"] == (None if pods.refused else on[name])
        assert node["requested"] == ({"pods": requesting[name]} if pods.everywhere else None)
        assert ("REQUESTS_NOT_VISIBLE" in node["attention"]) == (not pods.everywhere)


async def hold_look_ups(person: Person, door: FrontDoor, objects: Sequence[tuple[str, str, str]]) -> None:
    """An object is found by its name if it is listed there or got; else it is as one that does not exist."""
    by_kind = {kind.kind: name for name, kind in LOOK_UPS.items()}
    pairs = [(kind, place, each) for kind, place, name in objects for each in (name, f"missing-{name}")]
    asked = [
        (f"n{number}", by_kind[kind], SHOWN[kind], place, each) for number, (kind, place, each) in enumerate(pairs)
    ]
    words = []
    for alias, name, kind, place, each in asked:
        where = f'namespace: "{place}", ' if kind.namespaced else ""
        words.append(f'{alias}: {name}({where}name: "{each}") {{ id }}')
    answer = await ask(door, f"{{ {' '.join(words)} }}", person.account.token)

    said = {error["path"][0]: error for error in answer.errors}
    got = await asyncio.gather(*(person.gets(kind.kind, place, each) for _, _, kind, place, each in asked))
    for (alias, _, kind, place, each), gets in zip(asked, got, strict=True):
        listed = (row["metadata"] for row in person.lists[kind.kind].rows.values())
        lists = any((row.get("namespace", ""), row["name"]) == (place, each) for row in listed)
        found = answer.body["data"][alias] is not None
        assert found == (gets or lists), (person.account.user, kind.kind, place, each)
    for (hidden, _, kind, place, each), (missing, *_, other) in zip(asked[::2], asked[1::2], strict=True):
        if hidden not in said:
            continue
        told, of_nothing = (
            json.dumps({key: said.get(alias, {}).get(key) for key in ("message", "extensions")}).replace(name, "NAME")
            for alias, name in ((hidden, each), (missing, other))
        )
        assert told == of_nothing, (kind.kind, place, each)


async def hold_measured(person: Person, door: FrontDoor) -> None:
    """Who may list an object sees what it uses; sums over pods are for those who may list the pods there."""
    data: Any = None

    async def all_measured() -> bool:  # a node that answers a scrape too late has no number until the next
        nonlocal data
        data = (await ask(door, MEASURED, person.account.token)).body["data"]
        return all(node["metrics"][0]["value"] is not None for node in data["nodes"] or ())

    await door.eventually(all_measured, expected=True, within=30)
    pods, nodes = person.lists["Pod"], person.lists["Node"]
    [whole] = data["cluster"]["metrics"]
    assert (whole["missing"] == "FORBIDDEN") == nodes.refused
    for node in data["nodes"] or ():
        _, requested = node["metrics"]
        assert (requested["missing"] == "FORBIDDEN") == (not pods.everywhere), node
    for pod in data["pods"] or ():
        assert pod["metrics"][0]["missing"] != "FORBIDDEN", pod
    for each in data["namespaces"] or ():
        assert (each["metrics"][0]["missing"] == "FORBIDDEN") == (not pods.in_(each["name"])), each
    for each in data["daemonSets"] or ():
        assert (each["metrics"][0]["missing"] == "FORBIDDEN") == (not pods.in_(each["namespace"])), each
    owners = person.lists["ReplicaSet"]
    for each in data["deployments"] or ():
        allowed = pods.in_(each["namespace"]) and owners.in_(each["namespace"])
        assert (each["metrics"][0]["missing"] == "FORBIDDEN") == (not allowed), each


def drawn_moments(chance: random.Random) -> range:
    """Some moments of the last minutes, before most pods began and after; what is being scraped just now in none."""
    step, count = chance.choice((1, 5, 15)), chance.randrange(2, 6)
    last = (int(time.time()) - 3) // step * step - step * chance.randrange(3)
    return range(last - step * (count - 1), last + 1, step)


def over_time(document: str, moments: range, names: Sequence[str] = ("MEMORY_USAGE",)) -> str:
    begin, end = (datetime.fromtimestamp(each, UTC).isoformat() for each in (moments[0], moments[-1]))
    asked = f'names: [{", ".join(names)}], range: {{start: "{begin}", end: "{end}", step: {moments.step}}}'
    return document.replace("LINES", f"metricsRange({asked}) {{ name missing points {{ timestamp value }} }}")


async def hold_past(person: Person, door: FrontDoor, prometheus: PrometheusServer, chance: random.Random) -> None:
    """Who sees what something uses now sees what it used, from its beginning: what Prometheus says of its pods."""
    moments = drawn_moments(chance)
    names = ["MEMORY_USAGE", *chance.sample(["CPU_USAGE", "DISK_READ", "FILESYSTEM_USAGE"], chance.randrange(3))]
    answer = await ask(door, over_time(PAST, moments, names), person.account.token)
    assert "METRICS_UNAVAILABLE" not in answer.codes, answer.text
    data, told = answer.body["data"], [await prometheus.query(MEMORY_OF_PODS, at=moment) for moment in moments]
    used: dict[tuple[str, str], dict[float, float]] = {}
    for moment, rows in zip(moments, told, strict=True):
        for row in rows:
            pod = row["metric"]["namespace"], row["metric"]["pod"]
            used.setdefault(pod, {})[moment] = float(row["value"][1])
    pods, nodes, sets = person.lists["Pod"], person.lists["Node"], person.lists["ReplicaSet"]
    of = {uid: since_it_began(pod, used, moments) for uid, pod in pods.rows.items()}

    hold_forbidden([data["cluster"]], [nodes.refused])
    hold_forbidden(data["nodes"] or (), [False] * len(nodes.rows))
    hold_forbidden(data["pods"] or (), [False] * len(pods.rows))
    for pod in data["pods"] or ():
        assert points_of(pod) == of[pod["id"]], pod
        hold_forbidden(pod["containers"], [False] * len(pod["containers"]))
    for each in data["namespaces"] or ():
        hold_forbidden([each], [not pods.in_(each["name"])])
        if pods.in_(each["name"]):
            within = [line for (place, _), line in used.items() if place == each["name"]]
            began = person.lists["Namespace"].rows[each["id"]]
            moments_of = living(began, moments) if within else []
            assert points_of(each) == {moment: together(within, moment) for moment in moments_of}, each
    for each in data["daemonSets"] or ():
        hold_workload(each, {each["id"]}, pods, of, allowed=pods.in_(each["namespace"]))
    for each in data["deployments"] or ():
        own = {uid for uid, row in sets.rows.items() if each["id"] in owners_of(row)}
        hold_workload(each, own, pods, of, allowed=pods.in_(each["namespace"]) and sets.in_(each["namespace"]))


def hold_workload(
    each: Any, own: set[str], pods: Listed, of: Mapping[str, Mapping[float, float | None]], *, allowed: bool
) -> None:
    """At each moment, what those of its pods used together that had a number then."""
    hold_forbidden([each], [not allowed])
    if allowed:
        lines = [of[uid] for uid, pod in pods.rows.items() if own & owners_of(pod)]
        moments = sorted({moment for line in lines for moment in line})
        assert points_of(each) == {moment: together(lines, moment) for moment in moments}, each


def hold_forbidden(shown: Sequence[Any], forbidden: Sequence[bool]) -> None:
    for each, refused in zip(shown, forbidden, strict=True):
        assert {line["missing"] == "FORBIDDEN" for line in each["metricsRange"]} == {refused}, each
        assert not refused or all(line["points"] == [] for line in each["metricsRange"]), each


def owners_of(item: Any) -> set[str]:
    return {owner["uid"] for owner in item["metadata"].get("ownerReferences", ())}


def points_of(each: Any) -> dict[float, float | None]:
    """Of its memory."""
    return {point["timestamp"]: point["value"] for point in each["metricsRange"][0]["points"]}


def living(item: Any, moments: range) -> list[int]:
    born = datetime.fromisoformat(item["metadata"]["creationTimestamp"]).timestamp()
    return [moment for moment in moments if moment >= born]


def since_it_began(
    pod: Any, used: Mapping[tuple[str, str], Mapping[float, float]], moments: range
) -> dict[float, float | None]:
    """What it used at each moment of its life; nothing at all where no moment has a number."""
    line = used.get((pod["metadata"]["namespace"], pod["metadata"]["name"]))
    return {} if line is None else {moment: line.get(moment) for moment in living(pod, moments)}


def together(lines: Sequence[Mapping[float, float | None]], moment: float) -> float | None:
    known = [value for line in lines if (value := line.get(moment)) is not None]
    return sum(known) if known else None


# ---------------------------------------------------------------------------------------------------------- the cluster


def beside(prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """One of every kind around pods, by kind; what their controllers make of them comes to rest by itself."""
    template: dict[str, Any] = {
        "metadata": {"labels": {"app": f"{prefix}web"}},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "main", "image": "registry.example.com/web:1"}],
        },
    }
    selector = {"matchLabels": {"app": f"{prefix}web"}}
    once = {"metadata": {}, "spec": {**template["spec"], "restartPolicy": "Never"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{prefix}asleep"}
    yield "Deployment", {"name": f"{prefix}web", "spec": {"replicas": 1, "selector": selector, "template": template}}
    # An autoscaler of something that sleeps has nothing to tell; one of something awake tells of it for ever.
    asleep: dict[str, Any] = {"replicas": 0, "selector": {"matchLabels": {"app": "none"}}}
    nothing = {**template, "metadata": {"labels": {"app": "none"}}}
    yield "Deployment", {"name": f"{prefix}asleep", "spec": {**asleep, "template": nothing}}
    yield "HorizontalPodAutoscaler", {"name": f"{prefix}web", "spec": {"scaleTargetRef": scaled, "maxReplicas": 2}}
    stateful = {"serviceName": "web", **asleep, "template": nothing}
    yield "StatefulSet", {"name": f"{prefix}web", "spec": stateful}
    only = {"nodeSelector": {"kubernetes.io/hostname": "worker-1"}, **template["spec"]}
    yield (
        "DaemonSet",
        {
            "name": f"{prefix}web",
            "spec": {
                "selector": {"matchLabels": {"app": f"{prefix}ds"}},
                "template": {"metadata": {"labels": {"app": f"{prefix}ds"}}, "spec": only},
            },
        },
    )
    yield "Job", {"name": f"{prefix}web", "spec": {"suspend": True, "template": once}}
    yield (
        "CronJob",
        {"name": f"{prefix}web", "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}}},
    )
    # A claim to a volume that is awaited; one without would be told every 15 s that there is none.
    yield (
        "PersistentVolumeClaim",
        {"name": f"{prefix}web", "spec": {**claim, "storageClassName": "", "volumeName": "no"}},
    )
    yield "ResourceQuota", {"name": f"{prefix}team", "spec": {"hard": {"count/secrets": "100"}}}
    yield "PodDisruptionBudget", {"name": f"{prefix}web", "spec": {"minAvailable": 1, "selector": selector}}
    yield "Service", {"name": f"{prefix}web", "spec": {"selector": {"app": f"{prefix}web"}, "ports": [{"port": 80}]}}


async def fill(place: Namespace, *names: str, prefix: str = "") -> None:
    """Pods on nodes, something of every kind beside them, and an event about the first of them."""
    async with place.cluster.api() as api:

        async def create(kind: Kind[Any], manifest: dict[str, Any]) -> None:
            async with api.post(kind.path(place.name), json=manifest) as answer:
                assert answer.status == 201, await answer.text()

        for kind, each in beside(prefix):
            manifest = {"apiVersion": SHOWN[kind].api_version, "kind": kind, "metadata": {"name": each["name"]}}
            await create(SHOWN[kind], manifest | {"spec": each["spec"]})
        event = {
            "metadata": {"name": f"{prefix}event"},
            "involvedObject": {"kind": "Pod", "namespace": place.name, "name": names[0]},
            "reason": "Testing",
            "message": f"about {names[0]}",
            "type": "Warning",
            "source": {"component": "tests"},
            "firstTimestamp": "2026-11-24T09:00:00Z",
            "lastTimestamp": "2026-11-24T09:00:00Z",
            "count": 1,
        }
        await create(SHOWN["Event"], event)
    await place.run_pods(*names)

    async def made() -> bool:
        ready = [pod["metadata"]["name"] for pod in await place.pods() if pod["status"]["phase"] == "Running"]
        return len({name.rpartition("-")[0] for name in ready} & {f"{prefix}web"}) == 1 and len(ready) >= len(names) + 2

    await eventually(made)


def named(place: Namespace, more: dict[str, str], prefix: str = "") -> list[tuple[str, str, str]]:
    """What exists in a namespace, and itself: kind, namespace and name."""
    names = {kind: each["name"] for kind, each in beside(prefix)} | more
    return [*((kind, place.name, name) for kind, name in names.items()), ("Namespace", "", place.name)]


@asynccontextmanager
async def somebody(cluster: ControlPlane, home: Namespace, name: str, known: Sequence[str]) -> AsyncIterator[Person]:
    account = await home.account(name)
    async with cluster.api(token=account.token) as asking:
        yield Person(account, asking, known)


async def _nothing_is_going(cluster: ControlPlane) -> bool:
    namespaces = (await cluster.request("GET", "/api/v1/namespaces"))["items"]
    return not any("deletionTimestamp" in each["metadata"] for each in namespaces)


async def hold(
    cluster: ControlPlane,
    prometheus: PrometheusServer,
    namespace: Namespace,
    *,
    seed: int,
    people: int,
    documents: int,
) -> None:
    chance = random.Random(seed)
    await eventually(partial(_nothing_is_going, cluster))  # what other tests left is gone only some seconds after them
    other, hidden = (Namespace(cluster, f"{namespace.name}-{name}") for name in ("other", "hidden"))
    for place in (other, hidden):
        await cluster.create_namespace(place.name)
    await asyncio.gather(
        fill(namespace, "web-0", "web-1"), fill(other, "web-0", "api-0"), fill(hidden, "quietly", prefix="quietly-")
    )
    places = (namespace.name, other.name)
    known = sorted({*places, hidden.name, "default", "kube-system"})  # rights are given in no others
    words = [*known, "web-0", "web-1", "api-0", "quietly", "web", "team", "Running", "Testing", "nothing"]
    texts = [identified(text.replace("HIDDEN", hidden.name)) for text in WRITTEN]
    texts += random_documents(documents, chance, words)
    objects = named(namespace, {"Pod": "web-0"}) + named(hidden, {"Pod": "quietly"}, "quietly-")
    objects.append(("Node", "", "worker-1"))
    watching = await grant(
        cluster, {"kind": "User", "name": GATEWAY}, [rule(list(SHOWN.values()), {"list", "watch"})], None, wide=True
    )
    await prometheus.wait_for_series(f'container_memory_working_set_bytes{{namespace="{hidden.name}",pod="quietly"}}')
    async with AsyncExitStack() as stack:
        anybody, within = [], []
        for number in range(people):
            home = (other, namespace)[number % 2]
            person = await stack.enter_async_context(somebody(cluster, home, f"person-{number}", known))
            if number == 0:  # of all that is computed from pods nothing is for them, but all else is
                kinds = [kind for kind in SHOWN.values() if kind.kind != "Pod"]
                await grant(cluster, user(person.account), [rule(kinds, {"list"})], None, wide=True)
            elif number % 2:
                await give_rights_within(cluster, user(person.account), chance.choice(places), chance)
                within.append(person)
            else:
                await give_rights(cluster, user(person.account), places, chance)
            anybody.append(person)
        await give_rights_within(cluster, group_of(other.name), other.name, chance)
        await give_rights_within(cluster, group_of(namespace.name), namespace.name, chance)
        door = await stack.enter_async_context(open_front_door(patient(config_for(cluster))))
        measuring = await stack.enter_async_context(open_front_door(patient(config_for(cluster, prometheus))))
        for person in anybody:
            await hold_complete(person, door)
            await hold_counts(person, door)
            await hold_look_ups(person, door, objects)
            await hold_groups(person, door, chance)
            for name in chance.sample(sorted(LISTS), 3):
                await hold_pages(person, door, name, chance)
            await hold_measured(person, measuring)
            await hold_past(person, measuring, prometheus, chance)
            for text in texts:
                answer = await ask(door, text, person.account.token)
                await hold_sound(person, answer)
                if person in within and "quietly" not in text:
                    assert "quietly" not in answer.text, answer.text
        await hold_unmoved(within, texts, door, measuring, hidden)
    await watching.revoke()
    for place in (other, hidden):
        await cluster.request("DELETE", f"/api/v1/namespaces/{place.name}")


async def hold_unmoved(
    people: Sequence[Person], texts: Sequence[str], door: FrontDoor, measuring: FrontDoor, hidden: Namespace
) -> None:
    """Ask everything, have hidden things come and others go, ask everything again."""
    before = [await _settled(door, text, person) for person in people for text in texts]
    uses = (OWN_USE, over_time(OWN_PAST, drawn_moments(random.Random(len(texts)))))
    used = [(await ask(measuring, text, person.account.token)).text for person in people for text in uses]
    await fill(hidden, *(f"secret-{number}" for number in range(5)), prefix="secret-")
    await hidden.cluster.request("DELETE", f"/api/v1/namespaces/{hidden.name}/services/quietly-web")
    admin = hidden.cluster.token("admin")
    everything = " ".join(f"{name} {{ name }}" for name, kind in LISTS.items() if kind.namespaced)

    async def heard() -> bool:
        data = (await door.ask(f"{{ {everything} }}", admin)).data
        come = all(any("secret-" in row["name"] for row in rows) for rows in data.values())
        return come and all(row["name"] != "quietly-web" for row in data["services"])

    await door.eventually(heard, expected=True)
    for (person, text), answer in zip(((one, each) for one in people for each in texts), before, strict=True):
        after = await ask(door, text, person.account.token)
        assert "secret-" not in after.text
        if after.text != answer:  # nodes live, and Kubernetes tells of it: then it moves without anything hidden, too
            assert json.loads(await _settled(door, text, person)) == json.loads(answer), text
    asked = [(person, text) for person in people for text in uses]
    for (person, text), answer in zip(asked, used, strict=True):
        # what is measured of their own may be away for as long as a scrape comes late
        await measuring.eventually(partial(_text, measuring, text, person), answer, within=30)


async def _text(door: FrontDoor, text: str, person: Person) -> str:
    return (await ask(door, text, person.account.token)).text


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


async def test_rights_at_random(real_cluster: ControlPlane, real_prometheus: PrometheusServer, namespace: Namespace):
    """Some people and some questions."""
    await hold(real_cluster, real_prometheus, namespace, seed=1, people=6, documents=12)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
async def test_rights_at_random_for_long(
    real_cluster: ControlPlane, real_prometheus: PrometheusServer, namespace: Namespace, seed: int
):
    """Many people and many questions."""
    await hold(real_cluster, real_prometheus, namespace, seed=seed, people=16, documents=60)
