"""From bytes to records, and back to whole objects."""

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, cast, get_origin

import msgspec
import pytest

from schema.execution.plan.records import declared
from schema.sources.kubernetes import cold, objects
from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.containers import pod_containers
from schema.sources.kubernetes.kinds import NAMESPACES, NODES, PODS, Decoder, Kind, OddObject, identity
from schema.sources.kubernetes.node_details import node_details
from schema.sources.kubernetes.objects import Label, Sharing
from schema.sources.kubernetes.pod_details import pod_details
from schema.sources.kubernetes.sharing import Shared
from tests.schema.sources.kubernetes import pods
from tests.schema.sources.kubernetes.full_further_kinds import FULL_OBJECTS

META: dict[str, Any] = {
    "name": "one",
    "namespace": "shop",
    "uid": "0d1e2f3a-0000-4000-8000-000000000001",
    "resourceVersion": "123",
    "creationTimestamp": "2026-11-24T09:00:00Z",
    "labels": {"node-role.kubernetes.io/worker": "", "app": "web"},
    "annotations": {"note": "kept", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    "managedFields": [{"manager": "kubelet"}],
    "deletionTimestamp": "2026-11-24T10:00:00Z",
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "7", "controller": True}],
}
ENDED = {"terminated": {"exitCode": 137, "signal": 9, "reason": "OOMKilled", "finishedAt": "2026-11-24T09:30:00Z"}}
CLAIM = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1"}}
REPORTED = {"resources": CLAIM, "allocatedResources": {"cpu": "100m"}, "lastState": ENDED}
PLACED = {
    "topology.kubernetes.io/zone": "eu-1a",
    "node.kubernetes.io/instance-type": "m7.large",
    "eks.amazonaws.com/nodegroup": "spot",
}
NODE = {
    "metadata": META | {"labels": META["labels"] | PLACED},
    "spec": {"unschedulable": True},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "capacity": {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110", "nvidia.com/gpu": "2"},
        "allocatable": {"cpu": "3900m", "memory": "15Gi", "ephemeral-storage": "90Gi", "pods": "100"},
        "nodeInfo": {"kubeletVersion": "v1.37.2", "osImage": "Debian"},
    },
}
POD = {
    "metadata": META,
    "spec": {
        "nodeName": "worker-1",
        "containers": [{"name": "main", "restartPolicy": "Never", "resources": CLAIM}],
        "initContainers": [{"name": "side", "restartPolicy": "Always", "resources": CLAIM}],
        "overhead": {"memory": "64Mi"},
        "resources": CLAIM,
    },
    "status": {
        "phase": "Running",
        "reason": "NodeLost",
        "resources": CLAIM,
        "allocatedResources": {"cpu": "100m"},
        "podIP": "10.0.0.2",
        "podIPs": [{"ip": "10.0.0.2"}, {"ip": "fd00::2"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "containerStatuses": [{"name": "main", "ready": True, "restartCount": 2, "state": {"running": {}}, **REPORTED}],
        "initContainerStatuses": [
            {"name": "side", "ready": True, "started": True, "restartCount": 1, "state": {"running": {}}, **REPORTED}
        ],
    },
}
NAMESPACE = {"metadata": META, "status": {"phase": "Active"}}

EVERYTHING = [(NODES, NODE), (PODS, POD), (NAMESPACES, NAMESPACE), *FULL_OBJECTS]


def decode(kind: Kind[Any], what: object) -> Any:
    return Decoder(kind, Sharing()).decode(json.dumps(what).encode())


@pytest.mark.parametrize(("kind", "full"), EVERYTHING)
def test_every_field_of_a_full_object_is_read(kind: Kind[Any], full: dict[str, Any]):
    """A field with a wrong wire name would keep what an empty object gives."""
    empty = decode(kind, {"metadata": {"name": "", "uid": "", "resourceVersion": ""}})
    record = decode(kind, full)

    for name in record.__struct_fields__:
        assert getattr(record, name) != getattr(empty, name), name


@pytest.mark.parametrize(("kind", "full"), EVERYTHING)
def test_every_wire_field_is_named_as_kubernetes_names_it(kind: Kind[Any], full: dict[str, Any]):
    """No field of any wire struct is left at its default by an object with every field set.

    A renaming rule would make `podIp` of `pod_ip`, and read nothing, in silence.
    """

    def check(value: Any) -> None:
        if isinstance(value, list | tuple):
            for item in value:
                check(item)
        if isinstance(value, msgspec.Struct):
            for field in msgspec.structs.fields(value):
                present = getattr(value, field.name)
                assert present != field.default, f"{type(value).__name__}.{field.name} was not read"
                check(present)

    full = json.loads(json.dumps(full))
    if kind is PODS:
        for status in full["status"]["containerStatuses"] + full["status"]["initContainerStatuses"]:
            every = {"running": {}, "waiting": {"reason": "CrashLoopBackOff"}, **ENDED}
            status |= {"started": True, "state": every, "lastState": every}
    check(msgspec.json.decode(json.dumps(full).encode(), type=kind.wire))


@pytest.mark.parametrize(("kind", "full"), EVERYTHING)
def test_a_record_is_of_the_types_that_it_declares(kind: Kind[Any], full: dict[str, Any]):
    """Whatever the object lacks: plans show a record's attributes as they stand."""
    for lacking in [full, *without_one_thing(full)]:
        try:
            record = decode(kind, lacking)
        except OddObject:
            continue
        check_types(record)
        for details in DETAILS.get(kind, ()):
            check_types(details(record))


DETAILS: dict[Kind[Any], tuple[Callable[[Any], Any], ...]] = {
    PODS: (pod_details, pod_containers),
    NODES: (node_details,),
}


def check_types(value: Any) -> None:
    if isinstance(value, tuple | list):
        for each in value:
            check_types(each)
    if isinstance(value, msgspec.Struct) and not isinstance(value, Rest):
        types_of = declared(cast("Any", type(value)))
        for name in value.__struct_fields__:
            held = getattr(value, name)
            plain = {get_origin(each) or each for each in types_of.get(name, (type(held),))}
            assert type(held) in plain, f"{name} of {value}"
            check_types(held)


def without_one_thing(value: Any) -> Iterator[Any]:
    """Each way to leave out one part, or to have null in its place."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {other: each for other, each in value.items() if other != name}
            for less in (None, *without_one_thing(inner)):
                yield {**value, name: less}
    elif isinstance(value, list):
        yield []
        for at, inner in enumerate(value):
            for less in without_one_thing(inner):
                yield [*value[:at], less, *value[at + 1 :]]


def test_a_node_is_what_kubectl_shows():
    """ROLES, status, addresses and amounts in plain units."""
    node = decode(NODES, NODE)

    assert (node.name, node.namespace, node.created_at) == ("one", "", "2026-11-24T09:00:00Z")
    assert {label.key: label.value for label in node.labels} == META["labels"] | PLACED
    assert (node.zone, node.instance_type, node.pool) == ("eu-1a", "m7.large", "spot")
    assert node.roles == ("worker",)
    assert [(address.type, address.address) for address in node.addresses] == [("InternalIP", "10.0.0.1")]
    assert (node.ready, node.schedulable, node.status) == (True, False, "Ready,SchedulingDisabled")
    capacity, allocatable = node.capacity, node.allocatable
    assert (capacity.cpu, capacity.memory, capacity.pods) == (4.0, 16 * 2**30, 110)
    assert (allocatable.cpu, allocatable.ephemeral_storage) == (3.9, 90 * 2**30)
    assert (node.kubelet_version, node.os_image) == ("v1.37.2", "Debian")


@pytest.mark.parametrize(
    ("labels", "zone", "instance_type", "pool"),
    [
        ({}, None, None, None),
        ({"topology.kubernetes.io/zone": "new", "failure-domain.beta.kubernetes.io/zone": "old"}, "new", None, None),
        ({"failure-domain.beta.kubernetes.io/zone": "old"}, "old", None, None),
        ({"beta.kubernetes.io/instance-type": "m1"}, None, "m1", None),
        ({"cloud.google.com/gke-nodepool": "gke"}, None, None, "gke"),
        ({"eks.amazonaws.com/nodegroup": "eks", "alpha.eksctl.io/nodegroup-name": "ctl"}, None, None, "eks"),
        ({"alpha.eksctl.io/nodegroup-name": "ctl"}, None, None, "ctl"),
        ({"kubernetes.azure.com/agentpool": "aks", "agentpool": "aks"}, None, None, "aks"),
        ({"karpenter.sh/nodepool": "spot", "eks.amazonaws.com/nodegroup": "eks"}, None, None, "spot"),
        ({"karpenter.sh/nodepool": "", "agentpool": "aks"}, None, None, "aks"),
    ],
)
def test_a_node_stands_where_the_well_known_labels_say(labels, zone, instance_type, pool):
    """The stable label before the one of old clusters; the pool by whoever manages it; an empty value says nothing."""
    node = decode(NODES, {"metadata": META | {"labels": labels}})

    assert (node.zone, node.instance_type, node.pool) == (zone, instance_type, pool)


@pytest.mark.parametrize(
    ("labels", "roles"),
    [
        ({}, ()),
        (
            {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/etcd": "true"},
            ("control-plane", "etcd"),
        ),
        ({"node-role.kubernetes.io/": "x"}, ()),
        ({"kubernetes.io/role": "master"}, ("master",)),
        ({"kubernetes.io/role": ""}, ()),
        ({"kubernetes.io/role": "b", "node-role.kubernetes.io/b": "", "node-role.kubernetes.io/a": ""}, ("a", "b")),
    ],
)
def test_roles_are_found_as_kubectl_finds_them(labels: dict[str, str], roles: tuple[str, ...]):
    """By prefix and by the older label; sorted, each once."""
    assert decode(NODES, {"metadata": {**META, "labels": labels}}).roles == roles


def test_a_node_that_has_not_reported_has_nothing_yet():
    """Its kubelet may still be on its way."""
    node = decode(NODES, {"metadata": META, "status": {"conditions": None, "capacity": None, "addresses": None}})

    assert (node.ready, node.schedulable, node.addresses) == (False, True, ())
    assert (node.capacity.cpu, node.capacity.memory, node.capacity.ephemeral_storage, node.capacity.pods) == (
        0,
        0,
        None,
        0,
    )


def pod_with(
    containers: list[dict[str, Any]],
    inits: list[dict[str, Any]] | None = None,
    *,
    sidecars: tuple[str, ...] = (),
    conditions: list[dict[str, str]] | None = None,
) -> Any:
    spec = {
        "containers": [{"name": status["name"]} for status in containers],
        "initContainers": [
            {"name": status["name"], **({"restartPolicy": "Always"} if status["name"] in sidecars else {})}
            for status in inits or ()
        ],
    }
    status = {"containerStatuses": containers, "initContainerStatuses": inits, "conditions": conditions}
    return decode(PODS, {"metadata": META, "spec": spec, "status": status})


RUNNING: dict[str, Any] = {"ready": True, "started": True, "state": {"running": {}}}
DONE: dict[str, Any] = {"state": {"terminated": {"exitCode": 0}}}
FAILED: dict[str, Any] = {"state": {"terminated": {"exitCode": 1}}}
WAITING: dict[str, Any] = {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}


@pytest.mark.parametrize(
    ("pod", "ready", "restarts"),
    [
        (pod_with([{"name": "a", **RUNNING, "restartCount": 3}]), "1/1", 3),
        (pod_with([{"name": "a", **RUNNING}, {"name": "b", **WAITING, "restartCount": 7}]), "1/2", 7),
        # ready, and not running: a state between two reports
        (pod_with([{"name": "a", "ready": True, "state": {"terminated": {"exitCode": 0}}}]), "0/1", 0),
        # an init container that is done counts nowhere, nor do its restarts
        (pod_with([{"name": "a", **RUNNING, "restartCount": 1}], [{"name": "i", **DONE, "restartCount": 5}]), "1/1", 1),
        # while the pod initialises, only the restarts of init containers up to the one at work
        (
            pod_with(
                [{"name": "a", "restartCount": 9, "state": {"waiting": {}}}],
                [
                    {"name": "i", **FAILED, "restartCount": 5},
                    {"name": "j", "restartCount": 2, "state": {"waiting": {}}},
                ],
            ),
            "0/1",
            5,
        ),
        # a sidecar counts as a container
        (
            pod_with(
                [{"name": "a", **RUNNING, "restartCount": 1}],
                [{"name": "s", **RUNNING, "restartCount": 4}],
                sidecars=("s",),
            ),
            "2/2",
            5,
        ),
        # a sidecar that has not started yet is initialising
        (
            pod_with(
                [{"name": "a", "restartCount": 9, "state": {"waiting": {}}}],
                [{"name": "s", "started": False, "restartCount": 3}],
                sidecars=("s",),
            ),
            "0/2",
            3,
        ),
        # a sidecar that is started and not ready does not hold up the rest
        (
            pod_with([{"name": "a", **RUNNING}], [{"name": "s", **RUNNING, "ready": False}], sidecars=("s",)),
            "1/2",
            0,
        ),
        # a sidecar that crashes after initialisation: the Initialized condition says that it is over
        (
            pod_with(
                [{"name": "a", **RUNNING, "restartCount": 1}],
                [{"name": "s", "started": False, **WAITING, "restartCount": 6}],
                sidecars=("s",),
                conditions=[{"type": "Initialized", "status": "True"}],
            ),
            "1/2",
            7,
        ),
    ],
)
def test_ready_and_restarts_are_counted_as_kubectl_counts_them(pod: Any, ready: str, restarts: int):
    """printPod, case by case."""
    assert f"{pod.containers_ready}/{pod.containers_total}" == ready
    assert pod.restarts == restarts


def test_ready_is_the_ready_condition():
    """Not the number of ready containers: readiness gates count too."""
    pod = pod_with([{"name": "a", **RUNNING}], conditions=[{"type": "Ready", "status": "False"}])

    assert (pod.ready, pod.containers_ready) == (False, 1)


def test_a_pod_without_a_node_has_none():
    """Absent and empty are the same to Kubernetes."""
    for spec in ({}, {"nodeName": ""}, {"nodeName": None}, None):
        assert decode(PODS, {"metadata": META, "spec": spec}).node_name is None


def test_an_address_may_come_the_old_way():
    """`podIP` alone."""
    assert decode(PODS, {"metadata": META, "status": {"podIP": "10.0.0.9"}}).addresses == ("10.0.0.9",)
    assert decode(PODS, {"metadata": META, "status": {"podIP": "", "podIPs": []}}).addresses == ()


def test_equal_values_are_one_object():
    """Labels, label sets, namespaces, nodes and phases, over kinds and objects."""
    sharing = Sharing()
    first, second = (Decoder(PODS, sharing).decode(json.dumps(POD).encode()) for _ in range(2))
    node = Decoder(NODES, sharing).decode(json.dumps({**NODE, "metadata": {**META, "name": "worker-1"}}).encode())

    assert first is not second
    shared = ("labels", "namespace", "node_name", "phase", "status", "requests", "limits", "owner", "attention")
    for name in (*shared, "created_at", "last_restart"):
        assert getattr(first, name) is getattr(second, name), name
    assert first.node_name is node.name
    assert first.labels is node.labels


def test_sharing_does_not_grow_without_bound():
    """Old entries leave; those still asked for stay the same object."""
    shared: Shared[int, Label] = Shared(lambda number: Label(str(number), ""), limit=10)
    kept = shared[0]
    for number in range(1, 10_000):
        _ = shared[number], shared[0]

    assert len(shared) + len(shared._before) <= 20
    assert shared[0] is kept


@pytest.mark.parametrize(("kind", "full"), EVERYTHING)
def test_records_are_invisible_to_the_garbage_collector(kind: Kind[Any], full: dict[str, Any]):
    """150,000 of them would otherwise cost 700 ms at each full collection."""
    assert not gc.is_tracked(decode(kind, full))


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize(("kind", "full"), EVERYTHING)
def test_the_whole_object_comes_back_without_what_nobody_reads(
    kind: Kind[Any],
    full: dict[str, Any],
    separators: tuple[str, str],
    first: bool,  # noqa: FBT001
    applied: bool,  # noqa: FBT001
):
    """Without managedFields, wherever these stand, and kubectl's copy; with its kind, which no item of a list says."""
    decoder = Decoder(kind, Sharing())
    expected = json.loads(json.dumps(full))
    copy = expected["metadata"]["annotations"].pop("kubectl.kubernetes.io/last-applied-configuration")
    managed = expected["metadata"].pop("managedFields")
    expected["metadata"]["annotations"]["said"] = ',"managedFields":[{"manager":"kubelet"}]'
    given = json.loads(json.dumps(expected))
    given["metadata"] = (
        {"managedFields": managed, **given["metadata"]} if first else {**given["metadata"], "managedFields": managed}
    )
    if applied:
        given["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = copy

    rest = decoder.rest(decoder.decode(json.dumps(given, separators=separators).encode()))

    assert rest == {"apiVersion": kind.api_version, "kind": kind.kind, **expected}


def test_an_object_without_managed_fields_comes_back_as_it_came():
    """As it is when somebody asked the API server to leave them out."""
    decoder = Decoder(PODS, Sharing())
    given = json.loads(json.dumps(POD))
    del given["metadata"]["managedFields"]
    del given["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]

    rest = decoder.rest(decoder.decode(json.dumps(given, separators=(",", ":")).encode()))

    assert rest == {"apiVersion": "v1", "kind": "Pod", **given}


def test_the_first_objects_train_the_dictionary_and_stay_readable():
    """From then on an object takes a fraction; nothing is compressed again."""
    decoder = Decoder(PODS, Sharing())
    made = [pods.manifest(f"web-{number}", number, uid=f"{number:032x}") for number in range(cold.SAMPLES + 50)]
    records = [decoder.decode(json.dumps(one).encode()) for one in made]

    for one, record in zip(made, records, strict=True):
        assert decoder.rest(record)["metadata"]["uid"] == one["metadata"]["uid"]
    assert len(records[-1].rest.packed) < len(records[0].rest.packed) / 2


def test_what_is_packed_holds_no_more_than_its_own_bytes():
    """zstandard's own result holds on to a buffer as large as the whole object."""
    tier = cold.ColdTier()
    bodies = [
        json.dumps(pods.manifest(f"web-{number}", number) | {"note": "x" * 5_000}).encode() for number in range(9)
    ]
    tracemalloc.start()
    packed = [tier.pack(body, b"") for body in bodies]
    tier._samples = None
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 2 * sum(sys.getsizeof(one.packed) for one in packed)


def test_objects_with_nothing_in_common_are_kept_without_a_dictionary():
    """zstd refuses to train on them; that must not cost the object."""
    tier = cold.ColdTier()
    packed = [tier.pack(b'{"metadata":{}}', b"") for _ in range(cold.SAMPLES + 1)]

    assert [one.whole() for one in packed] == [{"metadata": {}}] * (cold.SAMPLES + 1)


@pytest.mark.parametrize(
    ("kind", "odd", "named"),
    [
        (PODS, {**POD, "status": {"phase": 7}}, "one"),
        (PODS, {**POD, "spec": {"containers": {}}}, "one"),
        (NODES, {**NODE, "status": {"capacity": {"cpu": "many"}}}, "one"),
        (PODS, {"metadata": {"name": "one", "namespace": "shop"}}, "one"),
        (PODS, {"metadata": []}, ""),
        (PODS, 7, ""),
    ],
)
def test_an_odd_object_says_which_one_it_is(kind: Kind[Any], odd: object, named: str):
    """So that it can be left out by name."""
    with pytest.raises(OddObject) as caught:
        decode(kind, odd)

    assert caught.value.identity.name == named
    assert caught.value.reason


def test_an_identity_is_found_in_any_object():
    """Also where the rest of it cannot be read."""
    found = identity(json.dumps({**POD, "spec": 7}).encode())

    assert (found.namespace, found.name, found.resource_version) == ("shop", "one", "123")


def test_paths():
    """Core kinds, others, and those in one namespace."""
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("shop") == "/api/v1/namespaces/shop/pods"
    deployments = Kind("deployments", "Deployment", objects.WirePod, objects.pod_record, api_version="apps/v1")
    assert deployments.path("shop") == "/apis/apps/v1/namespaces/shop/deployments"
