"""Conditions: what an object says of itself, one aspect each, whatever its kind."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from schema.sources.described import Described
from schema.sources.kubernetes.details import Details


class ConditionStatus(Described):
    """Whether a condition holds."""

    TRUE = "TRUE", "It holds."
    FALSE = "FALSE", "It does not hold."
    UNKNOWN = "UNKNOWN", "Nobody knows: whoever reports it is silent, or has written none of Kubernetes' three words."


_STATUSES = {"True": ConditionStatus.TRUE, "False": ConditionStatus.FALSE}


class WireCondition(Struct, frozen=True, gc=False):
    """Of any kind. Nodes call the time of the latest report a heartbeat, pods a probe; others have none."""

    type: str
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = field(name="lastTransitionTime", default=None)
    last_heartbeat_time: str | None = field(name="lastHeartbeatTime", default=None)
    last_probe_time: str | None = field(name="lastProbeTime", default=None)


class ReportedCondition(Struct, frozen=True, gc=False):
    """Moments are RFC 3339, as Kubernetes sent them; what was not said is None."""

    type: str
    status: ConditionStatus
    reason: str | None
    message: str | None
    since: str | None
    reported_at: str | None


def reported(conditions: Iterable[WireCondition] | None) -> tuple[ReportedCondition, ...]:
    """In the order in which Kubernetes keeps them."""
    return tuple(
        ReportedCondition(
            one.type,
            _STATUSES.get(one.status, ConditionStatus.UNKNOWN),
            one.reason or None,
            one.message or None,
            one.last_transition_time,
            one.last_heartbeat_time or one.last_probe_time,
        )
        for one in conditions or ()
    )


class _Status(Struct, frozen=True, gc=False):
    conditions: list[WireCondition] | None = None


class WireConditions(Struct, frozen=True, gc=False):
    status: _Status | None = None


# Of any kind that keeps them in `status.conditions`, as all of Kubernetes' own do.
conditions: Final = Details(WireConditions, lambda whole: reported(whole.status.conditions if whole.status else None))
