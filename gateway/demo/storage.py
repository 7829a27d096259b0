"""What the simulated API server holds: objects by kind, one revision for all, and the changes of the recent past.

Promised: every write has a revision of its own, larger than all before (as etcd's; tests/gateway/demo/test_storage.py).
Promised: `at(kind, revision)` is what the kind held at that revision, or `TooOld` once that is forgotten.
Promised: `since(kind, revision)` is every later change once, in order, or `TooOld`.
Not promised: that a revision belongs to the kind that is asked: they are shared by all kinds.
"""

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

HISTORY = 20_000
"""Changes remembered for each kind; at 100 a second more than the 75 s that a real watch cache keeps."""

FIRST_REVISION = 1_000
"""A cluster that has just been set up is past its first thousand writes."""


class StoredObject(Protocol):
    """One immutable state of one Kubernetes object; a change is another value."""

    @property
    def namespace(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields that a field selector may name."""
        ...

    def manifest(self, revision: int) -> bytes:
        """The object as JSON, without managedFields."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """An object and the revision that wrote it."""

    object: StoredObject
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """One write: `before` is None for a creation, `after` for a deletion."""

    revision: int
    key: str
    before: Stored | None
    after: Stored | None


class TooOldError(Exception):
    """The changes after that revision are no longer all known; `oldest` is the oldest that can be asked for."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"older than {oldest}")
        self.oldest = oldest


def object_key(namespace: str, name: str) -> str:
    """What objects are ordered by: the end of etcd's key, so `a-b/x` comes before `a/x`."""
    return f"{namespace}/{name}" if namespace else name


@dataclass(slots=True)
class _Shelf:
    """One kind: its objects, their keys in order, its changes, and whoever waits for the next one."""

    objects: dict[str, Stored] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    changes: deque[Change] = field(default_factory=deque)
    known_since: int = FIRST_REVISION
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()  # who waited holds the old one; who comes now waits for the next write


class Storage:
    def __init__(self, kinds: Sequence[str], *, history: int = HISTORY) -> None:
        self.revision = FIRST_REVISION
        self._history = history
        self._shelves = {kind: _Shelf() for kind in kinds}

    def load(self, kind: str, objects: Sequence[StoredObject]) -> None:
        """Take in many new objects at once, as if they had been written before anybody watched."""
        shelf = self._shelves[kind]
        for item in objects:
            self.revision += 1
            shelf.objects[object_key(item.namespace, item.name)] = Stored(item, self.revision)
        shelf.keys = sorted(shelf.objects)
        shelf.known_since = self.revision

    def put(self, kind: str, item: StoredObject) -> Stored:
        """Create or replace."""
        key = object_key(item.namespace, item.name)
        self.revision += 1
        stored = Stored(item, self.revision)
        shelf = self._shelves[kind]
        before = shelf.objects.get(key)
        if before is None:
            insort(shelf.keys, key)
        shelf.objects[key] = stored
        self._record(shelf, Change(self.revision, key, before, stored))
        return stored

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """KeyError where there is no such object."""
        key = object_key(namespace, name)
        shelf = self._shelves[kind]
        before = shelf.objects.pop(key)
        self.revision += 1
        del shelf.keys[bisect_left(shelf.keys, key)]
        self._record(shelf, Change(self.revision, key, before, None))

    def get(self, kind: str, namespace: str, name: str) -> Stored | None:
        return self._shelves[kind].objects.get(object_key(namespace, name))

    def all(self, kind: str) -> Iterator[StoredObject]:
        """As they are now, in key order; not to be held across an await."""
        shelf = self._shelves[kind]
        return (shelf.objects[key].object for key in shelf.keys)

    def count(self, kind: str) -> int:
        return len(self._shelves[kind].objects)

    def at(self, kind: str, revision: int, *, namespace: str = "", start: str = "") -> list[Stored]:
        """What the kind held at a revision, from the key `start` on, in key order."""
        shelf = self._shelves[kind]
        first, last = _key_range(shelf.keys, namespace, start)
        keys = shelf.keys[first:last]
        later = self.since(kind, revision)
        if not later:
            return [shelf.objects[key] for key in keys]
        wanted = {key: shelf.objects[key] for key in keys}
        prefix = f"{namespace}/" if namespace else ""
        for change in reversed(later):
            if change.key < start or not change.key.startswith(prefix):
                continue
            if change.before is None:
                wanted.pop(change.key, None)
            else:
                wanted[change.key] = change.before
        return [wanted[key] for key in sorted(wanted)]

    def since(self, kind: str, revision: int) -> list[Change]:
        shelf = self._shelves[kind]
        if revision < shelf.known_since:
            raise TooOldError(shelf.known_since)
        recent: list[Change] = []
        for change in reversed(shelf.changes):
            if change.revision <= revision:
                break
            recent.append(change)
        recent.reverse()
        return recent

    async def changed(self, kind: str) -> None:
        """Return after the kind's next write."""
        await self._shelves[kind].changed.wait()

    def forget(self) -> None:
        """Lose all history, as an API server that restarts after other writes: every version seen so far is too old."""
        self.revision += 1
        for shelf in self._shelves.values():
            shelf.changes.clear()
            shelf.known_since = self.revision
            shelf.wake()

    def _record(self, shelf: _Shelf, change: Change) -> None:
        shelf.changes.append(change)
        if len(shelf.changes) > self._history:
            shelf.known_since = shelf.changes.popleft().revision
        shelf.wake()


def _key_range(keys: Sequence[str], namespace: str, start: str) -> tuple[int, int]:
    """The slice of sorted keys that lie in a namespace (all if empty), from `start` on."""
    if not namespace:
        return bisect_left(keys, start), len(keys)
    first = bisect_left(keys, max(f"{namespace}/", start))
    return first, bisect_left(keys, f"{namespace}0")  # "0" is what follows "/"
