"""Prometheus and Grafana beside the gateway: dashboards on a real Prometheus, values files, the install scripts."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from deploy.dashboards import DATASOURCE
from deploy.render import CHART, DASHBOARDS, HERE
from tests.cluster import programs
from tests.cluster.fixtures import NODES, Namespace, StartControlPlane
from tests.cluster.objects import nodes
from tests.cluster.prometheus import PrometheusServer
from tests.deploy.helm import Helm

MONITORING = HERE / "monitoring"
PANELS = [
    (file.stem, panel["title"], panel["targets"][0]["expr"])
    for file in sorted(DASHBOARDS.glob("*.json"))
    for panel in json.loads(file.read_text())["panels"]
]


async def test_every_panel_shows_something_on_a_real_prometheus(
    real_prometheus: PrometheusServer, namespace: Namespace
):
    """With Grafana's variables filled in as it fills them in: a choice of several, as a regular expression."""
    await namespace.run_pods("web-0", "web-1", cpu_use="250m")
    own = f'container_cpu_usage_seconds_total{{namespace="{namespace.name}",container!="",container!="POD"}}'
    await real_prometheus.wait_for_window(own, 10, 2)
    values = {
        "$__rate_interval": "10s", "$namespace": f"({namespace.name}|none)", "$pod": "(web-0|web-1)",
        "$node": f"({'|'.join(NODES)})",
    }  # fmt: skip
    for dashboard, title, expression in PANELS:
        asked = re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], expression)
        rows = await real_prometheus.query(asked)
        assert rows, (dashboard, title, asked)
        if dashboard == "pod":
            assert {row["metric"]["pod"] for row in rows} == {"web-0", "web-1"}, title
        if dashboard == "node" and title == "Memory":
            assert {row["metric"]["node"] for row in rows} == set(NODES)


async def test_prometheus_parses_every_panel_and_variable(real_prometheus: PrometheusServer):
    """With what stands in for a variable before anything is chosen, too."""
    async with aiohttp.ClientSession(real_prometheus.url) as session:
        for dashboard, title, expression in PANELS:
            query = {"query": expression.replace("$__rate_interval", "1m")}
            async with session.post("/api/v1/parse_query", data=query) as answer:
                assert answer.status == 200, (dashboard, title, await answer.text())


def test_panels_have_room_and_a_data_source_that_grafana_is_given():
    for file in DASHBOARDS.glob("*.json"):
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(file.read_text())["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, (file.name, panel["title"])
            assert place["x"] + place["w"] <= 24
            taken |= cells
    (source,) = values_of("grafana")["datasources"]["datasources.yaml"]["datasources"]
    assert (source["type"], source["uid"]) == (DATASOURCE["type"], DATASOURCE["uid"])


def values_of(name: str) -> Any:
    return yaml.safe_load((MONITORING / f"{name}.yaml").read_text())


def test_by_default_grafana_wants_a_login_and_is_reached_from_inside_only():
    values = values_of("grafana")
    assert values["service"] == {"type": "ClusterIP"}
    assert values["grafana.ini"]["auth.anonymous"] == {"enabled": False}
    assert "allow_embedding" not in values["grafana.ini"]["security"]


def test_the_open_set_up_says_what_it_shows_before_it_does():
    values = values_of("grafana-open")
    assert values["service"] == {"type": "NodePort", "nodePort": 30400}
    assert values["grafana.ini"]["auth.anonymous"] == {"enabled": True, "org_role": "Viewer"}
    assert values["grafana.ini"]["security"]["allow_embedding"] is True
    head = (MONITORING / "grafana-open.yaml").read_text().split("\n\nservice", 1)[0]
    assert "without a login" in head
    assert "every namespace" in head


def test_prometheus_is_where_the_gateway_and_grafana_look_for_it():
    """Release and chart are both called prometheus, so its Service is prometheus-server, on port 80."""
    values = values_of("prometheus")
    assert values["server"]["service"]["type"] == "ClusterIP"
    assert values["server"]["persistentVolume"] == {"enabled": False}
    assert values["server"]["global"]["scrape_interval"] == "15s"
    assert values["prometheus-node-exporter"]["enabled"]
    assert values["kube-state-metrics"]["enabled"]
    assert not values["alertmanager"]["enabled"]
    assert not values["prometheus-pushgateway"]["enabled"]
    url = yaml.safe_load((CHART / "values.yaml").read_text())["config"]["prometheus"]["url"]
    (source,) = values_of("grafana")["datasources"]["datasources.yaml"]["datasources"]
    assert url == source["url"] == "http://prometheus-server.monitoring"
    assert source["jsonData"]["timeInterval"] == "15s"


def test_what_could_not_be_run_says_so_at_its_head():
    for file in (*MONITORING.glob("*.yaml"), *MONITORING.glob("*.sh"), HERE / "kind.yaml", HERE / "image/Dockerfile"):
        assert any(line.startswith("# Not run") for line in file.read_text().splitlines()[:2]), file.name


def test_the_kind_cluster_is_one_control_plane_and_two_workers():
    content = yaml.safe_load((HERE / "kind.yaml").read_text())
    assert [node["role"] for node in content["nodes"]] == ["control-plane", "worker", "worker"]
    ports = {mapping["containerPort"] for mapping in content["nodes"][0]["extraPortMappings"]}
    assert ports == {30080, 30400}


def run_to_end(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=180)


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A chart with a Deployment of one pod, in the place of the communities'; it takes any values."""
    chart = tmp_path / "stand-in"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: stand-in\nversion: 1.0.0\n")
    labels = "{app.kubernetes.io/instance: '{{ .Release.Name }}'}"
    (chart / "templates" / "deployment.yaml").write_text(f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: "{{{{ .Release.Name }}}}", namespace: "{{{{ .Release.Namespace }}}}"}}
