"""The test cluster is what the other tests take it for."""

import aiohttp
import pytest

from tests.cluster import objects
from tests.cluster.control_plane import GATEWAY, VIEWER, ControlPlane, Refused, eventually
from tests.cluster.exporters import Exporters, NodeUse, PodUse, World
from tests.cluster.fixtures import NODES, Namespace, StartControlPlane, StartPrometheus
from tests.cluster.prometheus import PrometheusServer, exporter_targets

CREDENTIAL_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


async def test_it_has_a_control_plane_and_two_workers_that_are_ready(real_cluster: ControlPlane):
    """kubectl shows the nodes as those of any cluster."""
    rows = [line.split() for line in (await real_cluster.kubectl("get", "nodes", "--no-headers")).splitlines()]

    assert [(name, status, roles) for name, status, roles, *_ in rows] == [
        ("control-plane", "Ready", "control-plane"),
        ("worker-1", "Ready", "<none>"),
        ("worker-2", "Ready", "<none>"),
    ]


async def test_pods_are_scheduled_to_workers_and_run(namespace: Namespace):
    """The scheduler binds them, KWOK runs them with addresses: two that are a node's first may be given the same."""
    await namespace.run_pods("a", "b", "c")

    pods = await namespace.pods()

    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert {pod["spec"]["nodeName"] for pod in pods} <= {"worker-1", "worker-2"}
    assert all(pod["status"]["podIP"] for pod in pods)


async def test_a_deployment_makes_pods_and_takes_them_away(real_cluster: ControlPlane, namespace: Namespace):
    """The controllers act on what KWOK reports, and deleted pods are gone."""
    await real_cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2", "-n", namespace.name)
    await real_cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace.name, "--timeout=30s")

    await real_cluster.kubectl("delete", "deployment", "web", "-n", namespace.name)

    await eventually(lambda: _has_no_pods(namespace))


async def _has_no_pods(namespace: Namespace) -> bool:
    return not await namespace.pods()


async def test_a_service_account_is_who_its_token_says(real_cluster: ControlPlane, namespace: Namespace):
    """The gateway's account may ask the API server whose token it is."""
    clerk = await namespace.account("clerk")

    review = await _reviewed(real_cluster, clerk.token)

    assert review["authenticated"] is True
    assert review["user"]["username"] == clerk.user == f"system:serviceaccount:{namespace.name}:clerk"


async def test_an_expired_token_is_refused_as_expired(real_cluster: ControlPlane, namespace: Namespace):
    """It differs from a good one in its times alone: the API server has no other complaint."""
    await namespace.account("clerk")

    review = await _reviewed(real_cluster, await real_cluster.expired_token("clerk", namespace.name))

    assert not review.get("authenticated")
    assert "expired" in review["error"]


async def test_a_right_is_in_force_when_given_and_gone_after_it_was_revoked(
    real_cluster: ControlPlane, namespace: Namespace
):
    """`allow` gives exactly what was asked for, in that namespace alone."""
    clerk = await namespace.account("clerk")
    path = f"/api/v1/namespaces/{namespace.name}/pods"

    grant = await real_cluster.allow(clerk.user, ["list"], ["pods"], namespace=namespace.name)

    assert (await real_cluster.request("GET", path, token=clerk.token))["items"] == []
    with pytest.raises(Refused, match="cannot list resource"):
        await real_cluster.request("GET", "/api/v1/pods", token=clerk.token)

    await grant.revoke()

    await eventually(lambda: _is_refused(real_cluster, path, clerk.token))


async def test_the_gateway_may_watch_and_review_but_not_read_secrets(real_cluster: ControlPlane):
    """The rights of the gateway's account are those that it needs."""
    await real_cluster.request("GET", "/api/v1/pods", user=GATEWAY)
    await real_cluster.request("GET", "/api/v1/nodes", user=VIEWER)

    with pytest.raises(Refused, match="secrets is forbidden"):
        await real_cluster.request("GET", "/api/v1/secrets", user=GATEWAY)


async def test_a_client_certificate_logs_in_as_its_user(real_cluster: ControlPlane):
    """The organizations in it are the user's groups."""
    certificate, key = real_cluster.client_certificate("erin", ["team-a"])

    words = await real_cluster.kubectl(
        "auth", "whoami", "-o", "jsonpath={.status.userInfo}",
        f"--client-certificate={certificate}", f"--client-key={key}", "--token=",
    )  # fmt: skip

    assert '"username":"erin"' in words
    assert '"team-a"' in words


async def test_the_api_server_comes_back_with_its_data_at_its_address(control_plane: StartControlPlane):
    """Killed and started again, it has the pods, and nothing older than its new beginning."""
    plane = await control_plane()
    nodes = await plane.create_nodes(2)
    await plane.create_pods(5, nodes)
    before = (await plane.request("GET", "/api/v1/pods"))["metadata"]["resourceVersion"]

    plane.stop_api_server()
    with pytest.raises(aiohttp.ClientConnectionError):
        await plane.request("GET", "/api/v1/pods")
    await plane.start_api_server()
    await plane.create_pods(1, nodes, prefix="late")

    assert len((await plane.request("GET", "/api/v1/pods"))["items"]) == 6
    assert int((await plane.request("GET", "/api/v1/pods"))["metadata"]["resourceVersion"]) > int(before)


