"""Details of pods and nodes, asked of the graph, beside the JSON of the real API server, field by field.

On etcd and kube-apiserver alone: controllers or KWOK would mend the strange states that are written here. Unknown
fields are refused by the server, so that a name which only we know cannot pass.
"""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.schema import describe
from schema.sources.kubernetes.cluster import Watched
from schema.sources.kubernetes.quantities import cores, whole
from schema.sources.kubernetes.store import Put
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import StartControlPlane
from tests.schema.execution.side_by_side import by_plan, found, prepared
from tests.schema.execution.world import ADMIN, World
from tests.schema.sources.kubernetes import full_objects
from tests.schema.sources.kubernetes.test_words_against_api_server import Batch, moments, strange_pods

EXAMPLES = 8
AT_ONCE = 16
STRICT = {"fieldValidation": "Strict"}
SCHEMA = describe()
Json = dict[str, Any]
both_servers = pytest.mark.parametrize("server", ["newest", "oldest"])

CONTAINER = """{ name image imageId imagePullPolicy containerId sidecar target ready started restarts startedAt
  state { ...state } lastState { ...state } ports { port name protocol hostPort hostAddress }
  requests { cpu memory ephemeralStorage others { name amount } } limits { cpu memory ephemeralStorage }
  volumeMounts { volume path subPath readOnly } }"""
PODS = f"""{{ pods {{ name reason message qosClass priority priorityClassName serviceAccountName restartPolicy
  hostAddresses hostNetwork hostPid hostIpc startedAt deletionTimestamp deletionGracePeriodSeconds
  terminationGracePeriodSeconds activeDeadlineSeconds finalizers nominatedNodeName schedulerName schedulingGates
  readinessGates runtimeClassName annotations {{ key value }} nodeSelector {{ key value }}
  conditions {{ type status reason message since reportedAt }}
  tolerations {{ key operator value effect seconds }}
  volumes {{ name kind claimName configMaps secrets path medium sizeLimit driver image readOnly }}
  containers {CONTAINER} initContainers {CONTAINER} ephemeralContainers {CONTAINER} }} }}
  fragment state on ContainerState {{ phase reason message exitCode signal startedAt finishedAt }}"""
NODES = """{ nodes { name annotations { key value } conditions { type status reason message since reportedAt }
  taints { key value effect since } podCidrs providerId volumes { name devicePath inUse } images { names size }
  system { kubeletVersion kubeProxyVersion containerRuntime osImage kernelVersion operatingSystem architecture machineId
    systemUuid bootId swap } } }"""

# ------------------------------------------------------------------------------ what the API server's JSON comes to
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
CLASSES = {"Guaranteed": "GUARANTEED", "Burstable": "BURSTABLE", "BestEffort": "BEST_EFFORT"}
POLICIES = {"Always": "ALWAYS", "OnFailure": "ON_FAILURE", "Never": "NEVER"}


def pairs(said: Mapping[str, str] | None) -> list[Json]:
    return [{"key": key, "value": said[key]} for key in sorted(said)] if said else []


def conditions(said: Sequence[Json]) -> list[Json]:
    return [
        {
            "type": one["type"],
            "status": {"True": "TRUE", "False": "FALSE"}.get(one["status"], "UNKNOWN"),
            "reason": one.get("reason"),
            "message": one.get("message"),
            "since": one.get("lastTransitionTime"),
            "reportedAt": one.get("lastHeartbeatTime") or one.get("lastProbeTime"),
        }
        for one in said
    ]


def state(said: Json | None) -> Json | None:
    nothing = dict.fromkeys(("reason", "message", "exitCode", "signal", "startedAt", "finishedAt"))
    for phase in ("waiting", "running", "terminated"):
        if phase in (said or {}):
            known = {name: value for name, value in said[phase].items() if name in nothing}  # type: ignore[index]
            return nothing | known | {"phase": phase.upper()}
    return None


