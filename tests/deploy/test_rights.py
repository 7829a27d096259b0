"""The chart's roles are enough for the gateway, and not more than enough: asked of the real API server.

With any one rule less a named thing fails, and `binnacle check` says which rule is missing: cluster-wide and in one
namespace.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import aiohttp
import pytest
import pytest_asyncio
import yaml
from multidict import CIMultiDict

from gateway.check.cluster import check_cluster
from gateway.check.resource_metrics import check_resource_metrics
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
Question: TypeAlias = tuple[str, str, str, str]
"""Verb, group, resource (`pods/log`), name."""

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

METRICS = "metrics.k8s.io"
ROOT_OF_METRICS = f"/apis/{METRICS}/v1beta1"
KINDS_OF_METRICS = {"nodes": "NodeMetrics", "pods": "PodMetrics"}
# The chart with the rule for it, where there is no Prometheus; a Role has it only where the cluster has the API.
WITHOUT_PROMETHEUS = ("--set", "config.prometheus.url=null", "--api-versions", f"{METRICS}/v1beta1")


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

    async def may(self, verb: str, group: str, resource: str, name: str = "") -> bool:
        return bool(await self.allowed([(verb, group, resource, name)]))

    async def allowed(self, questions: Collection[Question]) -> set[Question]:
        """Those of them that the API server says yes to."""
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"]
        turns = asyncio.Semaphore(16)

        async def is_allowed(session: aiohttp.ClientSession, question: Question) -> bool:
            verb, group, resource, name = question
            resource, _, subresource = resource.partition("/")
            attributes = {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name}
            if self.within:
                attributes["namespace"] = self.namespace
            spec = {"user": self.user, "groups": groups, "resourceAttributes": attributes}
            async with turns, session.post(REVIEWS, json={"spec": spec}) as answer:
                return bool((await answer.json())["status"]["allowed"])

        async with self.plane.api() as session:
            answers = await asyncio.gather(*(is_allowed(session, question) for question in questions))
        return {question for question, yes in zip(questions, answers, strict=True) if yes}

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
        """As `take_away` calls them."""
        return {
            f"{resource}.{METRICS}" if rule["apiGroups"] == [METRICS] else resource
            for rule in self.role["rules"]
            for resource in rule["resources"]
        }

    async def take_away(self, lost: str) -> None:
        """One kind (`pods.metrics.k8s.io` is not `pods`); everything else is granted, whatever was taken before."""
        group, name = self._named(lost)
        rules = [
            rule | {"resources": [each for each in rule["resources"] if (group, each) != (rule["apiGroups"][0], name)]}
            for rule in self.role["rules"]
        ]
        await self._grant([rule for rule in rules if rule["resources"]])

        async def gone() -> bool:
            return not await self.may("list", group, name)

        await eventually(gone)

    async def give_back(self, lost: str) -> None:
        await self._grant(self.role["rules"])
        await eventually(lambda: self.may("list", *self._named(lost)))

    def _named(self, lost: str) -> tuple[str, str]:
        """Its group and its name."""
        name, _, group = lost.partition(".")
        if group:
            return group, name
        (group,) = {
            rule["apiGroups"][0] for rule in self.role["rules"]
            if name in rule["resources"] and rule["apiGroups"] != [METRICS]
        }  # fmt: skip
        return group, name

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


async def missing_of_metrics(config: Config) -> list[str]:
    """The rules that `binnacle check` names of those for `metrics.k8s.io`."""
    return [rule for finding in await check_resource_metrics(config) for rule in re.findall(r"{.*}", finding.said)]


def rule_of_metrics(resource: str) -> str:
    return f'{{apiGroups: ["{METRICS}"], resources: ["{resource}"], verbs: ["list"]}}'


def lists_of(resource: str) -> set[tuple[str, str]]:
    return {("list", resource), ("watch", resource)}


class NewAccount(Protocol):
    async def __call__(self, suffix: str = "", *arguments: str) -> Account: ...


@pytest.fixture
async def new_account(real_cluster: ControlPlane, namespace: Namespace, helm: Helm) -> AsyncIterator[NewAccount]:
    """Creates what the chart renders for the account with these arguments of Helm's; removed after the test."""
    created = []

    async def create(suffix: str = "", *arguments: str) -> Account:
        name = f"binnacle-{namespace.name}{suffix}"
        own = ("--set", f"fullnameOverride={name}", "--namespace", namespace.name)
        objects = await asyncio.to_thread(helm.objects, *own, *arguments)
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def resource_metrics_api(real_cluster: ControlPlane) -> AsyncIterator[None]:
    """`metrics.k8s.io` under real rights: its lists are custom resources, to be filled as metrics-server would."""
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

    async def all_served() -> bool:
        return all([await served(real_cluster, f"{ROOT_OF_METRICS}/{resource}") for resource in KINDS_OF_METRICS])

    async def gone() -> bool:
        return not await served(real_cluster, ROOT_OF_METRICS)

    for resource, kind in KINDS_OF_METRICS.items():
        await real_cluster.request("POST", definitions, definition_of_metrics(resource, kind))
    await eventually(all_served)
    yield
    for resource in KINDS_OF_METRICS:
        await real_cluster.request("DELETE", f"{definitions}/{resource}.{METRICS}")
    await eventually(gone)


