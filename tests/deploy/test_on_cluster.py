"""The chart on the real API server: every object taken as it stands, installed, served through its port, and removed.

KWOK plays the kubelets, so a pod's process is started here (kubelet.py), as its kubelet would.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import functools
import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.render import CHART, MANIFESTS, NAMESPACE
from tests.cluster import build
from tests.cluster.control_plane import ControlPlane, Refused, eventually
from tests.cluster.fixtures import Namespace, StartControlPlane
from tests.cluster.prometheus import PrometheusServer
from tests.deploy.helm import OPERATOR, Helm, HelmRefused, Manifest, one, parsed, value_sets, values
from tests.deploy.kubelet import (
    ACCOUNT,
    MOUNTED,
    Running,
    Streams,
    Surroundings,
    environment_of_the_image,
    forwarding,
    is_well,
    kubeconfig_with,
    namespaces,
    running,
)

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "Pod": "/api/v1/namespaces/{namespace}/pods",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes",
    "FlowSchema": "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
    "PodMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{namespace}/podmonitors",
    "PrometheusRule": "/apis/monitoring.coreos.com/v1/namespaces/{namespace}/prometheusrules",
}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OF_OTHERS = {  # kinds whose definitions come from Go modules, where they are needed
    "HTTPRoute": ("gateway-api", "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_{}.yaml"),
    **dict.fromkeys(
        ("PodMonitor", "PrometheusRule"),
        (
            "prometheus-operator",
            "github.com/prometheus-operator/prometheus-operator",
            "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml",
        ),
    ),
}

OPERATED = ("--set", "podMonitor.enabled=true,prometheusRule.enabled=true")
QUERY = """
{ cluster { version nodeCount }
  nodes { name pods { namespace name metrics(names: [MEMORY_USAGE]) { value missing } } } }
"""


@dataclass(frozen=True, slots=True)
class Release:
    """An installed chart, and the means to be its kubelet and its kube-proxy."""

    plane: ControlPlane
    helm: Helm
    name: str
    namespace: str
    folder: Path
    kubeconfig: Path
    """Whose rights Helm has."""

    def helm_(self, command: str, *arguments: str) -> str:
        return self.helm.run(
            *command.split(),
            self.name,
            *arguments,
            "--namespace",
            self.namespace,
            "--kubeconfig",
            str(self.kubeconfig),
        )

    async def get(self, kind: str, name: str = "") -> Manifest:
        path = PATHS[kind].format(namespace=self.namespace)
        return await self.plane.request("GET", f"{path}/{name}" if name else path)

    async def pods(self) -> list[Manifest]:
        """The Deployment's pods that are not going."""
        items: list[Manifest] = (await self.get("Pod"))["items"]
        return [pod for pod in items if not pod["metadata"].get("deletionTimestamp")]

    def running(self, pod: Manifest, *reached: str, service: int = 0) -> AbstractAsyncContextManager[Running]:
        """The process of one of its pods, which finds these addresses and, at port `service` of this machine, the
        Service.
        """
        folder = self.folder / pod["metadata"]["name"]
        folder.mkdir()
        ports = {port: port for port in (urlsplit(url).port for url in reached) if port}
        around = Surroundings({**ports, **({80: service} if service else {})}, [f"{self.name}.{self.namespace}"])
        return running(self.plane, pod, folder, around)

    async def tested(self, service: int) -> str:
        """What `helm test` prints, whose pod runs as every other; raises HelmRefused with what the pod printed."""
        testing = asyncio.create_task(asyncio.to_thread(self.helm_, "test", "--timeout", "60s"))
        path = f"{PATHS['Pod'].format(namespace=self.namespace)}/{self.name}-answers"

        async def runs() -> bool:
            with contextlib.suppress(Refused):
                return bool((await self.plane.request("GET", path))["status"]["phase"] == "Running")
            assert not testing.done(), testing.result()
            return False

        await eventually(runs)
        async with self.running(await self.plane.request("GET", path), service=service) as pod:
            phase = "Failed" if await pod.process.ended() else "Succeeded"
        said = pod.process.log.read_text()
        await self.plane.request("PATCH", f"{path}/status", {"status": {"phase": phase}})
        try:
            return await testing + said
        except HelmRefused as refused:
            raise HelmRefused(f"{refused}\n{said}") from None