def amounts(said: Json) -> Json:
    return {
        "cpu": cores(said["cpu"]) if "cpu" in said else None,
        "memory": whole(said["memory"]) if "memory" in said else None,
        "ephemeralStorage": whole(said["ephemeral-storage"]) if "ephemeral-storage" in said else None,
    }


def container(said: Json, status: Json) -> Json:
    asked = said.get("resources", {})
    own = {"cpu", "memory", "ephemeral-storage"}
    requests = asked.get("requests", {})
    others = [{"name": name, "amount": float(whole(requests[name]))} for name in sorted(requests.keys() - own)]
    waiting = {"phase": "WAITING"} | dict.fromkeys(
        ("reason", "message", "exitCode", "signal", "startedAt", "finishedAt")
    )
    now = None if not status else state(status.get("state")) or waiting
    return {
        "name": said["name"],
        "image": said["image"],
        "imageId": status.get("imageID") or None,
        "imagePullPolicy": said["imagePullPolicy"],
        "containerId": status.get("containerID"),
        "sidecar": said.get("restartPolicy") == "Always",
        "target": said.get("targetContainerName"),
        "ready": status.get("ready", False),
        "started": status.get("started"),
        "restarts": status.get("restartCount", 0),
        "startedAt": now["startedAt"] if now else None,
        "state": now,
        "lastState": state(status.get("lastState")),
        "ports": [
            {
                "port": port["containerPort"],
                "name": port.get("name"),
                "protocol": port["protocol"],
                "hostPort": port.get("hostPort"),
                "hostAddress": port.get("hostIP"),
            }
            for port in said.get("ports", ())
        ],
        "requests": amounts(requests) | {"others": others},
        "limits": amounts(asked.get("limits", {})),
        "volumeMounts": [
            {
                "volume": mount["name"],
                "path": mount["mountPath"],
                "subPath": mount.get("subPath"),
                "readOnly": mount.get("readOnly", False),
            }
            for mount in said.get("volumeMounts", ())
        ],
    }


def containers(pod: Json, specs: str, statuses: str) -> list[Json]:
    reported = {one["name"]: one for one in pod["status"].get(statuses, ())}
    return [container(one, reported.get(one["name"], {})) for one in pod["spec"].get(specs, ())]


def volume(said: Json, pod: str) -> Json:
    (kind,) = said.keys() - {"name"}
    source = said[kind]
    projected = source.get("sources", ()) if kind == "projected" else ()
    return {
        "name": said["name"],
        "kind": kind,
        "claimName": f"{pod}-{said['name']}" if kind == "ephemeral" else source.get("claimName"),
        "configMaps": [source["name"]]
        if kind == "configMap"
        else [one["configMap"]["name"] for one in projected if "configMap" in one],
        "secrets": [source["secretName"]]
        if kind == "secret"
        else [one["secret"]["name"] for one in projected if "secret" in one],
        "path": source["path"] if kind in {"hostPath", "nfs"} else None,
        "medium": source.get("medium"),
        "sizeLimit": whole(source["sizeLimit"]) if "sizeLimit" in source else None,
        "driver": source.get("driver"),
        "image": source.get("reference"),
        "readOnly": source.get("readOnly", False),
    }


