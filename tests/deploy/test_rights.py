"""The chart's ClusterRole is enough for the gateway, and not more than enough: asked of the real API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from gateway.config import Config
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.cluster.control_plane import ControlPlane, eventually
from tests.cluster.fixtures import Namespace
from tests.deploy.helm import Helm, Manifest, one
from tests.front_door import free_port, open_front_door

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate")

# What the API server gives everybody who has logged in: questions about themselves (system:basic-user), and to service
# accounts the public certificates that clusters publish (system:cluster-trust-bundle-discovery).
EVERYBODYS = {
    *((verb, "certificates.k8s.io", "clustertrustbundles") for verb in ("get", "list", "watch")),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
    ("create", "authorization.k8s.io", "selfsubjectrulesreviews"),
}
REVIEWED = {
    ("create", "authentication.k8s.io", "tokenreviews"),
    ("create", "authorization.k8s.io", "subjectaccessreviews"),
}


class Account:
    """The chart's service account with the chart's rights, in a real cluster."""

    def __init__(self, plane: ControlPlane, namespace: str, name: str, role: Manifest) -> None:
        self.plane = plane
        self.namespace = namespace
        self.name = name
        self.role = role

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    async def may(self, verb: str, group: str, resource: str) -> bool:
        attributes = {"verb": verb, "group": group, "resource": resource}
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"]
        spec = {"user": self.user, "groups": groups, "resourceAttributes": attributes}
        return bool((await self.plane.request("POST", REVIEWS, {"spec": spec}))["status"]["allowed"])

    async def config(self, folder: Path) -> Config:
        """As in a pod, but that the token comes from a kubeconfig."""
        token = await self.plane.create_token(self.name, self.namespace)
        cluster = {"server": self.plane.server, "certificate-authority": str(self.plane.ca_file)}
        content = {
            "clusters": [{"name": "own", "cluster": cluster}],
            "users": [{"name": "own", "user": {"token": token}}],
            "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
            "current-context": "own",
        }
        file = folder / "kubeconfig"
        file.write_text(json.dumps(content))
        return Config(server=free_port(), kubernetes=KubernetesSettings(kubeconfig=file))


@pytest.fixture
async def account(real_cluster: ControlPlane, namespace: Namespace, helm: Helm) -> AsyncIterator[Account]:
    """What the chart renders for the account, created; removed after the test."""
    name = f"binnacle-{namespace.name}"
    objects = helm.objects("--set", f"fullnameOverride={name}", "--namespace", namespace.name)
    await real_cluster.request(
        "POST", f"/api/v1/namespaces/{namespace.name}/serviceaccounts", one(objects, "ServiceAccount")
    )
    created = []
    for item in objects:
        path = {"ClusterRole": ROLES, "ClusterRoleBinding": f"{ROLES[:-1]}bindings"}.get(item["kind"])
        if path and item["metadata"]["name"].startswith(name):
            await real_cluster.request("POST", path, item)
            created.append(f"{path}/{item['metadata']['name']}")
    account = Account(real_cluster, namespace.name, name, one(objects, "ClusterRole", f"{name}-gateway"))
    await eventually(lambda: account.may("watch", "", "pods"))
    await eventually(lambda: account.may("create", "authorization.k8s.io", "subjectaccessreviews"))
    yield account
    for path in created:
        await real_cluster.request("DELETE", path)


async def test_the_account_may_do_what_the_chart_says_and_nothing_else(account: Account):
    """Every verb on every resource that the API server knows, subresources included."""
    granted = {
        (verb, group, resource)
        for rule in account.role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    asked = [(verb, group, name) for group, name in await resources(account.plane) for verb in VERBS]
    assert granted | REVIEWED <= set(asked)
    turns = asyncio.Semaphore(16)

    async def answer(question: tuple[str, str, str]) -> bool:
        async with turns:
            return await account.may(*question)

    answers = await asyncio.gather(*(answer(question) for question in asked))
    allowed = {question for question, yes in zip(asked, answers, strict=True) if yes}
    assert allowed == granted | REVIEWED | EVERYBODYS


async def resources(plane: ControlPlane) -> list[tuple[str, str]]:
    """(group, resource) of everything served; `pods/log` and the like too."""
    groups = (await plane.request("GET", "/apis"))["groups"]
    served = [(group["name"], f"/apis/{group['preferredVersion']['groupVersion']}") for group in groups]
    versions = [("", "/api/v1"), *served]
    return [
        (group, item["name"]) for group, path in versions for item in (await plane.request("GET", path))["resources"]
    ]


async def test_with_these_rights_the_gateway_answers(account: Account, namespace: Namespace, tmp_path: Path):
    """Nodes with their pods, for somebody with their own token and rights."""
    await namespace.run_pods("web")
    user = await namespace.account("reader")
    await account.plane.allow(user.user, ["list"], ["nodes", "pods", "namespaces", "services"])
    async with open_front_door(await account.config(tmp_path)) as door:
        answer = await door.ask("{ nodes { pods { name namespace } } }", user.token)
    names = {(pod["namespace"], pod["name"]) for node in answer.data["nodes"] for pod in node["pods"]}
    assert (namespace.name, "web") in names


@pytest.mark.parametrize(
    ("lost", "query", "code"),
    [
        ("nodes", "{ nodes { name } }", "UNAVAILABLE"),
        ("pods", "{ pods { name } }", "UNAVAILABLE"),
        ("services", '{ pods(filter: {service: "web"}) { name } }', "UNAVAILABLE"),
    ],
)
async def test_without_one_of_them_a_named_thing_fails(
    account: Account, namespace: Namespace, tmp_path: Path, lost: str, query: str, code: str
):
    """The gateway still becomes ready: what can be answered is."""
    await take_away(account, lost)
    async with open_front_door(await account.config(tmp_path)) as door:
        answer = await door.ask(query, account.plane.token("admin"))
    assert lost in answer.errors[0]["message"]
    assert answer.codes == [code]


async def test_without_namespaces_an_empty_one_cannot_be_told_from_a_forbidden_one(
    account: Account, namespace: Namespace, tmp_path: Path
):
    """Where nothing runs yet, only the list of namespaces says that it is worth asking for rights there."""
    user = await namespace.account("clerk")
    await account.plane.allow(user.user, ["list"], ["pods"], namespace=namespace.name)
    async with open_front_door(await account.config(tmp_path)) as door:
        assert (await door.ask("{ pods { name } }", user.token)).data == {"pods": []}
    await take_away(account, "namespaces")
    async with open_front_door(await account.config(tmp_path)) as door:
        assert (await door.ask("{ pods { name } }", user.token)).codes != []


async def take_away(account: Account, lost: str) -> None:
    rules = [
        rule | {"resources": [resource for resource in rule["resources"] if resource != lost]}
        for rule in account.role["rules"]
    ]
    await account.plane.request("PATCH", f"{ROLES}/{account.role['metadata']['name']}", {"rules": rules})

    async def gone() -> bool:
        return not await account.may("list", "", lost)

    await eventually(gone)


async def test_the_viewers_role_shows_all_of_it_and_nothing_can_be_changed_with_it(helm: Helm):
    """Reading verbs only, and the same kinds that the gateway reads."""
    objects = helm.objects()
    viewer = one(objects, "ClusterRole", "binnacle-viewer")["rules"]
    gateway = one(objects, "ClusterRole", "binnacle-gateway")["rules"]
    assert {verb for rule in viewer for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert [rule["resources"] for rule in viewer] == [rule["resources"] for rule in gateway]


async def test_with_the_rights_of_namespaced_mode_the_gateway_answers(
    real_cluster: ControlPlane, namespace: Namespace, helm: Helm, tmp_path: Path
):
    """Installed by somebody who may do so in one namespace alone: pods of it are shown, nodes are FORBIDDEN."""
    name = f"binnacle-{namespace.name}"
    chosen = ("--set", f"fullnameOverride={name}", "--set", f"rbac.namespaces={{{namespace.name}}}")
    objects = helm.objects(*chosen, "--namespace", namespace.name)
    await namespace.run_pods("web")
    for item in objects:
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace.name}/{item['kind'].lower()}s"
        if item["kind"] == "ServiceAccount":
            path = f"/api/v1/namespaces/{namespace.name}/serviceaccounts"
        if item["kind"] in ("ServiceAccount", "Role", "RoleBinding"):
            await real_cluster.request("POST", path, item)
    account = Account(real_cluster, namespace.name, name, one(objects, "Role", f"{name}-gateway"))
    await real_cluster.wait_allowed(account.user, "watch", "pods", namespace=namespace.name)
    written = yaml.safe_load(one(objects, "ConfigMap")["data"]["config.yaml"])
    as_in_a_pod = await account.config(tmp_path)
    config = Config.model_validate(
        {
            "server": as_in_a_pod.server,
            "kubernetes": {"kubeconfig": as_in_a_pod.kubernetes.kubeconfig, **written["kubernetes"]},
            "auth": {**written["auth"], "review_timeout_seconds": 5},
        }
    )
    user = await namespace.account("reader")
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "binnacle-viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace.name}],
    }
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace.name}/rolebindings"
    await real_cluster.request("POST", bindings, binding)
    await real_cluster.wait_allowed(user.user, "list", "pods", namespace=namespace.name)

    async with open_front_door(config) as door:
        answer = await door.ask("{ pods { name } nodes { name } }", user.token)

    assert answer.body["data"] == {"pods": [{"name": "web"}], "nodes": None}
    assert answer.codes == ["FORBIDDEN"]