@pytest.fixture
async def release(
    real_cluster: ControlPlane, helm: Helm, namespace: Namespace, tmp_path: Path
) -> AsyncIterator[Release]:
    """The chart's name and place; a test installs it as it likes, and it is removed in the end."""
    name = f"binnacle-{namespace.name}"
    release = Release(real_cluster, helm, name, namespace.name, tmp_path, real_cluster.kubeconfig)
    yield release
    if name in helm.run("list", "--all-namespaces", "--short", "--kubeconfig", str(real_cluster.kubeconfig)):
        release.helm_("uninstall", "--wait")


@contextlib.asynccontextmanager
async def kube_proxy(release: Release, ports: dict[str, int]) -> AsyncIterator[str]:
    """Connections to the Service's node port go to its ready endpoints in turn; `ports` says where a pod listens."""
    service = await release.get("Service", release.name)
    (node_port,) = [port["nodePort"] for port in service["spec"]["ports"]]
    turns = itertools.count()

    async def endpoints() -> list[str]:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{release.namespace}/endpointslices"
        label = {"labelSelector": f"kubernetes.io/service-name={release.name}"}
        slices = (await release.plane.request("GET", path, params=label))["items"]
        return sorted(
            endpoint["targetRef"]["name"]
            for item in slices for endpoint in item["endpoints"] or () if endpoint["conditions"]["ready"]
        )  # fmt: skip

    async def next_pod() -> Streams:
        pods = await endpoints()
        return await asyncio.open_connection("127.0.0.1", ports[pods[next(turns) % len(pods)]])

    async def all_there() -> bool:
        return set(await endpoints()) == set(ports)

    await eventually(all_there)
    async with forwarding(next_pod, node_port):
        yield f"http://127.0.0.1:{node_port}"


async def test_installed_and_upgraded_it_answers_the_nested_query_through_its_node_port_and_leaves_nothing(
    release: Release, real_prometheus: PrometheusServer
):
    """Helm waits for the Deployment, both pods are on workers, the Service leads to them, `helm test` is content."""
    wait = ("--wait", "--timeout", "60s")
    release.helm_(
        "install", str(CHART), *wait, "--set", f"service.nodePort=null,viewer.name={release.name}-viewer",
    )  # fmt: skip
    release.helm_(
        "upgrade", str(CHART), *wait, "--reset-then-reuse-values",
        "--set", f"config.prometheus.url={real_prometheus.url}",
        "--set", "config.prometheus.scrape_interval_seconds=1,config.prometheus.rate_window=10s",
    )  # fmt: skip
    deployment = await release.get("Deployment", release.name)
    assert deployment["status"]["availableReplicas"] == 2
    pods = await release.pods()
    assert {pod["spec"]["nodeName"] for pod in pods} == {"worker-1", "worker-2"}
    ports_ = [port for service in (await release.get("Service"))["items"] for port in service["spec"]["ports"]]
    assert len([port for port in ports_ if "nodePort" in port]) == 1  # the one way in

    user = await release.plane.create_service_account("me", release.namespace)
    binding = {
        "metadata": {"name": f"{release.name}-me"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{release.name}-viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "me", "namespace": release.namespace}],
    }
    await release.plane.request("POST", PATHS["ClusterRoleBinding"], binding)
    await release.plane.wait_allowed(user, "list", "pods")
    me = await release.plane.create_token("me", release.namespace)

    async with contextlib.AsyncExitStack() as stack:
        ports, started = {}, []
        for pod in pods:
            process = await stack.enter_async_context(release.running(pod, real_prometheus.url))
            ports[pod["metadata"]["name"]] = await process.port(8080)
            started.append(is_well(pod, process))
        await asyncio.gather(*started)
        if namespaces():
            is_as_in_a_pod(process)
        url = await stack.enter_async_context(kube_proxy(release, ports))
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {me}"}))
        async with session.post(f"{url}/graphql", json={"query": QUERY}) as answer:
            body = await answer.json()
        assert "errors" not in body, body
        shown = {(node["name"], pod["name"]) for node in body["data"]["nodes"] for pod in node["pods"]}
        assert {(pod["spec"]["nodeName"], pod["metadata"]["name"]) for pod in pods} <= shown
        assert body["data"]["cluster"]["nodeCount"] == 3

        check = ("binnacle", "check", "--config", "/etc/binnacle/config.yaml", "--output", "json")
        said = await asyncio.to_thread(process.execute, *check)
        findings = json.loads(said.stdout)["findings"]
        assert [found for found in findings if found["outcome"] == "fails" or found["rule"]] == []
        await both_say_the_same(session, [f"http://127.0.0.1:{port}" for port in ports.values()])

        tested = await release.tested(urlsplit(url).port or 0)
        assert (re.findall(r"^Phase: +(\w+)", tested, re.MULTILINE), tested.count("ok  ")) == (["Succeeded"], 3), tested

    await release.plane.request("DELETE", f"{PATHS['ClusterRoleBinding']}/{release.name}-me")
    release.helm_("uninstall", "--wait")
    for kind in PATHS:
        if kind in OF_OTHERS:
            continue  # this cluster does not have them
        names = [item["metadata"]["name"] for item in (await release.get(kind))["items"]]
        assert not [name for name in names if name.startswith(release.name)], kind


