"""One moment of the cluster, as one caller may see it, with the metrics that were asked for."""

from collections.abc import Mapping
from typing import Final, final

import msgspec

from auth.access import Visibility
from auth.reviewers import Attributes, Decision
from schema.asking.indexes import Indexes
from schema.sources.kubernetes.cluster import ClusterSnapshot
from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import MetricFrame, TimeWindow
from schema.sources.prometheus.raw import RawOutcome, RawQuery

_NOTHING_TOLD: Final = Visibility({})


@final
class View(msgspec.Struct, frozen=True, eq=False):
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
    ranges: Mapping[tuple[MetricName, Level, TimeWindow], MetricFrame] = {}
    pending: Mapping[str, str] = {}
    rights: Visibility = _NOTHING_TOLD
    decisions: Mapping[Attributes, Decision] = {}
    raw: Mapping[RawQuery, RawOutcome] = {}
    # Two that are no part of what is shown, and are not compared: what is kept of snapshots, and the estimated cost.
    indexes: Indexes = msgspec.field(default_factory=Indexes)
    cost: int = 0

    def __eq__(self, other: object) -> bool:
        """Whether both show the same."""
        if not isinstance(other, View):
            return NotImplemented
        return self.snapshot == other.snapshot and self.beside_the_snapshot == other.beside_the_snapshot

    __hash__ = None  # type: ignore[assignment] # nobody looks for one by all that it shows

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