spec:
  selector: {{matchLabels: {labels}}}
  template:
    metadata: {{labels: {labels}}}
    spec:
      containers: [{{name: it, image: "registry.k8s.io/pause:3.10"}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: "{{{{ .Release.Name }}}}-values", namespace: "{{{{ .Release.Namespace }}}}"}}
data:
  values.yaml: {{{{ toYaml .Values | quote }}}}
""")
    return chart


async def test_one_script_installs_all_three_and_another_removes_them(
    control_plane: StartControlPlane, helm: Helm, stand_in: Path, tmp_path: Path
):
    """In order, with a line for each pod while it waits; run again it upgrades; nothing of it is left in the end."""
    plane = await control_plane(with_controllers=True, with_kwok=True)
    await plane.create(nodes(3))
    # the test cluster's own account for gateways has the names that the chart gives
    await plane.kubectl("delete", "clusterrole,clusterrolebinding", "binnacle-gateway")
    kubectl = programs.provide(programs.KUBECTL, print)
    environment = os.environ | {
        "HELM": f"{helm.program} --kubeconfig {plane.kubeconfig}",
        "KUBECTL": f"{kubectl} --kubeconfig {plane.kubeconfig}",
        "PROMETHEUS_CHART": str(stand_in), "GRAFANA_CHART": str(stand_in), "PROGRESS_EVERY_S": "0.5",
        "HELM_CACHE_HOME": str(tmp_path), "HELM_CONFIG_HOME": str(tmp_path), "HELM_DATA_HOME": str(tmp_path),
    }  # fmt: skip

    async def run(script: str, *arguments: str) -> str:
        command = [str(MONITORING / script), *arguments]
        done = await asyncio.to_thread(run_to_end, command, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    async def grafanas() -> Any:
        config = await plane.request("GET", "/api/v1/namespaces/monitoring/configmaps/grafana-values")
        return yaml.safe_load(config["data"]["values.yaml"])

    said = await run("install.sh")
    places = [said.index(f"{name} is ready") for name in ("prometheus", "grafana", "binnacle")]
    assert places == sorted(places)
    assert "[4/4] Binnacle" in said
    assert "kubectl create token me" in said
    assert "WITHOUT A LOGIN" not in said
    dashboards = await plane.request("GET", "/api/v1/namespaces/monitoring/configmaps/binnacle-dashboards")
    assert set(dashboards["data"]) == {"cluster.json", "node.json", "pod.json"}
    assert (await grafanas())["service"] == {"type": "ClusterIP"}

    assert "WITHOUT A LOGIN" in await run("install.sh", "--open-grafana")
    assert (await grafanas())["service"] == {"type": "NodePort", "nodePort": 30400}

    await run("uninstall.sh")
    assert helm.run("list", "--all-namespaces", "--short", "--kubeconfig", str(plane.kubeconfig)).strip() == ""
    left = await plane.kubectl("get", "all,configmaps,secrets", "-n", "monitoring", "-o", "name")
    assert left.split() == ["configmap/kube-root-ca.crt"]
