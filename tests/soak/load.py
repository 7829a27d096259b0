"""Who writes to the cluster, and who asks the gateway meanwhile.

Writers talk to the API server itself, past every proxy; clients know the gateway's address, a certificate authority and
a token, as any client does.
"""

import asyncio
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import aiohttp

from tests.cluster import objects
from tests.cluster.objects import MEMORY_USE, Manifest
from tests.soak.model import EVERYWHERE, Asked, Log, Model, Row, Wrong

NAMESPACES: Final = ("payroll", "search", "shop")
NODES: Final = tuple(f"node-{index}" for index in range(5))
PODS_EACH: Final = 25
SERVICES_EACH: Final = 8
LABEL: Final = "soak"  # on every object that is written here: which write it shows

# More than one object is written often enough to have twice in a moment that anybody could mistake.
VERSIONS: Final = 1_000

WRITE_LIMIT_S: Final = 4.0
WRITE_PAUSE_S: Final = 0.02
ASK_LIMIT_S: Final = 15.0  # beyond the gateway's own limit of 10 s: an answer that late is a mistake


# ------------------------------------------------------------------------------------------------------ what is written


@dataclass(slots=True)
class Thing:
    """One object that comes, changes and goes; `row` is what of it was written last."""

    namespace: str
    name: str
    row: Row | None = None
    version: str = ""  # the API server's own, for the next write
    writes: int = 0

    def next_version(self) -> int:
        """What the next write is known by: other objects have the same ones, as the gateway keeps each label once."""
        self.writes += 1
        return self.writes % VERSIONS


class Written(Protocol):
    """One kind of object: where it is written, how it looks, and how its rows are."""

    kind: str
    things: Sequence[Thing]

    def path(self, thing: Thing) -> str: ...
    def manifest(self, thing: Thing, version: int) -> Manifest: ...
    def created(self, thing: Thing, version: int) -> Row: ...
    def change(self, thing: Thing, version: int, chance: random.Random) -> tuple[str, Manifest, Row]:
        """A subresource, a merge patch of it, and the row after it."""
        ...

    def may_go(self, thing: Thing) -> bool: ...


@dataclass(slots=True)
class Pods:
    """Row: namespace, name, node, version, phase, restarts. Each has its node and its use of memory for good."""

    kind: str = "pods"
    things: Sequence[Thing] = field(
        default_factory=lambda: [Thing(where, f"pod-{index:02}") for where in NAMESPACES for index in range(PODS_EACH)]
    )

    def path(self, thing: Thing) -> str:
        return f"/api/v1/namespaces/{thing.namespace}/pods"

    def manifest(self, thing: Thing, version: int) -> Manifest:
        manifest = objects.pod(thing.name, node=node_of(thing.namespace, thing.name), labels={LABEL: str(version)})
        manifest["metadata"]["annotations"][MEMORY_USE] = f"{memory_of(thing.namespace, thing.name) // 2**20}Mi"
        return manifest

    def created(self, thing: Thing, version: int) -> Row:
        return (thing.namespace, thing.name, node_of(thing.namespace, thing.name), str(version), "Pending", 0)

    def change(self, thing: Thing, version: int, chance: random.Random) -> tuple[str, Manifest, Row]:
        assert thing.row is not None
        *who, _, phase, restarts = thing.row
        if phase == "Running" and chance.random() < 0.5:
            return "", {"metadata": {"labels": {LABEL: str(version)}}}, (*who, str(version), phase, restarts)
        restarts = int(restarts or 0) + (phase == "Running")
        status = objects.running_status(self.manifest(thing, version), "10.64.0.1", "10.100.0.1")
        status["containerStatuses"][0]["restartCount"] = restarts
        patch = {"metadata": {"labels": {LABEL: str(version)}}, "status": status}
        return "/status", patch, (*who, str(version), "Running", restarts)

    def may_go(self, thing: Thing) -> bool:
        return True


@dataclass(slots=True)
class Nodes:
    """Row: name, version, schedulable. The last one has no pods, and comes and goes."""

    kind: str = "nodes"
    things: Sequence[Thing] = field(default_factory=lambda: [Thing("", name) for name in NODES])

    def path(self, thing: Thing) -> str:
        return "/api/v1/nodes"

    def manifest(self, thing: Thing, version: int) -> Manifest:
        return objects.node(thing.name, NODES.index(thing.name), labels={LABEL: str(version)})

    def created(self, thing: Thing, version: int) -> Row:
        return (thing.name, str(version), True)

    def change(self, thing: Thing, version: int, chance: random.Random) -> tuple[str, Manifest, Row]:
        schedulable = chance.random() < 0.5
        patch = {"metadata": {"labels": {LABEL: str(version)}}, "spec": {"unschedulable": not schedulable}}
        return "", patch, (thing.name, str(version), schedulable)

    def may_go(self, thing: Thing) -> bool:
        return thing.name == NODES[-1]


