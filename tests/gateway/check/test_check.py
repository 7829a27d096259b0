"""`binnacle check`: with each thing broken in turn it says which, and what to do."""

import asyncio
import datetime as dt
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from auth.settings import AuthSettings, OidcSettings
from gateway.check import cluster
from gateway.check.cluster import check_cluster, rights
from gateway.check.findings import Finding, Outcome, as_json, as_text, fails, summary
from gateway.check.metrics import check_metrics
from gateway.check.scrapes import judged
from gateway.check.surroundings import check_certificate, check_grafana, check_issuer
from gateway.cli import main
from gateway.config import Config
from gateway.demo import simulated_cluster
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.catalogue import Profile
from schema.sources.prometheus.settings import PrometheusSettings
from tests.auth.authenticators.local_issuer import Key, local_issuer
from tests.cluster.control_plane import ControlPlane, eventually
from tests.cluster.fixtures import Namespace, StartControlPlane
from tests.cluster.prometheus import PrometheusServer

RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNT: Final = "alice"


@pytest_asyncio.fixture
async def simulated() -> AsyncIterator[Any]:
    async with simulated_cluster(nodes=2, pods_per_node=3, churn=0) as simulated:
        yield simulated


def config_of(simulated: Any, **settings: Any) -> Config:
    return Config(
        kubernetes=KubernetesSettings(server=simulated.kubernetes_url, token_file=simulated.gateway_token_file),
        prometheus=PrometheusSettings(url=simulated.prometheus_url),
        **settings,
    )


