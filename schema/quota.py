"""What bounds and serves workloads: volume claims, quotas, disruption budgets and autoscalers."""

from operator import attrgetter

import strawberry

from schema.condition import Condition, conditions_field
from schema.event import Event, happenings
from schema.lists.belonging import pods_by_selector
from schema.lists.elements import elements_field
from schema.lists.fields import belonging_field
from schema.lists.pods import PODS
from schema.lists.policies import AUTOSCALER_METRICS, QUOTA_AMOUNTS
from schema.object_fields import OWNER, NamespacedFields
from schema.owner import Owner
from schema.pod import Pod
from schema.scalars import Bytes, DateTime

_WATCHED = "which the gateway watches from the first question on."


@strawberry.type(description=f"A claim to a volume. From the API server's persistent volume claims, {_WATCHED}")
class PersistentVolumeClaim(NamespacedFields):
    conditions: list[Condition] = conditions_field()
    events: list[Event] | None = happenings("PersistentVolumeClaim")
    owner: Owner | None = strawberry.field(description=OWNER)
    status: str = strawberry.field(description="As kubectl prints STATUS: `Pending`, `Bound`, `Lost` or `Terminating`.")
    volume_name: str | None = strawberry.field(description="The volume that it is bound to; null until it is.")
    capacity: Bytes | None = strawberry.field(description="How large that volume is, in bytes; null until it is bound.")
    requested: Bytes | None = strawberry.field(description="How large a volume it asks for, in bytes.")
    access_modes: list[str] = strawberry.field(
        description="How the volume may be used, such as `ReadWriteOnce`; until it is bound, what is asked for."
    )
    access_modes_text: str = strawberry.field(description="As kubectl prints ACCESS MODES: `RWO`; empty until bound.")
    storage_class: str | None = strawberry.field(description="The class of storage that it asks for.")
    volume_mode: str | None = strawberry.field(description="`Filesystem` or `Block`.")


@strawberry.type(description="One resource of a quota. From its status.")
class QuotaAmount:
    resource: str = strawberry.field(description="What is counted, such as `requests.cpu` or `count/jobs.batch`.")
    hard: float = strawberry.field(description="At most so much: in cores, bytes, or a count.")
    used: float | None = strawberry.field(
        description="So much is used, in the same unit; null until its controller has counted."
    )


@strawberry.type(
    description=f"A quota: what the objects of a namespace may use together. From the API server's quotas, {_WATCHED}"
)
class ResourceQuota(NamespacedFields):
    amounts: list[QuotaAmount] = elements_field(QUOTA_AMOUNTS, attrgetter("amounts"), "What it bounds, by resource.")
    scopes: list[str] = strawberry.field(description="Which pods it counts, such as `BestEffort`; without any: all.")
    events: list[Event] | None = happenings("ResourceQuota")


@strawberry.type(
    description=(
        "A disruption budget: how many of its pods may be evicted at once. From the API server's pod disruption "
        f"budgets, {_WATCHED}"
    )
)
class PodDisruptionBudget(NamespacedFields):
    min_available: str | None = strawberry.field(
        description="So many pods must stay: a number or a share, `2` or `50%`."
    )
    max_unavailable: str | None = strawberry.field(
        description="So many pods may be gone: a number or a share, `1` or `50%`."
    )
    disruptions_allowed: int = strawberry.field(description="How many pods may be evicted at the moment.")
    current_healthy: int = strawberry.field(description="How many of its pods are healthy.")
    desired_healthy: int = strawberry.field(description="How many must be.")
    expected_pods: int = strawberry.field(description="How many pods it counts.")
    selector: str | None = strawberry.field(
        description="Which pods are its own, as a label selector: empty selects all of its namespace, null none."
    )
    unhealthy_pod_eviction_policy: str | None = strawberry.field(
        description="Whether unhealthy pods may always be evicted: `IfHealthyBudget` or `AlwaysAllow`."
    )
    conditions: list[Condition] = conditions_field()
    pods: list[Pod] | None = belonging_field(
        PODS, pods_by_selector, "The pods that it selects, by name. Needs the right to list pods in its namespace."
    )
    events: list[Event] | None = happenings("PodDisruptionBudget")


@strawberry.type(description="What an autoscaler scales, in its own namespace.")
class ScaleTarget:
    api_version: str = strawberry.field(description="Its API group and version, such as `apps/v1`.")
    kind: str = strawberry.field(description="Its kind, such as `Deployment`.")
    name: str = strawberry.field(description="Its name.")


@strawberry.type(description="A metric that an autoscaler looks at. From its spec and status.")
class AutoscalerMetric:
    source: str = strawberry.field(
        description="Where it is from: `Resource`, `ContainerResource`, `Pods`, `Object` or `External`."
    )
    name: str = strawberry.field(description="The metric or resource.")
    container: str | None = strawberry.field(description="Of which container, of a ContainerResource.")
    target_type: str = strawberry.field(description="How it is compared: `Utilization`, `AverageValue` or `Value`.")
    target: float | None = strawberry.field(
        description="What it should be: in cores, bytes or a count; Utilization as a share of what is requested."
    )
    current: float | None = strawberry.field(description="What it is, in the same unit; null while nobody knows.")
    text: str = strawberry.field(description="As kubectl prints it among TARGETS: `cpu: 12%/80%`.")


@strawberry.type(
    description=(
        "An autoscaler: so many pods as a metric asks for. From the API server's horizontal pod autoscalers, "
        f"{_WATCHED}"
    )
)
class HorizontalPodAutoscaler(NamespacedFields):
    conditions: list[Condition] = conditions_field()
    events: list[Event] | None = happenings("HorizontalPodAutoscaler")
    target: ScaleTarget = strawberry.field(description="What it scales.")
    min_replicas: int | None = strawberry.field(description="So many pods at least; null: 1.")
    max_replicas: int = strawberry.field(description="So many pods at most.")
    current_replicas: int = strawberry.field(description="How many there are.")
    desired_replicas: int = strawberry.field(description="How many it wants.")
    metrics: list[AutoscalerMetric] = elements_field(AUTOSCALER_METRICS, attrgetter("metrics"), "What it looks at.")
    able_to_scale: bool = strawberry.field(description="Whether its condition AbleToScale is true.")
    scaling_active: bool = strawberry.field(description="Whether its condition ScalingActive is true: it sees metrics.")
    scaling_limited: bool = strawberry.field(description="Whether its own bounds keep it from scaling further.")
    last_scaled_at: DateTime | None = strawberry.field(description="When it last changed the number; null for never.")
    targets_text: str = strawberry.field(description="As kubectl prints TARGETS.")