@dataclass(slots=True)
class Services:
    """Row: namespace, name, version."""

    kind: str = "services"
    things: Sequence[Thing] = field(
        default_factory=lambda: [Thing(where, f"svc-{index}") for where in NAMESPACES for index in range(SERVICES_EACH)]
    )

    def path(self, thing: Thing) -> str:
        return f"/api/v1/namespaces/{thing.namespace}/services"

    def manifest(self, thing: Thing, version: int) -> Manifest:
        spec = {"clusterIP": "None", "ports": [{"port": 80}]}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": thing.name, "labels": {LABEL: str(version)}},
            "spec": spec,
        }

    def created(self, thing: Thing, version: int) -> Row:
        return (thing.namespace, thing.name, str(version))

    def change(self, thing: Thing, version: int, chance: random.Random) -> tuple[str, Manifest, Row]:
        return "", {"metadata": {"labels": {LABEL: str(version)}}}, (thing.namespace, thing.name, str(version))

    def may_go(self, thing: Thing) -> bool:
        return True


@dataclass(slots=True)
class Namespaces:
    """Row: name, version. Made once; nobody here would finish their deletion."""

    kind: str = "namespaces"
    things: Sequence[Thing] = field(default_factory=lambda: [Thing("", name) for name in NAMESPACES])

    def path(self, thing: Thing) -> str:
        return "/api/v1/namespaces"

    def manifest(self, thing: Thing, version: int) -> Manifest:
        labels = {LABEL: str(version)}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": thing.name, "labels": labels}}

    def created(self, thing: Thing, version: int) -> Row:
        return (thing.name, str(version))

    def change(self, thing: Thing, version: int, chance: random.Random) -> tuple[str, Manifest, Row]:
        return "", {"metadata": {"labels": {LABEL: str(version)}}}, (thing.name, str(version))

    def may_go(self, thing: Thing) -> bool:
        return False


KINDS: Final[Sequence[Callable[[], Written]]] = (Nodes, Namespaces, Services, Pods)


def node_of(namespace: str, name: str) -> str:
    """A pod that comes again is where it was: Prometheus then has one series of it, not two for a while."""
    return NODES[(int(name[-2:]) + NAMESPACES.index(namespace)) % (len(NODES) - 1)]


def memory_of(namespace: str, name: str) -> int:
    """What a pod uses, in bytes: no two of them the same."""
    return (32 + PODS_EACH * NAMESPACES.index(namespace) + int(name[-2:])) * 2**20


# ----------------------------------------------------------------------------------------------------------- who writes


class Rejected(AssertionError):  # noqa: N818 - what became of a write
    """The API server does not want what is written here: a mistake of the soak."""


