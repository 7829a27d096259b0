"""What pods claim, beside the rows and totals of `kubectl describe node`, which counts as the scheduler does.

Random pods with init containers, sidecars, overhead and pod-level resources, on etcd and kube-apiserver alone.
"""

import json
import math
import random
import re
from typing import Any

import pytest

from schema.sources.kubernetes.kinds import PODS, Decoder
from schema.sources.kubernetes.node_sums import limited, requested
from schema.sources.kubernetes.objects import PodRecord, Sharing
from schema.sources.kubernetes.quantities import quantity
from tests.cluster import objects
from tests.cluster.fixtures import StartControlPlane

PODS_A_NODE = 120
GPU, HUGE = "nvidia.com/gpu", "hugepages-2Mi"
ROW = re.compile(
    r"^ +default +(\S+) +(\S+) \(-?\d+%\) +(\S+) \(-?\d+%\) +(\S+) \(-?\d+%\) +(\S+) \(-?\d+%\)", re.MULTILINE
)
TOTAL = re.compile(
    r"^ +(cpu|memory|ephemeral-storage|\S+/gpu|hugepages-2Mi) +(\S+)(?: \(\d+%\))? +(\S+)(?: \(\d+%\))?$", re.MULTILINE
)


def claim(chance: random.Random) -> dict[str, Any]:
    """A container's resources that the API server takes: no request above its limit."""
    resources: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for name, unit in (("cpu", "m"), ("memory", "Mi"), ("ephemeral-storage", "Mi")):
        asked = chance.randrange(0, 400)
        if chance.random() < 0.7:
            resources["requests"][name] = f"{asked}{unit}"
        if chance.random() < 0.5:
            resources["limits"][name] = f"{asked + chance.randrange(0, 300)}{unit}"
    for name, amount in ((GPU, str(chance.randrange(1, 4))), (HUGE, f"{chance.randrange(1, 9) * 2}Mi")):
        if chance.random() < 0.15:
            resources["requests"][name] = resources["limits"][name] = amount
            resources["requests"].setdefault("cpu", "1m")  # huge pages need cpu or memory beside them
            if "cpu" in resources["limits"] and quantity(resources["limits"]["cpu"]) < quantity("1m"):
                resources["limits"]["cpu"] = "1m"
    return resources


def pod(chance: random.Random, name: str) -> dict[str, Any]:
    containers = [
        {"name": f"c{number}", "image": "i", "resources": claim(chance)} for number in range(chance.randrange(1, 4))
    ]
    inits: list[dict[str, Any]] = [
        {"name": f"i{number}", "image": "i", "resources": claim(chance)} for number in range(chance.randrange(0, 4))
    ]
    for init in inits:
        if chance.random() < 0.5:
            init["restartPolicy"] = "Always"
    spec: dict[str, Any] = {"nodeName": "worker", "containers": containers, "initContainers": inits}
    if chance.random() < 0.3:
        spec |= {"runtimeClassName": "heavy", "overhead": {"cpu": "7m", "memory": "3Mi"}}
    if chance.random() < 0.3:
        spec["resources"] = {"requests": {"cpu": "5", "memory": "9Gi"}, "limits": {"cpu": "6", "memory": "10Gi"}}
    return {"kind": "Pod", "metadata": {"name": name}, "spec": spec, "status": {"phase": "Running"}}


def reported(chance: random.Random, made: dict[str, Any]) -> dict[str, Any]:
    """A resize in the middle: the kubelet has set aside, and runs with, something else than what is asked for."""
    ask = {"cpu": f"{chance.randrange(1, 900)}m", "memory": f"{chance.randrange(1, 900)}Mi"}
    runs = {"cpu": f"{chance.randrange(1, 900)}m", "memory": f"{chance.randrange(1, 900)}Mi"}
    one = {"image": "i", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}}}
    status = {**one, "name": "c0", "allocatedResources": ask, "resources": {"requests": runs, "limits": runs}}
    pending = {"type": "PodResizePending", "status": "True", "reason": chance.choice(("Infeasible", "Deferred"))}
    return {**made, "status": {"phase": "Running", "containerStatuses": [status], "conditions": [pending]}}


def cell(record: PodRecord) -> tuple[float, ...]:
    parts = (record.requests.cpu, record.limits.cpu, record.requests.memory, record.limits.memory)
    return tuple(float(part or 0) for part in parts)


@pytest.mark.parametrize("seed", [7, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(8, 14))])
async def test_pods_claim_what_kubectl_says_they_do(control_plane: StartControlPlane, seed: int):
    """Row by row, resizes included; and in total, for pods that are not being resized."""
    plane = await control_plane()
    chance = random.Random(seed)
    runtime = {"metadata": {"name": "heavy"}, "handler": "h", "overhead": {"podFixed": {"cpu": "7m", "memory": "3Mi"}}}
    await plane.request("POST", "/apis/node.k8s.io/v1/runtimeclasses", runtime)
    node = objects.node("worker", 1)
    for amounts in (node["status"]["capacity"], node["status"]["allocatable"]):
        amounts |= {GPU: "8", HUGE: "512Mi"}
    await plane.create([node])
    steady = [pod(chance, f"steady-{number}") for number in range(PODS_A_NODE)]
    done = [{**pod(chance, f"done-{phase.lower()}"), "status": {"phase": phase}} for phase in ("Succeeded", "Failed")]
    await plane.create([*steady, *done])

    async def records() -> dict[str, PodRecord]:
        decoder = Decoder(PODS, Sharing())
        items = (await plane.request("GET", "/api/v1/namespaces/default/pods"))["items"]
        return {record.name: record for record in (decoder.decode(json.dumps(item).encode()) for item in items)}

    said = await plane.kubectl("describe", "node", "worker")
    ours = await records()
    totals = {name: (amounts, limits) for name, amounts, limits in TOTAL.findall(said.split("Allocated resources:")[1])}
    for side, sums in enumerate((requested(ours.values()), limited(ours.values()))):
        others = {one.name: one.amount for one in sums.others}
        assert sums.pods == PODS_A_NODE
        assert sums.cpu == float(quantity(totals["cpu"][side]))
        assert sums.memory == math.ceil(quantity(totals["memory"][side]))
        assert sums.ephemeral_storage == math.ceil(quantity(totals["ephemeral-storage"][side]))
        assert others == {name: int(quantity(totals[name][side])) for name in (GPU, HUGE)}

    await plane.create([reported(chance, pod(chance, f"resizing-{number}")) for number in range(60)])
    said = await plane.kubectl("describe", "node", "worker")
    ours = await records()
    rows = {name: tuple(float(quantity(text)) for text in cells) for name, *cells in ROW.findall(said)}
    assert len(rows) == PODS_A_NODE + 60
    assert {name: cell(ours[name]) for name in rows} == rows
