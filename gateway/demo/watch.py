"""One watch, from the options of its request to the lines that are sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import orjson

from gateway.demo import statuses
from gateway.demo.requests import ListOptions
from gateway.demo.resources import Resource
from gateway.demo.statuses import Refusal
from gateway.demo.storage import Change, Storage, Stored, TooOldError

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
BOOKMARK_BEFORE_END_S = 2.0  # kube-apiserver sends a last one that long before a watch's timeoutSeconds
WATCH_TIMEOUT_S = 1800.0  # its --min-request-timeout; a real one ends after one to two of these
OBJECTS_PER_WRITE = 100
"""Objects written out without a pause: some 3 ms, in which nothing else on this loop can run."""


class Watch:
    """One watch from where its options say it starts; `events` yields lines until it ends."""

    def __init__(
        self,
        storage: Storage,
        resource: Resource,
        namespace: str,
        options: ListOptions,
        wanted: Callable[[Stored], bool],
    ) -> None:
        self._storage = storage
        self._resource = resource
        self._prefix = f"{namespace}/" if namespace else ""
        self._namespace = namespace
        self._options = options
        self._wanted = wanted
        self._seen = options.version or storage.revision

    def refuse_if_forgotten(self) -> None:
        """410 before the stream begins, as an API server without a watch cache does."""
        try:
            self._storage.since(self._resource.name, self._seen)
        except TooOldError as error:
            raise statuses.expired(self._too_old(error)) from None

    async def events(self, bookmark_interval: float) -> AsyncIterator[bytes]:
        if refusal := self._unborn():
            yield _event("ERROR", refusal.body)
            return
        if self._sends_initial_events():
            async for lines in self._initial_events():
                yield lines
        schedule = _Schedule(self._options.timeout, bookmark_interval)
        while not schedule.over:
            try:
                lines = self._news()
            except TooOldError as error:
                yield _event("ERROR", statuses.expired(self._too_old(error)).body)
                return
            if not lines and schedule.bookmark_due() and self._options.bookmarks and self._resource.bookmarks:
                self._seen = max(self._seen, self._storage.revision)
                lines = self._bookmark({})
            if lines:
                yield lines
            else:
                await self._changed(schedule.until_next())

    def _unborn(self) -> Refusal | None:
        """504 where everything is asked for as of a version that nobody has written yet.

        A real one waits three seconds for it first; here all writes are known at once.
        """
        asked, current = self._options.version or 0, self._storage.revision
        return statuses.too_large_version(asked, current) if self._options.initial_events and asked > current else None

    def _news(self) -> bytes:
        """What has happened since the last look, as far as this watch shows it."""
        changes = self._storage.since(self._resource.name, self._seen)
        if changes:
            self._seen = changes[-1].revision
        return b"".join(self._lines(changes))

    async def _changed(self, seconds: float) -> None:
        """Return after the kind's next write, or when the time is up."""
        try:
            async with asyncio.timeout(seconds):
                await self._storage.changed(self._resource.name)
        except TimeoutError:
            return

    def _sends_initial_events(self) -> bool:
        if self._options.initial_events is not None:
            return self._options.initial_events
        return not self._options.version  # "" and "0" begin with what there is

    async def _initial_events(self) -> AsyncIterator[bytes]:
        """Everything as ADDED; with sendInitialEvents then the bookmark that ends it."""
        self._seen = self._storage.revision
        everything = self._storage.at(self._resource.name, self._seen, namespace=self._namespace)
        for first in range(0, len(everything), OBJECTS_PER_WRITE):
            some = everything[first : first + OBJECTS_PER_WRITE]
            if lines := b"".join(self._added(stored) for stored in some if self._wanted(stored)):
                yield lines
            await asyncio.sleep(0)
        if self._options.initial_events and self._options.bookmarks:
            yield self._bookmark({INITIAL_EVENTS_END: "true"})

    def _lines(self, changes: Iterable[Change]) -> Iterable[bytes]:
        for change in changes:
            if change.key.startswith(self._prefix) and (line := self._line(change)):
                yield line

    def _line(self, change: Change) -> bytes:
        """What the change is to this watch's selection; empty if nothing. An object that leaves it is DELETED, and is
        shown as it last belonged, with the version of its leaving.
        """
        was = change.before is not None and self._wanted(change.before)
        stays = change.after is not None and self._wanted(change.after)
        if change.after is not None and stays:
            return _event("MODIFIED" if was else "ADDED", self._resource.document(change.after))
        if change.before is not None and was:
            return _event("DELETED", self._resource.document(change.before, change.revision))
        return b""

    def _added(self, stored: Stored) -> bytes:
        return _event("ADDED", self._resource.document(stored))

    def _bookmark(self, annotations: Mapping[str, str]) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(self._seen)}
        if annotations:
            metadata["annotations"] = annotations
        document = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        if not self._resource.metadata_only:
            # as an empty object of Go's comes out
            spec = {"containers": None} if self._resource.name == "pods" else {}
            document |= {"spec": spec, "status": {}}
        return _event("BOOKMARK", orjson.dumps(document))

    def _too_old(self, error: TooOldError) -> str:
        return f"too old resource version: {self._seen} ({error.oldest})"


class _Schedule:
    """When a watch ends, and when its next bookmark is due; times of the event loop's clock, in seconds."""

    def __init__(self, timeout: float | None, bookmark_interval: float) -> None:
        self._interval = bookmark_interval
        now = self._now()
        self._end = now + (timeout or WATCH_TIMEOUT_S)
        self._bookmark = now + bookmark_interval
        if timeout:
            self._bookmark = min(self._bookmark, max(self._end - BOOKMARK_BEFORE_END_S, now))

    @property
    def over(self) -> bool:
        return self._now() >= self._end

    def bookmark_due(self) -> bool:
        """True once for every interval."""
        if self._now() < self._bookmark:
            return False
        self._bookmark = self._now() + self._interval
        return True

    def until_next(self) -> float:
        return min(self._bookmark, self._end) - self._now()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _event(kind: str, document: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), document)
