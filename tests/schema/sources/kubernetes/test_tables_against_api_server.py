"""Services, workloads and the rest in kubectl's words, beside the API server's own: its Table is what kubectl prints.

On etcd and kube-apiserver alone: controllers would mend the strange states that are written here. A status that the
server's validation refuses leaves its object without one, which is a strange state too.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.durations import human_duration
from schema.sources.kubernetes.kinds import Decoder, Kind
from schema.sources.kubernetes.objects import Sharing
from schema.sources.kubernetes.quantities import quantity
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import StartControlPlane
from tests.schema.sources.kubernetes.test_words_against_api_server import said_and_seen

AT_ONCE = 24  # objects an example
STARTED = datetime(2026, 11, 1, tzinfo=UTC)
Draw = random.Random
Columns = dict[str, object]
NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Case:
    """How strange objects of a kind are made, and what its record prints in which column."""

    kind: Kind[Any]
    make: Callable[[Draw], dict[str, Any]]
    columns: Callable[[Any], Columns]
    timed: Callable[[Any, float], Columns] = lambda record, now: {}  # most print no other times


def moment(draw: Draw) -> str:
    return (STARTED + timedelta(seconds=draw.randrange(20 * 86_400))).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe(draw: Draw, **said: Any) -> dict[str, Any]:
    """Some of these fields."""
    return {name: value for name, value in said.items() if draw.random() < 0.6}


def template(draw: Draw, restart: str = "Always") -> dict[str, Any]:
    containers = [{"name": f"c{one}", "image": f"web:{one}"} for one in range(draw.randrange(1, 4))]
    spec = {"containers": containers, "restartPolicy": restart, **maybe(draw, nodeSelector={"disk": "ssd", "a": "b"})}
    return {"metadata": {"labels": {"app": "web", "tier": "a"}}, "spec": spec}


def selector(draw: Draw) -> dict[str, Any]:
    expressions = draw.sample(
        [
            {"key": "tier", "operator": "In", "values": ["b", "a"]},
            {"key": "app", "operator": "Exists"},
            {"key": "zone", "operator": "DoesNotExist"},
            {"key": "tier", "operator": "NotIn", "values": ["z", "y"]},
        ],
        draw.randrange(4),
    )
    return {"matchLabels": {"app": "web"}, "matchExpressions": expressions}


def service(draw: Draw) -> dict[str, Any]:
    kind = draw.choice(("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"))
    ports = [
        {"name": f"p{one}", "port": 80 + one, "protocol": draw.choice(("TCP", "UDP"))}
        for one in range(1, draw.randrange(2, 4))
    ]
    spec: dict[str, Any] = {"type": kind, "ports": ports, **maybe(draw, selector={"b": "c", "a": "b"})}
    if kind == "ExternalName":
        spec["externalName"] = "elsewhere.example.com"
    elif kind == "ClusterIP" and draw.random() < 0.4:
        spec["clusterIP"] = "None"
    if kind != "ExternalName":
        spec |= maybe(draw, externalIPs=["192.0.2.9", "192.0.2.1"])
    ingress = draw.choice(([], [{"hostname": "lb.example.com"}], [{"ip": "198.51.100.9"}, {"ip": "198.51.100.10"}] * 2))
    return {"spec": spec, "status": {"loadBalancer": {"ingress": ingress} if kind == "LoadBalancer" else {}}}


def replicas(draw: Draw) -> dict[str, int]:
    """Numbers that validation takes: no more ready than there are, none available that is not ready."""
    there = draw.randrange(9)
    ready = draw.randint(0, there)
    return {
        "replicas": there,
        "readyReplicas": ready,
        "availableReplicas": draw.randint(0, ready),
        "observedGeneration": draw.randrange(3),
    }


def deployment(draw: Draw) -> dict[str, Any]:
    status: dict[str, Any] = replicas(draw)
    status["updatedReplicas"] = draw.randint(0, status["replicas"])
    spec = {"selector": selector(draw), "template": template(draw), **maybe(draw, replicas=draw.randrange(9))}
    return {"spec": spec, "status": status}


def replica_set(draw: Draw) -> dict[str, Any]:
    spec = {"selector": selector(draw), "template": template(draw), **maybe(draw, replicas=draw.randrange(9))}
    return {"spec": spec, "status": replicas(draw)}


def stateful_set(draw: Draw) -> dict[str, Any]:
    spec = {"serviceName": "web", "selector": selector(draw), "template": template(draw)}
    return {"spec": spec | maybe(draw, replicas=draw.randrange(9)), "status": replicas(draw)}


def daemon_set(draw: Draw) -> dict[str, Any]:
    numbers = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    counted = {name: draw.randrange(9) for name in (*numbers, "numberAvailable", "numberMisscheduled")}
    return {"spec": {"selector": selector(draw), "template": template(draw)}, "status": counted}


def job(draw: Draw) -> dict[str, Any]:
    spec = {
        "template": template(draw, "Never"),
        **maybe(draw, completions=4, parallelism=draw.randrange(4), suspend=True),
    }
    start = STARTED + timedelta(seconds=draw.randrange(86_400))
    end = start + timedelta(seconds=draw.randrange(1, 200_000))
    status: dict[str, Any] = maybe(draw, startTime=start.strftime("%Y-%m-%dT%H:%M:%SZ"), succeeded=draw.randrange(5))
    word = draw.choice(("", "Suspended", "FailureTarget", "SuccessCriteriaMet", "Complete", "Failed"))
    before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}.get(word)
    status["conditions"] = [{"type": one, "status": "True"} for one in (before, word) if one]
    if word == "Complete":
        status["completionTime"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"spec": spec, "status": status, "deleted": draw.random() < 0.2}


def cron_job(draw: Draw) -> dict[str, Any]:
    spec = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template(draw, "Never")}}}
    spec |= maybe(draw, timeZone="Europe/Berlin", suspend=draw.random() < 0.5)
    active = [{"name": f"j{one}", "kind": "Job"} for one in range(draw.randrange(3))]
    return {"spec": spec, "status": maybe(draw, active=active, lastScheduleTime=moment(draw))}


def event(draw: Draw) -> dict[str, Any]:
    micro = moment(draw).replace("Z", ".123456Z")
    involved = draw.choice(({"kind": "Pod", "name": "web"}, {"kind": "Node"}))
    said = {
        "involvedObject": {"namespace": "default", **involved, **maybe(draw, fieldPath="spec.containers{web}")},
        "type": draw.choice(("Normal", "Warning")),
        "reason": "Because",
        "message": draw.choice(("said", "  spaced out \n")),
        **maybe(
            draw,
            count=draw.randrange(4),
            firstTimestamp=moment(draw),
            lastTimestamp=moment(draw),
            source=maybe(draw, component="kubelet", host="worker-1"),
        ),
    }
    if draw.random() < 0.5:  # the newer way, for which validation wants all of this
        said |= {"eventTime": micro, "reportingComponent": "example.com/a", "reportingInstance": "a-1", "action": "Do"}
        said |= maybe(draw, series={"count": draw.randrange(2, 9), "lastObservedTime": micro})
    return {"top": said}


def volume_claim(draw: Draw) -> dict[str, Any]:
    modes = draw.sample(("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"), draw.randrange(1, 4))
    spec = {"accessModes": modes, "resources": {"requests": {"storage": draw.choice(("1Gi", "1500M", "1.5Gi"))}}}
    spec |= maybe(draw, volumeName="pv-1", storageClassName="fast", volumeMode="Block")
    status = maybe(
        draw, phase=draw.choice(("Pending", "Bound", "Lost")), accessModes=modes, capacity={"storage": "10Gi"}
    )
    notes = maybe(draw, **{"volume.beta.kubernetes.io/storage-class": "old"}) if draw.random() < 0.3 else {}
    return {"spec": spec, "status": status, "annotations": notes, "deleted": draw.random() < 0.2}


def resource_quota(draw: Draw) -> dict[str, Any]:
    hard = maybe(
        draw, **{"pods": "10", "requests.cpu": "3500m", "limits.memory": "1.5Gi", "limits.cpu": "2", "cpu": "1"}
    )
    used = {name: "1" for name in hard if draw.random() < 0.7}
    return {"spec": {"hard": hard}, "status": maybe(draw, hard=hard, used=used)}


def disruption_budget(draw: Draw) -> dict[str, Any]:
    bound = draw.choice(({}, {"minAvailable": draw.choice((2, "50%"))}, {"maxUnavailable": draw.choice((0, "10%"))}))
    status = {"currentHealthy": 1, "desiredHealthy": 2, "expectedPods": 3, "disruptionsAllowed": draw.randrange(4)}
    return {"spec": {"selector": selector(draw), **bound}, "status": status}


def autoscaler(draw: Draw) -> dict[str, Any]:
    metrics, current = [], []
    for _ in range(draw.randrange(5)):
        kind = draw.choice(("Resource", "ContainerResource", "Pods", "Object", "External"))
        key, value = kind[0].lower() + kind[1:], draw.choice(("1500m", "2", "3Gi"))
        what: dict[str, Any] = {"metric": {"name": "hits"}}
        if "Resource" in kind:
            what = {"name": "cpu", **({"container": "main"} if kind == "ContainerResource" else {})}
        if kind == "Object":
            what["describedObject"] = {"kind": "Service", "name": "web", "apiVersion": "v1"}
        by = draw.choice(_TARGETS[kind])
        number = 80 if by == "averageUtilization" else value
        metrics.append({"type": kind, key: {**what, "target": {"type": _TYPES[by], by: number}}})
        said = maybe(draw, averageUtilization=40) if "Resource" in kind else {}
        now = {"averageValue": value} if by != "value" else {"value": value}
        current.append({"type": kind, key: {**what, "current": now | said}})
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 9}
    spec |= maybe(draw, minReplicas=2, metrics=metrics)
    reported = {"currentMetrics": current[: draw.randint(0, len(current))]}
    return {"spec": spec, "status": {"currentReplicas": draw.randrange(9), "desiredReplicas": 2, **reported}}


_TYPES = {"averageUtilization": "Utilization", "averageValue": "AverageValue", "value": "Value"}
_TARGETS = {
    "Resource": ("averageUtilization", "averageValue"),
    "ContainerResource": ("averageUtilization", "averageValue"),
    "Pods": ("averageValue",),
    "Object": ("value", "averageValue"),
    "External": ("value", "averageValue"),
}


def since(at: str | None, now: float, never: str) -> str:
    return never if at is None else human_duration(now - datetime.fromisoformat(at).timestamp())


def containers(record: Any) -> Columns:
    return {"Containers": ",".join(record.container_names), "Images": ",".join(record.images)}


def pairs(labels: Any) -> str:
    return ",".join(f"{label.key}={label.value}" for label in labels) or NONE


def amounts(text: str) -> dict[str, tuple[float, float]]:
    """Of a quota's column, as numbers."""
    parts = (part.partition(": ") for part in text.split(", ") if part)
    return {
        name: (float(quantity(both.partition("/")[0])), float(quantity(both.partition("/")[2])))
        for name, _, both in parts
    }


