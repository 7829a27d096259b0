"""The chart by itself: the real Helm lints it, renders it, and refuses wrong values by their names."""

import re

import pytest
import yaml

from deploy.render import CHART, HERE
from gateway.config import load_config
from tests.deploy.golden import stable
from tests.deploy.helm import GOLDEN, Helm, HelmRefused, one, parsed, value_sets, values

pytestmark = pytest.mark.cluster  # Helm may have to be built

NAMED = "rbac.impersonation.enabled=true,rbac.impersonation.users={ann@example.com}"
_FIRST = "rbac.impersonation.writes[0]"
WRITE = f"{_FIRST}.apiGroup=,{_FIRST}.resources={{nodes}},{_FIRST}.verbs={{patch}},{_FIRST}.because=cordon"


@pytest.mark.parametrize("name", value_sets())
def test_helm_finds_nothing_to_complain_about(helm: Helm, name: str):
    assert "0 chart(s) failed" in helm.run("lint", "--strict", str(CHART), *values(name))


@pytest.mark.parametrize("name", value_sets())
def test_what_is_rendered_changes_only_on_purpose(helm: Helm, name: str):
    """Anew: python -m tests.deploy.golden. The difference is then part of the commit."""
    assert stable(helm.template(*values(name))) == (GOLDEN / f"{name}.yaml").read_text()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("service.nodePort=29999", "/service/nodePort"),
        ("service.nodePort=32768", "/service/nodePort"),
        ("service.nodePort=80", "/service/nodePort"),
        ("service.nodePrt=30080", "nodePrt"),
        ("service.externalTrafficPolicy=local", "/service/externalTrafficPolicy"),
        ("replica=3", "replica"),
        ("replicas=three", "/replicas"),
        ("image.tag=latest", "/image/tag"),
        ("image.digest=e3b0c442", "/image/digest"),
        ("sharedSecret.existingSecret=_", "/sharedSecret/existingSecret"),
        ("config.server.shared_secret_file=/etc/secret", "shared_secret_file"),
        ("config.server.log_levl=debug", "log_levl"),
        ("config.server.port=9090", "port"),
        ("config.promtheus.url=http://prometheus", "promtheus"),
        ("config.auth.allowed_seconds=600", "/config/auth/allowed_seconds"),
        ("config.kubernetes.kubeconfig=/etc/kubeconfig", "kubernetes"),
        ("ingress.enabled=true", "/ingress/hosts"),
        ("httpRoute.enabled=true", "/httpRoute/parentRefs"),
        ("podDisruptionBudget.maxUnavailable=0", "/podDisruptionBudget/maxUnavailable"),
        ("rbac.watch[0].resources[0]=*", "/rbac/watch/0/resources/0"),
        ("rbac.watch[0].resources[0]=secrets", "/rbac/watch/0/resources/0"),
        ("rbac.namespaces[0]=Shop", "/rbac/namespaces/0"),
        ("rbac.namespaces[0]=*", "/rbac/namespaces/0"),
        ("rbac.impersonation.enabled=true", "/rbac/impersonation/users"),
        ("rbac.impersonation.enabled=true,rbac.impersonation.users={ann}", "/rbac/impersonation/writes"),
        ("rbac.impersonation.users={*}", "/rbac/impersonation/users/0"),
        ("rbac.impersonation.users={system:admin}", "/rbac/impersonation/users/0"),
        ("rbac.impersonation.groups={dev,system:masters}", "/rbac/impersonation/groups/1"),
        ("rbac.impersonation.groups={oidc:*}", "/rbac/impersonation/groups/0"),
        (f"{WRITE},rbac.impersonation.writes[0].verbs={{*}}", "/rbac/impersonation/writes/0/verbs/0"),
        (f"{WRITE},rbac.impersonation.writes[0].verbs={{get}}", "/rbac/impersonation/writes/0/verbs/0"),
        (f"{WRITE},rbac.impersonation.writes[0].resources={{*}}", "/rbac/impersonation/writes/0/resources/0"),
        (f"{WRITE},rbac.impersonation.writes[0].resources={{secrets}}", "/rbac/impersonation/writes/0/resources/0"),
        (f"{WRITE},{NAMED}", "rbac.impersonation.enabled needs oidc or token_file"),
        (f"{WRITE},{NAMED},rbac.namespaces={{shop}}", "rbac.impersonation.enabled needs oidc or token_file"),
        (f"{WRITE},{NAMED},rbac.create=false", "rbac.impersonation.enabled needs rbac.create"),
        ("config.auth.authenticators[0]=webhook", "/config/auth/authenticators/0"),
        ("metrics.port=80", "/metrics/port"),
        ("metrics.port=8080", "/metrics/port"),
        ("metrics.from=null", "/metrics"),
        ("config.telemetry.metrics_port=9090", "metrics_port"),
        ("podMonitor.interval=often", "/podMonitor/interval"),
        ("podMonitor.enabled=true,metrics.enabled=false", "podMonitor.enabled needs metrics.enabled"),
        ("serviceAccount.create=false", "serviceAccount.name must be set"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(helm: Helm, wrong: str, named: str):
    with pytest.raises(HelmRefused) as refused:
        helm.template("--set", wrong)
    assert named in str(refused.value)


@pytest.mark.parametrize("name", value_sets())
def test_the_gateway_understands_its_configuration(helm: Helm, name: str, tmp_path, monkeypatch):
    """Helm writes large numbers as 2.097152e+06; files that only a pod has are left out here."""
    content = yaml.safe_load(one(helm.objects(*values(name)), "ConfigMap")["data"]["config.yaml"])
    for section, key in (
        ("server", "tls_certificate"), ("server", "tls_key"), ("server", "shared_secret_file"),
        ("prometheus", "bearer_token_file"),
    ):  # fmt: skip
        content[section].pop(key, None)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(content))

    config = load_config({}, {}, file)

    assert (config.server.port, config.server.log_format) == (8080, "json")
    if name == "everything":
        assert (config.server.body_limit_bytes, config.server.shutdown_grace_seconds) == (2_097_152, 45.5)
        assert config.auth.token_limit_bytes == 32_768


