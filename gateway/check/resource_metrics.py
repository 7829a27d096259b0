"""`metrics.k8s.io` as the gateway meets it in the place of a Prometheus: whether it is there, and may be listed."""

from typing import Final

from gateway.check.findings import Finding, Outcome
from gateway.config import Config
from gateway.version import USER_AGENT
from schema.sources.kubernetes.client import open_api
from schema.sources.kubernetes.connection import KubernetesConfigError
from schema.sources.kubernetes.resource_metrics import SOURCE, ResourceMetrics
from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import Missing, Question

CPU_OF_NODES: Final = Question(MetricName.CPU_USAGE, Level.NODE)
CPU_OF_PODS: Final = Question(MetricName.CPU_USAGE, Level.POD)


async def check_resource_metrics(config: Config) -> list[Finding]:
    """What it says of every node and pod; where a Prometheus is configured it is not asked, and nothing is said."""
    if config.prometheus.url is not None:
        return []
    asked = [CPU_OF_PODS] if config.kubernetes.namespaces else [CPU_OF_NODES, CPU_OF_PODS]
    try:
        async with open_api(config.kubernetes, USER_AGENT) as api:
            source = ResourceMetrics(api, config.prometheus, config.kubernetes.namespaces)
            frames = (await source.frames(asked)).values()
            await source.close()
    except KubernetesConfigError:
        return []  # said of the API server itself
    failed = next((frame for frame in frames if frame.failure is not None), None)
    if failed is None:
        counted = ", ".join(f"{frame.size} {frame.question.level.name.lower()}s" for frame in frames)
        return [Finding(SOURCE, Outcome.WORKS, f"CPU of {counted}, in the place of a Prometheus")]
    if failed.failure is Missing.NOT_CONFIGURED:
        advice = "Install metrics-server, or give `prometheus.url`; until then metrics say NOT_CONFIGURED."
        return [Finding(SOURCE, Outcome.NOT_ASKED, "the cluster has none", advice)]
    return [Finding(SOURCE, Outcome.WARNS, failed.reason, "Until then CPU and memory say UNREACHABLE.")]
