"""Keeps one store equal to what the API server holds of one kind, in one scope. After client-go's reflector.

Promised:
- a list is drafted aside and swapped in at its end, with a deletion told for all that vanished: until then readers see
  the picture before;
- what the policy decides (policy.py) is all that is asked: no request without its pause, no relist where a resume does;
- a picture is live from the end of its list on, or a moment after a watch was taken up again: neither what an answer
  only promises nor the first part of what was missed makes an old picture new;
- a kind that the gateway may not read costs only itself, and an object that cannot be read costs only itself;
- the event loop is never held longer than `SLICE_S` by decoding, however long a list or a burst of events is;
- cancelling closes the connection, and leaves the store as of its last whole batch.

Not promised: that `run` notices a clock that jumps (it uses the monotonic one), or that versions mean anything beyond
this one store.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, NoReturn, TypeVar, final

import msgspec

from auth.api import Unreachable
from schema.sources.kubernetes.api import JSON, Incoming, ObjectsApi
from schema.sources.kubernetes.cold import Body
from schema.sources.kubernetes.framing import Items, Lines, Malformed
from schema.sources.kubernetes.kinds import Decoder, Identity, Kind, OddObject, Record, identity
from schema.sources.kubernetes.policy import (
    Backoff,
    Delivered,
    Expired,
    Failed,
    Listed,
    Listing,
    NotServed,
    Outcome,
    Refused,
    State,
    Streaming,
    Throttled,
    TooShort,
    Unsupported,
    Watching,
    after,
    refusal,
    status_of,
)
from schema.sources.kubernetes.store import Draft, Event, Gone, Mark, Put, Store

T = TypeVar("T", bound=Record)
log = logging.getLogger(__name__)

OK: Final = 200

# How long decoding may hold the event loop before others have their turn.
SLICE_S: Final = 0.010

# client-go's: between 5 and 10 minutes, so that watches spread over the API servers again after one was restarted.
SHORTEST_WATCH_S: Final = 300
LONGEST_WATCH_S: Final = 600

# A watch that ends sooner, without an event, was ended by something that will end the next one too.
TOO_SHORT_S: Final = 1.0

# An API server that has just started answers 403 until it has read its roles, for a second or two. Only the third
# refusal in a row, 2 to 5 s after the first, is taken for what it says.
REFUSALS_IN_EARNEST: Final = 3

# A watch that is taken up again brings at once what has happened meanwhile, in as many pieces as it takes. So long
# after the head of its answer all of it is there.
CAUGHT_UP_S: Final = 1.0

# How much longer than asked for a watch without bookmarks may stay silent: the API server ends it by then.
GRACE_S: Final = 30.0

# The objects' metadata alone.
_PARTIAL: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_PARTIAL_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

ODD_NAMES_LIMIT: Final = 1_000  # names of odd objects remembered, so that each is logged once

_INITIAL_END: Final = "k8s.io/initial-events-end"


class ReflectorKey(NamedTuple):
    """Which reflector: `namespace` is "" for all of them."""

    cluster: str
    kind: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class KindStatus:
    """How well one kind is known: a value with a reason and a since, never a bare boolean."""

    synced: bool  # a first list is complete; what is shown may be old all the same
    refused: bool  # the gateway may not read this kind, or it is not there; it goes on asking, once a minute
    live: bool  # the picture follows: the last list is taken in, and its watch is going well
    reason: str  # what the API server or the network said, as long as it is not live
    since: float  # Unix time, seconds, at which `live` became what it is
    age: float | None  # seconds since the API server last said anything that the picture has; None: never
    objects: int
    odd: int  # objects left out, ever, because they could not be read
    served: bool = True  # the API server has this kind


class _WatchLine(msgspec.Struct, frozen=True, gc=False):
    type: str
    object: msgspec.Raw


class _BookmarkMeta(msgspec.Struct, frozen=True, gc=False):
    resource_version: str = msgspec.field(name="resourceVersion", default="")
    annotations: dict[str, str] | None = None


class _Bookmark(msgspec.Struct, frozen=True, gc=False):
    metadata: _BookmarkMeta


_line: Final = msgspec.json.Decoder(_WatchLine)
# How an API server begins nearly all of them: the object behind it is read at once, and not the whole line before.
_OPENINGS: Final = [(kind, b'{"type":"%b","object":' % kind.encode()) for kind in ("MODIFIED", "ADDED")]
_bookmark: Final = msgspec.json.Decoder(_Bookmark)


@dataclass(frozen=True, slots=True)
class _InitialEnd:
    """A streaming list is complete, as of `version`."""

    version: str


class _Ended(Exception):  # noqa: N818 - carries what ended a stream to the step that began it
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@final
class Reflector(Generic[T]):
    """One kind, one scope, one store. The contract stands at the head of this module."""

    def __init__(  # noqa: PLR0913 - what it needs, handed in
        self,
        api: ObjectsApi,
        kind: Kind[T],
        decoder: Decoder[T],
        store: Store[T],
        *,
        cluster: str = "default",
        namespace: str = "",
        patient: bool = True,
        on_return: Callable[[], None] = lambda: None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.key = ReflectorKey(cluster, kind.name, namespace)
        self.store = store
        self._api = api
        self._path = kind.path(namespace)
        self._bookmarks = kind.bookmarks
        self._accept_list, self._accept_watch = (_PARTIAL_LIST, _PARTIAL) if kind.metadata_only else (JSON, JSON)
        self._writing = asyncio.Lock()  # no watch but ours writes while a list is swapped in
        self._patient = patient  # a first refusal may be that of an API server that has just started
        self._decoder = decoder
        self._on_return = on_return  # called when the API server answers again after it did not
        self._backoff = backoff or Backoff(clock)
        self._clock = clock
        self._wall = wall
        self._heard_at: float | None = None  # when the API server last said what the picture has
        self._resumed_at: float | None = None  # when it began to answer a watch that has brought nothing yet
        self._live = False
        self._refusals = 0  # in a row
        self._served = True
        self._reason = "not asked yet"
        self._told: str | None = None  # of the reasons why it is not live, what the log had last
        self._since = wall()
        self._odd: set[tuple[str, str]] = set()
        self.received = dict.fromkeys(("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"), 0)  # by type, ever
        self.lists = 0  # swapped in, ever
        self.failures = 0  # of lists and watches, ever
        self.listed = asyncio.Event()  # set whenever a list was swapped in
        self.known = asyncio.Event()  # set while the kind is synced or refused

    @property
    def well(self) -> bool:
        """Whether a first list is complete and the last attempt is going well."""
        return self._follows() and bool(self.store.version)

    @property
    def refused(self) -> bool:
        enough = REFUSALS_IN_EARNEST if self._patient or self.store.version else 1
        return not self._served or self._refusals >= enough

    def status(self) -> KindStatus:
        return KindStatus(
            synced=bool(self.store.version),
            refused=self.refused,
            live=self._follows(),
            reason=self._reason,
            since=self._since,
            age=None if self._heard_at is None else self._clock() - self._heard_at,
            objects=len(self.store),
            odd=len(self._odd),
            served=self._served,
        )

    async def run(self) -> NoReturn:
        """Keep the store equal to the cluster until cancelled."""
        state: State = Streaming("0")
        while True:
            outcome = await self._step(state)  # the only line that touches the network
            self._note(outcome)
            state, pause = after(state, outcome)
            await self._backoff.observe(pause)

    async def _step(self, state: State) -> Outcome:
        try:
            match state:
                case Streaming():
                    return await self._stream(state)
                case Listing(version):
                    return await self._list(state, version)
                case Watching(version):
                    return await self._watch(state, version)
        except _Ended as ended:
            return ended.outcome
        except (Unreachable, Malformed) as error:
            return Failed(str(error))

    # ------------------------------------------------------------------------------------------- the three requests

    async def _stream(self, state: Streaming) -> Outcome:
        """A list as a watch: every object as ADDED, a marked bookmark, and then what happens."""
        asked = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        async with self._watching(asked) as incoming:
            await self._refuse(state, incoming)
            return await self._follow(state, incoming, self.store.draft())

    async def _list(self, state: Listing, version: str) -> Outcome:
        """A whole LIST, unpaged: pages come from etcd instead of the watch cache."""
        draft, items = self.store.draft(), Items()
        asked = {"resourceVersion": version} if version else {}
        async with self._api.stream(self._path, asked, accept=self._accept_list) as incoming:
            await self._refuse(state, incoming)
            async for chunk in incoming.chunks:
                await self._draft(draft, items.feed(chunk))
        rest, meta = items.end()
        await self._draft(draft, rest)
        if meta.more:
            raise Malformed("the list came in pages that nobody asked for")
        if not meta.resource_version:
            raise Malformed("the list has no resourceVersion")
        await self._commit(draft, meta.resource_version)
        return Listed(meta.resource_version)

    async def _watch(self, state: Watching, version: str) -> Outcome:
        async with self._watching({"resourceVersion": version}) as incoming:
            await self._refuse(state, incoming)
            self._resumed_at = self._clock()
            try:
                return await self._follow(state, incoming, None)
            finally:
                self._follows()
                self._resumed_at = None

    async def watch_aside(self, seconds: int) -> None:
        """Follow a second watch from where the store is, beside the one that goes on, until it ends (progress.py).

        It brings every event that the store may lack, and those that it has change nothing. Raises Unreachable and
        Malformed, and says nothing of a refusal: the kind is as live as its own watch.
        """
        since = self.store.version
        async with self._watching({"resourceVersion": since, "timeoutSeconds": str(seconds)}) as incoming:
            if incoming.status != OK:
                return
            lines = Lines()
            async for chunk in incoming.chunks:
                if not await self._take_aside(since, lines.feed(chunk)):
                    return

    def _watching(self, asked: Mapping[str, str]) -> AbstractAsyncContextManager[Incoming]:
        seconds = random.randint(SHORTEST_WATCH_S, LONGEST_WATCH_S)  # noqa: S311 - spreads load, guards nothing
        params = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds), **asked}
        silence = None if self._bookmarks else seconds + GRACE_S
        return self._api.stream(self._path, params, accept=self._accept_watch, silence=silence)

    async def _refuse(self, state: State, incoming: Incoming) -> None:
        """Leave the step if the answer is a refusal."""
        if incoming.status == OK:
            self._answered()
            return
        status = status_of(await incoming.refusal())
        raise _Ended(refusal(state, incoming.status, status, incoming.headers.get("retry-after")))

    # ---------------------------------------------------------------------------------------------- what they bring

    async def _follow(self, state: Streaming | Watching, incoming: Incoming, draft: Draft[T] | None) -> Outcome:
        """Take in a stream until it ends; with a draft, it begins with a list."""
        began, from_version = self._clock(), self.store.version
        lines = Lines()
        failure: Failed | None = None
        try:
            async for chunk in incoming.chunks:
                draft = await self._take(state, lines.feed(chunk), draft)
                if draft is None:
                    self._heard()
        except (Unreachable, Malformed) as error:
            failure = Failed(str(error))
        except _Ended as ended:
            if not isinstance(ended.outcome, Failed):
                raise
            failure = ended.outcome
        if failure is not None:
            self._lose(failure.reason)
        if self.store.version != from_version:
            return Delivered(self.store.version)  # if what ended it lasts, the next attempt will say so
        if failure is not None:
            return failure
        if draft is not None:
            return Failed("the streaming list ended before it was complete")
        return TooShort() if self._clock() - began < TOO_SHORT_S else Delivered(from_version)

    async def _take(
        self, state: Streaming | Watching, lines: Sequence[bytes], draft: Draft[T] | None
    ) -> Draft[T] | None:
        """Take in one socket read: its events are one batch, save where a list ends within it."""
        batch: list[Event[T]] = []
        ended: Outcome | None = None
        turn = _Turn()
        for line in lines:
            if turn.is_over():
                await turn.pass_on()
            match self._read(state, line):
                case _InitialEnd(version) if draft is not None:
                    draft.apply(batch)
                    await self._commit(draft, version)
                    draft, batch = None, []
                case Mark() if draft is not None:
                    # The first bookmark of a streaming list is the marked one: this server ignores what it was asked.
                    ended = Unsupported()
                    break
                case _InitialEnd(version):
                    batch.append(Mark(version))
                case Put() | Gone() | Mark() as event:
                    batch.append(event)
                case None:
                    pass
                case outcome:
                    ended = outcome
                    break
        if draft is None:
            self.store.apply(batch)
        else:
            draft.apply(batch)
        if ended is not None:
            raise _Ended(ended)
        return draft

    async def _take_aside(self, since: str, lines: Sequence[bytes]) -> bool:
        """Take in what a second watch brings, which began at `since`; False if it is of no use any more."""
        batch: list[Event[T]] = []
        turn = _Turn()
        for line in lines:
            if turn.is_over():
                await turn.pass_on()
            event = self._read(Watching(since), line)
            if isinstance(event, Put | Gone | Mark):
                batch.append(event)
            elif event is not None:
                return False
        async with self._writing:
            if not self.store.has(since):  # listed again, as of before
                return False
            self.store.apply(batch)
        return True

    def _read(self, state: State, line: bytes) -> Event[T] | _InitialEnd | Outcome | None:
        """What one line of a watch says; None if it speaks of an object without so much as a name."""
        put = self._put_at_once(line)
        if put is not None:
            return put
        try:
            event = _line.decode(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Malformed(f"a line of the watch is no event: {error}") from None
        if event.type in self.received:
            self.received[event.type] += 1
        match event.type:
            case "ADDED" | "MODIFIED":
                return self._put(event.object)
            case "DELETED":
                return _gone(identity(event.object))
            case "BOOKMARK":
                return _marked(event.object)
            case "ERROR":
                status = status_of(event.object)
                return refusal(state, status.code, status)
            case unknown:
                raise Malformed(f"an event of type `{unknown[:32]}`")

    def _put_at_once(self, line: bytes) -> Put[T] | None:
        """The object, if the line is written as nearly all are; None if not, or if something is odd about it."""
        for kind, opening in _OPENINGS:
            if line.startswith(opening) and line.endswith(b"}"):
                with suppress(OddObject):  # perhaps it is the line that is: who reads all of it can tell
                    put = Put(self._decoder.decode(memoryview(line)[len(opening) : -1]))
                    self.received[kind] += 1
                    return put
        return None

    def _put(self, body: Body) -> Put[T] | Gone | None:
        """The object; if it cannot be read, the news that what stood there is out of date."""
        try:
            return Put(self._decoder.decode(body))
        except OddObject as odd:
            self._note_odd(odd)
            return _gone(odd.identity)

    async def _draft(self, draft: Draft[T], bodies: Iterable[bytes]) -> None:
        turn = _Turn()
        for body in bodies:
            if turn.is_over():
                await turn.pass_on()
            event = self._put(body)
            if event is not None:
                draft.apply((event,))

    async def _commit(self, draft: Draft[T], version: str) -> None:
        """Swap the list in: what changed by it is found out in turns, the swap is one step."""
        async with self._writing:
            merge, turn = self.store.merge(draft, version), _Turn()
            for _ in merge.steps():
                if turn.is_over():
                    await turn.pass_on()
            self.store.adopt(merge)
        self.lists += 1
        self.listed.set()
        self._heard()
        self._settle()
        log.info("reflector.listed", extra={**self._names(), "objects": len(self.store), "version": version})

    # ------------------------------------------------------------------------------------------------- how it is going

    def _answered(self) -> None:
        """The API server answers; of what is there it has said nothing yet."""
        if not self._live:
            self._refusals, self._served, self._reason = 0, True, ""
            self._settle()
            if self._heard_at is not None:
                self._on_return()

    def _heard(self) -> None:
        """The picture is what the API server has just told; of what was missed that may be the first part only."""
        if self._live or self._resumed_at is None:
            self._follow_from(self._clock())

    def _follows(self) -> bool:
        """Whether the picture is the newest that is known of, as far as anybody can tell."""
        if not self._live and self._resumed_at is not None and self._clock() - self._resumed_at >= CAUGHT_UP_S:
            self._follow_from(self._resumed_at)
        return self._live

    def _follow_from(self, moment: float) -> None:
        if not self._live:
            self._live, self._told, self._since = True, None, self._wall()
        self._heard_at = moment

    def _note(self, outcome: Outcome) -> None:
        """Remember, and say once, what keeps the picture from being live."""
        match outcome:
            case Expired() if not self._bookmarks and self._live:
                # A quiet kind without bookmarks outlives the version that it last heard of: it is listed again.
                log.info("reflector.relists", extra=self._names())
                return
            case Failed(reason) | Refused(reason) | NotServed(reason) | Throttled(_, reason) | Expired(reason):
                pass
            case TooShort():
                reason = "each watch ends at once"
            case Delivered() | Listed() | Unsupported():
                return
        self.failures += 1
        if reason != self._told:
            self._told = reason
            log.warning("reflector.failed", extra={**self._names(), "reason": reason})
        self._lose(reason)
        self._refusals += isinstance(outcome, Refused)
        self._served = self._served and not isinstance(outcome, NotServed)
        self._settle()

    def _lose(self, reason: str) -> None:
        """The picture stays what it is until the API server answers again, however soon that is."""
        if self._follows():
            self._live, self._since = False, self._wall()
        self._reason, self._resumed_at = reason, None

    def _settle(self) -> None:
        if self.store.version or self.refused:
            self.known.set()
        else:
            self.known.clear()

    def _note_odd(self, odd: OddObject) -> None:
        """Count it, and say it once a name: an object that is odd today is odd at each of its changes."""
        place = (odd.identity.namespace, odd.identity.name)
        if place not in self._odd and len(self._odd) < ODD_NAMES_LIMIT:
            self._odd.add(place)
            log.warning("object.unreadable", extra={**self._names(), "object": "/".join(place), "reason": odd.reason})

    def _names(self) -> dict[str, str]:
        return {"cluster": self.key.cluster, "kind": self.key.kind, "namespace": self.key.namespace}


def _gone(identity: Identity) -> Gone | None:
    return Gone(identity.namespace, identity.name, identity.resource_version) if identity.name else None


def _marked(body: msgspec.Raw) -> Mark | _InitialEnd:
    try:
        meta = _bookmark.decode(body).metadata
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(f"a bookmark without a version: {error}") from None
    if (meta.annotations or {}).get(_INITIAL_END) == "true":
        return _InitialEnd(meta.resource_version)
    return Mark(meta.resource_version)


class _Turn:
    """A turn on the event loop: when it is over, the others have theirs."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def is_over(self) -> bool:
        return time.perf_counter() - self._began > SLICE_S

    async def pass_on(self) -> None:
        await asyncio.sleep(0)
        self._began = time.perf_counter()