def pod_as_shown(pod: Json) -> Json:
    meta, spec, status = pod["metadata"], pod["spec"], pod["status"]
    return {
        "name": meta["name"],
        "reason": status.get("reason"),
        "message": status.get("message"),
        "qosClass": CLASSES[status["qosClass"]],
        "priority": spec.get("priority"),
        "priorityClassName": spec.get("priorityClassName"),
        "serviceAccountName": spec.get("serviceAccountName"),
        "restartPolicy": POLICIES[spec["restartPolicy"]],
        "hostAddresses": [one["ip"] for one in status.get("hostIPs", ())],
        "hostNetwork": spec.get("hostNetwork", False),
        "hostPid": spec.get("hostPID", False),
        "hostIpc": spec.get("hostIPC", False),
        "startedAt": status.get("startTime"),
        "deletionTimestamp": meta.get("deletionTimestamp"),
        "deletionGracePeriodSeconds": meta.get("deletionGracePeriodSeconds"),
        "terminationGracePeriodSeconds": spec["terminationGracePeriodSeconds"],
        "activeDeadlineSeconds": spec.get("activeDeadlineSeconds"),
        "finalizers": meta.get("finalizers", []),
        "nominatedNodeName": status.get("nominatedNodeName"),
        "schedulerName": spec["schedulerName"],
        "schedulingGates": [one["name"] for one in spec.get("schedulingGates", ())],
        "readinessGates": [one["conditionType"] for one in spec.get("readinessGates", ())],
        "runtimeClassName": spec.get("runtimeClassName"),
        "annotations": pairs(meta.get("annotations")),
        "nodeSelector": pairs(spec.get("nodeSelector")),
        "conditions": conditions(status.get("conditions", ())),
        "tolerations": [
            {
                "key": one.get("key"),
                "operator": one.get("operator", "Equal"),
                "value": one.get("value"),
                "effect": EFFECTS[one["effect"]] if "effect" in one else None,
                "seconds": one.get("tolerationSeconds"),
            }
            for one in spec.get("tolerations", ())
        ],
        "volumes": [volume(one, meta["name"]) for one in spec.get("volumes", ())],
        "containers": containers(pod, "containers", "containerStatuses"),
        "initContainers": containers(pod, "initContainers", "initContainerStatuses"),
        "ephemeralContainers": containers(pod, "ephemeralContainers", "ephemeralContainerStatuses"),
    }


def node_as_shown(node: Json) -> Json:
    spec, status = node["spec"], node["status"]
    info = status["nodeInfo"]
    devices = {one["name"]: one["devicePath"] for one in status.get("volumesAttached", ())}
    used = set(status.get("volumesInUse", ()))
    return {
        "name": node["metadata"]["name"],
        "annotations": pairs(node["metadata"].get("annotations")),
        "conditions": conditions(status.get("conditions", ())),
        "taints": [
            {
                "key": one["key"],
                "value": one.get("value", ""),
                "effect": EFFECTS[one["effect"]],
                "since": one.get("timeAdded"),
            }
            for one in spec.get("taints", ())
        ],
        "podCidrs": spec.get("podCIDRs", []),
        "providerId": spec.get("providerID"),
        "volumes": [
            {"name": name, "devicePath": devices.get(name) or None, "inUse": name in used}
            for name in sorted(used | devices.keys())
        ],
        "images": [{"names": one["names"], "size": one.get("sizeBytes", 0)} for one in status.get("images", ())],
        "system": {
            "kubeletVersion": info["kubeletVersion"],
            "kubeProxyVersion": info["kubeProxyVersion"] or None,
            "containerRuntime": info["containerRuntimeVersion"],
            "osImage": info["osImage"],
            "kernelVersion": info["kernelVersion"],
            "operatingSystem": info["operatingSystem"],
            "architecture": info["architecture"],
            "machineId": info["machineID"],
            "systemUuid": info["systemUUID"],
            "bootId": info["bootID"],
            "swap": info.get("swap", {}).get("capacity"),
        },
    }


# ----------------------------------------------------------------------------------------------- what the graph shows


async def shown(text: str, kind: str, bodies: Sequence[Json]) -> list[Json]:
    """What the graph answers of exactly these objects, in its own order."""
    world = World(0, nodes=0, pods=0)
    watched: Watched[Any] = getattr(world.cluster, kind)
    for body in sorted(bodies, key=lambda one: int(one["metadata"]["resourceVersion"])):
        watched.store.apply([Put(watched.decoder.decode(json.dumps(body).encode()))])
    operation = found(Operations(ExecutionSettings()), SCHEMA, prepared(Documents(), SCHEMA, text), {})
    data, errors = by_plan(operation, await world.view(ADMIN, operation.needs))
    await world.access.aclose()
    assert errors == []
    answered: list[Json] = json.loads(data)[kind]
    return answered


async def listed(plane: ControlPlane, path: str) -> list[Json]:
    async with plane.api() as session, session.get(path) as answer:
        items: list[Json] = (await answer.json())["items"]
    return items


