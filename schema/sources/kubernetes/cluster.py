"""One cluster as a source: a reflector and a store for each kind that is watched, and one picture of all of them."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextvars import Context
from typing import Any, Final, TypeVar, final

import msgspec

from auth.api import Unreachable
from schema.sources.kubernetes.api import ObjectsApi
from schema.sources.kubernetes.kinds import (
    NAMESPACES,
    NODES,
    ON_DEMAND,
    PODS,
    SERVICES,
    STANDING,
    Decoder,
    Kind,
    Record,
)
from schema.sources.kubernetes.objects import NamespaceRecord, NodeRecord, PodRecord, Sharing
from schema.sources.kubernetes.policy import BACKOFF, Backoff
from schema.sources.kubernetes.progress import Progress
from schema.sources.kubernetes.reflector import KindStatus, Reflector
from schema.sources.kubernetes.selfcheck import CacheDiverged, differences
from schema.sources.kubernetes.services import ServiceRecord
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.kubernetes.store import Snapshot, Store
from schema.sources.kubernetes.watched import KindInUse, Watched, nothing

__all__ = ["Cluster", "ClusterSnapshot", "KindStatus", "NotNeeded", "Watched"]

T = TypeVar("T", bound=Record)
log = logging.getLogger(__name__)

VERSION_TIMEOUT_S: Final = 5.0

# A refused kind is asked for anew by the first question after so long, however long its reflector would still wait: who
# has just granted the rule looks again at once, and one refused request in 10 s costs the API server next to nothing.
REFUSED_AGAIN_S: Final = 10.0


class NotNeeded(AssertionError):  # noqa: N818 - reads as what happened
    """Somebody reads a kind that nobody said would be read: a programming mistake (schema/execution/needs.py)."""


@final
class ClusterSnapshot:
    """One moment of some kinds, an immutable value. Each kind's is its own: no version would hold for two of them.

    Equal if it shows the same kinds at the same moments. A kind that is not watched is shown empty.

    `versions` has, of each kind that is watched, the newest resourceVersion of which it shows anything. They are no
    part of what is equal: bookmarks raise them, and change nothing that is shown.
    """

    __slots__ = ("pictures", "version", "versions")

    def __init__(self, of: Mapping[str, Snapshot[Any]], version: str, versions: Mapping[str, str]) -> None:
        self.pictures = of
        self.version = version  # the API server's own (its gitVersion, "v1.37.2"); "" until it is known
        self.versions = versions

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClusterSnapshot):
            return NotImplemented
        return self.pictures == other.pictures and self.version == other.version  # snapshots compare by identity

    def __hash__(self) -> int:
        return hash((frozenset(self.pictures.items()), self.version))

    def of(self, kind: Kind[T]) -> Snapshot[T]:
        """What there is of one kind; raises NotNeeded for one that this snapshot is not of."""
        return self.named(kind.key)

    def named(self, key: str) -> Snapshot[Any]:
        """The same, by the kind's key: its plural name."""
        try:
            return self.pictures[key]
        except KeyError:
            raise NotNeeded(key) from None

    @property
    def nodes(self) -> Snapshot[NodeRecord]:
        return self.named("nodes")

    @property
    def pods(self) -> Snapshot[PodRecord]:
        return self.named("pods")

    @property
    def namespaces(self) -> Snapshot[NamespaceRecord]:
        return self.named("namespaces")

    @property
    def services(self) -> Snapshot[ServiceRecord]:
        return self.named("services")

    def contradicts(self, other: "ClusterSnapshot") -> bool:
        """Whether the two show different moments of a kind that is in both."""
        return any(other.pictures.get(key, snapshot) is not snapshot for key, snapshot in self.pictures.items())


class _Version(msgspec.Struct, frozen=True):
    git_version: str = msgspec.field(name="gitVersion")


NOT_WATCHED: Final = KindStatus(False, False, False, "nobody has asked for it", 0.0, None, 0, 0)


