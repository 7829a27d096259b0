"""What details read of pods and nodes, field by field."""

import json
from typing import Any

import msgspec
import pytest

from schema.sources.kubernetes.conditions import ConditionStatus, WireConditions, conditions
from schema.sources.kubernetes.containers import Container, ContainerPhase, WireContainers, pod_containers
from schema.sources.kubernetes.details import Details
from schema.sources.kubernetes.kinds import NODES, PODS, Decoder, Kind
from schema.sources.kubernetes.node_details import WireNodeDetails, WireNodeImages, node_details, node_images
from schema.sources.kubernetes.objects import Sharing
from schema.sources.kubernetes.placement import TaintEffect
from schema.sources.kubernetes.pod_details import RestartPolicy, WirePodDetails, pod_details
from schema.sources.kubernetes.quality import QosClass
from schema.sources.kubernetes.requests import Amounts
from tests.schema.sources.kubernetes.full_objects import AT, LATER, NODE, POD

META = {"name": "web-0", "namespace": "shop", "uid": "1", "resourceVersion": "1"}
EMPTY: dict[str, Any] = {"metadata": META}


def record(kind: Kind[Any], what: dict[str, Any]) -> Any:
    return Decoder(kind, Sharing()).decode(json.dumps(what).encode())


def pod(**parts: Any) -> Any:
    return record(PODS, {"metadata": META, **parts})


@pytest.mark.parametrize(
    ("wire", "full"),
    [
        (WirePodDetails, POD),
        (WireContainers, POD),
        (WireNodeDetails, NODE),
        (WireNodeImages, NODE),
        (WireConditions, POD),
    ],
)
def test_every_wire_field_is_named_as_kubernetes_names_it(wire: type[Any], full: dict[str, Any]):
    """No field of any struct is left at its default in all the places where an object with every field set has it."""
    read: dict[type[Any], set[str]] = {}

    def look(value: Any) -> None:
        if isinstance(value, list | tuple):
            for item in value:
                look(item)
        if isinstance(value, msgspec.Struct):
            found = read.setdefault(type(value), set())
            for field in msgspec.structs.fields(value):
                present = getattr(value, field.name)
                if present != field.default:
                    found.add(field.name)
                look(present)

    look(msgspec.json.decode(json.dumps(full), type=wire))

    for struct, found in read.items():
        assert found == set(struct.__struct_fields__), f"{struct.__name__} was not read whole"


@pytest.mark.parametrize(
    ("kind", "details", "full"),
    [
        (PODS, pod_details, POD),
        (PODS, pod_containers, POD),
        (NODES, node_details, NODE),
        (NODES, node_images, NODE),
    ],
)
def test_every_field_that_is_shown_comes_from_the_object(kind: Kind[Any], details: Details[Any], full: dict[str, Any]):
    """None of them is what an empty object gives."""
    shown, nothing = details(record(kind, full)), details(record(kind, EMPTY))

    assert shown != nothing
    for name in getattr(shown, "__struct_fields__", ()):
        assert getattr(shown, name) != getattr(nothing, name), name


@pytest.mark.parametrize(
    "what",
    [
        EMPTY,
        EMPTY | {"spec": None, "status": None},
        EMPTY | {"spec": {"containers": None, "volumes": None}, "status": {"conditions": None, "nodeInfo": None}},
    ],
)
def test_what_is_absent_or_null_is_empty(what: dict[str, Any]):
    """Three ways in which Kubernetes says so."""
    assert pod_details(record(PODS, what)) == pod_details(record(PODS, EMPTY))
    assert pod_containers(record(PODS, what)) == pod_containers(record(PODS, EMPTY))
    assert node_details(record(NODES, what)) == node_details(record(NODES, EMPTY))
    assert node_images(record(NODES, what)) == ()


def test_a_pod_reads_as_kubernetes_says_it():
    """All that is neither a container nor a volume."""
    details = pod_details(record(PODS, POD))

    assert (details.reason, details.message) == ("Evicted", "The node was low on memory.")
    (condition,) = details.conditions
    assert (condition.type, condition.status, condition.reason) == ("Ready", ConditionStatus.TRUE, "Because")
    assert (condition.message, condition.since, condition.reported_at) == ("because", AT, LATER)
    assert details.host_addresses == ("10.0.0.1", "fd00::1")
    assert (details.started_at, details.deletion_timestamp, details.deletion_grace_period_seconds) == (AT, LATER, 30)
    assert (details.restart_policy, details.termination_grace_period_seconds) == (RestartPolicy.ON_FAILURE, 31)
    assert (details.host_network, details.host_pid, details.host_ipc) == (True, True, True)
    assert (details.priority, details.priority_class_name) == (7, "high")
    (toleration,) = details.tolerations
    assert (toleration.key, toleration.operator, toleration.value) == ("gone", "Equal", "soon")
    assert (toleration.effect, toleration.seconds) == (TaintEffect.NO_EXECUTE, 300)
    assert [(one.key, one.value) for one in details.node_selector] == [("disk", "ssd")]
    assert details.readiness_gates == ("example.com/gate",)
    assert details.scheduling_gates == ("example.com/wait",)