def test_in_namespaced_mode_nothing_belongs_to_the_whole_cluster(helm: Helm):
    """Whoever installs it needs rights in these namespaces alone, and the gateway asks with its callers' tokens."""
    objects = helm.objects(*values("namespaced"))

    assert not [item for item in objects if item["kind"].startswith("Cluster")]
    granted = {
        (item["metadata"]["namespace"], resource)
        for item in objects
        if item["kind"] == "Role"
        for rule in item["rules"]
        for resource in rule["resources"]
    }
    assert {namespace for namespace, _ in granted} == {"shop", "bank"}
    assert not {"nodes", "namespaces"} & {resource for _, resource in granted}
    config = yaml.safe_load(one(objects, "ConfigMap")["data"]["config.yaml"])
    assert config["kubernetes"] == {"namespaces": ["shop", "bank"]}
    assert config["auth"]["authenticators"] == ["self_subject_review"]


def test_metrics_k8s_io_may_be_listed_only_where_it_takes_the_place_of_a_prometheus(helm: Helm):
    """In namespaces only where the cluster has it: whoever installs the chart there could not grant it otherwise."""
    without, has_it = ("--set", "config.prometheus.url=null"), ("--api-versions", "metrics.k8s.io/v1beta1")
    confined = (*without, "--set", "rbac.namespaces={shop}")

    def granted(kind: str, *arguments: str) -> list[list[str]]:
        rules = one(helm.objects(*arguments), kind, "binnacle-gateway")["rules"]
        return [rule["resources"] for rule in rules if rule["apiGroups"] == ["metrics.k8s.io"]]

    assert granted("ClusterRole", *has_it) == []
    assert granted("ClusterRole", *without) == [["nodes", "pods"]]
    assert granted("Role", *confined) == []
    assert granted("Role", *confined, *has_it) == [["pods"]]


NAMES_OF_EVERYTHING = {
    "users": ["ann@example.com", "https://id.example.com/realms/people#4711"],
    "groups": ["oidc:operators"],
}


def test_nobody_is_impersonated_unless_asked_for_and_then_in_named_requests_where_servers_can_hold_to_it(helm: Helm):
    """From 1.36 on for the writes alone, wherever they are; before, the classic right is the only one there is."""

    def rules(*arguments: str) -> list[tuple[str, str, list[str], list[str]]]:
        return [
            (item["kind"], item["metadata"].get("namespace", ""), rule["verbs"], rule.get("resourceNames", []))
            for item in helm.objects(*arguments)
            if item["kind"] in ("ClusterRole", "Role")
            for rule in item["rules"] if any(verb.startswith("impersonate") for verb in rule["verbs"])
        ]  # fmt: skip

    users, groups = NAMES_OF_EVERYTHING.values()
    names = [
        ("ClusterRole", "", ["impersonate:user-info"], users), ("ClusterRole", "", ["impersonate:user-info"], groups),
    ]  # fmt: skip
    patch, both = ([f"impersonate-on:user-info:{verb}" for verb in verbs] for verbs in (["patch"], ["update", "patch"]))
    everything = values("everything")
    assert rules() == []
    for version in ("1.36.0", "v1.36.1-gke.1203000", "1.40.0"):
        assert rules(*everything, "--kube-version", version) == [
            *names, ("ClusterRole", "", patch, []), ("ClusterRole", "", both, []),
        ]  # fmt: skip
    confined = rules(*everything, "--set", "rbac.namespaces={shop,bank}")
    assert confined == [*names, ("Role", "shop", both, []), ("Role", "bank", both, [])]  # nodes are in no namespace
    for version in ("1.33.0", "1.35.9"):
        assert rules(*everything, "--kube-version", version) == [
            ("ClusterRole", "", ["impersonate"], users), ("ClusterRole", "", ["impersonate"], groups),
        ]  # fmt: skip