# -------------------------------------------------------------------------------------------------- strange pods

some = st.sampled_from
requirements = some(
    (
        {},
        {"requests": {"cpu": "100m"}},
        {"requests": {"cpu": "0.1", "memory": "1Gi"}, "limits": {"cpu": "100m", "memory": "1024Mi"}},
        {"limits": {"cpu": "1500u", "memory": "1e3", "ephemeral-storage": "1G"}},
        {"limits": {"nvidia.com/gpu": "2", "memory": "128974848"}},
        {"requests": {"cpu": "0", "memory": "0"}},
    )
)
ports = some(([], [{"containerPort": 80}], [{"containerPort": 53, "protocol": "UDP", "name": "dns"}]))
toleration = some(
    (
        {"operator": "Exists"},
        {"key": "a", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 2**40},
        {"key": "a", "operator": "Equal", "effect": "PreferNoSchedule"},
        {"key": "a", "effect": "NoExecute", "tolerationSeconds": -1},
    )
)
sources: st.SearchStrategy[Json] = some(
    (
        {"emptyDir": {}},
        {"emptyDir": {"medium": "Memory", "sizeLimit": "1500m"}},
        {"configMap": {"name": "settings", "optional": True}},
        {"secret": {"secretName": "keys", "items": [{"key": "a", "path": "b"}]}},
        {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
        {"hostPath": {"path": "/var/log", "type": ""}},
        {
            "projected": {
                "sources": [
                    {"configMap": {"name": "ca"}},
                    {"secret": {"name": "extra"}},
                    {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                ]
            }
        },
        {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"csi": {"driver": "example.com", "readOnly": True, "nodePublishSecretRef": {"name": "unseen"}}},
        {"nfs": {"server": "s", "path": "/", "readOnly": True}},
        {
            "ephemeral": {
                "volumeClaimTemplate": {
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
                }
            }
        },
    )
)

said_of_conditions = st.fixed_dictionaries(
    {},
    optional={
        "reason": some(("", "Why")),
        "message": st.text(),
        "lastTransitionTime": moments,
        "lastProbeTime": moments,
    },
)


@st.composite
def detailed_pods(draw: st.DrawFn) -> Json:
    """A strange pod with more in its spec, and more said of it."""
    pod = draw(strange_pods())
    spec, status = pod["spec"], pod["status"]
    spec["volumes"] = [{"name": f"v{number}"} | draw(sources) for number in range(draw(st.integers(0, 4)))]
    for container in spec["containers"] + spec["initContainers"]:
        container |= {"resources": draw(requirements), "ports": draw(ports), "env": [{"name": "A", "value": "hidden"}]}
        container["volumeMounts"] = [
            {"name": volume["name"], "mountPath": f"/{volume['name']}", "readOnly": draw(st.booleans())}
            for volume in spec["volumes"]
        ]
    spec |= {
        "tolerations": draw(st.lists(toleration, max_size=3)),
        "nodeSelector": draw(some(({}, {"disk": "ssd", "a": ""}))),
        "restartPolicy": draw(some(("Always", "OnFailure", "Never"))),
        "terminationGracePeriodSeconds": draw(some((0, 30, 2**40))),
        "hostPID": draw(st.booleans()),
        "hostIPC": draw(st.booleans()),
        "schedulerName": draw(some(("", "own"))),
    }
    if not spec["nodeName"]:
        spec["schedulingGates"] = draw(some(([], [{"name": "example.com/wait"}])))
    status["conditions"] = [one | draw(said_of_conditions) for one in status["conditions"]]
    for reported in status["containerStatuses"] + status["initContainerStatuses"]:
        reported |= {"imageID": draw(some(("", "i@sha256:1"))), "containerID": draw(some(("", "containerd://1")))}
    host = draw(some(([], ["10.0.0.1"], ["10.0.0.1", "fd00::1"])))
    status |= {"hostIP": host[0], "hostIPs": [{"ip": one} for one in host]} if host else {}
    status["message"] = draw(some(("", "it says ünicode")))
    if not spec["nodeName"]:
        status["nominatedNodeName"] = draw(some(("", "worker-2")))
    if draw(st.booleans()):
        status["startTime"] = draw(moments)
    pod["annotations"] = draw(st.dictionaries(some(("note", "example.com/a", "b")), st.text(max_size=20)))
    return pod


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    return Batch(draw(detailed_pods()) for _ in range(AT_ONCE))


async def write(session: aiohttp.ClientSession, example: str, name: str, pod: Json) -> None:
    path = "/api/v1/namespaces/default/pods"
    metadata = {
        "name": name,
        "labels": {"example": example},
        "annotations": pod["annotations"],
        "finalizers": ["example.com/stay"],
    }
    async with session.post(path, json={"metadata": metadata, "spec": pod["spec"]}, params=STRICT) as answer:
        assert answer.status == 201, await answer.text()
    headers = {"Content-Type": "application/merge-patch+json"}
    change = {"status": pod["status"]}
    async with session.patch(f"{path}/{name}/status", json=change, headers=headers, params=STRICT) as answer:
        assert answer.status == 200, await answer.text()
    if pod["deleted"]:
        async with session.delete(f"{path}/{name}", params={"gracePeriodSeconds": "3600"}) as answer:
            assert answer.status == 200, await answer.text()


async def check_pods(plane: ControlPlane, example: str, pods: list[Json]) -> None:
    async with plane.api() as session:
        await asyncio.gather(*(write(session, example, f"{example}-{number}", pod) for number, pod in enumerate(pods)))
    said = await listed(plane, f"/api/v1/namespaces/default/pods?labelSelector=example={example}")
    assert len(said) == len(pods)
    for expected, answered in zip(said, await shown(PODS, "pods", said), strict=True):
        assert answered == pod_as_shown(expected), json.dumps(expected)


@both_servers
async def test_pods_in_strange_states_are_shown_as_the_api_server_tells_them(
    control_plane: StartControlPlane, server: str
):
    """Every cold field, of random specs and statuses."""
    plane = await control_plane(server=server)
    loop = asyncio.get_running_loop()
    examples = itertools.count()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(pods=batches())
    def hold(pods: Batch) -> None:
        asyncio.run_coroutine_threadsafe(check_pods(plane, f"pod-{next(examples)}", pods), loop).result()

    await asyncio.to_thread(hold)


async def test_the_class_of_service_is_the_one_that_the_api_server_works_out(control_plane: StartControlPlane):
    """Where the status lacks it we work it out ourselves: the same, of every shape of claims."""
    plane = await control_plane()
    shapes = requirements_of_two()
    await plane.create(
        [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"pod-{number}", "namespace": "default"},
                "spec": {
                    "containers": [{"name": f"c{at}", "image": "i", "resources": one} for at, one in enumerate(s)]
                },
            }
            for number, s in enumerate(shapes)
        ]
    )
    said = await listed(plane, "/api/v1/namespaces/default/pods")
    expected = [CLASSES[one["status"]["qosClass"]] for one in said]
    without = [one | {"status": one["status"] | {"qosClass": ""}} for one in said]

    answered = await shown("{ pods { qosClass } }", "pods", without)

    assert [one["qosClass"] for one in answered] == expected
    assert set(expected) == set(CLASSES.values())