def test_defaults_are_kubernetes_own():
    """Of a pod that says next to nothing: simulated servers do not fill in what the real one fills in."""
    details = pod_details(pod(spec={"tolerations": [{}]}, status={"hostIP": "10.0.0.1"}))

    assert (details.restart_policy, details.qos_class) == (RestartPolicy.ALWAYS, QosClass.BEST_EFFORT)
    assert (details.tolerations[0].operator, details.tolerations[0].effect) == ("Equal", None)
    assert details.host_addresses == ("10.0.0.1",)


def test_volumes_say_what_they_are_and_never_what_is_in_them():
    """Kinds in Kubernetes' own words; names of claims, ConfigMaps and Secrets."""
    volumes = {one.name: one for one in pod_details(record(PODS, POD)).volumes}

    assert {name: one.kind for name, one in volumes.items()} == {
        "data": "persistentVolumeClaim",
        "scratch": "emptyDir",
        "settings": "configMap",
        "keys": "secret",
        "token": "projected",
        "host": "hostPath",
        "driver": "csi",
        "model": "image",
        "own": "ephemeral",
        "plain": "emptyDir",
    }
    assert {name: one.claim_name for name, one in volumes.items() if one.claim_name} == {
        "data": "data-web-0",
        "own": "web-0-own",
    }
    assert (volumes["settings"].config_maps, volumes["keys"].secrets) == (("web-settings",), ("web-keys",))
    assert (volumes["token"].config_maps, volumes["token"].secrets) == (("ca",), ("extra",))
    assert (volumes["scratch"].medium, volumes["scratch"].size_limit) == ("Memory", 2**30)
    assert (volumes["host"].path, volumes["driver"].driver) == ("/var/log", "example.com")
    assert volumes["model"].image == "example.com/model:1"
    assert [one.name for one in volumes.values() if one.read_only] == ["data"]


def test_a_container_is_its_spec_with_what_the_kubelet_says():
    """Joined by name; of ordinary, init and ephemeral ones."""
    found = pod_containers(record(PODS, POD))
    (main,) = found.containers
    (port,) = main.ports
    (mount,) = main.volume_mounts

    assert [one.name for one in (*found.containers, *found.inits, *found.ephemeral)] == ["main", "side", "debug"]
    assert [one.sidecar for one in (main, *found.inits)] == [False, True]
    assert found.ephemeral[0].target == "main"
    assert (main.namespace, main.pod_name, main.pod_created_at) == ("shop", "web-0", AT)
    assert (main.image, main.image_id) == ("registry.k8s.io/nginx:1.29", "nginx@sha256:5c")
    assert (main.ready, main.started, main.restarts) == (True, True, 3)
    assert (port.port, port.name, port.protocol) == (80, "http", "SCTP")
    assert (port.host_port, port.host_address) == (8080, "127.0.0.1")
    assert (mount.volume, mount.path, mount.sub_path, mount.read_only) == ("data", "/data", "sub", True)
    assert (main.requests.cpu, main.requests.memory) == (0.1, 2**30)
    assert [(one.name, one.amount) for one in main.requests.others] == [("nvidia.com/gpu", 1)]
    assert (main.limits.cpu, main.limits.memory, main.limits.ephemeral_storage) == (1.0, None, 10**9)


def test_secrets_in_commands_and_environments_are_not_even_read():
    """Whatever is asked for, they are in no value that a field could show."""
    shown = f"{pod_containers(record(PODS, POD))!r} {pod_details(record(PODS, POD))!r}"

    assert "hidden" not in shown


def container(**status: Any) -> Container:
    spec = {"containers": [{"name": "main", "image": "i"}]}
    return pod_containers(pod(spec=spec, status={"containerStatuses": [{"name": "main", **status}]})).containers[0]


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ({}, ContainerPhase.WAITING),
        ({"waiting": {}}, ContainerPhase.WAITING),
        ({"running": {"startedAt": AT}}, ContainerPhase.RUNNING),
        ({"terminated": {"exitCode": 0}}, ContainerPhase.TERMINATED),
    ],
)
def test_a_state_that_says_nothing_is_waiting(said: dict[str, Any], phase: ContainerPhase):
    """Kubernetes' own default."""
    state = container(state=said).state

    assert state is not None
    assert state.phase is phase


