"""Kinds that are watched while somebody asks for them, as clients meet them: over HTTP, at a real API server."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from gateway.config import Config
from schema.execution.plan.operations import Plan
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.settings import PrometheusSettings
from tests.cluster.control_plane import ADMIN, ControlPlane, Refused, eventually
from tests.cluster.fixtures import StartControlPlane
from tests.front_door import FrontDoor, free_port, open_front_door

IDLE_S: Final = 2.0
BINNACLE, CLERK, READER = "alice", "bob", "carol"  # the gateway's own account; pods alone; everything
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
RULE: Final = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]}
DEPLOYMENTS: Final = "{ deployments { name } pods { name } }"


async def may(plane: ControlPlane, user: str, *rules: Mapping[str, Sequence[str]]) -> None:
    name = f"{user}-{len((await plane.request('GET', f'{RBAC}/clusterroles'))['items'])}"
    await plane.request("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": list(rules)})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    await plane.request("POST", f"{RBAC}/clusterrolebindings", binding)


async def can_read(plane: ControlPlane, user: str, path: str) -> bool:
    try:
        await plane.request("GET", path, user=user)
    except Refused:
        return False
    return True


async def prepared(control_plane: StartControlPlane) -> ControlPlane:
    """A deployment, a gateway that may watch what always runs, and two users."""
    plane = await control_plane()
    core = {"apiGroups": [""], "resources": ["nodes", "pods", "namespaces", "services"], "verbs": ["list", "watch"]}
    await may(
        plane,
        BINNACLE,
        core,
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
    )
    await may(plane, CLERK, core)
    await may(plane, READER, core, RULE)
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "web"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    await plane.request(
        "POST", "/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "web"}, "spec": spec}
    )
    await eventually(lambda: can_read(plane, BINNACLE, "/api/v1/services"))
    await eventually(lambda: can_read(plane, READER, "/apis/apps/v1/deployments"))
    return plane


def config_for(plane: ControlPlane) -> Config:
    return Config(
        server=free_port(),
        kubernetes=KubernetesSettings(
            kubeconfig=plane.kubeconfig_of(BINNACLE), idle_kind_seconds=IDLE_S, first_list_seconds=IDLE_S
        ),
        prometheus=PrometheusSettings(url=None),
    )


def watched(door: FrontDoor) -> set[str]:
    return set(door.gateway.cluster.status())


async def test_a_kind_from_its_missing_rule_to_its_idle_end(control_plane: StartControlPlane):
    """Not for a stranger; refused by name of the rule; granted and shown; given back; and there again when asked."""
    plane = await prepared(control_plane)
    async with open_front_door(config_for(plane)) as door:
        standing = watched(door)

        stranger = await door.ask(DEPLOYMENTS, plane.token(CLERK))
        assert stranger.body["data"] == {"deployments": None, "pods": []}
        assert stranger.codes == ["FORBIDDEN"]
        assert watched(door) == standing

        refused = await door.ask(DEPLOYMENTS, plane.token(READER))
        (error,) = refused.errors
        assert refused.body["data"] == {"deployments": None, "pods": []}
        assert (error["path"], error["extensions"]["code"]) == (["deployments"], "UNAVAILABLE")
        assert '{apiGroups: ["apps"], resources: ["deployments"], verbs: ["list", "watch"]}' in error["message"]
        assert (await door.request("GET", "/readyz")).status == 200

        await may(plane, BINNACLE, RULE)
        shown = {"deployments": [{"name": "web"}], "pods": []}
        await door.eventually(lambda: data(door, plane.token(READER)), shown, within=90)
        assert watched(door) == {*standing, "deployments"}

        async def given_back() -> bool:
            return watched(door) == standing

        await eventually(given_back)
        assert (await door.ask(DEPLOYMENTS, plane.token(READER))).data == shown


async def data(door: FrontDoor, token: str) -> Any:
    return (await door.ask(DEPLOYMENTS, token)).body["data"]


async def test_events_that_come_all_the_time_outdate_nothing_else(
    control_plane: StartControlPlane, monkeypatch: pytest.MonkeyPatch
):
    """While events are asked for and keep coming, a question about nodes is answered by what was kept, not executed."""
    plane = await prepared(control_plane)
    await may(plane, BINNACLE, {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]})
    await eventually(lambda: can_read(plane, BINNACLE, "/api/v1/events"))
    await plane.create_nodes(2)
    executed: list[Plan] = []
    execute = Plan.execute

    def counting(plan: Plan, *arguments: Any, **options: Any) -> Any:
        executed.append(plan)
        return execute(plan, *arguments, **options)

    monkeypatch.setattr(Plan, "execute", counting)
    async with open_front_door(config_for(plane)) as door:

        async def node_names() -> list[str]:
            return [node["name"] for node in (await door.ask("{ nodes { name } }", plane.token(ADMIN))).data["nodes"]]

        async def ticks() -> list[str]:
            answer = await door.ask("{ events { name } }", plane.token(ADMIN))
            return sorted(event["name"] for event in answer.data["events"] if event["name"].startswith("tick"))

        names = await node_names()
        (of_nodes,) = executed
        for number in range(3):
            about = {"kind": "Node", "name": "node-0000"}
            event = {
                "metadata": {"name": f"tick-{number}"},
                "involvedObject": about,
                "reason": "Tick",
                "type": "Normal",
            }
            await plane.request("POST", "/api/v1/namespaces/default/events", event)
            await door.eventually(ticks, [f"tick-{each}" for each in range(number + 1)])
            assert await node_names() == names

        assert names == ["node-0000", "node-0001"]
        assert executed.count(of_nodes) == 1
        assert len(executed) > 3, "each event outdates what was kept about events"