def by_subject(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def of(findings: Sequence[Finding], resource: str) -> Finding:
    """The finding about the right to a resource."""
    (found,) = (finding for finding in findings if finding.said.partition(":")[0] == resource)
    return found


async def test_where_everything_works_it_says_so(simulated: Any):
    """Each line a ✓: version, clock, account, streaming lists, every right, Prometheus and its series."""
    found = [
        *await check_cluster(config_of(simulated)),
        *await check_metrics(PrometheusSettings(url=simulated.prometheus_url, profile=Profile.GENERIC)),
    ]

    scrapes = by_subject(found).pop("its scrapes")
    assert (scrapes.outcome, scrapes.said[:24]) == (Outcome.NOT_ASKED, "Prometheus does not say:"), "of raw queries"
    found.remove(scrapes)
    assert {finding.outcome for finding in found} == {Outcome.WORKS}
    assert {finding.said for finding in found} >= {"nodes", "pods", "events", "deployments", "tokenreviews"}
    assert by_subject(found)["account"].said.startswith("system:serviceaccount:")
    assert by_subject(found)["its series"].said == "profile generic: CPU of 2 nodes, 6 pods"
    assert summary(found) == "Everything works."


async def test_an_api_server_that_is_away(simulated: Any):
    """Nothing that follows from it is asked; the line has no objects of Python's in it."""
    await simulated.kubernetes.stop()

    found = by_subject(await check_cluster(config_of(simulated)))

    assert found["API server"].outcome is Outcome.FAILS
    assert found["API server"].said.startswith("it gave no answer: Cannot connect to host 127.0.0.1:")
    assert "<ssl" not in found["API server"].said
    assert found["permissions"].outcome is Outcome.NOT_ASKED


async def test_something_else_at_that_address(simulated: Any):
    """A proxy's page is no API server."""
    simulated.kubernetes.fail_with(lambda: web.Response(text="<html>hello</html>"))

    found = by_subject(await check_cluster(config_of(simulated)))

    assert (found["API server"].outcome, found["API server"].said) == (
        Outcome.FAILS,
        "what answers (status 200) is no API server",
    )


async def test_credentials_that_are_not_accepted(simulated: Any, tmp_path: Path):
    """Told apart from an API server that is away."""
    (tmp_path / "token").write_text("nobody")
    settings = KubernetesSettings(server=simulated.kubernetes_url, token_file=tmp_path / "token")

    found = by_subject(await check_cluster(Config(kubernetes=settings)))

    assert found["API server"].said == "it does not accept the gateway's own credentials (401)"


async def test_an_api_server_that_is_silent(simulated: Any, monkeypatch: pytest.MonkeyPatch):
    """It accepts, and says nothing: that is waited for, for a while."""
    monkeypatch.setattr(cluster, "TIMEOUT_S", 0.2)
    simulated.kubernetes.pause()

    found = by_subject(await check_cluster(config_of(simulated)))

    assert (found["API server"].outcome, found["API server"].said) == (
        Outcome.FAILS,
        "it gave no answer: no answer within 0.2 s",
    )
    assert found["permissions"].outcome is Outcome.NOT_ASKED
    simulated.kubernetes.resume()


async def test_a_token_file_that_is_not_there(simulated: Any, tmp_path: Path):
    """The setting is named, and nothing is sent."""
    settings = KubernetesSettings(server=simulated.kubernetes_url, token_file=tmp_path / "nowhere")

    (found,) = await check_cluster(Config(kubernetes=settings))

    assert (found.subject, found.outcome) == ("API server", Outcome.FAILS)
    assert found.said.startswith("kubernetes.token_file: ")
    assert not simulated.requests


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path):
    """As of an API server whose authority is not the configured one."""
    async with local_issuer(tmp_path) as another:
        (tmp_path / "token").write_text("any")
        settings = KubernetesSettings(server=another.url, token_file=tmp_path / "token")
        found = by_subject(await check_cluster(Config(kubernetes=settings)))

    assert found["API server"].outcome is Outcome.FAILS
    assert "certificate verify failed" in found["API server"].said
    assert "certificate authority" in found["API server"].advice


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            lambda: web.Response(text="<html>hello</html>", content_type="text/html"),
            "its answer is not that of a Prometheus",
        ),
        (lambda: web.Response(status=401), "status 401"),
        (lambda: web.Response(status=503), "status 503"),
        (None, "it did not answer within 0.2 s"),
    ],
    ids=["a page", "a login", "a proxy's refusal", "silence"],
)
async def test_a_prometheus_that_does_not_answer_as_one(simulated: Any, answer: Any, said: str):
    """What it says instead is told."""
    if answer is None:
        simulated.prometheus.pause()
    else:
        simulated.prometheus.fail_with(answer)

    patience = 0.2 if answer is None else 10
    (found,) = await check_metrics(PrometheusSettings(url=simulated.prometheus_url, timeout_seconds=patience))

    assert found.outcome is Outcome.FAILS
    assert said in found.said
    assert found.advice
    simulated.prometheus.resume()


async def test_a_prometheus_that_is_away_or_not_configured(simulated: Any):
    """One fails, the other is a choice."""
    await simulated.prometheus.stop()

    (away,) = await check_metrics(PrometheusSettings(url=simulated.prometheus_url))
    (none,) = await check_metrics(PrometheusSettings(url=None))

    assert away.outcome is Outcome.FAILS
    assert "connection refused" in away.said
    assert none.outcome is Outcome.NOT_ASKED


@pytest.mark.cluster
@pytest.mark.asyncio(loop_scope="session")
async def test_a_profile_that_finds_nothing_names_one_that_does(
    real_prometheus: PrometheusServer, namespace: Namespace
):
    """On a real Prometheus, whose jobs are none of that installation's."""
    await namespace.run_pods("one")
    await real_prometheus.wait_for_window(f'container_cpu_usage_seconds_total{{namespace="{namespace.name}"}}', 10)

    (answers, scrapes, series) = await check_metrics(
        PrometheusSettings(
            url=real_prometheus.url, profile=Profile.PROMETHEUS, scrape_interval_seconds=1, rate_window="10s"
        )
    )

    assert answers.outcome is Outcome.WORKS
    assert scrapes.outcome is Outcome.WORKS
    assert re.fullmatch(r"one every [01](\.\d+)? s, as configured; the rate window of 10s holds \d+", scrapes.said)
    assert series.outcome is Outcome.WARNS
    assert series.said == "profile prometheus finds no CPU of nodes and pods"
    assert series.advice.startswith("Set `prometheus.profile` to kube-prometheus-stack")