def test_in_namespaced_mode_another_authenticator_brings_its_right_along(helm: Helm):
    """TokenReviews are a right in the whole cluster: whoever asks for them gets the binding."""
    objects = helm.objects(*values("namespaced"), "--set", "config.auth.authenticators={token_review}")

    assert [item["roleRef"]["name"] for item in objects if item["kind"].startswith("Cluster")] == [
        "system:auth-delegator"
    ]


def test_a_pod_outlives_what_the_gateway_gives_its_requests(helm: Helm):
    """The delay before SIGTERM, then the gateway's own grace, then time to close."""
    for arguments, least in (((), 5 + 20), (values("everything"), 10 + 45.5)):
        spec = one(helm.objects(*arguments), "Deployment")["spec"]["template"]["spec"]
        assert least < spec["terminationGracePeriodSeconds"] <= least + 6


def test_another_configuration_is_another_pod(helm: Helm):
    def checksum(*arguments: str) -> str:
        template = one(helm.objects(*arguments), "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum("--set", "replicas=5") != checksum("--set", "config.server.log_level=debug")


@pytest.mark.parametrize("name", value_sets())
def test_there_is_one_way_in(helm: Helm, name: str):
    """One Service, of type NodePort, and no host port or host network beside it."""
    objects = helm.objects(*values(name))
    assert one(objects, "Service")["spec"]["type"] == "NodePort"
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert not pod.get("hostNetwork")
    assert not any("hostPort" in port for container in pod["containers"] for port in container["ports"])


@pytest.mark.parametrize("name", value_sets())
def test_the_service_and_the_policies_select_the_gateways_pods_and_not_the_test_pod(helm: Helm, name: str):
    objects = helm.objects(*values(name))
    deployment = one(objects, "Deployment")["spec"]
    selectors = [deployment["selector"]["matchLabels"], one(objects, "Service")["spec"]["selector"]]
    for item in objects:
        if item["kind"] == "NetworkPolicy":
            selectors.append(item["spec"]["podSelector"]["matchLabels"])
        if item["kind"] == "PodDisruptionBudget":
            selectors.append(item["spec"]["selector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= deployment["template"]["metadata"]["labels"].items()
        assert not selector.items() <= one(objects, "Pod")["metadata"]["labels"].items()


def test_the_notes_say_the_address_and_how_to_get_a_token(helm: Helm):
    def notes(*arguments: str) -> str:
        shown = helm.run("install", "binnacle", str(CHART), "--dry-run=client", "--namespace", "binnacle", *arguments)
        return shown.split("NOTES:", 1)[1]

    plain = notes()
    assert "PORT=30080" in plain
    assert "http://$NODE:$PORT/graphql" in plain
    assert "kubectl create token me" in plain
    assert "scheduling.allowControlPlane=true" in plain
    assert "plain http" in plain
    full = notes(*values("everything"))
    assert "https://$NODE:$PORT/graphql" in full
    assert "https://binnacle.example.com/graphql" in full
    assert "plain http" not in full
    assert "podMonitor.enabled: left out, this cluster has no PodMonitor" in full
    assert "left out" not in plain
    assert "rbac.impersonation.enabled: no request of this release uses that right" in full
    assert "rbac.impersonation" not in plain
    minimal = notes(*values("minimal"))
    assert "jsonpath='{.spec.ports[0].nodePort}'" in minimal
    assert "NOT_CONFIGURED" in minimal


def test_the_values_that_the_page_shows_are_the_charts(helm: Helm, tmp_path):
    """All of docs/deploy.md's, laid over each other, are taken, and each adds something."""
    keys = yaml.safe_load((CHART / "values.yaml").read_text()).keys()
    page = (HERE.parent / "docs" / "deploy.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    shown = [block for block in blocks if yaml.safe_load(block).keys() <= keys]
    assert shown
    arguments: list[str] = []
    rendered = {stable(helm.template())}
    for number, block in enumerate(shown):
        (file := tmp_path / f"{number}.yaml").write_text(block)
        arguments += ["--values", str(file)]
        rendered.add(stable(helm.template(*arguments)))
    assert len(rendered) == 1 + len(shown)


def test_a_chart_that_is_part_of_another_finds_its_values(helm: Helm, tmp_path):
    """Helm hands down `global`; the schema must not refuse it."""
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: all\nversion: 1.0.0\n")
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "binnacle").symlink_to(CHART)
    (tmp_path / "values.yaml").write_text("binnacle: {replicas: 4}\nglobal: {region: eu}\n")
    assert one(parsed(helm.run("template", "all", str(tmp_path))), "Deployment")["spec"]["replicas"] == 4