async def test_bulk_pods_look_like_those_of_a_kubelet(control_plane: StartControlPlane):
    """For loads: Running and ready, with addresses, dealt to the nodes in turn."""
    plane = await control_plane()
    nodes = await plane.create_nodes(3)

    await plane.create_pods(30, nodes, namespace="default", containers=2)

    pods = (await plane.request("GET", "/api/v1/pods"))["items"]
    assert [pod["spec"]["nodeName"] for pod in pods] == nodes * 10
    assert all(pod["status"]["phase"] == "Running" for pod in pods)
    assert len({pod["status"]["podIP"] for pod in pods}) == 30
    assert all(len(pod["status"]["containerStatuses"]) == 2 for pod in pods)


@pytest.mark.parametrize("options", [{"server": "oldest"}, {"feature_gates": {"WatchList": False}}], ids=str)
async def test_a_server_without_streaming_lists_refuses_them(
    control_plane: StartControlPlane, options: dict[str, object]
):
    """The oldest server by its age, the newest by its feature gate: 422, and a plain LIST works."""
    plane = await control_plane(**options)
    streaming = {"watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}

    with pytest.raises(Refused, match="sendInitialEvents is forbidden") as refusal:
        await plane.request("GET", "/api/v1/pods", params=streaming)

    assert refusal.value.status == 422
    assert (await plane.request("GET", "/api/v1/pods"))["items"] == []


async def test_a_frozen_api_server_answers_nothing_until_it_is_thawed(control_plane: StartControlPlane):
    """Its connections stay open meanwhile: neither refused nor answered."""
    plane = await control_plane()
    url = f"{plane.server}/readyz"

    plane.freeze_api_server()
    async with plane.api() as session:
        with pytest.raises(TimeoutError):
            await session.get(url, timeout=aiohttp.ClientTimeout(total=0.5))
    plane.thaw_api_server()

    async with plane.api() as session, session.get(url) as answer:
        assert answer.status == 200


async def test_prometheus_holds_what_the_pods_annotations_say(namespace: Namespace, real_prometheus: PrometheusServer):
    """KWOK's kubelet and the cAdvisor pages agree on a pod's use, and each is scraped once."""
    await namespace.run_pods("busy", cpu_use="250m", memory_use="96Mi")
    web = f'namespace="{namespace.name}",pod="busy",container="web"'

    # over as many scrapes as there are by then: one alone may come late
    used = f"deriv(container_cpu_usage_seconds_total{{{web}}}[30s])"
    cpu = await real_prometheus.wait_for_value(used, 0.25, 2, within=0.1)
    memory = await real_prometheus.wait_for_series(f"container_memory_working_set_bytes{{{web}}}", 2)

    sources = {series["metric"]["metrics_path"] for series in cpu}
    assert sources == {"/metrics/cadvisor", "/metrics/resource"}
    assert {series["metric"]["job"] for series in cpu} == {"kubelet"}
    assert {float(series["value"][1]) for series in memory} == {96 * 2**20}


async def test_prometheus_knows_every_node(real_prometheus: PrometheusServer):
    """Node exporter and kube-state-metrics speak of the cluster's nodes by their names."""
    exporters = await real_prometheus.wait_for_series("node_memory_MemTotal_bytes", 3)
    nodes = await real_prometheus.wait_for_series("kube_node_info", 3)

    assert {series["metric"]["instance"] for series in exporters} == set(NODES)
    assert {series["metric"]["node"] for series in nodes} == set(NODES)
    assert {float(series["value"][1]) for series in exporters} == {16 * 2**30}


async def test_a_test_can_state_its_own_world(own_prometheus: StartPrometheus):
    """Rates of a stated world come out of the real Prometheus as they were stated, also after it was killed."""
    world = World(
        [NodeUse("lone", "10.0.0.9", cores=2, cpu_used=0.5, receive_rate=3_000.0)],
        [PodUse("shop", "till", "lone", receive_rate=700.0)],
    )
    with Exporters(lambda: world) as exporters:
        server = await own_prometheus(exporter_targets(exporters.address, ["lone"]))
        cpu = 'sum by (instance) (rate(node_cpu_seconds_total{mode!~"idle|iowait"}[5s]))'
        received = 'rate(container_network_receive_bytes_total{pod="till"}[5s])'

        assert len(await server.wait_for_value(cpu, 0.5, within=0.05)) == 1
        assert len(await server.wait_for_value(received, 700.0, within=0.05)) == 1

        server.kill()
        with pytest.raises(aiohttp.ClientConnectionError):
            await server.query("up")
        await server.start_again()

        assert await server.wait_for_series("up", 3)


async def _reviewed(cluster: ControlPlane, token: str) -> objects.Manifest:
    answer = await cluster.request("POST", CREDENTIAL_REVIEWS, {"spec": {"token": token}}, user=GATEWAY)
    status: objects.Manifest = answer["status"]
    return status


async def _is_refused(cluster: ControlPlane, path: str, token: str) -> bool:
    try:
        await cluster.request("GET", path, token=token)
    except Refused as refusal:
        return refusal.status == 403
    return False