@pytest.fixture
async def resource_metrics(resource_metrics_api: None, namespace: Namespace) -> AsyncIterator[None]:
    """The node `worker-1` and the namespace's pod `web`, which runs, use a quarter of a core."""
    await namespace.run_pods("web")  # before it is measured
    usage = {"cpu": "250m", "memory": "64Mi"}
    of_pods = f"{ROOT_OF_METRICS}/namespaces/{namespace.name}/pods"
    measured: Sequence[tuple[str, Manifest]] = (
        (f"{ROOT_OF_METRICS}/nodes", {"metadata": {"name": "worker-1"}, "usage": usage}),
        (of_pods, {"metadata": {"name": "web"}, "containers": [{"name": "web", "usage": usage}]}),
    )
    for path, item in measured:
        kind = KINDS_OF_METRICS[path.rpartition("/")[2]]
        typed = {"apiVersion": f"{METRICS}/v1beta1", "kind": kind, "timestamp": datetime.now(UTC).isoformat()}
        await namespace.cluster.request("POST", path, item | typed)
    yield
    await namespace.cluster.request("DELETE", f"{ROOT_OF_METRICS}/nodes/worker-1")


def definition_of_metrics(resource: str, kind: str) -> Manifest:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    unapproved = {"api-approved.kubernetes.io": "unapproved, it stands in for the aggregated API"}
    return {
        "metadata": {"name": f"{resource}.{METRICS}", "annotations": unapproved},
        "spec": {
            "group": METRICS,
            "names": {"kind": kind, "plural": resource},
            "scope": "Cluster" if resource == "nodes" else "Namespaced",
            "versions": [{"name": "v1beta1", "served": True, "storage": True, "schema": schema}],
        },
    }


async def served(plane: ControlPlane, path: str) -> bool:
    async with plane.api() as session, session.get(path) as answer:
        return answer.status == 200


