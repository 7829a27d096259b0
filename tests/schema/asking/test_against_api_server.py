"""Selectors and orders, random ones, answered by the gateway and by the real API server over the same objects."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import urlencode

import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schema.sources.kubernetes.kinds import KINDS
from tests.cluster import objects
from tests.cluster.control_plane import GATEWAY, ControlPlane, Refused, eventually
from tests.cluster.fixtures import Namespace
from tests.front_door import FrontDoor, open_front_door
from tests.test_end_to_end import config_for
from tests.test_rights_at_random import LISTS, SHOWN, beside, grant, patient, rule

T = TypeVar("T")

KEYS = ("app", "tier", "x.io/size", "in", "canary")
VALUES = ("", "a", "b", "3", "12", "-4", "A.b_c-d", "notin")
LABELS = [
    {},
    {"app": "a"},
    {"app": "b", "tier": ""},
    {"app": "a", "x.io/size": "3", "canary": ""},
    {"x.io/size": "12", "in": "notin"},
    {"x.io/size": "A.b_c-d", "tier": "3"},
    {"in": "a", "tier": "b", "app": "A.b_c-d"},
    {"canary": "3", "in": "", "app": ""},
]
SERVICES: list[objects.Manifest] = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {"ports": [{"port": 80}], **spec},
    }
    for name, labels, spec in (
        ("plain", LABELS[1], {}),
        ("headless", LABELS[2], {"clusterIP": "None"}),
        ("outside", LABELS[3], {"type": "NodePort"}),
        ("elsewhere", LABELS[4], {"type": "ExternalName", "externalName": "shop.example.com"}),
    )
]
MANY = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the same objects serve all examples
)


@dataclass(frozen=True, slots=True)
class Both:
    """The same objects behind the gateway and behind the API server."""

    namespace: Namespace
    door: FrontDoor
    token: str

    async def listed(self, plural: str, selector: dict[str, str]) -> list[str] | None:
        """The names that the API server lists; None when it answers 400."""
        kind = LISTS[plural]
        path = kind.path(self.namespace.name if kind.namespaced else "")
        try:
            answer = await self.namespace.cluster.request("GET", f"{path}?{urlencode(selector)}")
        except Refused as refused:
            if refused.status != 400:
                raise
            return None
        return [item["metadata"]["name"] for item in answer["items"]]

    async def shown(self, plural: str, selector: dict[str, str]) -> list[str] | None:
        """The names that the gateway shows; None when it refuses the value."""
        kind = LISTS[plural]
        where = {"namespace": self.namespace.name} if kind.namespaced else {}
        order = ", orderBy: [{key: NAME}]" if kind.kind == "Event" else ""  # else the newest come first
        query = f"query($f: {kind.kind}Filter) {{ {plural}(filter: $f{order}) {{ name }} }}"
        answer = await self.door.ask(query, self.token, variables={"f": where | selector})
        if answer.codes:
            assert answer.codes == ["BAD_USER_INPUT"], answer.text
            return None
        return [row["name"] for row in answer.data[plural]]


def pod(name: str, labels: dict[str, str], **spec: str) -> objects.Manifest:
    manifest = objects.pod(name)
    manifest["metadata"]["labels"] = labels
    manifest["spec"].update(spec)
    return manifest


@pytest_asyncio.fixture
async def both(real_cluster: ControlPlane, namespace: Namespace) -> AsyncIterator[Both]:
    """Pods with odd labels: running ones, and some that nobody places."""
    user = await namespace.account("reader")
    everything = [rule(list(KINDS.values()), {"get", "list", "watch"})]
    grants = [
        await grant(real_cluster, {"kind": "User", "name": name}, everything, None, wide=True)
        for name in (user.user, GATEWAY)
    ]
    for service in SERVICES:
        await real_cluster.request("POST", f"/api/v1/namespaces/{namespace.name}/services", service)
    for index, labels in enumerate(LABELS):
        await namespace.run_pods(f"run-{index}")
        policy = ("Always", "OnFailure", "Never")[index % 3]
        await real_cluster.create(
            [pod(f"wait-{index}", labels, schedulerName="nobody", restartPolicy=policy)], namespace.name
        )
        patch = json.dumps(
            {"metadata": {"labels": {"app.kubernetes.io/name": None, "pod-template-hash": None} | labels}}
        )
        await real_cluster.kubectl("patch", "pod", f"run-{index}", "-n", namespace.name, "--type=merge", "-p", patch)
    async with open_front_door(patient(config_for(real_cluster))) as door:
        both = Both(namespace, door, user.token)
        listed = await both.listed("pods", {})
        await door.eventually(lambda: both.shown("pods", {}), listed)
        await door.eventually(lambda: both.shown("services", {}), await both.listed("services", {}))
        yield both
    await grants[-1].revoke()


async def add_others(both: Both) -> None:
    """Some of each of the other kinds, with odd labels."""
    cluster, place = both.namespace.cluster, both.namespace.name
    for index, prefix in enumerate(("a-", "a0-", "ab-", "b-")):
        for name, each in beside(prefix):
            kind = SHOWN[name]
            spec = each["spec"]
            if kind.kind in ("Deployment", "DaemonSet"):  # without pods, to which these tests are indifferent
                spec |= {"replicas": 0} if kind.kind == "Deployment" else {}
                spec["template"]["spec"] |= {"nodeSelector": {"no": "where"}}
            metadata = {"name": each["name"], "labels": LABELS[index + 1]}
            manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
            await cluster.request("POST", kind.path(place), manifest)
        about = {"kind": ("Pod", "Job")[index % 2], "namespace": place, "name": f"run-{index}", "uid": f"uid-{index}"}
        event = {
            "metadata": {"name": f"{prefix}event", "labels": LABELS[index + 1]},
            "involvedObject": about | {"fieldPath": "spec.containers{web}", "apiVersion": "v1"},
            "type": ("Normal", "Warning")[index % 2],
            "reason": ("BackOff", "Started")[index // 2],
            "source": {"component": "kubelet"} if index else {},
            "reportingComponent": "scheduler",
            "reportingInstance": "one",
            "message": "told",
        }
        await cluster.request("POST", SHOWN["Event"].path(place), event)
    for plural in OTHERS:
        listed = await both.listed(plural, {})
        await both.door.eventually(partial(both.shown, plural, {}), listed)


KEY = st.sampled_from(KEYS)
VALUE = st.sampled_from(VALUES)
SPACE = st.sampled_from(["", "", " ", "\t"])


@st.composite
def requirement(draw) -> str:
    """One that is mostly well-formed."""
    key, space = draw(KEY), draw(SPACE)
    operator = draw(st.sampled_from(["=", "==", "!=", "in", "notin", "exists", "!", ">", "<"]))
    if operator == "exists":
        return f"{space}{key}{space}"
    if operator == "!":
        return f"!{space}{key}"
    if operator in ("in", "notin"):
        values = f"{space},{space}".join(draw(st.lists(VALUE, max_size=3)))
        return f"{key} {operator}{space}({values})"
    return f"{key}{space}{operator}{space}{draw(VALUE)}"


SOUND = st.lists(requirement(), max_size=3).map(",".join)
# Signs and words in any order: mostly nonsense, and some of it is not.
ANYTHING = st.lists(
    st.sampled_from(
        [*KEYS, *VALUES, "=", "==", "!", "!=", "<", ">", "(", ")", ",", " ", "in", "notin", "/", "\n", "ä"]
    ),
    max_size=8,
).map("".join)


@given(selector=st.one_of(SOUND, ANYTHING))
@MANY
async def test_random_label_selectors_mean_the_same(both: Both, selector: str):
    """The same pods in the same order; what one refuses, the other refuses."""
    asked = {"labelSelector": selector}

    assert await both.shown("pods", asked) == await both.listed("pods", asked), selector


POD_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.host",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
POD_VALUES = (
    "run-1",
    "wait-2",
    "",
    "worker-1",
    "Running",
    "Always",
    "Never",
    "nobody",
    "default",
    "default-scheduler",
    "false",
    "Pending",
    "running",
    " Running",
    r"a\,b",
    r"\=",
    "a\\",
    "=",
)
NODE_FIELDS = ("metadata.name", "spec.unschedulable", "metadata.namespace")
NODE_VALUES = ("worker-1", "control-plane", "true", "false", "", "False")


def field_selectors(fields, values):
    operators = st.sampled_from(["=", "==", "!="])
    term = st.builds(
        "{}{}{}".format, st.sampled_from([*fields, "spec.color", " metadata.name"]), operators, st.sampled_from(values)
    )
    anything = st.lists(st.sampled_from([*fields, *values, "=", "!", ",", "\\", " "]), max_size=6).map("".join)
    sound = st.builds("{}{}{}".format, st.sampled_from(fields), operators, st.sampled_from(values))
    return st.one_of(st.lists(sound, max_size=3).map(",".join), st.lists(term, max_size=3).map(",".join), anything)


@given(selector=field_selectors(POD_FIELDS, POD_VALUES))
@MANY
async def test_random_field_selectors_of_pods_mean_the_same(both: Both, selector: str):
    """Escapes and unknown fields included."""
    asked = {"fieldSelector": selector}

    assert await both.shown("pods", asked) == await both.listed("pods", asked), selector


@given(selector=field_selectors(NODE_FIELDS, NODE_VALUES))
@MANY
async def test_random_field_selectors_of_nodes_mean_the_same(both: Both, selector: str):
    """As for pods, with the two fields that nodes have."""
    asked = {"fieldSelector": selector}

    assert await both.shown("nodes", asked) == await both.listed("nodes", asked), selector


SERVICE_FIELDS = ("metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type")
SERVICE_VALUES = ("plain", "outside", "None", "", "NodePort", "ClusterIP", "clusterip", "ExternalName")


@given(selector=field_selectors(SERVICE_FIELDS, SERVICE_VALUES))
@MANY
async def test_random_field_selectors_of_services_mean_the_same(both: Both, selector: str):
    """As for pods, with the fields that services have."""
    asked = {"fieldSelector": selector}

    assert await both.shown("services", asked) == await both.listed("services", asked), selector


NAMESPACE_FIELDS = ("metadata.name", "status.phase")
NAMESPACE_VALUES = ("default", "kube-system", "Active", "Terminating", "")


@given(selector=field_selectors(NAMESPACE_FIELDS, NAMESPACE_VALUES))
@MANY
async def test_random_field_selectors_of_namespaces_mean_the_same(both: Both, selector: str):
    """As for pods, with the fields that namespaces have."""
    asked = {"fieldSelector": selector}

    async def same() -> bool:
        return await both.shown("namespaces", asked) == await both.listed("namespaces", asked)

    await eventually(same, limit_s=10, every_s=0.1)  # those of earlier tests are on their way out


OTHERS = sorted(set(LISTS) - {"pods", "nodes", "services", "namespaces"})
OTHER_FIELDS = (
    *("metadata.name", "metadata.namespace", "name", "status.phase", "status.replicas", "status.successful"),
    *(f"involvedObject.{part}" for part in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")),
    *("involvedObject.resourceVersion", "type", "reason", "source", "reportingComponent"),
)
OTHER_VALUES = ("a-web", "ab-team", "Pending", "0", "Pod", "run-1", "uid-2", "v1", "Warning", "BackOff", "kubelet", "")


async def test_random_selectors_of_every_other_kind_mean_the_same(both: Both):
    """Labels by one grammar, fields by each kind's own list of them; what one refuses, the other refuses."""
    await add_others(both)
    told: list[tuple[str, dict[str, str]]] = []

    @given(
        plural=st.sampled_from(OTHERS),
        asked=st.one_of(
            st.builds(lambda text: {"labelSelector": text}, st.one_of(SOUND, ANYTHING)),
            st.builds(lambda text: {"fieldSelector": text}, field_selectors(OTHER_FIELDS, OTHER_VALUES)),
        ),
    )
    @settings(max_examples=200, database=None, deadline=None, phases=[Phase.generate])
    def collect(plural: str, asked: dict[str, str]) -> None:
        told.append((plural, asked))

    collect()
    told += [(plural, {"fieldSelector": f"{field}=kubelet"}) for plural in OTHERS for field in OTHER_FIELDS]
    for some in batched(told, 8):
        answers = await asyncio.gather(*(asyncio.gather(both.shown(*each), both.listed(*each)) for each in some))
        for each, (shown, listed) in zip(some, answers, strict=True):
            assert shown == listed, each


def batched(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


async def test_lists_are_in_the_api_server_s_own_order(both: Both):
    """By namespace and name, byte by byte."""
    odd = ["b", "a-b", "a.b", "ab", "a0", "a-0", "a.0", "0a"]
    await both.namespace.cluster.create([pod(name, {}, schedulerName="nobody") for name in odd], both.namespace.name)

    await both.door.eventually(lambda: both.shown("pods", {}), await both.listed("pods", {}))


async def test_every_field_that_the_api_server_selects_by_is_known(both: Both):
    """Whatever the value."""
    for field in [*POD_FIELDS, "status.podIPs"]:
        for value in ("x", "", "false", "Always"):
            asked = {"fieldSelector": f"{field}={value}"}
            assert await both.shown("pods", asked) == await both.listed("pods", asked), asked