class Writer:
    """Writes to one kind, one write after the other; each is in the log before it is sent.

    Promised: a write is repeated until the API server has said that it happened. Each names the version that it
    changes, so that one of which nobody heard again cannot happen later, after others.
    """

    def __init__(self, written: Written, model: Model, session: aiohttp.ClientSession, chance: random.Random) -> None:
        self._written = written
        self._log: Log = model.logs[written.kind]
        self._session = session
        self._chance = chance

    async def create_all(self) -> None:
        for thing in self._written.things:
            await self._create(thing)

    async def run(self) -> None:
        """Until cancelled; whoever stops it may leave its last write unknown."""
        while True:
            thing = self._chance.choice(self._written.things)
            if thing.row is None:
                await self._create(thing)
            elif self._written.may_go(thing) and self._chance.random() < 0.15:
                await self._delete(thing)
            else:
                await self._change(thing)
            await asyncio.sleep(WRITE_PAUSE_S * 2 * self._chance.random())

    async def _create(self, thing: Thing) -> None:
        version = thing.next_version()
        row = self._written.created(thing, version)
        manifest = self._written.manifest(thing, version)
        await self._write(thing, row, lambda: ("POST", self._written.path(thing), manifest), str(version))

    async def _change(self, thing: Thing) -> None:
        version = thing.next_version()
        below, patch, row = self._written.change(thing, version, self._chance)
        path = f"{self._written.path(thing)}/{thing.name}{below}"
        metadata = patch.setdefault("metadata", {})

        def request() -> tuple[str, str, Manifest]:
            metadata["resourceVersion"] = thing.version
            return "PATCH", path, patch

        await self._write(thing, row, request, str(version))

    async def _delete(self, thing: Thing) -> None:
        path = f"{self._written.path(thing)}/{thing.name}"

        def request() -> tuple[str, str, Manifest]:
            conditions = {"resourceVersion": thing.version}
            return "DELETE", path, {"gracePeriodSeconds": 0, "preconditions": conditions}

        await self._write(thing, None, request, None)

    async def _write(
        self, thing: Thing, row: Row | None, request: Callable[[], tuple[str, str, Manifest]], label: str | None
    ) -> None:
        self._log.begin(thing.namespace, thing.row, row, time.monotonic())
        while not await self._sent(thing, *request(), label):
            await asyncio.sleep(0.1)
            if await self._is_so(thing, label):
                break
        self._log.happened(time.monotonic())
        thing.row = row

    async def _sent(self, thing: Thing, method: str, path: str, body: Manifest, label: str | None) -> bool:
        """Whether the API server says that it has happened."""
        status, content = await self._ask(method, path, body)
        if status in (400, 403, 415, 422):
            raise Rejected(f"{method} {path}: {content}")
        if status in (200, 201) and label is not None:
            thing.version = content["metadata"]["resourceVersion"]
        return status in (200, 201)

    async def _is_so(self, thing: Thing, label: str | None) -> bool:
        """Ask until there is an answer: whether the object is as it was to be written."""
        while True:
            status, content = await self._ask("GET", f"{self._written.path(thing)}/{thing.name}", None)
            if status == 404:
                return label is None
            if status == 200:
                thing.version = content["metadata"]["resourceVersion"]
                return bool(content["metadata"]["labels"][LABEL] == label)
            await asyncio.sleep(0.1)

    async def _ask(self, method: str, path: str, body: Manifest | None) -> tuple[int, Any]:
        """Status and content; 0 where there was no answer."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            async with self._session.request(method, path, json=body, headers={"Content-Type": kind}) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, None


# ------------------------------------------------------------------------------------------------------------- who asks

_POD: Final = "namespace name labels { key value } phase restarts"
_NODE: Final = "name schedulable labels { key value }"
_NAMED: Final = "name labels { key value }"
_MEMORY: Final = "metrics(names: [MEMORY_USAGE]) { value missing }"


@dataclass(frozen=True, slots=True)
class Question:
    """A document, what it shows, and how often it is asked in comparison with the others."""

    name: str
    query: str
    weight: int
    of_namespace: bool = False  # asked by whoever sees one namespace alone, and with a namespace as its variable

    @property
    def metrics(self) -> bool:
        return "metrics" in self.query


DASHBOARD: Final = Question(
    "Dashboard",
    f"query Dashboard {{ cluster {{ nodeCount podCount }} nodes {{ {_NODE} pods {{ {_POD} {_MEMORY} }} }}"
    f" services {{ namespace {_NAMED} }} namespaces {{ {_NAMED} }} }}",
    1,
)
QUESTIONS: Final = (
    DASHBOARD,
    Question("Pods", f"query Pods {{ pods {{ {_POD} nodeName }} cluster {{ podCount }} }}", 4),
    Question("Nested", f"query Nested {{ nodes {{ {_NODE} pods {{ {_POD} }} }} }}", 2),
    Question(
        "Page",
        f"query Page {{ podsConnection(first: 1000) {{ totalCount edges {{ node {{ {_POD} nodeName }} }} }} }}",
        2,
    ),
    Question("Others", f"query Others {{ services {{ namespace {_NAMED} }} namespaces {{ {_NAMED} }} }}", 2),
    Question(
        "Namespace",
        f"query Namespace($in: String) {{ pods(filter: {{namespace: $in}}) {{ {_POD} nodeName {_MEMORY} }}"
        f" services(filter: {{namespace: $in}}) {{ namespace {_NAMED} }} }}",
        2,
        of_namespace=True,
    ),
    Question("Seen", f"query Seen {{ pods {{ {_POD} nodeName }} services {{ namespace {_NAMED} }} }}", 2, True),
)

Problem: TypeAlias = str  # "503 UNAVAILABLE", "200 METRICS_UNAVAILABLE", "no answer: …"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question. `problems` are errors by the design's own codes; `wrong` is what never may be."""

    question: str
    began: float
    ended: float
    problems: frozenset[Problem] = frozenset()
    said: str = ""  # the first problem, in the gateway's words
    stale: bool = False
    blank: int = 0  # metrics without a value, of pods that have been there for a while
    age: float = 0.0
    wrong: str = ""

    @property
    def whole(self) -> bool:
        return not (self.problems or self.stale or self.wrong)