async def test_the_account_may_do_what_the_chart_says_and_nothing_else(new_account: NewAccount, resource_metrics: None):
    """Every verb on every resource that the API server knows, subresources included."""
    account = await new_account("", *WITHOUT_PROMETHEUS)
    granted = {
        (verb, group, resource)
        for rule in account.role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    asked = [(verb, group, name) for group, name in await resources(account.plane) for verb in VERBS]
    assert granted | REVIEWED <= set(asked)
    allowed = await account.allowed([(*question, "") for question in asked])
    assert {question[:3] for question in allowed} == granted | REVIEWED | EVERYBODYS


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


async def fails_alone(door: FrontDoor, field: str, lost: str, token: str, others: str = "pods { id }") -> None:
    answer = await door.ask(f"{{ lost: {field} others: {others} }}", token)
    assert answer.codes == ["UNAVAILABLE"], (lost, answer.body)
    assert lost in answer.errors[0]["message"]
    assert answer.body["data"]["others"] is not None


async def test_without_a_rule_of_metrics_k8s_io_those_metrics_alone_are_missing(
    new_account: NewAccount, namespace: Namespace, resource_metrics: None, tmp_path: Path
):
    """It takes the place of a Prometheus. One account a rule: what was listed is kept for a while."""
    admin = namespace.cluster.token("admin")
    metrics = "{ metrics(names: [CPU_USAGE]) { value missing } }"
    query = (
        f'{{ nodes(filter: {{name: "worker-1"}}) {metrics} pods(filter: {{namespace: "{namespace.name}"}}) {metrics} }}'
    )

    async def without(lost: str) -> Answer:
        account = await new_account(f"-without-{lost or 'nothing'}", *WITHOUT_PROMETHEUS)
        if lost:
            await account.take_away(f"{lost}.{METRICS}")
        (folder := tmp_path / f"of-{lost}").mkdir()
        config = await account.config(folder)
        async with open_front_door(config) as door:
            answer = await door.ask(query, admin)
        assert await missing_of_metrics(config) == ([rule_of_metrics(lost)] if lost else [])
        return answer

    whole, *answers = await asyncio.gather(*(without(lost) for lost in ("", "nodes", "pods")))
    measured = {"metrics": [{"value": 0.25, "missing": None}]}
    assert whole.data == {"nodes": [measured], "pods": [measured]}
    unreachable = {"metrics": [{"value": None, "missing": "UNREACHABLE"}]}
    for lost, answer in zip(("nodes", "pods"), answers, strict=True):
        assert answer.body["data"] == {"nodes": [measured], "pods": [measured], lost: [unreachable]}
        assert answer.codes == ["METRICS_UNAVAILABLE"]
        assert rule_of_metrics(lost) in answer.errors[0]["message"]


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


ANN, OPERATORS = "ann@example.com", "oidc:operators"
IMPERSONATION = (
    "--set", "config.auth.authenticators={oidc,token_review}",
    "--set-json", "rbac.impersonation=" + json.dumps({
        "enabled": True, "users": [ANN], "groups": [OPERATORS],
        "writes": [{"apiGroup": "", "resources": ["nodes"], "verbs": ["patch"], "because": "nodes are cordoned"}],
    }),
)  # fmt: skip
MODES = ("user-info", "serviceaccount", "arbitrary-node", "associated-node")
NAMES = ("", "*", ANN, OPERATORS, "bob@example.com", "oidc:admins", "system:masters", "system:admin")


async def test_the_right_to_impersonate_is_that_of_the_named_in_the_named_requests(
    new_account: NewAccount, namespace: Namespace
):
    """Asked of the real API server, and done: constrained as from 1.36 on, and the classic one of older servers."""
    plane = namespace.cluster
    constrained = await new_account("-constrained", *IMPERSONATION)
    classic = await new_account("-classic", *IMPERSONATION, "--kube-version", "1.35.0")
    await eventually(lambda: constrained.may("impersonate-on:user-info:patch", "", "nodes"))
    await eventually(lambda: classic.may("impersonate", "", "users", ANN))
    assert await impersonations_of(constrained) == {
        ("impersonate:user-info", "authentication.k8s.io", "users", ANN),
        ("impersonate:user-info", "authentication.k8s.io", "groups", OPERATORS),
        ("impersonate-on:user-info:patch", "", "nodes", ""),
    }
    assert await impersonations_of(classic) == {
        ("impersonate", "", "users", ANN), ("impersonate", "", "groups", OPERATORS),
    }  # fmt: skip

    role = await operators_may(plane, ["get", "patch"], "nodes", name=namespace.name)

    async def told(account: Account, method: str, user: str, *groups: str) -> tuple[int, str]:
        token = await plane.create_token(account.name, account.namespace)
        named = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups)]
        headers = CIMultiDict([("Content-Type", "application/merge-patch+json"), *named])
        async with (
            plane.api(token=token) as session,
            session.request(
                method, "/api/v1/nodes/worker-1", json={}, headers=headers, params={"dryRun": "All"}
            ) as answer,
        ):
            return answer.status, str((await answer.json()).get("message", ""))

    for account in (constrained, classic):
        assert (await told(account, "PATCH", ANN, OPERATORS))[0] == 200
        status, why = await told(account, "PATCH", ANN)  # her own rights are hers
        assert (status, f'User "{ANN}" cannot patch' in why) == (403, True), why
        for user, *groups in (
            ("bob@example.com", OPERATORS), (ANN, OPERATORS, "system:masters"), (ANN, "oidc:admins"), ("system:admin",),
            (account.user,), ("system:node:worker-1",),
        ):  # fmt: skip
            status, why = await told(account, "PATCH", user, *groups)
            assert (status, account.user in why) == (403, True), (user, groups, why)
    assert (await told(constrained, "GET", ANN, OPERATORS))[0] == 403
    assert (await told(classic, "GET", ANN, OPERATORS))[0] == 200  # what values.yaml says of older servers
    await plane.request("DELETE", role)


