"""A kind that is watched: in the whole cluster, or in each of some namespaces, which readers see as one picture."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, final

from schema.sources.kubernetes.kinds import Decoder, Kind, Record
from schema.sources.kubernetes.progress import Progress
from schema.sources.kubernetes.reflector import KindStatus, Reflector
from schema.sources.kubernetes.store import Snapshot, Store, age

T = TypeVar("T", bound=Record)


@dataclass(frozen=True, slots=True)
class Watched(Generic[T]):
    """One kind in one scope: what its objects are read by, where they are kept, what keeps them, and up to when."""

    kind: Kind[T]
    decoder: Decoder[T]
    store: Store[T]
    reflector: Reflector[T]
    progress: Progress

    @property
    def name(self) -> str:
        """For tasks and logs: `pods`, or `pods/shop` in one namespace."""
        namespace = self.reflector.key.namespace
        return f"{self.kind.key}/{namespace}" if namespace else self.kind.key

    def status(self) -> KindStatus:
        """How well it is known; of a kind that cannot be watched, `reason` says what would mend it."""
        status = self.reflector.status()
        return replace(status, reason=self._refusal(status)) if status.refused else status

    def _refusal(self, status: KindStatus) -> str:
        kind, namespace = self.kind, self.reflector.key.namespace
        if not status.served:
            return f"The API server has no {kind.name} in {kind.api_version}: {status.reason}"
        where, role = (f" in {namespace}", f"Role in {namespace}") if namespace else ("", "ClusterRole")
        return (
            f"The gateway's own account may not list and watch {kind.name}{where}; "
            f"its {role} needs the rule {kind.rule}: {status.reason}"
        )


@final
class KindInUse(Generic[T]):
    """A kind in all scopes in which it is watched, since when nobody asked for it, and the tasks that watch it.

    Each scope has a state of its own; one that cannot be watched costs itself alone: the kind is refused when all are,
    and not live as long as one is not. Without any scope it is refused for `reason`.
    """

    def __init__(self, kind: Kind[T], scopes: Sequence[Watched[T]], *, asked_at: float, reason: str = "") -> None:
        self.kind = kind
        self.scopes = scopes
        self.started_at = self.asked_at = asked_at
        self.tasks: list[asyncio.Task[Any]] = []
        self._reason = reason
        self._parts: tuple[Snapshot[T], ...] = ()
        self._snapshot = nothing(kind)

    @property
    def known(self) -> bool:
        """Whether each scope was listed once, or is refused."""
        return all(scope.reflector.known.is_set() for scope in self.scopes)

    @property
    def well(self) -> bool:
        """Whether each scope was listed, and its watch goes on."""
        for scope in self.scopes:
            if not scope.reflector.well:
                return False
        return bool(self.scopes)

    @property
    def refused(self) -> bool:
        """Whether no scope can be watched, as far as the API server has said."""
        return bool(self.scopes) and all(scope.reflector.refused for scope in self.scopes)

    async def wait_known(self) -> None:
        for scope in self.scopes:
            await scope.reflector.known.wait()

    @property
    def version(self) -> str:
        """The newest version of which it shows anything: whoever has all up to there has all that this shows."""
        if len(self.scopes) == 1:
            return self.scopes[0].store.version
        return max((scope.store.version for scope in self.scopes), key=age, default="")

    @property
    def complete_to(self) -> str:
        """The version up to which it shows everything, save where it cannot be watched."""
        return min((scope.store.version for scope in self._readable), key=age, default="")

    def has(self, version: str) -> bool:
        """Whether all that happened up to `version` is shown, save where it cannot be watched."""
        return all(scope.store.has(version) for scope in self._readable)

    async def reached(self, version: str) -> None:
        """Return as soon as it has this version, however long that takes."""
        async with asyncio.TaskGroup() as tasks:
            for scope in self._readable:
                tasks.create_task(scope.progress.reached(version), name=f"reached/{scope.name}")

    @property
    def _readable(self) -> Sequence[Watched[T]]:
        return [scope for scope in self.scopes if not scope.reflector.refused]

    def snapshot(self) -> Snapshot[T]:
        """The picture of now: the same object until something in it changes."""
        if len(self.scopes) == 1:
            return self.scopes[0].store.snapshot()
        parts = tuple(scope.store.snapshot() for scope in self.scopes)
        if parts != self._parts:  # snapshots compare by identity
            self._parts, self._snapshot = parts, Snapshot.united(parts)
        return self._snapshot

    def status(self) -> KindStatus:
        """How well it is known: as well as the scope of which least is known, save those that are refused."""
        every = [scope.status() for scope in self.scopes]
        if len(every) == 1:
            return every[0]
        read = [status for status in every if not status.refused]
        if not read:
            return KindStatus(False, True, False, every[0].reason if every else self._reason, 0.0, None, 0, 0)
        dead = [status for status in every if not status.live]
        ages = [status.age for status in every if status.age is not None]
        return KindStatus(
            synced=all(status.synced for status in read),
            refused=False,
            live=not dead,
            reason="; ".join(status.reason for status in dead),
            since=max(status.since for status in dead or every),
            age=max(ages, default=None),
            objects=sum(status.objects for status in every),
            odd=sum(status.odd for status in every),
        )

    def stop(self) -> None:
        for task in self.tasks:
            task.cancel()


def nothing(kind: Kind[T]) -> Snapshot[T]:
    """The picture of a kind that is not watched."""
    return Store[T](kind.counted_by, kind.grouped_by, kind.summing).snapshot()