@pytest.mark.cluster
@pytest.mark.asyncio(loop_scope="session")
async def test_an_interval_that_is_not_prometheus_own(real_prometheus: PrometheusServer, namespace: Namespace):
    """Found out by a real one that scrapes every second: its rates would have gaps, or answers be kept for too long."""
    await namespace.run_pods("one")
    await real_prometheus.wait_for_window(f'container_cpu_usage_seconds_total{{namespace="{namespace.name}"}}', 3)

    for interval, window, said in (
        (0.2, "1s", "the rate window of 1s holds "),
        (30, "5m", " s, not every 30 s as configured"),
    ):
        settings = PrometheusSettings(url=real_prometheus.url, scrape_interval_seconds=interval, rate_window=window)
        scrapes = by_subject(await check_metrics(settings))["its scrapes"]
        assert scrapes.outcome is Outcome.WARNS
        assert said in scrapes.said
        assert "Set `prometheus." in scrapes.advice


@pytest.mark.parametrize(
    ("seconds", "outcome", "said"),
    [
        (15.0, Outcome.WORKS, "one every 15 s, as configured; the rate window of 5m holds 20"),
        (15.3, Outcome.WORKS, "one every 15.3 s, as configured; the rate window of 5m holds 20"),
        (60.0, Outcome.WARNS, "one every 60 s, not every 15 s as configured"),
        (5.0, Outcome.WARNS, "one every 5 s, not every 15 s as configured"),
        (150.0, Outcome.WARNS, "one every 150 s: the rate window of 5m holds 2 of them"),
    ],
)
def test_what_an_interval_means_for_the_defaults(seconds: float, outcome: Outcome, said: str):
    """Four scrapes in a window, as the settings want it."""
    found = judged(seconds, PrometheusSettings(url="http://prometheus"))

    assert (found.outcome, found.said) == (outcome, said)


OIDC: Final = AuthSettings(authenticators=("oidc",))


async def test_an_issuer_that_is_well(tmp_path: Path):
    """It is asked only where it is configured."""
    async with local_issuer(tmp_path) as issuer:
        issuer.published.append(Key("ES256").jwk)
        settings = OidcSettings(
            issuer=issuer.url, audiences=("binnacle",), ca_file=issuer.ca_file, algorithms=("RS256", "ES256", "EdDSA")
        )
        (found,) = await check_issuer(OIDC, settings)
        assert await check_issuer(AuthSettings(), settings) == []

    assert (found.subject, found.outcome) == ("OIDC issuer", Outcome.WORKS)
    assert found.said == f"{issuer.url}: keys: 1 for RS256 and 1 for ES256 and none for EdDSA"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("away", "Cannot connect to host 127.0.0.1:"),
        ("another's certificate", "certificate verify failed"),
        ("another issuer", "its discovery document is of another issuer, `https://evil.example`"),
        ("no keys", "has no key for RS256"),
        ("keys of another algorithm", "has no key for RS256"),
        ("keys that are too weak", "has no key for RS256"),
        ("an error", "keys: status 500"),
        ("a page", "its keys are no key set"),
    ],
)
async def test_an_issuer_with_each_thing_broken(tmp_path: Path, broken: str, said: str):
    """Its users could not log in: it fails, and says what of it."""
    async with local_issuer(tmp_path) as issuer:
        ca_file: Path | None = issuer.ca_file
        match broken:
            case "away":
                await issuer.stop()
            case "another's certificate":
                ca_file = None
            case "another issuer":
                issuer.discovery = {"issuer": "https://evil.example"}
            case "no keys":
                issuer.published = []
            case "keys of another algorithm":
                issuer.published = [Key("ES256").jwk]
            case "keys that are too weak":
                issuer.published = [Key("RS256", bits=1024).jwk]
            case "an error":
                issuer.status = 500
            case "a page":
                issuer.body = b"<html>"
        (found,) = await check_issuer(OIDC, OidcSettings(issuer=issuer.url, audiences=("binnacle",), ca_file=ca_file))

    assert found.outcome is Outcome.FAILS
    assert said in found.said
    assert found.said.startswith(issuer.url)
    assert ("\n" in found.said, bool(found.advice)) == (False, True)
    if broken == "keys of another algorithm":
        assert found.advice == "Set `oidc.algorithms` to what it signs with, of ES256."