async def impersonations_of(account: Account) -> set[Question]:
    """All that it may do that has to do with it."""
    verbs = ["impersonate", *(f"impersonate:{mode}" for mode in MODES)]
    who = ("users", "groups", "serviceaccounts", "nodes", "uids", "userextras/scopes")
    on_verbs = [f"impersonate-on:{mode}:{verb}" for mode in MODES for verb in VERBS]
    what = ("nodes", "pods", "secrets", "nodes/status")
    return await account.allowed([
        *itertools.product(verbs, ["", "authentication.k8s.io"], who, NAMES),
        *itertools.product(on_verbs, [""], what, [""]),
    ])  # fmt: skip


async def operators_may(plane: ControlPlane, verbs: Sequence[str], resource: str, *, name: str) -> str:
    """Returns the path of the role, without which its binding gives nothing."""
    rule = {"apiGroups": [""], "resources": [resource], "verbs": verbs}
    metadata = {"name": f"{name}-operators"}
    await plane.request("POST", ROLES, {"metadata": metadata, "rules": [rule]})
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": OPERATORS}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **metadata}
    await plane.request("POST", BINDINGS, {"metadata": metadata, "roleRef": reference, "subjects": [subject]})
    return f"{ROLES}/{metadata['name']}"


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
    objects = helm.objects(*chosen, *WITHOUT_PROMETHEUS, "--namespace", namespace.name)
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


async def test_confined_to_a_namespace_each_rule_is_needed_and_named_too(
    confined: Confined, namespace: Namespace, resource_metrics: None
):
    """With all of them its pods are shown and nodes are FORBIDDEN; without one, that kind alone fails."""
    account, config = confined.account, confined.config
    assert account.resources == {"pods", f"pods.{METRICS}", "services", *ON_DEMAND}
    pods_cpu = "pods { name metrics(names: [CPU_USAGE]) { value missing } }"
    async with open_front_door(config) as door:
        answer = await door.ask(f"{{ {pods_cpu} nodes {{ name }} }}", confined.user)
        web = {"name": "web", "metrics": [{"value": 0.25, "missing": None}]}
        assert answer.body["data"] == {"pods": [web], "nodes": None}
        assert answer.codes == ["FORBIDDEN"]
        assert await missing_of_metrics(config) == []
        for lost, field in ON_DEMAND.items():
            await account.take_away(lost)
            await fails_alone(door, field, lost, confined.user)
            assert await missing(config) == lists_of(lost)
            await account.give_back(lost)
    for lost, others in (("services", "pods { id }"), ("pods", "services { id }")):
        await account.take_away(lost)
        async with open_front_door(config) as door:
            await fails_alone(door, STANDING[lost], lost, confined.user, others)
            assert await missing(config) == lists_of(lost)
    await account.take_away(f"pods.{METRICS}")
    async with open_front_door(config) as door:
        answer = await door.ask(f"{{ {pods_cpu} }}", confined.user)
    assert answer.body["data"] == {"pods": [web | {"metrics": [{"value": None, "missing": "UNREACHABLE"}]}]}
    assert rule_of_metrics("pods") in answer.errors[0]["message"]
    assert f"Role in {namespace.name}" in answer.errors[0]["message"]
    assert await missing_of_metrics(config) == [rule_of_metrics("pods")]
    assert await missing(config) == set()
