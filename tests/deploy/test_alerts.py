"""The chart's alerts, run by Prometheus' own promtool: each fires on its trouble, after its time, on no other day."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.render import CHART
from tests.cluster import programs
from tests.cluster.fixtures import provide
from tests.deploy.helm import OPERATOR, Helm, one, parsed, values

RULES = CHART / "files/alerts.yaml"
PAGE = Path(__file__).parents[2] / "docs/operations.md"
POD = 'namespace="binnacle",pod="binnacle-1"'
MINUTES = 60

# A day like any other: what each minute's scrape adds to.
WELL = {
    f"binnacle_build_info{{{POD}}}": "1x60",
    f'binnacle_reviews_total{{{POD},outcome="accepted"}}': "0+10x60",
    f'binnacle_reviews_total{{{POD},outcome="unavailable"}}': "0+1x60",
    f'binnacle_requests_total{{{POD},status="200"}}': "0+99x60",
    f'binnacle_requests_total{{{POD},status="503"}}': "0+1x60",
    f'binnacle_requests_refused_total{{{POD},code="UNAVAILABLE",reason="no_place"}}': "0+0.5x60",
    f'binnacle_requests_refused_total{{{POD},code="UNAVAILABLE",reason="reviews"}}': "0+5x60",
    f'binnacle_watch_live{{{POD},kind="pods"}}': "1x60",
    f'binnacle_watch_refused{{{POD},kind="pods"}}': "0x60",
    f'binnacle_request_seconds_bucket{{{POD},le="2.5"}}': "0+99x60",
    f"binnacle_request_seconds_count{{{POD}}}": "0+100x60",
    f'binnacle_phase_seconds_sum{{{POD},phase="wait"}}': "0+1x60",
    f'binnacle_phase_seconds_count{{{POD},phase="wait"}}': "0+100x60",
    f'binnacle_upstream_requests_total{{{POD},system="prometheus",code="200"}}': "0+10x60",
    f'binnacle_upstream_requests_total{{{POD},system="prometheus",code="error"}}': "0+1x60",
    f"binnacle_event_loop_lag_seconds_sum{{{POD}}}": "0+1x60",
    f"binnacle_event_loop_lag_seconds_count{{{POD}}}": "0+240x60",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is different from an ordinary day; None: not there."""

    alert: str
    series: Mapping[str, str | None]
    labels: Mapping[str, str]


TROUBLES = (
    Trouble("BinnacleDown", dict.fromkeys(WELL), {"namespace": "binnacle"}),
    Trouble(
        "BinnacleReviewsFailing",
        {f'binnacle_reviews_total{{{POD},outcome="unavailable"}}': "0+11x60"},
        {"namespace": "binnacle"},
    ),
    Trouble(
        "BinnacleErrors",
        {f'binnacle_requests_total{{{POD},status="503"}}': "0+6x60"},
        {"namespace": "binnacle"},
    ),
    Trouble(
        "BinnacleWatchBroken",
        {f'binnacle_watch_live{{{POD},kind="pods"}}': "0x60"},
        {"namespace": "binnacle", "kind": "pods"},
    ),
    Trouble(
        "BinnacleKindRefused",
        {
            f'binnacle_watch_live{{{POD},kind="pods"}}': "0x60",
            f'binnacle_watch_refused{{{POD},kind="pods"}}': "1x60",
        },
        {"namespace": "binnacle", "kind": "pods"},
    ),
    Trouble(
        "BinnacleSlow",
        {f'binnacle_request_seconds_bucket{{{POD},le="2.5"}}': "0+94x60"},
        {"namespace": "binnacle"},
    ),
    Trouble(
        "BinnacleOverloaded",
        {f'binnacle_requests_refused_total{{{POD},code="UNAVAILABLE",reason="no_place"}}': "0+2x60"},
        {"namespace": "binnacle"},
    ),
    Trouble(
        "BinnacleRequestsWaiting",
        {f'binnacle_phase_seconds_sum{{{POD},phase="wait"}}': "0+51x60"},
        {"namespace": "binnacle"},
    ),
    Trouble(
        "BinnacleMetricsUnavailable",
        {f'binnacle_upstream_requests_total{{{POD},system="prometheus",code="error"}}': "0+11x60"},
        {"namespace": "binnacle"},
    ),
    Trouble(
        "BinnacleEventLoopLate",
        {f"binnacle_event_loop_lag_seconds_sum{{{POD}}}": "0+25x60"},
        {"namespace": "binnacle", "pod": "binnacle-1"},
    ),
)


def rules() -> dict[str, Any]:
    return {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


@pytest.fixture(scope="session")
def promtool(pytestconfig: pytest.Config) -> Path:
    provide(pytestconfig, [programs.PROMTOOL])
    return programs.provide(programs.PROMTOOL, print)


def ran(promtool: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.cluster  # promtool may have to be built
def test_each_alert_fires_on_its_own_trouble_and_on_no_ordinary_day(promtool: Path, tmp_path: Path):
    """Not a minute before its time; of another namespace's Binnacle it knows nothing."""
    untold = [{key: rule[key] for key in rule if key != "annotations"} for rule in rules().values()]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "binnacle", "rules": untold}]}))
    tests = [day("an ordinary day", WELL, {})]
    for trouble in TROUBLES:
        series = {name: count for name, count in (WELL | dict(trouble.series)).items() if count is not None}
        tests.append(day(trouble.alert, series, {trouble.alert: trouble.labels}))
    elsewhere = {name.replace('"binnacle"', '"another"'): count for name, count in WELL.items()}
    broken = {'binnacle_watch_live{namespace="another",pod="b",kind="pods"}': "0x60"}
    tests.append(day("another's", elsewhere | broken, {"BinnacleDown": {"namespace": "binnacle"}}))
    (tmp_path / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests})
    )

    done = ran(promtool, "test", "rules", tmp_path / "tests.yaml")

    assert done.returncode == 0, done.stdout + done.stderr


