"""Which objects belong to another one: by namespace, by owner, by label.

Each way is an index of its kind, made when first asked for and kept up to date (schema/asking/indexes.py). What is
found is not yet what the caller may see: that is the listing's business.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar

from auth.access import AccessNeed
from schema.asking.orders import PLACE
from schema.asking.selectors import label_selector, selects
from schema.execution.context import GraphInfo, listable, watched
from schema.execution.needs import FieldNeeds, Reach
from schema.execution.view import View
from schema.lists.listing import Among, Listing
from schema.sources.kubernetes.kinds import JOBS, PODS, REPLICA_SET_OWNERS, SERVICES, Kind, Record
from schema.sources.kubernetes.objects import Label, NamespaceRecord, Owner, PodRecord
from schema.sources.kubernetes.services import ServiceRecord

R = TypeVar("R", bound=Record)
Pairs = frozenset[tuple[str, str]]
# What controllers make of what people write, and what makes pods itself.
_BETWEEN: Final[tuple[Kind[Any], ...]] = (REPLICA_SET_OWNERS, JOBS)


class Owned(Protocol):
    @property
    def owner(self) -> Owner | None: ...


def pairs(labels: Iterable[Label]) -> Pairs:
    return frozenset((label.key, label.value) for label in labels)


def in_namespace(listing: Listing[R]) -> Callable[[NamespaceRecord, GraphInfo], Among[R]]:
    """All of a kind in a namespace."""

    def belonging(root: NamespaceRecord, info: GraphInfo) -> Among[R]:
        rows = listing.objects(info.context.view.snapshot).in_namespace(root.name)
        return Among(root.name, rows, root.name)

    return belonging


def owned(listing: Listing[R]) -> Callable[[Record, GraphInfo], Among[R]]:
    """All of a kind whose controller the object is."""

    def belonging(root: Record, info: GraphInfo) -> Among[R]:
        return Among(root.uid, _owned_by(info.context.view, listing.kind, [root.uid]), root.namespace)

    return belonging


def pods_through(kind: Kind[Any]) -> Callable[[Record, GraphInfo], Among[PodRecord] | None]:
    """The pods of those of a kind whose controller the object is: a deployment's, through its replica sets."""

    def belonging(root: Record, info: GraphInfo) -> Among[PodRecord] | None:
        if listable(info, PODS.resource, root.namespace) is None or not _readable(info, kind, root.namespace):
            return None
        view = info.context.view
        between = [each.uid for each in _owned_by(view, kind, [root.uid])]
        return Among(root.uid, sorted(_owned_by(view, PODS, between), key=PLACE), root.namespace)

    return belonging


def through_needs(kind: Kind[Any]) -> Callable[[Reach], FieldNeeds]:
    """What the way through a kind needs: the right to list it."""
    return lambda reach: FieldNeeds(access=(AccessNeed(kind.resource, reach.namespaces),), kinds=(kind,))


def selected_pods(root: ServiceRecord, info: GraphInfo) -> Among[PodRecord]:
    """The pods that a service selects; one without a selector selects none."""
    return Among(root.uid, _with_labels(info.context.view, root.namespace, pairs(root.selector)), root.namespace)


def pods_by_selector(root: Any, info: GraphInfo) -> Among[PodRecord]:
    """The pods that a label selector (as text) selects in the object's namespace; None selects none."""
    rows: Iterable[PodRecord] = ()
    if root.selector is not None:
        selected = selects(label_selector(root.selector))
        pods = info.context.view.snapshot.pods.in_namespace(root.namespace)
        rows = [pod for pod in pods if selected(pod.labels)]
    return Among(root.uid, rows, root.namespace)


def selecting_services(root: PodRecord, info: GraphInfo) -> Among[ServiceRecord]:
    """The services that select a pod."""
    view = info.context.view
    services = view.indexes.groups(SERVICES.key, view.snapshot.services, "selector", _first_of_selector)
    carried = pairs(root.labels)
    found = [
        service
        for key, value in carried
        for service in services.get((root.namespace, key, value), ())
        if pairs(service.selector) <= carried
    ]
    return Among(root.uid, sorted(found, key=PLACE), root.namespace)


def workload_of(root: PodRecord, info: GraphInfo) -> Owner | None:
    """What somebody wrote to have this pod: its controller, or that one's, where it is a ReplicaSet or a Job."""
    owner = root.owner
    for kind in _BETWEEN:
        if owner is not None and (owner.kind, owner.api_version) == (kind.kind, kind.api_version):
            if not _readable(info, kind, root.namespace):
                return None
            between: Any = info.context.view.snapshot.of(kind).get(root.namespace, owner.name)
            return owner if between is None or between.uid != owner.uid else between.owner or owner
    return owner


def workload_needs(reach: Reach) -> FieldNeeds:
    needs = tuple(AccessNeed(kind.resource, reach.namespaces) for kind in _BETWEEN)
    return FieldNeeds(access=needs, kinds=_BETWEEN)


def _readable(info: GraphInfo, kind: Kind[Any], namespace: str) -> bool:
    """Whether the caller may list a kind there, and the gateway can; if not, it is told."""
    return listable(info, kind.resource, namespace) is not None and watched(info, kind)


def _owned_by(view: View, kind: Kind[R], uids: Iterable[str]) -> Sequence[R]:
    groups = view.indexes.groups(kind.key, view.snapshot.of(kind), "owner", _owner)
    return [row for uid in uids for row in groups.get(uid, ())]


def _with_labels(view: View, namespace: str, wanted: Pairs) -> Sequence[PodRecord]:
    """The pods that carry all of these labels: the smallest group of one of them, narrowed."""
    if not wanted:
        return ()
    groups = view.indexes.groups(PODS.key, view.snapshot.pods, "labels", _labels)
    fewest = min((groups.get((namespace, key, value), ()) for key, value in wanted), key=len)
    return fewest if len(wanted) == 1 else [pod for pod in fewest if wanted <= pairs(pod.labels)]


def _owner(row: Any) -> Iterable[Hashable]:
    return () if row.owner is None else (row.owner.uid,)


def _labels(pod: PodRecord) -> Iterable[Hashable]:
    return [(pod.namespace, label.key, label.value) for label in pod.labels]


def _first_of_selector(service: ServiceRecord) -> Iterable[Hashable]:
    return [(service.namespace, label.key, label.value) for label in service.selector[:1]]
