"""One moment of the cluster, as one caller may see it, with the metrics that were asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from auth.access import Visibility
from auth.reviewers import Attributes, Decision
from schema.asking.indexes import Indexes
from schema.sources.kubernetes.cluster import ClusterSnapshot
from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import MetricFrame, TimeWindow
from schema.sources.prometheus.raw import RawOutcome, RawQuery

_NOTHING_TOLD: Final = Visibility({})


@dataclass(frozen=True, slots=True)
class View:
    """What every resolver of one answer reads; it never changes and nothing of it waits.

    `refused` names the kinds (their plural, such as `pods`) that the gateway's own account may not watch, each with
    the reason: their fields are null with an error of their own, the rest of the answer stands. `stale` has the kinds
    of which the API server does not tell us news at the moment, each with the seconds since it last did. `now` is the
    time in seconds since 1970 where the operation needs one, such as for ages; else 0, so that two views of the same
    cluster are equal. `ranges` are the metrics over time,
    by what was wanted of it. `pending` names the kinds whose first list is still on its way, with the reason if it
    fails: what their fields would show is not known yet.

    `rights` is what is told of the caller's rights, and `decisions` of what they may do. `raw` is what became of PromQL
    of their own: of one request alone, and read by way of its context (`GraphContext.raw`).

    The snapshot has the kinds that the operation needs, so that two views are equal as long as these are.
    """

    snapshot: ClusterSnapshot
    visibility: Visibility
    frames: Mapping[tuple[MetricName, Level], MetricFrame]
    refused: Mapping[str, str]
    stale: Mapping[str, int]
    now: float = 0.0
    indexes: Indexes = field(default_factory=Indexes, compare=False)  # of snapshots; nobody's own
    ranges: Mapping[tuple[MetricName, Level, TimeWindow], MetricFrame] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    rights: Visibility = _NOTHING_TOLD
    decisions: Mapping[Attributes, Decision] = field(default_factory=dict)
    raw: Mapping[RawQuery, RawOutcome] = field(default_factory=dict)
    cost: int = field(default=0, compare=False)  # as it was estimated; says nothing of what is shown

    @property
    def beside_the_snapshot(self) -> tuple[object, ...]:
        """All that is compared but the snapshot: two views equal in this show the same of equal objects."""
        return (
            self.visibility,
            self.frames,
            self.refused,
            self.stale,
            self.now,
            self.ranges,
            self.pending,
            self.rights,
            self.decisions,
            self.raw,
        )
