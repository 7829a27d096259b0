"""Pods and nodes in kubectl's words, beside the API server's own: its Table is what `kubectl get` prints.

On etcd and kube-apiserver alone: controllers or KWOK would mend the strange states that are written here.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schema.sources.kubernetes.durations import human_duration
from schema.sources.kubernetes.kinds import NAMESPACES, NODES, PODS, Decoder
from schema.sources.kubernetes.objects import Sharing
from schema.sources.kubernetes.pod_words import restarts_text
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import StartControlPlane

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
EXAMPLES = 15
AT_ONCE = 24  # pods an example: the API server writes them side by side
PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown", "")
REASONS = ("", "Completed", "Error", "OOMKilled", "CrashLoopBackOff", "ImagePullBackOff", "PodInitializing", "Strange")
STARTED = datetime(2026, 11, 1, tzinfo=UTC)

moments = st.integers(0, 20 * 24 * 3600).map(lambda s: (STARTED + timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ"))
terminated = st.fixed_dictionaries(
    {"exitCode": st.sampled_from((0, 0, 1, 137)), "reason": st.sampled_from(("Completed", "Completed", "Error", ""))},
    optional={"signal": st.sampled_from((0, 9)), "finishedAt": moments},
)
states = st.one_of(
    st.just({}),
    st.builds(lambda reason: {"waiting": {"reason": reason} if reason else {}}, st.sampled_from(REASONS)),
    st.builds(lambda at: {"running": {"startedAt": at}}, moments),
    st.builds(lambda how: {"terminated": how}, terminated),
    st.builds(lambda how: {"terminated": how}, terminated),  # twice: beside a completed one, most rules apply
)
last_states = st.one_of(st.just({}), st.builds(lambda how: {"terminated": how}, terminated))


def statuses(names: tuple[str, ...]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """What a kubelet may say of some of these containers, in order."""
    one = {
        "ready": st.booleans(),
        "restartCount": st.integers(0, 3),
        "image": st.just("i"),
        "imageID": st.just(""),
        "state": states,
        "lastState": last_states,
    }
    each = [
        st.fixed_dictionaries({"name": st.just(name), **one}, optional={"started": st.booleans()}) for name in names
    ]
    return st.tuples(*each, st.integers(0, len(names))).map(
        lambda drawn: list(drawn[: drawn[-1] or len(names)])[: len(names)]
    )


def conditions(*types: str) -> st.SearchStrategy[list[dict[str, str]]]:
    one = st.sampled_from(("True", "False", "Unknown"))
    return st.lists(st.sampled_from(types), unique=True).flatmap(
        lambda chosen: st.tuples(*(one for _ in chosen)).map(
            lambda said: [{"type": kind, "status": status} for kind, status in zip(chosen, said, strict=True)]
        )
    )


@st.composite
def strange_pods(draw: st.DrawFn) -> dict[str, Any]:
    """A pod that no kubelet would report, and that the API server takes."""
    inits = draw(st.lists(st.booleans(), max_size=3))  # whether it is a sidecar
    containers = draw(st.integers(1, 3))
    said = draw(conditions("Ready", "Initialized", "example.com/gate"))
    if draw(st.integers(0, 9)) == 0:
        said.append({"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"})
    address = draw(st.sampled_from(([], ["10.1.2.3"], ["10.1.2.3", "fd00::3"])))
    node = draw(st.sampled_from(("", "worker-1")))
    return {
        "deleted": draw(st.integers(0, 3)) == 0,
        "spec": {
            "nodeName": node,
            "readinessGates": [{"conditionType": "example.com/gate"}] if draw(st.booleans()) else [],
            "initContainers": [
                {"name": f"i{number}", "image": "i", **({"restartPolicy": "Always"} if sidecar else {})}
                for number, sidecar in enumerate(inits)
            ],
            "containers": [{"name": f"c{number}", "image": "i"} for number in range(containers)],
        },
        "status": {
            "phase": draw(st.sampled_from(PHASES)),
            "reason": draw(st.sampled_from(("", "", "NodeLost", "Evicted"))),
            "conditions": said,
            **({"podIP": address[0], "podIPs": [{"ip": one} for one in address]} if address else {}),
            "initContainerStatuses": draw(statuses(tuple(f"i{number}" for number in range(len(inits))))),
            "containerStatuses": draw(statuses(tuple(f"c{number}" for number in range(containers)))),
        },
    }


class Batch(list[dict[str, Any]]):
    """Many pods at once; what failed is in the assertion, so the list itself need not be printed."""

    def __repr__(self) -> str:
        return f"{len(self)} pods"


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    return Batch(draw(strange_pods()) for _ in range(AT_ONCE))


async def write(session: aiohttp.ClientSession, example: str, name: str, pod: Mapping[str, Any]) -> None:
    path = "/api/v1/namespaces/default/pods"
    metadata = {"name": name, "labels": {"example": example}, "finalizers": ["example.com/stay"]}  # even if it is done
    async with session.post(path, json={"metadata": metadata, "spec": pod["spec"]}) as answer:
        assert answer.status == 201, await answer.text()
    headers = {"Content-Type": "application/merge-patch+json"}
    async with session.patch(f"{path}/{name}/status", json={"status": pod["status"]}, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
    if pod["deleted"]:
        async with session.delete(f"{path}/{name}", params={"gracePeriodSeconds": "3600"}) as answer:
            assert answer.status == 200, await answer.text()


async def said_and_seen(plane: ControlPlane, path: str) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The rows of the server's own table, by column, and the same objects as JSON."""
    async with plane.api() as session:
        async with session.get(path, headers={"Accept": TABLE}) as answer:
            table = await answer.json()
        async with session.get(path) as answer:
            items = (await answer.json())["items"]
    columns = [column["name"] for column in table["columnDefinitions"]]
    rows = [dict(zip(columns, row["cells"], strict=True)) for row in table["rows"]]
    return rows, [json.dumps(item).encode() for item in items]


