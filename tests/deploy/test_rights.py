"""The chart's roles are enough for the gateway, and not more than enough: asked of the real API server.

With any one rule less a named thing fails, and `binnacle check` says which rule is missing: cluster-wide and in one
namespace.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pytest
import yaml

from gateway.check.cluster import check_cluster
from gateway.config import Config
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.cluster.control_plane import ControlPlane, eventually
from tests.cluster.fixtures import Namespace
from tests.deploy.helm import Helm, Manifest, one
from tests.front_door import Answer, FrontDoor, free_port, open_front_door

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES = f"{RBAC}/clusterroles"
BINDINGS = f"{RBAC}/clusterrolebindings"
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


# What fails without the rule of a kind. Namespaces have no field of their own to fail: the test says what is lost.
STANDING: Final[Mapping[str, str]] = {
    "nodes": "nodes { id }",
    "pods": "pods { id }",
    "services": 'pods(filter: {service: "web"}) { id }',
}
ON_DEMAND: Final[Mapping[str, str]] = {
    "deployments": "deployments { id }",
    "replicasets": "replicaSets { id }",
    "statefulsets": "statefulSets { id }",
    "daemonsets": "daemonSets { id }",
    "jobs": "jobs { id }",
    "cronjobs": "cronJobs { id }",
    "events": "events { id }",
    "persistentvolumeclaims": "persistentVolumeClaims { id }",
    "resourcequotas": "resourceQuotas { id }",
    "poddisruptionbudgets": "podDisruptionBudgets { id }",
    "horizontalpodautoscalers": "horizontalPodAutoscalers { id }",
}


class Account:
    """The chart's service account with the chart's rights, in a real cluster; `within`: its namespace alone."""

    def __init__(self, plane: ControlPlane, namespace: str, name: str, role: Manifest, *, within: bool = False) -> None:
        self.plane = plane
        self.namespace = namespace
        self.name = name
        self.role = role
        self.within = within

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    async def may(self, verb: str, group: str, resource: str) -> bool:
        attributes = {"verb": verb, "group": group, "resource": resource}
        if self.within:
            attributes["namespace"] = self.namespace
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

    @property
    def resources(self) -> set[str]:
        return {resource for rule in self.role["rules"] for resource in rule["resources"]}

    async def take_away(self, lost: str) -> None:
        """One kind; everything else is granted, whatever was taken before."""
        (group,) = {rule["apiGroups"][0] for rule in self.role["rules"] if lost in rule["resources"]}
        rules = [
            rule | {"resources": [resource for resource in rule["resources"] if resource != lost]}
            for rule in self.role["rules"]
        ]
        await self._grant([rule for rule in rules if rule["resources"]])

        async def gone() -> bool:
            return not await self.may("list", group, lost)

        await eventually(gone)

    async def give_back(self, lost: str) -> None:
        (group,) = {rule["apiGroups"][0] for rule in self.role["rules"] if lost in rule["resources"]}
        await self._grant(self.role["rules"])
        await eventually(lambda: self.may("list", group, lost))

    async def _grant(self, rules: list[Manifest]) -> None:
        roles = f"{RBAC}/namespaces/{self.namespace}/roles" if self.within else ROLES
        await self.plane.request("PATCH", f"{roles}/{self.role['metadata']['name']}", {"rules": rules})


async def missing(config: Config) -> set[tuple[str, str]]:
    """(verb, resource) of the rules that `binnacle check` prints."""
    printed = [yaml.safe_load(finding.rule) for finding in await check_cluster(config) if finding.rule]
    return {
        (verb, resource)
        for rules in printed for rule in rules for verb in rule["verbs"] for resource in rule["resources"]
    }  # fmt: skip


def lists_of(resource: str) -> set[tuple[str, str]]:
    return {("list", resource), ("watch", resource)}


class NewAccount(Protocol):
    async def __call__(self, suffix: str = "") -> Account: ...


@pytest.fixture
async def new_account(real_cluster: ControlPlane, namespace: Namespace, helm: Helm) -> AsyncIterator[NewAccount]:
    """Creates what the chart renders for the account; removed after the test."""
    created = []

    async def create(suffix: str = "") -> Account:
        name = f"binnacle-{namespace.name}{suffix}"
        objects = await asyncio.to_thread(
            helm.objects, "--set", f"fullnameOverride={name}", "--namespace", namespace.name
        )
        await real_cluster.request(
            "POST", f"/api/v1/namespaces/{namespace.name}/serviceaccounts", one(objects, "ServiceAccount")
        )
        for item in objects:
            path = {"ClusterRole": ROLES, "ClusterRoleBinding": BINDINGS}.get(item["kind"])
            if path and item["metadata"]["name"].startswith(name):
                await real_cluster.request("POST", path, item)
                created.append(f"{path}/{item['metadata']['name']}")
        account = Account(real_cluster, namespace.name, name, one(objects, "ClusterRole", f"{name}-gateway"))
        await eventually(lambda: account.may("watch", "", "pods"))
        await eventually(lambda: account.may("create", "authorization.k8s.io", "subjectaccessreviews"))
        return account

    yield create
    for path in created:
        await real_cluster.request("DELETE", path)


@pytest.fixture
async def account(new_account: NewAccount) -> Account:
    return await new_account()


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


async def test_without_a_kind_that_is_always_watched_it_serves_and_says_so(
    new_account: NewAccount, namespace: Namespace, tmp_path: Path
):
    """The gateway still becomes ready: what can be answered is. One a kind, as each is refused some times first."""
    clerk = await namespace.account("clerk")
    await namespace.cluster.allow(clerk.user, ["list"], ["pods"], namespace=namespace.name)
    admin = namespace.cluster.token("admin")

    async def without(lost: str, field: str, token: str) -> Answer:
        account = await new_account(f"-{lost}")
        await account.take_away(lost)
        (folder := tmp_path / lost).mkdir()
        config = await account.config(folder)
        async with open_front_door(config) as door:
            answer = await door.ask(f"{{ {field} }}", token)
        assert await missing(config) == lists_of(lost)
        return answer

    kinds = [without(lost, field, admin) for lost, field in STANDING.items()]
    *answers, of_clerk = await asyncio.gather(*kinds, without("namespaces", "pods { name }", clerk.token))
    for lost, answer in zip(STANDING, answers, strict=True):
        assert answer.codes == ["UNAVAILABLE"]
        assert lost in answer.errors[0]["message"]
    # Where nothing runs yet, only the list of namespaces says that it is worth asking for rights there.
    assert of_clerk.codes != []


async def test_without_a_kind_that_is_watched_on_demand_that_kind_alone_fails(account: Account, tmp_path: Path):
    """Each in turn, in one gateway, which answers everything else meanwhile. No rule has nothing that needs it."""
    assert account.resources == {*STANDING, *ON_DEMAND, "namespaces"}
    config = await account.config(tmp_path)
    async with open_front_door(config) as door:
        for lost, field in ON_DEMAND.items():
            await account.take_away(lost)
            await fails_alone(door, field, lost, account.plane.token("admin"))
            assert await missing(config) == lists_of(lost)
            await account.give_back(lost)
    assert await missing(config) == set()


async def fails_alone(door: FrontDoor, field: str, lost: str, token: str) -> None:
    answer = await door.ask(f"{{ lost: {field} pods {{ id }} }}", token)
    assert answer.codes == ["UNAVAILABLE"], (lost, answer.body)
    assert lost in answer.errors[0]["message"]
    assert answer.body["data"]["pods"] is not None


async def test_without_the_right_to_reviews_nobody_comes_in(account: Account, tmp_path: Path):
    """503, not 401: their tokens may be good. `binnacle check` names both rights."""
    await account.plane.request("PATCH", f"{BINDINGS}/{account.name}-gateway-reviews", {"subjects": []})

    async def gone() -> bool:
        return not await account.may("create", "authentication.k8s.io", "tokenreviews")

    await eventually(gone)
    config = await account.config(tmp_path)
    async with open_front_door(config) as door:
        assert (await door.ask("{ __typename }", account.plane.token("admin"))).status == 503
    assert await missing(config) == {(verb, resource) for verb, _, resource in REVIEWED}


async def test_an_empty_namespace_in_which_one_may_look_is_no_forbidden_one(
    account: Account, namespace: Namespace, tmp_path: Path
):
    """With the list of namespaces; without it see above."""
    user = await namespace.account("clerk")
    await account.plane.allow(user.user, ["list"], ["pods"], namespace=namespace.name)
    async with open_front_door(await account.config(tmp_path)) as door:
        assert (await door.ask("{ pods { name } }", user.token)).data == {"pods": []}


async def test_the_viewers_role_shows_all_of_it_and_nothing_can_be_changed_with_it(helm: Helm):
    """Reading verbs only, and the same kinds that the gateway reads."""
    objects = helm.objects()
    viewer = one(objects, "ClusterRole", "binnacle-viewer")["rules"]
    gateway = one(objects, "ClusterRole", "binnacle-gateway")["rules"]
    assert {verb for rule in viewer for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert [rule["resources"] for rule in viewer] == [rule["resources"] for rule in gateway]


@dataclass(frozen=True, slots=True)
class Confined:
    """The account of a gateway that watches one namespace, how it is configured, and somebody who may look there."""

    account: Account
    config: Config
    user: str


@pytest.fixture
async def confined(real_cluster: ControlPlane, namespace: Namespace, helm: Helm, tmp_path: Path) -> Confined:
    """What the chart renders for one namespace, created there."""
    name = f"binnacle-{namespace.name}"
    chosen = ("--set", f"fullnameOverride={name}", "--set", f"rbac.namespaces={{{namespace.name}}}")
    objects = helm.objects(*chosen, "--namespace", namespace.name)
    for item in objects:
        path = f"{RBAC}/namespaces/{namespace.name}/{item['kind'].lower()}s"
        if item["kind"] == "ServiceAccount":
            path = f"/api/v1/namespaces/{namespace.name}/serviceaccounts"
        if item["kind"] in ("ServiceAccount", "Role", "RoleBinding"):
            await real_cluster.request("POST", path, item)
    account = Account(real_cluster, namespace.name, name, one(objects, "Role", f"{name}-gateway"), within=True)
    await eventually(lambda: account.may("watch", "", "pods"))
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
    await real_cluster.request("POST", f"{RBAC}/namespaces/{namespace.name}/rolebindings", binding)
    await real_cluster.wait_allowed(user.user, "list", "pods", namespace=namespace.name)
    return Confined(account, config, user.token)


async def test_confined_to_a_namespace_each_rule_is_needed_and_named_too(confined: Confined, namespace: Namespace):
    """With all of them its pods are shown and nodes are FORBIDDEN; without one, that kind alone fails."""
    assert confined.account.resources == {"pods", "services", *ON_DEMAND}
    await namespace.run_pods("web")
    async with open_front_door(confined.config) as door:
        answer = await door.ask("{ pods { name } nodes { name } }", confined.user)
        assert answer.body["data"] == {"pods": [{"name": "web"}], "nodes": None}
        assert answer.codes == ["FORBIDDEN"]
        for lost, field in ON_DEMAND.items():
            await confined.account.take_away(lost)
            await fails_alone(door, field, lost, confined.user)
            assert await missing(confined.config) == lists_of(lost)
            await confined.account.give_back(lost)
    await confined.account.take_away("services")
    async with open_front_door(confined.config) as door:
        await fails_alone(door, STANDING["services"], "services", confined.user)
        assert await missing(confined.config) == lists_of("services")