async def test_an_old_api_server_with_another_clock(simulated: Any):
    """It serves: both are warnings, and say what would be wrong."""
    simulated.kubernetes.fail_with(
        lambda: web.json_response(
            {"gitVersion": "v1.29.4", "major": "1", "minor": "29+"}, headers={"Date": "Tue, 01 Jan 2019 10:00:00 GMT"}
        )
    )

    found = by_subject(await check_cluster(config_of(simulated)))

    assert found["API server"] == Finding("API server", Outcome.WARNS, "v1.29.4, older than what is tested (1.33)")
    assert found["clock"].outcome is Outcome.WARNS
    assert " s ahead of the API server's" in found["clock"].said
    assert found["account"].outcome is Outcome.WARNS


@pytest.mark.parametrize(
    ("days", "outcome"), [(-1, Outcome.FAILS), (3, Outcome.WARNS), (90, Outcome.WORKS), (None, Outcome.NOT_ASKED)]
)
def test_how_long_the_certificate_is_good(tmp_path: Path, days: int | None, outcome: Outcome):
    """Before it runs out, not after."""
    file = None if days is None else tmp_path / "tls.crt"
    if file is not None and days is not None:
        key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        start, end = now - dt.timedelta(days=30), now + dt.timedelta(days=days)
        made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, end).sign(key, hashes.SHA256())
        file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    assert [finding.outcome for finding in check_certificate(file)] == [outcome]


@pytest.mark.parametrize(("status", "outcome"), [(200, Outcome.WARNS), (401, Outcome.WORKS), (302, Outcome.WORKS)])
async def test_a_grafana_without_a_login(status: int, outcome: Outcome):
    """It would show every series to everybody who reaches it."""

    async def search(_request: web.Request) -> web.Response:
        return web.json_response([], status=status)

    app = web.Application()
    app.router.add_get("/grafana/api/search", search)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        (found,) = await check_grafana(f"http://127.0.0.1:{runner.addresses[0][1]}/grafana/")
    finally:
        await runner.cleanup()

    assert found.outcome is outcome
    assert await check_grafana(None) == []


def test_a_mistake_in_the_config_is_the_only_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """In both forms, with exit code 1: nothing else can be asked with it."""
    (tmp_path / "binnacle.yaml").write_text("server: {prot: 80}")

    assert main(["check", "--config", str(tmp_path / "binnacle.yaml")]) == 1
    text = capsys.readouterr().out
    assert main(["check", "--config", str(tmp_path / "binnacle.yaml"), "--output", "json"]) == 1
    told = json.loads(capsys.readouterr().out)

    assert text.startswith("✗ config               server.prot in ")
    assert "did you mean" in text
    assert (told["ok"], [finding["outcome"] for finding in told["findings"]]) == (False, ["fails"])


