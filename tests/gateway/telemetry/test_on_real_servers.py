"""/metrics before the real API server's authorizers, and in the real Prometheus."""

import asyncio
import functools
import json
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import yaml

from auth.api import Reply
from auth.identity import Identity, Proof
from auth.reviewers import OwnReviewer, TokenReviewer
from auth.settings import AuthenticatorName, AuthSettings
from gateway.config import Config
from gateway.telemetry.endpoint import READING
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.cluster.control_plane import GATEWAY, ControlPlane, answers, eventually
from tests.cluster.fixtures import Account, Namespace, StartPrometheus
from tests.cluster.process import Process, free_ports
from tests.cluster.prometheus import Target
from tests.front_door import free_port, open_front_door

RBAC = "/apis/rbac.authorization.k8s.io/v1"
BINNACLE = Path(sys.executable).parent / "binnacle"
ROOT = Path(__file__).parents[3]
DASHBOARD = "query Dashboard { nodes { name pods { name metrics(names: [CPU_USAGE]) { value missing } } } }"


class Reviews:
    """An API server that says yes, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any], str | None]] = []

    async def post(self, path: str, body: bytes, *, timeout: float, token: str | None = None) -> Reply:
        review = json.loads(body)
        self.asked.append((path, review["spec"], token))
        return Reply(201, {}, orjson.dumps({"kind": review["kind"], "status": {"allowed": True}}))


async def test_it_is_the_non_resource_url_that_is_asked_about():
    """By the gateway's review as by the caller's own; never as a resource, which a viewer's role might grant."""
    asked = {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}
    api, settings = Reviews(), AuthSettings()

    await TokenReviewer(api, settings).decide(Identity("ann", groups=("ops",)), READING)
    await OwnReviewer(api, settings).decide(Identity("ann", proof=Proof(b"", "her-token")), READING)

    (by_us, theirs) = api.asked
    assert by_us == (
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {"user": "ann", "uid": "", "groups": ["ops"], "extra": {}, **asked},
        None,
    )
    assert theirs == ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", asked, "her-token")


async def may_scrape(cluster: ControlPlane, account: Account) -> None:
    """Give the right as the API server's own metrics are given."""
    name = f"scraper-{secrets.token_hex(4)}"
    rule = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    await cluster.request("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": [rule]})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": account.user}],
    }
    await cluster.request("POST", f"{RBAC}/clusterrolebindings", binding)

    async def in_force() -> bool:
        async with cluster.api(token=account.token) as session, session.get("/metrics") as answer:
            return answer.status == 200

    await eventually(in_force)


@pytest.mark.parametrize("reviewer", ["token_review", "self_subject_review"], ids=["by ours", "by their own"])
async def test_on_the_main_port_metrics_are_for_whom_the_api_server_shows_its_own(
    real_cluster: ControlPlane, namespace: Namespace, reviewer: AuthenticatorName
):
    """Nobody without a token, nobody without that one right, however much else they may; then all of it."""
    scraper, reader = await namespace.account("scraper"), await namespace.account("reader")
    await may_scrape(real_cluster, scraper)
    await real_cluster.allow(reader.user, ["get", "list", "watch"], ["nodes", "pods", "namespaces", "services"])
    config = Config(
        server=free_port(),
        kubernetes=KubernetesSettings(
            kubeconfig=real_cluster.kubeconfig_of(GATEWAY),
            namespaces=(namespace.name,) if reviewer == "self_subject_review" else (),
        ),
        auth=AuthSettings(authenticators=(reviewer,), review_timeout_seconds=5),
    )
    async with open_front_door(config) as door:
        nobody = await door.request("GET", "/metrics")
        stranger = await door.request("GET", "/metrics", "made-up")
        allowed_otherwise = await door.request("GET", "/metrics", reader.token)
        shown = await door.request("GET", "/metrics", scraper.token)
        assert (await door.ask("{ pods { name } }", scraper.token)).codes == ["FORBIDDEN"], "that right alone"

    assert [nobody.status, stranger.status, allowed_otherwise.status, shown.status] == [401, 401, 403, 200]
    assert allowed_otherwise.codes == ["FORBIDDEN"]
    assert not any("binnacle_" in refused.text for refused in (nobody, stranger, allowed_otherwise))
    assert "binnacle_watch_objects{kind=" in shown.text


async def test_a_real_prometheus_scrapes_the_port_and_runs_every_alert(
    real_cluster: ControlPlane, namespace: Namespace, own_prometheus: StartPrometheus, tmp_path: Path
):
    """As the chart would have it scraped: the page's metrics and no others, and no alert on a good day."""
    await namespace.run_pods("one")
    user = await namespace.account()
    await real_cluster.allow(user.user, ["list"], ["nodes", "pods"])
    port, metrics_port = free_ports(2)
    labels = {"namespace": "binnacle", "pod": "binnacle-1"}
    prometheus = await own_prometheus([Target(f"127.0.0.1:{metrics_port}", "/metrics", "binnacle", labels)])
    serving = Process(
        ["env", f"BINNACLE_TELEMETRY__METRICS_PORT={metrics_port}", BINNACLE, "serve", "--host", "127.0.0.1",
         "--port", str(port), "--kubeconfig", str(real_cluster.kubeconfig_of(GATEWAY)),
         "--prometheus-url", prometheus.url],
        tmp_path / "log",
    )  # fmt: skip
    serving.start()
    try:
        await serving.ready(functools.partial(answers, f"http://127.0.0.1:{port}/readyz"), 60)
        bearer = {"Authorization": f"Bearer {user.token}"}
        async with aiohttp.ClientSession(headers=bearer) as session:
            for query in ("{ nope }", "{ deployments { name } }", DASHBOARD):
                async with session.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}) as answer:
                    assert answer.status == 200, await answer.text()
        await prometheus.wait_for_series('binnacle_requests_total{operation="Dashboard",status="200"} == 1')
        await prometheus.wait_for_series('up{job="binnacle"} == 1')
        found = await prometheus.query('count by (__name__) ({__name__=~"binnacle_.+"})')
        alerts = yaml.safe_load((ROOT / "deploy/chart/files/alerts.yaml").read_text())["groups"][0]["rules"]
        fired = await asyncio.gather(*(prometheus.query(alert["expr"]) for alert in alerts))
        watched = await prometheus.query('binnacle_watch_objects{kind="nodes"}')
    finally:
        serving.terminate()

    names = {re.sub(r"_(bucket|sum|count)$", "", each["metric"]["__name__"]) for each in found}
    documented = set(re.findall(r"^\| `(binnacle_\w+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    assert names == documented
    assert watched[0]["metric"] == {**labels, "__name__": "binnacle_watch_objects", "job": "binnacle",
                                    "kind": "nodes", "instance": f"127.0.0.1:{metrics_port}"}  # fmt: skip
    assert watched[0]["value"][1] == "3"
    firing = {alert["alert"] for alert, result in zip(alerts, fired, strict=True) if result}
    assert firing <= {"BinnacleSlow", "BinnacleOverloaded", "BinnacleEventLoopLate"}, "but for a machine that is busy"
