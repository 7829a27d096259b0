"""What the pods of each namespace claim together, kept up to date with every change.

Counted as node_sums.py counts (finished pods claim nothing, each pod in whole millicores and bytes), so that the
claims of all namespaces and those of all nodes, with the pods that have none, come to the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, final

from msgspec import Struct

from schema.sources.kubernetes.node_sums import is_done
from schema.sources.kubernetes.objects import PodRecord, Resources
from schema.sources.kubernetes.requests import Amounts, ResourceAmount

_MILLI: Final = 1000


class Claimed(Struct, frozen=True, gc=False, eq=False):
    """What the pods of one namespace that are not done request, and may use at most; `pods` is their number."""

    requested: Resources
    limited: Resources


_NOTHING: Final = Resources(0.0, 0, 0, 0)
NOTHING: Final = Claimed(_NOTHING, _NOTHING)


@final
class NamespaceClaims:
    """The sums of a picture of pods, fed with the same before and after as its counters."""

    def __init__(self) -> None:
        self._totals: dict[str, tuple[_Total, _Total]] = {}  # requests and limits
        self._frozen: dict[str, Claimed] = {}
        self._touched: set[str] = set()

    def take(self, before: PodRecord | None, after: PodRecord | None) -> None:
        """Take one change into account. Most change nothing here: equal claims are the same object."""
        before, after = _claiming(before), _claiming(after)
        if before is not None and after is not None and _claim_the_same(before, after):
            return
        self._add(before, -1)
        self._add(after, 1)

    def frozen(self) -> Mapping[str, Claimed]:
        """What is claimed now, by namespace; those that claim nothing are not in it. It never changes."""
        if self._touched:
            self._frozen = dict(self._frozen)
            for namespace in self._touched:
                self._freeze(namespace)
            self._touched.clear()
        return self._frozen

    def _add(self, pod: PodRecord | None, sign: int) -> None:
        if pod is None:
            return
        totals = self._totals.get(pod.namespace)
        if totals is None:
            totals = self._totals[pod.namespace] = (_Total(), _Total())
        totals[0].add(pod.requests, sign)
        totals[1].add(pod.limits, sign)
        self._touched.add(pod.namespace)

    def _freeze(self, namespace: str) -> None:
        requested, limited = self._totals[namespace]
        if requested.pods:
            self._frozen[namespace] = Claimed(requested.resources(), limited.resources())
        else:
            del self._totals[namespace]
            self._frozen.pop(namespace, None)


def _claiming(pod: PodRecord | None) -> PodRecord | None:
    return None if pod is None or is_done(pod) else pod


def _claim_the_same(before: PodRecord, after: PodRecord) -> bool:
    """Of two states at one place, and so in one namespace."""
    return before.requests is after.requests and before.limits is after.limits


class _Total:
    """A sum in whole numbers, which adding and taking away leave exact."""

    __slots__ = ("memory", "millicores", "others", "pods", "storage")

    def __init__(self) -> None:
        self.pods = self.millicores = self.memory = self.storage = 0
        self.others: dict[str, int] = {}

    def add(self, claim: Amounts, sign: int) -> None:
        self.pods += sign
        if claim.cpu is not None:
            self.millicores += sign * round(claim.cpu * _MILLI)
        if claim.memory is not None:
            self.memory += sign * claim.memory
        if claim.ephemeral_storage is not None:
            self.storage += sign * claim.ephemeral_storage
        for one in claim.others:
            self.others[one.name] = self.others.get(one.name, 0) + sign * one.amount

    def resources(self) -> Resources:
        return Resources(
            cpu=self.millicores / _MILLI,
            memory=self.memory,
            ephemeral_storage=self.storage,
            pods=self.pods,
            others=tuple(ResourceAmount(name, amount) for name, amount in sorted(self.others.items()) if amount),
        )


def together(parts: Iterable[Resources]) -> Resources:
    """Everything of all parts; storage is None where nobody says anything of it.

    Many nodes are alike, and then are one object: it is multiplied, not added again and again.
    """
    times = Counter(parts)
    storages = [one.ephemeral_storage * many for one, many in times.items() if one.ephemeral_storage is not None]
    others: dict[str, int] = {}
    for part, many in times.items():
        for one in part.others:
            others[one.name] = others.get(one.name, 0) + one.amount * many
    return Resources(
        cpu=round(sum((one.cpu * many for one, many in times.items()), 0.0), 3),
        memory=sum(one.memory * many for one, many in times.items()),
        ephemeral_storage=sum(storages) if storages else None,
        pods=sum(one.pods * many for one, many in times.items()),
        others=tuple(ResourceAmount(name, others[name]) for name in sorted(others)),
    )