def day(name: str, series: Mapping[str, str], firing: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """One test of promtool's: these fire and no others, from their time on until the end."""
    expected = []
    for alert, rule in rules().items():
        fires = [{"exp_labels": {**firing[alert], **rule["labels"]}}] if alert in firing else []
        after = int(rule["for"].removesuffix("m"))
        for minute, alerts in ((after - 1, []), (after + 3, fires), (MINUTES, fires)):  # a rate needs some scrapes
            expected.append({"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": alerts})
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": each, "values": counts} for each, counts in series.items()],
        "alert_rule_test": expected,
    }


@pytest.mark.cluster
def test_promtool_has_nothing_to_say_about_the_rules(promtool: Path):
    """Its linter, every lint of it."""
    done = ran(promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tried_and_says_what_to_do():
    """And goes by metrics that the page of the gateway's metrics has."""
    assert sorted(trouble.alert for trouble in TROUBLES) == sorted(rules())
    known = set(re.findall(r"`(binnacle_\w+)`", PAGE.read_text()))
    for name, rule in rules().items():
        assert len(rule["annotations"]["description"]) > 80, name
        for metric in re.findall(r"binnacle_\w+", rule["expr"]):
            assert re.sub(r"_(bucket|sum|count)$", "", metric) in known, metric


def test_the_page_lists_the_alerts_with_their_times():
    """docs/operations.md, "Alerts"."""
    listed = dict(re.findall(r"^\| `(Binnacle\w+)` \| (\d+) m \|", PAGE.read_text(), re.MULTILINE))

    assert {name: f"{minutes}m" for name, minutes in listed.items()} == {
        name: rule["for"] for name, rule in rules().items()
    }


@pytest.mark.cluster
def test_the_rule_is_of_the_releases_own_namespace(helm: Helm):
    """The very alerts of the file."""
    rendered = helm.run("template", "b", str(CHART), "--namespace", "shop", *OPERATOR, *values("everything"))

    groups = one(parsed(rendered), "PrometheusRule")["spec"]["groups"]

    text = RULES.read_text().replace('namespace="binnacle"', 'namespace="shop"')
    assert groups == yaml.safe_load(text)["groups"]


@pytest.mark.cluster
def test_where_there_is_no_operator_nothing_is_left_for_it(helm: Helm):
    """Else the API server would refuse the whole release. With one the port that it scrapes is the pods'."""
    without = parsed(helm.run("template", "b", str(CHART), *values("everything")))
    assert not {"PodMonitor", "PrometheusRule"} & {item["kind"] for item in without}

    objects = helm.objects(*values("everything"))
    pod = one(objects, "Deployment")["spec"]["template"]
    monitor = one(objects, "PodMonitor")["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    (port,) = (port for port in pod["spec"]["containers"][0]["ports"] if port["name"] == endpoint["port"])
    assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    config = yaml.safe_load(one(objects, "ConfigMap")["data"]["config.yaml"])
    told = {"metrics_host": "0.0.0.0", "metrics_port": port["containerPort"]}
    assert told.items() <= config["telemetry"].items()


@pytest.mark.cluster
def test_traces_have_a_way_out_where_they_are_switched_on(helm: Helm):
    """To the collector's port, and to nobody's without them."""

    def ways_out(*arguments: str) -> set[int]:
        policies = [item["spec"] for item in helm.objects(*arguments) if item["kind"] == "NetworkPolicy"]
        return {port["port"] for policy in policies for way in policy.get("egress", ()) for port in way["ports"]}

    assert ways_out(*values("everything")) - ways_out() == {4318}


@pytest.mark.cluster
@pytest.mark.parametrize("name", ["default", "everything", "namespaced", "one-node"])
def test_the_metrics_port_is_in_no_service_and_open_to_the_named_alone(helm: Helm, name: str):
    """Whoever reaches the node port meets /metrics behind the review only."""
    objects = helm.objects(*values(name))
    (port,) = (
        port["containerPort"]
        for port in one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"]
        if port["name"] == "metrics"
    )

    for service in (item for item in objects if item["kind"] == "Service"):
        assert not {"metrics", port} & {each["targetPort"] for each in service["spec"]["ports"]}
    openings = [
        opening
        for item in objects
        if item["kind"] == "NetworkPolicy"
        for opening in item["spec"].get("ingress", [])
        if port in {each["port"] for each in opening["ports"]}
    ]
    (opening,) = openings
    wanted = "observability" if name == "everything" else "monitoring"
    (peer,) = opening["from"]
    assert peer == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": wanted}}}