CASES = [
    Case(
        kinds.SERVICES,
        service,
        lambda one: {
            "Type": one.type,
            "Cluster-IP": one.cluster_ips[0] if one.cluster_ips else NONE,
            "External-IP": one.external_ip_text,
            "Port(s)": one.ports_text,
            "Selector": pairs(one.selector),
        },
    ),
    Case(
        kinds.DEPLOYMENTS,
        deployment,
        lambda one: {
            "Ready": one.ready_text,
            "Up-to-date": one.updated_replicas,
            "Available": one.available_replicas,
            "Selector": one.selector,
            **containers(one),
        },
    ),
    Case(
        kinds.REPLICA_SETS,
        replica_set,
        lambda one: {
            "Desired": one.replicas,
            "Current": one.current_replicas,
            "Ready": one.ready_replicas,
            "Selector": one.selector,
            **containers(one),
        },
    ),
    Case(kinds.STATEFUL_SETS, stateful_set, lambda one: {"Ready": one.ready_text, **containers(one)}),
    Case(
        kinds.DAEMON_SETS,
        daemon_set,
        lambda one: {
            "Desired": one.desired,
            "Current": one.current,
            "Ready": one.ready,
            "Up-to-date": one.updated,
            "Available": one.available,
            "Node Selector": pairs(one.node_selector),
            "Selector": one.selector,
            **containers(one),
        },
    ),
    Case(
        kinds.JOBS,
        job,
        lambda one: {
            "Status": one.status,
            "Completions": one.completions_text,
            "Selector": one.selector,
            **containers(one),
        },
        lambda one, now: {"Duration": one.duration_text(now)},
    ),
    Case(
        kinds.CRON_JOBS,
        cron_job,
        lambda one: {
            "Schedule": one.schedule,
            "Timezone": one.time_zone or NONE,
            "Suspend": str(one.suspended),
            "Active": one.active,
            **containers(one),
        },
        lambda one, now: {"Last Schedule": since(one.last_scheduled_at, now, NONE)},
    ),
    Case(
        kinds.EVENTS,
        event,
        lambda one: {
            "Type": one.type,
            "Reason": one.reason,
            "Object": "/".join(filter(None, (one.object.kind.lower(), one.object.name))),
            "Subobject": one.object.field_path or "",
            "Source": f"{one.source}, {one.source_instance}" if one.source_instance else one.source,
            "Message": one.message,
            "Count": one.count,
        },
        lambda one, now: {
            "First Seen": since(one.first_seen_at, now, "<unknown>"),
            "Last Seen": since(one.last_seen_at, now, "<unknown>"),
        },
    ),
    Case(
        kinds.VOLUME_CLAIMS,
        volume_claim,
        lambda one: {
            "Status": one.status,
            "Volume": one.volume_name or "",
            "Capacity": one.capacity or 0,
            "Access Modes": one.access_modes_text,
            "StorageClass": one.storage_class or "",
            "VolumeAttributesClass": one.volume_attributes_class or "<unset>",
            "VolumeMode": one.volume_mode or "<unset>",
        },
    ),
    Case(
        kinds.RESOURCE_QUOTAS,
        resource_quota,
        lambda one: {
            # a quota whose status names no limits prints none; its spec is what is to be
            "amounts": {each.resource: (each.used, each.hard) for each in one.amounts if each.used is not None}
        },
    ),
    Case(
        kinds.DISRUPTION_BUDGETS,
        disruption_budget,
        lambda one: {
            "Min Available": one.min_available or "N/A",
            "Max Unavailable": one.max_unavailable or "N/A",
            "Allowed Disruptions": one.disruptions_allowed,
        },
    ),
    Case(
        kinds.AUTOSCALERS,
        autoscaler,
        lambda one: {
            "Reference": f"{one.target.kind}/{one.target.name}",
            "Targets": one.targets_text,
            "MinPods": "<unset>" if one.min_replicas is None else str(one.min_replicas),
            "MaxPods": one.max_replicas,
            "Replicas": one.current_replicas,
        },
    ),
]


