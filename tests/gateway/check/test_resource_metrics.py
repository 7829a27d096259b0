"""`binnacle check` of a gateway without a Prometheus: whether `metrics.k8s.io` takes its place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.check.command import _all as all_findings
from gateway.check.findings import Finding, Outcome
from gateway.check.resource_metrics import check_resource_metrics
from gateway.config import Config
from gateway.demo import SimulatedCluster, simulated_cluster
from gateway.demo.accounts import READ, Account, rights
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.settings import PrometheusSettings


@asynccontextmanager
async def cluster(*, resource_metrics: bool) -> AsyncIterator[SimulatedCluster]:
    async with simulated_cluster(nodes=2, pods_per_node=3, resource_metrics=resource_metrics) as simulated:
        yield simulated


async def found(simulated: SimulatedCluster, url: str | None = None) -> list[Finding]:
    kubernetes = KubernetesSettings(server=simulated.kubernetes_url, token_file=simulated.gateway_token_file)
    return await check_resource_metrics(Config(kubernetes=kubernetes, prometheus=PrometheusSettings(url=url)))


async def test_it_works_is_not_there_or_is_not_needed():
    """How many nodes and pods it knows; nothing is said of it beside a Prometheus."""
    async with cluster(resource_metrics=True) as simulated:
        (works,) = await found(simulated)
        assert await found(simulated, "http://prometheus") == []
    async with cluster(resource_metrics=False) as simulated:
        (absent,) = await found(simulated)

    assert (works.outcome, works.said) == (Outcome.WORKS, "CPU of 2 nodes, 6 pods, in the place of a Prometheus")
    assert absent.outcome is Outcome.NOT_ASKED
    assert "metrics-server" in absent.advice


async def test_a_rule_that_is_missing_is_named():
    """The gateway serves; CPU and memory would be missed."""
    async with cluster(resource_metrics=True) as simulated:
        bare = Account("gateway", "uid", rights=(rights(READ, ("nodes", "pods")),))
        simulated.accounts.add(simulated.gateway_token, bare)

        (missing,) = await found(simulated)

    assert missing.outcome is Outcome.WARNS
    assert 'needs the rule {apiGroups: ["metrics.k8s.io"], resources: ["nodes"], verbs: ["list"]}' in missing.said


async def test_the_command_tells_it_beside_the_rest():
    """In the same list, after what is said of Prometheus."""
    async with cluster(resource_metrics=True) as simulated:
        kubernetes = KubernetesSettings(server=simulated.kubernetes_url, token_file=simulated.gateway_token_file)
        subjects = [finding.subject for finding in await all_findings(Config(kubernetes=kubernetes), None)]

    assert subjects.index("metrics.k8s.io") == subjects.index("Prometheus") + 1
