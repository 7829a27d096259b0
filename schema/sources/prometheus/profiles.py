"""The usual installations of Prometheus in a cluster: which job scrapes what, and so whose word counts.

A profile pins every source to its jobs. Whoever may run pods may also have them scraped, and let them say anything of
anybody's pods; but under a job of their own. (The community chart scrapes node exporter and kube-state-metrics by one
job with every annotated service: there a tenant's service can speak of nodes, never of pods, whose numbers are the
kubelet's.) GENERIC pins nothing: it asks for the series whoever serves them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from schema.sources.prometheus.catalogue import CATALOGUE, Installation, Level, MetricName, Profile, queries

_STACK: Final = Installation(
    exporter='job="node-exporter"',
    cadvisor='job="kubelet",metrics_path="/metrics/cadvisor"',
    resource='job="kubelet",metrics_path="/metrics/resource"',
    containers='job="kubelet",metrics_path=~"/metrics/cadvisor|/metrics/resource"',
    state='job="kube-state-metrics"',
)


def _by_role(cadvisor: str) -> Installation:
    """Jobs by role of Kubernetes' service discovery, one of them for all annotated services."""
    return Installation(
        exporter='job="kubernetes-service-endpoints"',
        cadvisor=f'job="{cadvisor}"',
        resource='job="kubernetes-nodes"',
        containers=f'job="{cadvisor}"',
        state='job="kubernetes-service-endpoints"',
    )


PROFILES: Final[Mapping[Profile, Mapping[tuple[MetricName, Level], str]]] = {
    Profile.GENERIC: CATALOGUE,
    Profile.KUBE_PROMETHEUS_STACK: queries(_STACK),
    Profile.KUBERNETES_MIXIN: queries(
        replace(
            _STACK,
            cpu_rule="node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m",
            memory_rule="node_namespace_pod_container:container_memory_working_set_bytes",
        )
    ),
    Profile.PROMETHEUS: queries(_by_role("kubernetes-nodes-cadvisor")),
    Profile.KUBERNETES_CADVISOR: queries(_by_role("kubernetes-cadvisor")),
}