def is_as_in_a_pod(pod: Running) -> None:
    """No variable of ours, and nothing that it could write to: else the sandbox would show nothing."""
    variables = Path(f"/proc/{pod.process.pid}/environ").read_text().rstrip("\0").split("\0")
    names = {variable.partition("=")[0] for variable in variables}
    assert names == {*environment_of_the_image(), "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}
    for place in ("/", "/tmp", "/etc", MOUNTED, f"{MOUNTED}/shared", ACCOUNT):
        assert "Read-only file system" in pod.execute("touch", f"{place}/binnacle-was-here").stderr, place


async def both_say_the_same(session: aiohttp.ClientSession, urls: list[str]) -> None:
    """What one replica said, another takes up: the tag of an answer, and the place in a list."""
    one, other = (f"{url}/graphql" for url in urls)
    asked = {"query": '{ nodes(filter: {role: "worker"}, orderBy: [{key: NAME}]) { name pods { name } } }'}
    async with session.get(one, params=asked) as answer:
        tag = answer.headers["ETag"]
    async with session.get(other, params=asked, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304, await answer.text()
    page = '{ podsConnection(filter: {phase: "Running"}, first: 1%s) { edges { cursor node { id } } } }'
    async with session.post(one, json={"query": page % ""}) as answer:
        (first,) = (await answer.json())["data"]["podsConnection"]["edges"]
    after = page % f', after: "{first["cursor"]}"'
    async with session.post(other, json={"query": after}) as answer:
        (second,) = (await answer.json())["data"]["podsConnection"]["edges"]
    assert first["node"] != second["node"]


async def test_the_admin_of_a_namespace_can_install_it_there(release: Release, namespace: Namespace, tmp_path: Path):
    """Without any right in the whole cluster, theirs or the gateway's: its pods are served, nodes are FORBIDDEN."""
    admin = await namespace.account("admin")
    await bound(release, "admin", {"kind": "ClusterRole", "name": "admin"})  # Kubernetes' own
    await release.plane.wait_allowed(admin.user, "create", "secrets", namespace=release.namespace)
    file = tmp_path / "admin"
    file.write_text(kubeconfig_with(release.plane, admin.token))
    theirs = dataclasses.replace(release, kubeconfig=file)
    theirs.helm_(
        "install", str(CHART), "--wait", "--timeout", "60s", "--set", f"rbac.namespaces={{{release.namespace}}}",
        "--set", "service.nodePort=null", "--set", "config.prometheus.url=null", "--set", "replicas=1",
    )  # fmt: skip
    assert not [item for item in parsed(theirs.helm_("get manifest")) if item["kind"].startswith("Cluster")]
    reader = await namespace.account("reader")
    await bound(release, "reader", {"kind": "Role", "name": "binnacle-viewer"})
    await release.plane.wait_allowed(reader.user, "list", "pods", namespace=release.namespace)

    (pod,) = await release.pods()
    async with contextlib.AsyncExitStack() as stack:
        process = await stack.enter_async_context(release.running(pod))
        await is_well(pod, process)
        ports = {pod["metadata"]["name"]: await process.port(8080)}
        url = await stack.enter_async_context(kube_proxy(release, ports))
        headers = {"Authorization": f"Bearer {reader.token}"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        query = {"query": "{ pods { name } deployments { name } nodes { name } }"}
        async with session.post(f"{url}/graphql", json=query) as answer:
            body = await answer.json()
    names = {"pods": [{"name": pod["metadata"]["name"]}], "deployments": [{"name": release.name}], "nodes": None}
    assert body["data"] == names
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert "namespace" in error["message"]
    theirs.helm_("uninstall", "--wait")


@pytest.fixture
async def pod_monitors(real_cluster: ControlPlane, definitions: list[Manifest]) -> AsyncIterator[None]:
    """The cluster knows that kind."""
    (definition,) = (each for each in definitions if each["spec"]["names"]["kind"] == "PodMonitor")
    await real_cluster.request("POST", DEFINITIONS, definition)
    await eventually(lambda: knows(real_cluster, "PodMonitor"))
    yield
    await real_cluster.request("DELETE", f"{DEFINITIONS}/{definition['metadata']['name']}")


async def test_a_pod_is_scraped_as_its_pod_monitor_says(pod_monitors: None, release: Release, namespace: Namespace):
    """As the operator reads it: which pods, the port by its name, the path, no token. The Service's port wants one."""
    release.helm_(
        "install", str(CHART), "--set", "service.nodePort=null,replicas=1,podMonitor.enabled=true",
        "--set", f"viewer.name={release.name}-viewer", "--wait", "--timeout", "60s",
    )  # fmt: skip
    monitor = (await release.get("PodMonitor", release.name))["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint.keys() <= {"port", "path", "interval"}  # so in plain http and as nobody, by the operator's defaults
    labels = ",".join(f"{name}={value}" for name, value in monitor["selector"]["matchLabels"].items())
    path = PATHS["Pod"].format(namespace=release.namespace)
    (pod,) = (await release.plane.request("GET", path, params={"labelSelector": labels}))["items"]
    (port,) = [
        port["containerPort"]
        for container in pod["spec"]["containers"] for port in container["ports"] if port["name"] == endpoint["port"]
    ]  # fmt: skip
    stranger = await namespace.account("stranger")
    async with release.running(pod) as process, aiohttp.ClientSession() as session:
        await is_well(pod, process)
        async with session.get(f"http://127.0.0.1:{await process.port(port)}{endpoint['path']}") as scraped:
            assert scraped.status == 200
            series = {
                sample.name: sample.value
                for family in text_string_to_metric_families(await scraped.text()) for sample in family.samples
                if sample.labels.get("kind", "pods") == "pods"
            }  # fmt: skip
        assert (series["binnacle_watch_synced"], series["binnacle_watch_objects"] >= 1) == (1, True)
        assert series["process_resident_memory_bytes"] > 0
        url = f"http://127.0.0.1:{await process.port(8080)}/metrics"
        for headers, status in (({}, 401), ({"Authorization": f"Bearer {stranger.token}"}, 403)):
            async with session.get(url, headers=headers) as refused:
                assert refused.status == status


async def bound(release: Release, account: str, role: Manifest) -> None:
    """Give an account of the release's namespace a role there."""
    binding = {
        "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", **role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": release.namespace}],
    }
    await release.plane.request("POST", PATHS["RoleBinding"].format(namespace=release.namespace), binding)


async def test_an_upgrade_with_another_configuration_replaces_the_pods(release: Release):
    """And one that changes nothing in them leaves them alone. The secret that replicas share stays."""
    settings = ("--set", "service.nodePort=null", "--set", f"viewer.name={release.name}-viewer")
    wait = ("--wait", "--timeout", "60s")
    release.helm_("install", str(CHART), *settings, *wait)
    before = {pod["metadata"]["uid"] for pod in await release.pods()}
    secret = (await release.get("Secret", f"{release.name}-shared"))["data"]
    assert len(base64.b64decode(secret["secret"])) == 64
    release.helm_("upgrade", str(CHART), *settings, *wait, "--set", "service.externalTrafficPolicy=Local")
    assert {pod["metadata"]["uid"] for pod in await release.pods()} == before
    release.helm_("upgrade", str(CHART), *settings, *wait, "--set", "config.server.log_level=debug")

    async def replaced() -> bool:
        now = {pod["metadata"]["uid"] for pod in await release.pods()}
        return len(now) == 2 and not now & before

    await eventually(replaced)
    assert (await release.get("Secret", f"{release.name}-shared"))["data"] == secret


async def test_on_a_one_node_cluster_one_value_lets_the_pods_run(release: Release):
    """Without it they stay Pending on a control plane, taint or not."""
    fixed = ("--set", "service.nodePort=null", "--set", f"viewer.name={release.name}-viewer", "--set", "replicas=1")
    here = ("--set", r"scheduling.nodeSelector.kubernetes\.io/hostname=control-plane")
    release.helm_("install", str(CHART), *fixed, *here)

    async def pending() -> bool:
        conditions = [c for pod in await release.pods() for c in pod["status"].get("conditions", ())]
        return any(c["type"] == "PodScheduled" and c["reason"] == "Unschedulable" for c in conditions)

    await eventually(pending)
    release.helm_("upgrade", str(CHART), *fixed, *here, "--set", "scheduling.allowControlPlane=true")

    async def runs() -> bool:
        return any(pod["spec"].get("nodeName") == "control-plane" for pod in await release.pods())

    await eventually(runs)


@pytest.fixture
async def definitions(pytestconfig: pytest.Config) -> list[Manifest]:
    """Those of `OF_OTHERS`, from their projects' Go modules."""
    found = []
    for kind, (pinned, module, file) in OF_OTHERS.items():
        try:
            folder = await asyncio.to_thread(build.downloaded, pinned, module, print)
        except build.CannotBuild as error:
            pytest.skip(f"{kind}'s definition is not to be had here: {error}")
        text = (folder / file.format(f"{kind.lower()}s")).read_text()
        found.append(one(parsed(text), "CustomResourceDefinition"))
    return found


@pytest.mark.parametrize("server", ["newest", "oldest"])
async def test_the_api_server_takes_every_object_as_it_stands(
    control_plane: StartControlPlane, helm: Helm, definitions: list[Manifest], server: str
):
    """No unknown field, no warning, pods pass the `restricted` level, enforced: the oldest and the newest supported."""
    plane = await control_plane(server=server)
    everything = ("install", "b", str(CHART), "--dry-run=server", "--kubeconfig", str(plane.kubeconfig))
    if server == "newest":
        assert "kind: PodMonitor" not in helm.run(*everything, *OPERATED)
    for definition in definitions:
        await plane.request("POST", DEFINITIONS, definition)
    for kind in OF_OTHERS:
        await eventually(functools.partial(knows, plane, kind))
    rendered = helm.run(*everything, *values("everything"))  # as what it finds there has it rendered
    assert {"PodMonitor", "PrometheusRule"} <= set(re.findall(r"^kind: (\w+)", rendered, re.MULTILINE))
    classic = ("verbs: [impersonate]" in rendered, "cannot hold it to rbac.impersonation.writes" in rendered)
    assert classic == ((True, True) if server == "oldest" else (False, False))
    level = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    await plane.create_namespace("restricted", level)
    version = (await plane.request("GET", "/version"))["gitVersion"]
    existing = {"restricted"}
    for name in value_sets():
        # another name than the test cluster's own account for gateways has
        rendered = helm.run(
            "template", "own-binnacle", str(CHART), "--namespace", "restricted", *OPERATOR, *values(name),
            "--kube-version", version,
        )  # fmt: skip
        objects = parsed(rendered)
        template = one(objects, "Deployment")["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
        objects.append(pod | {"metadata": template["metadata"] | {"name": "gateway", "namespace": "restricted"}})
        async with plane.api() as session:
            for item in objects:
                own = item["metadata"].get("namespace", "restricted")
                if own not in existing:  # one that the values name, where the chart puts a role
                    existing.add(own)
                    await plane.create_namespace(own)
                status, warnings, message = await dry_run(session, item, own)
                assert (status, warnings) == (201, []), (name, item["kind"], warnings, message)


async def knows(plane: ControlPlane, kind: str) -> bool:
    """Whether it serves objects of that kind and says so where Helm looks, which comes a moment later."""
    whole = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    async with plane.api() as session:
        async with session.get("/apis", headers=whole) as answer:
            versions = [version for group in (await answer.json())["items"] for version in group["versions"]]
        async with session.get(PATHS[kind].format(namespace="default")) as answer:
            served = answer.status == 200
    return served and kind in {
        resource["responseKind"]["kind"] for version in versions for resource in version["resources"]
    }


async def test_kubectl_applies_the_plain_manifests(real_cluster: ControlPlane):
    """`kubectl apply -k` takes every object of the chart, and the namespace, which must be there for a dry run."""
    written = [item for file in MANIFESTS.glob("*.yaml") for item in parsed(file.read_text())]
    expected = {(item["kind"], item["metadata"]["name"]) for item in written if item["kind"] != "Kustomization"}
    await real_cluster.create_namespace(NAMESPACE)
    try:
        taken = parsed(await real_cluster.kubectl("apply", "-k", str(MANIFESTS), "--dry-run=server", "-o", "yaml"))
    finally:
        await real_cluster.request("DELETE", f"{PATHS['Namespace']}/{NAMESPACE}")
    assert {(item["kind"], item["metadata"]["name"]) for item in taken[0]["items"]} == expected


async def dry_run(session: aiohttp.ClientSession, item: Manifest, namespace: str) -> tuple[int, list[str], Any]:
    params = {"dryRun": "All", "fieldValidation": "Strict"}
    async with session.post(PATHS[item["kind"]].format(namespace=namespace), json=item, params=params) as answer:
        body = await answer.json()
        return answer.status, answer.headers.getall("Warning", []), body.get("message")
