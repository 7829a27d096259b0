"""The usual installations of Prometheus in a cluster: which job scrapes what, and so whose word counts.

A profile pins every source to its jobs. Whoever may run pods may also have them scraped, and let them say anything of
anybody's pods; but under a job of their own. (The community chart scrapes node exporter and kube-state-metrics by one
job with every annotated service: there a tenant's service can speak of nodes, never of pods, whose numbers are the
kubelet's.) GENERIC pins nothing: it asks for the series whoever serves them.

Unless one is configured, it is recognised by the jobs and rules that Prometheus has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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


_CPU_RULE: Final = "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m"
_MEMORY_RULE: Final = "node_namespace_pod_container:container_memory_working_set_bytes"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an installation is recognised by: the jobs that serve something, and the rules that are recorded.

    `kubelets` are the jobs that scrape cAdvisor from the path that only the stack has as a label.
    """

    containers: frozenset[str] = frozenset()
    kubelets: frozenset[str] = frozenset()
    exporters: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()


# For each of these, the label whose values are asked for, and the series that have it.
EVIDENCE: Final[Mapping[str, tuple[str, str]]] = {
    "containers": ("job", 'container_cpu_usage_seconds_total{container!=""}'),
    "kubelets": ("job", 'container_cpu_usage_seconds_total{metrics_path="/metrics/cadvisor"}'),
    "exporters": ("job", "node_memory_MemTotal_bytes"),
    "rules": ("__name__", f'{{__name__=~"{_CPU_RULE}|{_MEMORY_RULE}",job=~"|kubelet"}}'),
}


def recognised(found: Evidence) -> Profile | None:
    """The installation that has these; GENERIC where it is none of the usual ones, None where there is nothing yet.

    A node exporter under another job than the installation's own would not be heard: then it is another installation.
    """
    if not found.containers and not found.exporters:
        return None
    if "kubelet" in found.kubelets and _heard(found, "node-exporter"):
        whole = {_CPU_RULE, _MEMORY_RULE} <= found.rules
        return Profile.KUBERNETES_MIXIN if whole else Profile.KUBE_PROMETHEUS_STACK
    if "kubernetes-nodes-cadvisor" in found.containers and _heard(found, "kubernetes-service-endpoints"):
        return Profile.PROMETHEUS
    if "kubernetes-cadvisor" in found.containers and _heard(found, "kubernetes-service-endpoints"):
        return Profile.KUBERNETES_CADVISOR
    return Profile.GENERIC


def _heard(found: Evidence, job: str) -> bool:
    return not found.exporters or job in found.exporters


PROFILES: Final[Mapping[Profile, Mapping[tuple[MetricName, Level], str]]] = {
    Profile.GENERIC: CATALOGUE,
    Profile.KUBE_PROMETHEUS_STACK: queries(_STACK),
    Profile.KUBERNETES_MIXIN: queries(
        replace(
            _STACK,
            cpu_rule=_CPU_RULE,
            memory_rule=_MEMORY_RULE,
        )
    ),
    Profile.PROMETHEUS: queries(_by_role("kubernetes-nodes-cadvisor")),
    Profile.KUBERNETES_CADVISOR: queries(_by_role("kubernetes-cadvisor")),
}