class Cluster:
    """The kinds of one cluster, kept while `run` runs: the standing ones always, others while somebody asks for them.

    Promised: a kind of `on_demand` is watched from its first `want` until nobody wanted it for `idle_kind_seconds`;
    then its store is let go, and whoever called `when_given_back` is told, to let go of what they keep of it.
    Promised: a kind that cannot be watched costs itself alone; one whose watching dies of a mistake of ours ends `run`.
    With `settings.namespaces` only these are watched, each by itself; kinds that belong to none are refused then.

    With `self_check`, every list is compared with a second one of the same version, and a difference ends `run`: for
    tests, at the price of one LIST from etcd each.
    """

    def __init__(  # noqa: PLR0913 - what it needs, handed in
        self,
        api: ObjectsApi,
        *,
        name: str = "default",
        on_demand: Iterable[Kind[Any]] = ON_DEMAND,
        settings: KubernetesSettings = KubernetesSettings(),  # noqa: B008 - it never changes
        self_check: bool = False,
        backoff: Callable[[], Backoff] = Backoff,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._api = api
        # Not while somebody may still wait for its first list.
        self._idle_seconds = max(settings.idle_kind_seconds, settings.first_list_seconds)
        self._first_list_seconds = settings.first_list_seconds
        self._namespaces = tuple(sorted(settings.namespaces))
        self._self_check = self_check
        self._backoff = backoff  # one of its own for each that retries
        self._clock = clock
        self._sleep = sleep
        self._server_version = ""
        self._ask_version = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None  # while `run` runs
        self._tell: list[Callable[[Kind[Any]], None]] = []
        sharing = Sharing()
        self._in_use = {kind.key: self._in_scopes(kind, sharing, patient=True) for kind in STANDING}
        self._nothing = {kind.key: nothing(kind) for kind in (*STANDING, *on_demand)}
        self._snapshot = self._taken(self._nothing)

    @property
    def nodes(self) -> Watched[NodeRecord]:
        return self.watched(NODES)

    @property
    def pods(self) -> Watched[PodRecord]:
        return self.watched(PODS)

    @property
    def namespaces(self) -> Watched[NamespaceRecord]:
        return self.watched(NAMESPACES)

    @property
    def services(self) -> Watched[ServiceRecord]:
        return self.watched(SERVICES)

    def watched(self, kind: Kind[T]) -> Watched[T]:
        """One kind that is watched in the whole cluster; KeyError for one that is not watched."""
        (watched,) = self._in_use[kind.key].scopes
        return watched

    @property
    def kinds(self) -> tuple[Watched[Any], ...]:
        """All that is watched at the moment, whatever its kind and scope."""
        return tuple(scope for used in self._in_use.values() for scope in used.scopes)

    @property
    def only_namespaces(self) -> frozenset[str]:
        """The namespaces that alone are watched; empty: all of them."""
        return frozenset(self._namespaces)

    def snapshot(self, kinds: Iterable[Kind[Any]] | None = None) -> ClusterSnapshot:
        """The picture of now, of these kinds or of all: the same object, or an equal one, until one of them changes."""
        if kinds is not None:
            return self._taken([kind.key for kind in kinds])
        taken = self._taken(self._nothing)
        if taken != self._snapshot or taken.versions != self._snapshot.versions:
            self._snapshot = taken
        return self._snapshot

    def status(self) -> Mapping[str, KindStatus]:
        """How well each kind that is watched is known, by its key."""
        return {key: used.status() for key, used in self._in_use.items()}

    def status_of(self, kind: Kind[Any]) -> KindStatus:
        """How well one kind is known; `reason` is a sentence for people."""
        used = self._in_use.get(kind.key)
        return NOT_WATCHED if used is None else used.status()

    def troubled(self, kinds: Iterable[Kind[Any]]) -> Mapping[str, KindStatus]:
        """Those of these kinds that are not simply well, by key: as a rule none. Asked for each answer: cheap."""
        found: dict[str, KindStatus] = {}
        for kind in kinds:
            used = self._in_use.get(kind.key)
            if used is None or not used.well:
                found[kind.key] = self.status_of(kind)
        return found

    @property
    def synced(self) -> bool:
        """Every standing kind was listed once, or the gateway may not read it. Others keep nobody waiting."""
        return all(self._in_use[kind.key].known for kind in STANDING)

    async def want(self, kinds: Iterable[Kind[Any]]) -> None:
        """Have these kinds watched, and wait until each is listed or refused: `first_list_seconds` at most.

        What came of it says `status_of`. Standing kinds are watched anyway, and not waited for.
        """
        wanted = [self._asked(kind) for kind in kinds if kind not in STANDING]
        if all(each.known for each in wanted):
            return
        with contextlib.suppress(TimeoutError):  # told by their status
            async with asyncio.timeout(self._first_list_seconds):
                for each in wanted:
                    await each.wait_known()

    async def reach(self, wanted: Mapping[Kind[Any], str], seconds: float) -> Mapping[Kind[Any], str]:
        """Wait until these kinds have all up to these versions: for so many seconds at most.

        Returns those that do not, with the versions that they have. What cannot be watched is not waited for: nothing
        of it is shown.
        """
        late = {
            used: version
            for kind, version in wanted.items()
            if (used := self._in_use.get(kind.key)) is not None and not used.has(version)
        }
        if not late:
            return {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                for used, version in late.items():
                    tasks.create_task(used.reached(version), name=f"reached/{used.kind.key}")
        return {used.kind: used.complete_to for used, version in late.items() if not used.has(version)}

    def when_given_back(self, tell: Callable[[Kind[Any]], None]) -> None:
        """Have `tell` called when a kind's memory is given back. It must not raise."""
        self._tell.append(tell)

    async def run(self) -> None:
        """Watch until cancelled. A task that dies takes the others along, and its exception with it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_version(), name="kubernetes/version")
            self._tasks = tasks
            try:
                for used in self._in_use.values():
                    self._watch(used)
                while True:
                    await self._sleep(self._idle_seconds / 4)
                    self._give_back_idle()
            finally:
                self._tasks = None  # it takes no more

    def _asked(self, kind: Kind[Any]) -> KindInUse[Any]:
        used = self._in_use.get(kind.key)
        if used is not None and used.refused and self._clock() - used.started_at >= REFUSED_AGAIN_S:
            self._give_back(used)
            used = None
        if used is None:
            log.info("kind.started", extra={"cluster": self.name, "kind": kind.key})
            # A sharing of its own: what it holds goes with the kind.
            used = self._in_use[kind.key] = self._in_scopes(kind, Sharing(), patient=False)
            self._watch(used)
        used.asked_at = self._clock()
        return used

    def _in_scopes(self, kind: Kind[T], sharing: Sharing, *, patient: bool) -> KindInUse[T]:
        decoder = Decoder(kind, sharing)
        scopes: Sequence[str] = self._namespaces or ("",)
        reason = ""
        if self._namespaces and not kind.namespaced:
            scopes = ()
            reason = f"This gateway watches the namespaces {', '.join(self._namespaces)} alone; {kind.name} are in none"
        watched = [self._watched(kind, decoder, scope, patient=patient) for scope in scopes]
        return KindInUse(kind, watched, asked_at=self._clock(), reason=reason)

    def _watched(self, kind: Kind[T], decoder: Decoder[T], namespace: str, *, patient: bool) -> Watched[T]:
        store: Store[T] = Store(kind.counted_by, kind.grouped_by, kind.summing)
        reflector = Reflector(
            self._api,
            kind,
            decoder,
            store,
            cluster=self.name,
            namespace=namespace,
            patient=patient,
            on_return=self._ask_version.set,
            backoff=self._backoff(),
        )
        return Watched(kind, decoder, store, reflector, Progress(self._api, kind, reflector))

    def _watch(self, used: KindInUse[Any]) -> None:
        """Start what keeps it; before `run` and after its end there is nobody to keep anything."""
        if self._tasks is None:
            return
        for scope in used.scopes:
            used.tasks.append(self._start(scope.reflector.run(), f"reflector/{scope.name}"))
            if self._self_check:
                used.tasks.append(self._start(self._check(scope), f"self-check/{scope.name}"))

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task of nobody's request: the id and the trace of the one that first asked for a kind stay with it."""
        assert self._tasks is not None  # noqa: S101 - `_watch` has looked
        return self._tasks.create_task(work, name=name, context=Context())

    def _give_back_idle(self) -> None:
        now = self._clock()
        for used in list(self._in_use.values()):
            if used.kind not in STANDING and now - used.asked_at >= self._idle_seconds:
                self._give_back(used)

    def _give_back(self, used: KindInUse[Any]) -> None:
        """Nobody keeps the store any more, nor holds it: readers under way have their snapshots."""
        used.stop()
        objects = len(used.snapshot())
        del self._in_use[used.kind.key]
        self._snapshot = self._taken(self._nothing)
        for tell in self._tell:
            tell(used.kind)
        log.info("kind.given-back", extra={"cluster": self.name, "kind": used.kind.key, "objects": objects})

    def _taken(self, keys: Iterable[str]) -> ClusterSnapshot:
        pictures: dict[str, Snapshot[Any]] = {}
        versions: dict[str, str] = {}
        for key in keys:
            used = self._in_use.get(key)
            pictures[key] = self._nothing[key] if used is None else used.snapshot()
            if used is not None and (version := used.version):
                versions[key] = version
        return ClusterSnapshot(pictures, self._server_version, versions)

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
                namespace = watched.reflector.key.namespace
                found = await differences(self._api, watched.kind, watched.store.snapshot(), namespace)
            except Unreachable as error:
                log.warning("self-check.failed", extra={"kind": watched.name, "reason": str(error)})
                watched.reflector.listed.set()
                await backoff.observe(BACKOFF)
                continue
            if found:
                raise CacheDiverged("; ".join(found[:10]))