async def check_pods(plane: ControlPlane, example: str, pods: list[dict[str, Any]]) -> None:
    async with plane.api() as session:
        await asyncio.gather(*(write(session, example, f"{example}-{number}", pod) for number, pod in enumerate(pods)))
    rows, bodies = await said_and_seen(plane, f"/api/v1/namespaces/default/pods?labelSelector=example={example}")
    assert len(rows) == len(pods)
    decoder = Decoder(PODS, Sharing())
    now = time.time()
    for row, body in zip(rows, bodies, strict=True):
        record = decoder.decode(body)
        last = None if record.last_restart is None else datetime.fromisoformat(record.last_restart).timestamp()
        ours = {
            "Name": record.name,
            "Ready": f"{record.containers_ready}/{record.containers_total}",
            "Status": record.status,
            "IP": record.addresses[0] if record.addresses else "<none>",
            "Node": record.node_name or "<none>",
        }
        assert ours == {name: row[name] for name in ours}, body.decode()
        # the server's clock ran a moment before ours
        assert row["Restarts"] in {restarts_text(record.restarts, last, now - ago) for ago in range(5)}, body.decode()


async def test_pods_in_strange_states_read_as_kubectl_prints_them(control_plane: StartControlPlane):
    """NAME, READY, STATUS, RESTARTS, IP and NODE, in the API server's own words."""
    plane = await control_plane()
    loop = asyncio.get_running_loop()
    examples = itertools.count()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # the message has the pod: shrinking would write thousands more
        suppress_health_check=list(HealthCheck),
    )
    @given(pods=batches())
    def hold(pods: Batch) -> None:
        asyncio.run_coroutine_threadsafe(check_pods(plane, f"pod-{next(examples)}", pods), loop).result()

    await asyncio.to_thread(hold)


async def test_nodes_and_namespaces_in_every_state_read_as_kubectl_prints_them(control_plane: StartControlPlane):
    """A node's STATUS with SchedulingDisabled, and ROLES by both labels; a namespace's STATUS while it ends."""
    plane = await control_plane()
    roles: tuple[dict[str, str], ...] = (
        {},
        {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/etcd": "true"},
        {"kubernetes.io/role": "master", "node-role.kubernetes.io/b": ""},
    )
    written = [
        {
            "kind": "Node",
            "metadata": {"name": f"node-{number}", "labels": roles[number % len(roles)]},
            "spec": {"unschedulable": bool(number % 2)},
            "status": {"conditions": [{"type": "Ready", "status": ready}] if ready else []},
        }
        for number, ready in enumerate(("True", "False", "Unknown", "", "Odd") * 6)
    ]
    await plane.create(written)

    rows, bodies = await said_and_seen(plane, "/api/v1/nodes")

    decoder = Decoder(NODES, Sharing())
    records = [decoder.decode(body) for body in bodies]
    assert [(one.name, one.status, ",".join(one.roles) or "<none>") for one in records] == [
        (row["Name"], row["Status"], row["Roles"]) for row in rows
    ]
    assert {one.status for one in records} >= {"Ready,SchedulingDisabled", "Unknown", "NotReady"}

    await plane.create_namespace("ending")
    await plane.request("DELETE", "/api/v1/namespaces/ending")  # without controllers nobody empties it
    rows, bodies = await said_and_seen(plane, "/api/v1/namespaces")
    namespaces = [Decoder(NAMESPACES, Sharing()).decode(body) for body in bodies]
    assert [(one.name, one.phase) for one in namespaces] == [(row["Name"], row["Status"]) for row in rows]
    assert {one.phase for one in namespaces} == {"Active", "Terminating"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_000, "3h3m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (180_000, "2d2h"),
        (691_200, "8d"),
        (63_071_999, "729d"),
        (63_072_000, "2y"),
        (64_000_000, "2y10d"),
        (252_288_000, "8y"),
        (400_000_000, "12y"),
    ],
)
def test_lengths_of_time_are_written_as_kubectl_writes_them(seconds: float, words: str):
    """HumanDuration, at each of its borders."""
    assert human_duration(seconds) == words
    assert re.fullmatch(r"<invalid>|(\d+[ydhms]){1,2}", words)
