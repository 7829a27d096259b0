"""Pod disruption budgets: how many pods of a selection may be evicted at a time."""

from msgspec import Struct, field

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.label_selectors import LabelSelector, selector_text
from schema.sources.kubernetes.objects import Label, Sharing
from schema.sources.kubernetes.wire import Meta


class DisruptionBudgetRecord(Struct, frozen=True, gc=False, eq=False):
    """A budget. `min_available` and `max_unavailable` are a count or a share ("2", "50%"), None where it says neither.

    `selector` in Kubernetes' syntax: "" selects every pod of its namespace, None none.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    min_available: str | None
    max_unavailable: str | None
    disruptions_allowed: int
    current_healthy: int
    desired_healthy: int
    expected_pods: int
    selector: str | None
    unhealthy_pod_eviction_policy: str | None
    rest: Rest


class _Spec(Struct, frozen=True, gc=False):
    min_available: int | str | None = field(name="minAvailable", default=None)
    max_unavailable: int | str | None = field(name="maxUnavailable", default=None)
    selector: LabelSelector | None = None
    unhealthy_pod_eviction_policy: str | None = field(name="unhealthyPodEvictionPolicy", default=None)


class _Status(Struct, frozen=True, gc=False):
    disruptions_allowed: int | None = field(name="disruptionsAllowed", default=None)
    current_healthy: int | None = field(name="currentHealthy", default=None)
    desired_healthy: int | None = field(name="desiredHealthy", default=None)
    expected_pods: int | None = field(name="expectedPods", default=None)


class WireDisruptionBudget(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _Spec | None = None
    status: _Status | None = None


def disruption_budget_record(wire: WireDisruptionBudget, rest: Rest, sharing: Sharing) -> DisruptionBudgetRecord:
    meta, spec, status = wire.metadata, wire.spec or _Spec(), wire.status or _Status()
    return DisruptionBudgetRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        min_available=_text(spec.min_available, sharing),
        max_unavailable=_text(spec.max_unavailable, sharing),
        disruptions_allowed=status.disruptions_allowed or 0,
        current_healthy=status.current_healthy or 0,
        desired_healthy=status.desired_healthy or 0,
        expected_pods=status.expected_pods or 0,
        selector=_text(selector_text(spec.selector), sharing),
        unhealthy_pod_eviction_policy=_text(spec.unhealthy_pod_eviction_policy, sharing),
        rest=rest,
    )


def _text(said: int | str | None, sharing: Sharing) -> str | None:
    return None if said is None else sharing.strings[str(said)]