@dataclass(slots=True)
class Caller:
    """A user: the token may be replaced while they ask."""

    name: str
    token: str
    only: str = EVERYWHERE  # the one namespace that they see


class Client:
    """Asks one question after the other over one connection, and checks every answer."""

    def __init__(self, url: str, caller: Caller, model: Model, trusted: ssl.SSLContext, chance: random.Random) -> None:
        self._url = url
        self._caller = caller
        self._model = model
        self._chance = chance
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=trusted), timeout=aiohttp.ClientTimeout(total=ASK_LIMIT_S)
        )
        self._choice = [each for each in QUESTIONS if not caller.only or each.of_namespace]
        self._weights = [each.weight for each in self._choice]

    async def close(self) -> None:
        await self._session.close()

    async def run(self, tell: Callable[[Outcome], None], pause_s: float) -> None:
        """Until cancelled."""
        while True:
            (question,) = self._chance.choices(self._choice, self._weights)
            tell(await self.ask(question))
            await asyncio.sleep(pause_s * 2 * self._chance.random())

    async def ask(self, question: Question) -> Outcome:
        scope = self._scope(question)
        sent = json.dumps({"query": question.query, "variables": {"in": scope} if "$in" in question.query else {}})
        headers = {"Authorization": f"Bearer {self._caller.token}", "Content-Type": "application/json"}
        asked = self._model.asked(time.monotonic())
        try:
            async with self._session.post(self._url, data=sent, headers=headers) as answer:
                body = await answer.read()
                retry = answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError) as error:
            now = time.monotonic()
            return Outcome(question.name, asked.at, now, wrong=f"no answer: {type(error).__name__} {error}")
        ended = time.monotonic()
        return self._judged(question, scope, asked, ended, answer.status, body, retry)

    async def run_as_strangers(self, tell: Callable[[Outcome], None], pause_s: float) -> None:
        """Until cancelled. Whoever is known is not reviewed for seconds: these feel at once what reviews suffer."""
        while True:
            tell(await self.ask_as_stranger())
            await asyncio.sleep(pause_s)

    async def ask_as_stranger(self) -> Outcome:
        """A question of somebody whom the gateway has never seen, and who is nobody: all is well with a 401."""
        headers = {"Authorization": f"Bearer stranger-{time.monotonic_ns()}"}
        began = time.monotonic()
        try:
            async with self._session.post(self._url, json={"query": "{ __typename }"}, headers=headers) as answer:
                (error,) = (await answer.json())["errors"]
        except (aiohttp.ClientError, TimeoutError) as failure:
            wrong = f"no answer: {type(failure).__name__} {failure}"
            return Outcome("Stranger", began, time.monotonic(), wrong=wrong)
        told = f"{answer.status} {error['extensions']['code']}"
        problems = frozenset() if told == "401 UNAUTHENTICATED" else frozenset({told})
        return Outcome("Stranger", began, time.monotonic(), problems, error["message"])

    def _scope(self, question: Question) -> str:
        if self._caller.only:
            return self._caller.only
        return self._chance.choice(NAMESPACES) if "$in" in question.query else EVERYWHERE

    def _judged(
        self, question: Question, scope: str, asked: Asked, ended: float, status: int, body: bytes, retry: str
    ) -> Outcome:
        try:
            content = json.loads(body)
        except ValueError:
            return Outcome(question.name, asked.at, ended, wrong=f"status {status} and {body[:80]!r}")
        errors = content.get("errors", ())
        problems = frozenset(f"{status} {error['extensions']['code']}" for error in errors)
        said = errors[0]["message"] if errors else ""
        if status in (429, 503) and not retry:
            return Outcome(question.name, asked.at, ended, wrong=f"status {status} without Retry-After")
        data = content.get("data")
        if status != 200 or data is None:
            return Outcome(question.name, asked.at, ended, problems or frozenset({f"{status}"}), said)
        stale = {each["kind"]: float(each["seconds"]) for each in content.get("extensions", {}).get("stale", ())}
        try:
            blank, age = self._check(data, scope, asked, stale)
        except Wrong as wrong:
            return Outcome(
                question.name, asked.at, ended, problems, said, bool(stale), wrong=f"{question.name}: {wrong}"
            )
        if None in data.values() and not problems:
            return Outcome(question.name, asked.at, ended, wrong=f"{question.name}: null, and no error")
        return Outcome(question.name, asked.at, ended, problems, said, bool(stale), blank, age)

    def _check(
        self, data: Mapping[str, Any], scope: str, asked: Asked, stale: Mapping[str, float]
    ) -> tuple[int, float]:
        """How many metrics have no value, and how old the oldest kind is. Raises Wrong."""
        shown = rows_of({name: field for name, field in data.items() if field is not None})
        ages = [self._model.logs[kind].check(rows, scope, asked, stale.get(kind)) for kind, rows in shown.items()]
        if (counted := data.get("cluster")) is not None:
            counts = {"pods": counted["podCount"], "nodes": counted.get("nodeCount")}
            wrong = {kind: count for kind, count in counts.items() if kind in shown and count != len(shown[kind])}
            if wrong:
                raise Wrong(f"counts {wrong}, and not so many rows")
        if "podsConnection" in data and data["podsConnection"]["totalCount"] != len(shown["pods"]):
            raise Wrong(f"totalCount {data['podsConnection']['totalCount']} of {len(shown['pods'])} rows")
        return metrics_without_value(data), max(ages, default=0.0)


