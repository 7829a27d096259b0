"""Lists of what bounds and serves workloads: volume claims, quotas, disruption budgets and autoscalers."""

from typing import Final, Optional

import strawberry

from schema.lists.elements import Elements
from schema.lists.filter import (
    Filter,
    NamedFilter,
    NamespacedFilter,
    begins,
    contains,
    exactly,
    filter_of,
    negated,
    one_of,
    whether,
)
from schema.lists.listing import Listing
from schema.lists.order import NAMESPACED_KEYS, Key
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.autoscaling import AutoscalerMetric, AutoscalerRecord
from schema.sources.kubernetes.disruption import DisruptionBudgetRecord
from schema.sources.kubernetes.quotas import QuotaAmount, ResourceQuotaRecord
from schema.sources.kubernetes.volume_claims import VolumeClaimRecord


@strawberry.input(description=filter_of("Volume claims"))
class PersistentVolumeClaimFilter(NamespacedFilter):
    status: str | None = exactly("status", "In exactly this status, in kubectl's word, such as `Bound`.")
    statuses: list[str] | None = one_of("status", "In one of these statuses.")
    storage_class: str | None = exactly("storage_class", "Of exactly this storage class.")
    storage_classes: list[str] | None = one_of("storage_class", "Of one of these storage classes.")
    not_: Optional["PersistentVolumeClaimFilter"] = negated()


@strawberry.input(description=filter_of("Quotas"))
class ResourceQuotaFilter(NamespacedFilter):
    not_: Optional["ResourceQuotaFilter"] = negated()


@strawberry.input(description=filter_of("Amounts"))
class QuotaAmountFilter(Filter):
    resource: str | None = exactly("resource", "Of exactly this resource, such as `requests.cpu`.")
    resources: list[str] | None = one_of("resource", "Of one of these resources.")
    resource_contains: str | None = contains("resource", "The resource's name contains this.")
    resource_prefix: str | None = begins("resource", "The resource's name begins with this, such as `count/`.")
    not_: Optional["QuotaAmountFilter"] = negated()


@strawberry.input(description=filter_of("Disruption budgets"))
class PodDisruptionBudgetFilter(NamespacedFilter):
    disruptions_allowed: bool | None = whether("disruptions_allowed", "Whether a pod may be evicted at the moment.")
    not_: Optional["PodDisruptionBudgetFilter"] = negated()


@strawberry.input(description=filter_of("Autoscalers"))
class HorizontalPodAutoscalerFilter(NamespacedFilter):
    target_kind: str | None = exactly("target.kind", "It scales something of this kind, such as `Deployment`.")
    target_kinds: list[str] | None = one_of("target.kind", "It scales something of one of these kinds.")
    target_name: str | None = exactly("target.name", "It scales something of this name.")
    target_names: list[str] | None = one_of("target.name", "It scales something of one of these names.")
    limited: bool | None = whether("scaling_limited", "Whether its own bounds keep it from scaling further.")
    not_: Optional["HorizontalPodAutoscalerFilter"] = negated()


@strawberry.input(description=filter_of("Metrics"))
class AutoscalerMetricFilter(NamedFilter):
    source: str | None = exactly("source", "From exactly this source, such as `Resource`.")
    sources: list[str] | None = one_of("source", "From one of these sources.")
    container: str | None = exactly("container", "Of the container of this name.")
    not_: Optional["AutoscalerMetricFilter"] = negated()


QUOTA_AMOUNTS: Final[Elements[QuotaAmount]] = Elements(
    "QuotaAmount",
    QuotaAmountFilter,
    {
        "RESOURCE": Key("resource", "What is counted, by the alphabet."),
        "HARD": Key("hard", "How much there may be."),
        "USED": Key("used", "How much is used; those not counted yet stand last.", nullable=True),
    },
    "amounts",
)
AUTOSCALER_METRICS: Final[Elements[AutoscalerMetric]] = Elements(
    "AutoscalerMetric",
    AutoscalerMetricFilter,
    {
        "NAME": Key("name", "The metric or resource, by the alphabet."),
        "SOURCE": Key("source", "Where it is from, by the alphabet."),
        "CURRENT": Key("current", "What it is; those that nobody knows stand last.", nullable=True),
    },
    "metrics",
)
VOLUME_CLAIMS: Final[Listing[VolumeClaimRecord]] = Listing(
    kinds.VOLUME_CLAIMS,
    kinds.VOLUME_CLAIMS.resource,
    PersistentVolumeClaimFilter,
    NAMESPACED_KEYS
    | {
        "STATUS": Key("status", "Its status in kubectl's word, by the alphabet."),
        "CAPACITY": Key("capacity", "How large its volume is; those without one stand last.", nullable=True),
        "REQUESTED": Key("requested", "How much it asks for; those that ask for nothing stand last.", nullable=True),
    },
    ("volume claim", "volume claims"),
)
RESOURCE_QUOTAS: Final[Listing[ResourceQuotaRecord]] = Listing(
    kinds.RESOURCE_QUOTAS, kinds.RESOURCE_QUOTAS.resource, ResourceQuotaFilter, NAMESPACED_KEYS, ("quota", "quotas")
)
DISRUPTION_BUDGETS: Final[Listing[DisruptionBudgetRecord]] = Listing(
    kinds.DISRUPTION_BUDGETS,
    kinds.DISRUPTION_BUDGETS.resource,
    PodDisruptionBudgetFilter,
    NAMESPACED_KEYS | {"DISRUPTIONS_ALLOWED": Key("disruptions_allowed", "How many pods may be evicted now.")},
    ("disruption budget", "disruption budgets"),
)
AUTOSCALERS: Final[Listing[AutoscalerRecord]] = Listing(
    kinds.AUTOSCALERS,
    kinds.AUTOSCALERS.resource,
    HorizontalPodAutoscalerFilter,
    NAMESPACED_KEYS
    | {
        "CURRENT_REPLICAS": Key("current_replicas", "How many pods there are."),
        "DESIRED_REPLICAS": Key("desired_replicas", "How many pods it wants."),
    },
    ("autoscaler", "autoscalers"),
)
