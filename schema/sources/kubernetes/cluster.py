"""One cluster as a source: a reflector and a store for each standing kind, and one picture of all of them."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from auth.api import Unreachable
from schema.sources.kubernetes.api import ObjectsApi
from schema.sources.kubernetes.kinds import NAMESPACES, NODES, PODS, SERVICES, Decoder, Kind, Record
from schema.sources.kubernetes.objects import NamespaceRecord, NodeRecord, PodRecord, ServiceRecord, Sharing
from schema.sources.kubernetes.policy import BACKOFF, Backoff
from schema.sources.kubernetes.reflector import KindStatus, Reflector
from schema.sources.kubernetes.selfcheck import CacheDiverged, differences
from schema.sources.kubernetes.store import Snapshot, Store

__all__ = ["Cluster", "ClusterSnapshot", "KindStatus"]

T = TypeVar("T", bound=Record)
log = logging.getLogger(__name__)

VERSION_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """One moment of every kind. Each kind's is its own: there is no version that would hold for two of them."""

    nodes: Snapshot[NodeRecord]
    pods: Snapshot[PodRecord]
    namespaces: Snapshot[NamespaceRecord]
    services: Snapshot[ServiceRecord]
    version: str  # the API server's own (its gitVersion, "v1.37.2"); "" until it is known

    @property
    def versions(self) -> Mapping[str, str]:
        """Kind to resourceVersion."""
        return {
            "nodes": self.nodes.version,
            "pods": self.pods.version,
            "namespaces": self.namespaces.version,
            "services": self.services.version,
        }


class _Version(msgspec.Struct, frozen=True):
    git_version: str = msgspec.field(name="gitVersion")


@dataclass(frozen=True, slots=True)
class Watched(Generic[T]):
    """One kind of a cluster: what its objects are read by, where they are kept, and what keeps them."""

    kind: Kind[T]
    decoder: Decoder[T]
    store: Store[T]
    reflector: Reflector[T]


class Cluster:
    """Nodes, pods, namespaces and services of one cluster, kept while `run` runs.

    With `self_check`, every list is compared with a second one of the same version, and a difference ends `run`: for
    tests, at the price of one LIST from etcd each.
    """

    def __init__(
        self,
        api: ObjectsApi,
        *,
        name: str = "default",
        self_check: bool = False,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self.name = name
        self._api = api
        self._self_check = self_check
        self._backoff = backoff  # one of its own for each that retries
        self._server_version = ""
        self._ask_version = asyncio.Event()
        sharing = Sharing()

        def watched(kind: Kind[T]) -> Watched[T]:
            decoder = Decoder(kind, sharing)
            store: Store[T] = Store(kind.counted_by, kind.grouped_by, kind.summing)
            reflector = Reflector(
                api, kind, decoder, store, cluster=name, on_return=self._ask_version.set, backoff=backoff()
            )
            return Watched(kind, decoder, store, reflector)

        self.nodes = watched(NODES)
        self.pods = watched(PODS)
        self.namespaces = watched(NAMESPACES)
        self.services = watched(SERVICES)
        self._snapshot = self._taken()

    @property
    def kinds(self) -> tuple[Watched[Any], ...]:
        """All that is watched, whatever its kind."""
        return (self.nodes, self.pods, self.namespaces, self.services)

    def snapshot(self) -> ClusterSnapshot:
        """The picture of now: the same object until something in it changes."""
        taken = self._taken()
        if taken != self._snapshot:  # snapshots compare by identity
            self._snapshot = taken
        return self._snapshot

    def status(self) -> Mapping[str, KindStatus]:
        """How well each kind is known, by its plural name."""
        return {watched.kind.name: watched.reflector.status() for watched in self.kinds}

    @property
    def synced(self) -> bool:
        """Every kind was listed once, or the gateway may not read it."""
        return all(status.synced or status.refused for status in self.status().values())

    async def run(self) -> None:
        """Watch all kinds until cancelled. A task that dies takes the others along, and its exception with it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_version(), name="kubernetes/version")
            for watched in self.kinds:
                tasks.create_task(watched.reflector.run(), name=f"reflector/{watched.kind.name}")
                if self._self_check:
                    tasks.create_task(self._check(watched), name=f"self-check/{watched.kind.name}")

    def _taken(self) -> ClusterSnapshot:
        return ClusterSnapshot(
            self.nodes.store.snapshot(),
            self.pods.store.snapshot(),
            self.namespaces.store.snapshot(),
            self.services.store.snapshot(),
            self._server_version,
        )

    async def _keep_version(self) -> None:
        """Ask for the server's version at the start, and whenever it answers again: it may have been upgraded."""
        backoff = self._backoff()
        self._ask_version.set()
        while True:
            await self._ask_version.wait()
            self._ask_version.clear()
            try:
                reply = await self._api.get("/version", {}, timeout=VERSION_TIMEOUT_S)
                self._server_version = msgspec.json.decode(reply.body, type=_Version).git_version
            except (Unreachable, msgspec.MsgspecError) as error:  # a Status has no gitVersion either
                log.warning("version.unknown", extra={"cluster": self.name, "reason": str(error)})
                self._ask_version.set()
                await backoff.observe(BACKOFF)

    async def _check(self, watched: Watched[T]) -> None:
        """Compare each list with a second one; the snapshot of now says its version, so a later one does as well."""
        backoff = self._backoff()
        while True:
            await watched.reflector.listed.wait()
            watched.reflector.listed.clear()
            try:
                found = await differences(self._api, watched.kind, watched.store.snapshot())
            except Unreachable as error:
                log.warning("self-check.failed", extra={"kind": watched.kind.name, "reason": str(error)})
                watched.reflector.listed.set()
                await backoff.observe(BACKOFF)
                continue
            if found:
                raise CacheDiverged("; ".join(found[:10]))