def requirements_of_two() -> list[tuple[Json, ...]]:
    shapes: tuple[Json, ...] = tuple(
        json.loads(text)
        for text in (
            "{}",
            '{"requests": {"cpu": "0"}}',
            '{"limits": {"cpu": "1"}}',
            '{"limits": {"cpu": "1", "memory": "1Gi"}}',
            '{"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}}',
            '{"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}',
            '{"limits": {"example.com/device": "1"}}',
        )
    )
    return [(one,) for one in shapes] + list(itertools.product(shapes, repeat=2))


@both_servers
async def test_every_field_that_is_read_is_one_that_the_api_server_knows(control_plane: StartControlPlane, server: str):
    """The objects with every field set, taken in by the server without a field that it does not know."""
    plane = await control_plane(server=server)
    spec = {
        name: value
        for name, value in full_objects.POD["spec"].items()
        # what needs a class that exists; debuggers are written by a path of their own
        if name not in {"priority", "priorityClassName", "runtimeClassName", "ephemeralContainers", "resources"}
    }
    spec["volumes"] = [one for one in spec["volumes"] if one["name"] not in {"own", "plain"}]
    pod = {"metadata": {"name": "full"}, "spec": spec | {"hostNetwork": False}}
    debugger = full_objects.POD["spec"]["ephemeralContainers"][0]
    debugger = {name: debugger[name] for name in ("name", "image", "targetContainerName")}  # all it may say here
    node = {"metadata": {"name": "worker-1", "annotations": {"note": "kept"}}, "spec": full_objects.NODE["spec"]}
    merge = {"Content-Type": "application/merge-patch+json"}
    async with plane.api() as session:
        path = "/api/v1/namespaces/default/pods"
        async with session.post(path, json=pod, params=STRICT) as answer:
            assert answer.status == 201, await answer.text()
        change: Json = {"spec": {"ephemeralContainers": [debugger]}}
        async with session.patch(
            f"{path}/full/ephemeralcontainers", json=change, headers=merge, params=STRICT
        ) as answer:
            assert answer.status == 200, await answer.text()
        async with session.post("/api/v1/nodes", json=node, params=STRICT) as answer:
            assert answer.status == 201, await answer.text()
        change = {"status": full_objects.NODE["status"] | {"conditions": []}}
        async with session.patch("/api/v1/nodes/worker-1/status", json=change, headers=merge, params=STRICT) as answer:
            assert answer.status == 200, await answer.text()
    pods, nodes = await listed(plane, "/api/v1/namespaces/default/pods"), await listed(plane, "/api/v1/nodes")

    assert await shown(PODS, "pods", pods) == [pod_as_shown(one) for one in pods]
    assert await shown(NODES, "nodes", nodes) == [node_as_shown(one) for one in nodes]