def test_what_the_kubelet_has_not_reported_is_not_made_up():
    """No state, no id, no restart; and nothing before the first start."""
    (unreported,) = pod_containers(pod(spec={"containers": [{"name": "main", "image": "i"}]})).containers

    assert (unreported.state, unreported.last_state, unreported.started_at) == (None, None, None)
    assert (unreported.image_id, unreported.container_id, unreported.started) == (None, None, None)
    assert (unreported.ready, unreported.restarts) == (False, 0)
    assert container(state={}, lastState={}).last_state is None


def test_an_exit_code_of_zero_is_an_exit_code():
    """It is null only where nothing has ended."""
    ended = container(state={"terminated": {"exitCode": 0, "startedAt": AT, "finishedAt": LATER}})
    running = container(state={"running": {"startedAt": AT}})

    assert ended.state is not None
    assert (ended.state.exit_code, ended.state.finished_at, ended.started_at) == (0, LATER, AT)
    assert running.state is not None
    assert (running.state.exit_code, running.started_at) == (None, AT)


def asking(requests: dict[str, str], limits: dict[str, str]) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": requests, "limits": limits}}


@pytest.mark.parametrize(
    ("containers", "pod_level", "expected"),
    [
        ([{"name": "c"}], None, QosClass.BEST_EFFORT),
        ([asking({"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "1"})], None, QosClass.BEST_EFFORT),
        ([asking({"cpu": "0"}, {})], None, QosClass.BEST_EFFORT),
        ([asking({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1024Mi"})], None, QosClass.GUARANTEED),
        ([asking({"cpu": "1"}, {"cpu": "1"})], None, QosClass.BURSTABLE),
        ([asking({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"})], None, QosClass.BURSTABLE),
        (
            [asking({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}), {"name": "d"}],
            None,
            QosClass.BURSTABLE,
        ),
        ([{"name": "c"}], {"requests": {"cpu": "1"}}, QosClass.BURSTABLE),
        ([{"name": "c"}], {"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}, "whole"),
    ],
)
def test_the_class_of_service_is_worked_out_where_the_status_lacks_it(containers, pod_level, expected):
    """GetPodQOS, case by case."""
    spec = {"containers": containers, **({"resources": pod_level} if pod_level else {})}

    assert pod_details(pod(spec=spec)).qos_class is (QosClass.GUARANTEED if expected == "whole" else expected)


def test_equal_claims_of_containers_are_one_object():
    """A cluster repeats some hundred of them."""
    first, second = (pod_containers(record(PODS, POD)).containers[0] for _ in range(2))

    assert isinstance(first.requests, Amounts)
    assert first.requests is second.requests


def test_a_node_reads_as_its_kubelet_says_it():
    """Taints, system, addresses for pods, volumes and images."""
    details = node_details(record(NODES, NODE))
    (taint,) = details.taints
    (image,) = node_images(record(NODES, NODE))

    assert (taint.key, taint.value, taint.effect, taint.since) == ("gone", "soon", TaintEffect.NO_EXECUTE, AT)
    assert (details.system.kube_proxy_version, details.system.swap) == ("v1.30.0", 1024)
    assert (details.pod_cidrs, details.provider_id) == (("10.1.0.0/24", "fd00:1::/64"), "kind://worker-1")
    assert [(one.name, one.device_path, one.in_use) for one in details.volumes] == [
        ("csi/one", "/dev/sdb", True),
        ("csi/three", None, False),
        ("csi/two", None, True),
    ]
    assert (image.names, image.size) == (("nginx@sha256:5c", "nginx:1.29"), 2_147_483_648)


def test_a_condition_of_another_word_is_unknown():
    """The API server takes any."""
    node = record(NODES, EMPTY | {"status": {"conditions": [{"type": "Ready", "status": "Odd"}]}})

    assert node_details(node).conditions[0].status is ConditionStatus.UNKNOWN


def test_conditions_of_any_kind_are_read_alone():
    """The same as with the other details, for kinds that have no others."""
    assert conditions(record(PODS, POD)) == pod_details(record(PODS, POD)).conditions
    assert conditions(record(NODES, EMPTY)) == ()


def test_an_effect_of_a_later_kubernetes_hides_no_node():
    """A taint must say an effect; one that is unknown here would otherwise take the whole list with it."""
    taints = [{"key": "a", "effect": "NoScheduleNoAdmit"}]
    later = record(NODES, EMPTY | {"spec": {"taints": taints}})

    assert [one.effect for one in node_details(later).taints] == [TaintEffect.OTHER]
    assert pod_details(pod(spec={"tolerations": taints})).tolerations[0].effect is TaintEffect.OTHER