async def test_the_command_asks_with_the_settings_of_serve(
    simulated: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """All that is configured, in one order; exit code 0 while the gateway can serve, 1 once it cannot."""
    file = tmp_path / "binnacle.yaml"
    async with local_issuer(tmp_path) as issuer:
        oidc = {"issuer": issuer.url, "audiences": ["binnacle"], "ca_file": str(issuer.ca_file)}
        settings = {
            "kubernetes": {"server": simulated.kubernetes_url, "token_file": str(simulated.gateway_token_file)},
            "prometheus": {"url": simulated.prometheus_url},
            "auth": {"authenticators": ["oidc", "token_review"]},
            "oidc": oidc,
        }
        file.write_text(yaml.safe_dump(settings))
        asked = ["check", "--config", str(file), "--output", "json"]
        code = await asyncio.to_thread(main, asked)
        told = json.loads(capsys.readouterr().out)
        await issuer.stop()
        code_without = await asyncio.to_thread(main, asked)
        told_without = json.loads(capsys.readouterr().out)

    assert (code, told["ok"]) == (0, True)
    first = {"subject": "config", "outcome": "works", "said": str(file), "advice": "", "rule": ""}
    assert told["findings"][0] == first
    subjects = [finding["subject"] for finding in told["findings"]]
    kept = ("config", "API server", "clock", "account", "streaming lists", "Prometheus", "its scrapes", "its series")
    assert [subject for subject in subjects if subject in kept] == list(kept)
    assert subjects[-2:] == ["OIDC issuer", "certificate"]
    assert (code_without, told_without["ok"]) == (1, False)
    assert [each["subject"] for each in told_without["findings"] if each["outcome"] == "fails"] == ["OIDC issuer"]


def test_colours_are_for_terminals():
    """A file or a pipe has none."""
    found = [Finding("nodes", Outcome.FAILS, "may not", "Do this", "- rule\n  more")]

    assert list(as_text(found, colours=False)) == [
        "✗ nodes                may not",
        "                       Do this",
        "                       - rule",
        "                         more",
    ]
    assert next(iter(as_text(found, colours=True))).startswith("\x1b[31m✗\x1b[0m nodes")
    assert json.loads(as_json(found))["ok"] is False


@pytest.mark.parametrize(
    ("authenticators", "reviews"),
    [
        (("token_review",), {"tokenreviews", "subjectaccessreviews"}),
        (("self_subject_review",), set()),
    ],
)
def test_only_what_is_configured_needs_rights(authenticators: tuple[Any, ...], reviews: set[str]):
    """Callers who review themselves need none of the gateway's; a gateway of some namespaces sees nothing beyond."""
    config = Config(
        auth=AuthSettings(authenticators=authenticators), kubernetes=KubernetesSettings(namespaces=("a", "b"))
    )
    wanted = rights(config)

    assert {right.resource.name for right in wanted if right.verbs == ("create",)} == reviews
    assert "nodes" not in {right.resource.name for right in wanted}
    assert {right.namespaces for right in wanted if "list" in right.verbs} == {("a", "b")}


# ---------------------------------------------------------------------------------------- at a real API server


async def give(plane: ControlPlane, rules: Sequence[Mapping[str, Any]]) -> None:
    """Exactly these rules to the gateway's account."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "checked"}}
    await plane.request("PUT", f"{RBAC}/clusterroles/checked", {**role, "rules": list(rules)})


@pytest.mark.cluster
async def test_each_missing_rule_is_named_with_the_yaml_that_grants_it(control_plane: StartControlPlane):
    """Each in turn taken away from a real account; what it prints, put back, mends it."""
    plane = await control_plane()
    config = Config(kubernetes=KubernetesSettings(kubeconfig=plane.kubeconfig_of(ACCOUNT)))
    rules = [yaml.safe_load(right.rule)[0] for right in rights(config)]
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ACCOUNT}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "checked"}
    await plane.request("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "checked"}, "rules": rules})
    await plane.request(
        "POST", f"{RBAC}/clusterrolebindings", {"metadata": {"name": "checked"}, "roleRef": role, "subjects": [subject]}
    )

    async def missing() -> set[str]:
        found = await check_cluster(config)
        return {finding.said.partition(":")[0] for finding in found if finding.outcome is not Outcome.WORKS}

    async def nothing_is_missing() -> bool:
        return not await missing()

    await eventually(nothing_is_missing)
    for rule in rules:
        (name,) = rule["resources"]
        await give(plane, [each for each in rules if each is not rule])

        async def named(name: str = name) -> bool:
            return await missing() - {"the account may not watch namespaces"} == {name}

        await eventually(named)
        found = of(await check_cluster(config), name)
        standing = name in {"nodes", "pods", "namespaces", "services", "tokenreviews", "subjectaccessreviews"}
        assert fails([found]) == standing
        assert yaml.safe_load(found.rule) == [rule]