async def write(session: aiohttp.ClientSession, kind: Kind[Any], example: str, name: str, made: dict[str, Any]) -> bool:
    """Whether its status was taken."""
    path = kind.path("default")
    metadata = {"name": name, "labels": {"example": example}, "finalizers": ["example.com/stay"]}
    metadata["annotations"] = made.get("annotations", {})
    body = {"metadata": metadata, **({"spec": made["spec"]} if "spec" in made else made["top"])}
    async with session.post(path, json=body) as answer:
        assert answer.status == 201, (await answer.text(), body)
    taken = True
    if "status" in made:
        headers = {"Content-Type": "application/merge-patch+json"}
        async with session.patch(f"{path}/{name}/status", json={"status": made["status"]}, headers=headers) as answer:
            assert answer.status in (200, 422), await answer.text()
            taken = answer.status == 200
    if made.get("deleted"):
        async with session.delete(f"{path}/{name}", params={"propagationPolicy": "Background"}) as answer:
            assert answer.status in (200, 202), await answer.text()
    return taken


async def check(plane: ControlPlane, case: Case, example: str, drawn: Draw) -> int:
    """How many statuses were taken; every row of the server's table is what the record prints."""
    made = [case.make(drawn) for _ in range(AT_ONCE)]
    async with plane.api() as session:
        taken = await asyncio.gather(
            *(write(session, case.kind, example, f"{example}-{number}", one) for number, one in enumerate(made))
        )
    rows, bodies = await said_and_seen(plane, f"{case.kind.path('default')}?labelSelector=example={example}")
    assert len(rows) == len(made)
    decoder, now = Decoder(case.kind, Sharing()), time.time()
    for row, body in zip(rows, bodies, strict=True):
        record = decoder.decode(body)
        printed = in_numbers(case.kind, row)
        ours = {"Name": record.name, **case.columns(record)}
        assert ours == {name: printed[name] for name in ours}, body.decode()
        # the server's clock ran a moment before ours
        assert any(
            times == {name: row[name] for name in times}
            for times in (case.timed(record, now - ago) for ago in range(5))
        )
    return sum(taken)


