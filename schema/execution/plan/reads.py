"""What an answer has looked up: as long as all of that is found as it was, the answer holds, whatever else changes.

Where a thousand pods a second change, no two questions are about the same moment; and yet one node, its thirty pods,
or one pod by its name are the same for minutes. An answer that was made of look-ups alone is kept with them. One that
has read anything else of the cluster, such as a whole kind, holds for its moment alone.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias, cast, final

from schema.execution.needs import Needs
from schema.sources.kubernetes.cluster import ClusterSnapshot
from schema.sources.kubernetes.kinds import Kind
from schema.sources.kubernetes.store import Snapshot

# A kind's key, what was called with what, and what was found: the very same object means that nothing has changed.
LookUp: TypeAlias = tuple[str, str, tuple[str, ...], Any]

# An answer of more of them is not asked for so often that it would pay to look all of them up again.
LOOK_UPS_AT_MOST: Final = 16


def looks_up_only(needs: Needs) -> bool:
    """Whether an operation asks for objects by name, and for what an index finds for these."""
    return bool(needs.looked_through) and all(need.name for need in needs.looked_through)


@final
class Reads:
    """Collects what is read of a snapshot while an answer is made."""

    def __init__(self) -> None:
        self._look_ups: list[LookUp] | None = []  # None: anything else was read, or too much

    def of(self, snapshot: ClusterSnapshot) -> ClusterSnapshot:
        """The snapshot, for whoever reads it: noted is what they do."""
        return cast("ClusterSnapshot", _ReadCluster(snapshot, self))

    @property
    def look_ups(self) -> tuple[LookUp, ...] | None:
        """All that was read; None if that was more than a few look-ups."""
        return None if self._look_ups is None else tuple(self._look_ups)

    def note(self, look_up: LookUp) -> None:
        if self._look_ups is None or len(self._look_ups) >= LOOK_UPS_AT_MOST:
            self._look_ups = None
        else:
            self._look_ups.append(look_up)

    def note_more(self) -> None:
        self._look_ups = None


def still_found(look_ups: Sequence[LookUp], snapshot: ClusterSnapshot) -> bool:
    """Whether each of them finds in this snapshot what it found."""
    pictures = snapshot.pictures
    for key, called, arguments, found in look_ups:
        if key not in pictures or getattr(pictures[key], called)(*arguments) is not found:
            return False
    return True


@final
class _ReadCluster:
    """A ClusterSnapshot, watched."""

    def __init__(self, snapshot: ClusterSnapshot, reads: Reads) -> None:
        self._snapshot = snapshot
        self._reads = reads

    def of(self, kind: Kind[Any]) -> "_ReadKind":
        return self.named(kind.key)

    def named(self, key: str) -> "_ReadKind":
        return _ReadKind(key, self._snapshot.named(key), self._reads)

    @property
    def nodes(self) -> "_ReadKind":
        return self.named("nodes")

    @property
    def pods(self) -> "_ReadKind":
        return self.named("pods")

    @property
    def namespaces(self) -> "_ReadKind":
        return self.named("namespaces")

    @property
    def services(self) -> "_ReadKind":
        return self.named("services")

    def __getattr__(self, name: str) -> Any:
        self._reads.note_more()
        return getattr(self._snapshot, name)


@final
class _ReadKind:
    """One kind's Snapshot, watched."""

    def __init__(self, key: str, snapshot: Snapshot[Any], reads: Reads) -> None:
        self._key = key
        self._snapshot = snapshot
        self._reads = reads

    def get(self, namespace: str, name: str) -> Any:
        return self._look_up("get", self._snapshot.get, namespace, name)

    def on_node(self, node_name: str) -> Any:
        return self._look_up("on_node", self._snapshot.on_node, node_name)

    def _look_up(self, called: str, look_up: Callable[..., Any], *arguments: str) -> Any:
        found = look_up(*arguments)
        self._reads.note((self._key, called, arguments, found))
        return found

    def __len__(self) -> int:
        self._reads.note_more()
        return len(self._snapshot)

    def __iter__(self) -> Iterator[Any]:
        self._reads.note_more()
        return iter(self._snapshot)

    def __getattr__(self, name: str) -> Any:
        self._reads.note_more()
        return getattr(self._snapshot, name)