async def test_nodes_in_strange_states_are_shown_as_the_api_server_tells_them(control_plane: StartControlPlane):
    """Conditions, taints, system, images and volumes, of nodes with some of each and of nodes with nothing."""
    plane = await control_plane()
    words = ("True", "False", "Unknown", "Odd")
    await plane.create(
        [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": f"node-{number}", "annotations": {"n": str(number)} if number % 3 else {}},
                "spec": {
                    "taints": [
                        {"key": f"k{at}", "value": "v" * (at % 2), "effect": effect}
                        for at, effect in enumerate(list(EFFECTS)[: number % 4])
                    ],
                    **({"podCIDR": f"10.{number}.0.0/24"} if number % 2 else {}),
                    **({"providerID": f"kind://{number}"} if number % 5 else {}),
                },
                "status": {
                    "conditions": [
                        {
                            "type": f"C{at}",
                            "status": words[(at + number) % 4],
                            "lastHeartbeatTime": full_objects.AT,
                            **(
                                {"reason": "R", "message": "m", "lastTransitionTime": full_objects.LATER}
                                if at % 2
                                else {}
                            ),
                        }
                        for at in range(number % 5)
                    ],
                    "images": [{"names": [f"i{at}"], "sizeBytes": 2**at} for at in range(0, number * 7 % 40, 7)],
                    "volumesInUse": ["csi/one"] if number % 2 else [],
                    "volumesAttached": [{"name": "csi/one", "devicePath": ""}] if number % 3 else [],
                    "nodeInfo": full_objects.NODE["status"]["nodeInfo"]
                    | {"swap": {"capacity": number + 1}, "kubeProxyVersion": "" if number % 2 else "v1.30.0"},
                },
            }
            for number in range(24)
        ]
    )

    said = await listed(plane, "/api/v1/nodes")

    assert len(said) == 24
    assert await shown(NODES, "nodes", said) == [node_as_shown(one) for one in said]