def in_numbers(kind: Kind[Any], row: dict[str, Any]) -> dict[str, Any]:
    """The row, with amounts as numbers where the record has numbers."""
    if kind is kinds.VOLUME_CLAIMS:
        return row | {"Capacity": int(quantity(row["Capacity"] or "0"))}
    if kind is kinds.RESOURCE_QUOTAS:
        return row | {"amounts": amounts(row["Request"]) | amounts(row["Limit"])}
    return row


async def hold(start: StartControlPlane, case: Case, examples: int) -> None:
    plane = await start()
    loop, numbers = asyncio.get_running_loop(), itertools.count()
    taken: list[int] = []

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # the message has the object: shrinking would write thousands more
        suppress_health_check=list(HealthCheck),
    )
    @given(seed=st.integers(0, 2**32))
    def every_row(seed: int) -> None:
        example = f"{case.kind.name}-{next(numbers)}"
        asked = check(plane, case, example, random.Random(seed))
        taken.append(asyncio.run_coroutine_threadsafe(asked, loop).result())

    await asyncio.to_thread(every_row)
    assert sum(taken) >= len(taken) * AT_ONCE // 3, "validation refuses most of what is written here"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.name)
async def test_strange_objects_read_as_kubectl_prints_them(control_plane: StartControlPlane, case: Case):
    """Every column but AGE, in the API server's own words."""
    await hold(control_plane, case, 2)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.name)
async def test_many_strange_objects_read_as_kubectl_prints_them(control_plane: StartControlPlane, case: Case):
    """The same, of many more."""
    await hold(control_plane, case, 25)