def rows_of(data: Mapping[str, Any]) -> Mapping[str, list[Row]]:
    """The rows that an answer shows, by kind."""
    shown: dict[str, list[Row]] = {}
    if "nodes" in data:
        nodes = data["nodes"]
        shown["nodes"] = [(node["name"], version_of(node), node["schedulable"]) for node in nodes]
        if nodes and "pods" in nodes[0]:
            shown["pods"] = [pod_row(pod, node["name"]) for node in nodes for pod in node["pods"]]
    for pods in pod_lists(data):
        shown["pods"] = [pod_row(pod, pod["nodeName"]) for pod in pods]
    if "services" in data:
        shown["services"] = [(each["namespace"], *named_row(each)) for each in data["services"] if version_of(each)]
    if "namespaces" in data:
        shown["namespaces"] = [named_row(each) for each in data["namespaces"] if version_of(each)]
    return shown


def pod_lists(data: Mapping[str, Any]) -> Iterable[list[Mapping[str, Any]]]:
    if data.get("pods") is not None:
        yield data["pods"]
    if data.get("podsConnection") is not None:
        yield [edge["node"] for edge in data["podsConnection"]["edges"]]


def pod_row(pod: Mapping[str, Any], node: str) -> Row:
    return (pod["namespace"], pod["name"], node, version_of(pod), pod["phase"], pod["restarts"])


def named_row(item: Mapping[str, Any]) -> Row:
    return (item["name"], version_of(item))


def version_of(item: Mapping[str, Any]) -> str | None:
    """None for what the API server made for itself."""
    return next((label["value"] for label in item["labels"] if label["key"] == LABEL), None)


def metrics_without_value(data: Mapping[str, Any]) -> int:
    """How many have none, of pods that have restarted twice: those were scraped before.

    Raises Wrong for a value that is not the pod's own, or none without a reason.
    """
    blank = 0
    nested = [pod for node in data.get("nodes") or () for pod in node.get("pods") or ()]
    for pod in [*nested, *(pod for pods in pod_lists(data) for pod in pods)]:
        for metric in pod.get("metrics", ()):
            if metric["value"] is None:
                blank += pod["restarts"] >= 2
                if not metric["missing"]:
                    raise Wrong(f"{pod['name']} has no value, and no reason")
            elif metric["value"] != memory_of(pod["namespace"], pod["name"]):
                raise Wrong(f"{pod['namespace']}/{pod['name']} uses {metric['value']} bytes, it is said")
    return blank


class Tally:
    """What became of all questions, by time: the last ones are asked about again and again."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.wrong: list[Outcome] = []

    def tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if outcome.wrong:
            self.wrong.append(outcome)

    def since(self, moment: float) -> list[Outcome]:
        """Those that were asked from a moment on."""
        return [outcome for outcome in self.outcomes if outcome.began >= moment]

    def problems(self, since: float) -> Counter[str]:
        told = Counter(problem for outcome in self.since(since) for problem in outcome.problems)
        told["stale"] = sum(outcome.stale for outcome in self.since(since))
        return +told
