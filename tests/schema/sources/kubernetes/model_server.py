"""An API server of one kind in memory, as the watch cache meets it: bytes in, with every fault at hand.

It stands at the cache's one seam (`stream(path, params)` and `get`). Not a mock: it keeps objects, versions and a
history, and answers LIST, WATCH and the streaming list from them by the API server's rules.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from auth.api import Reply, Unreachable
from schema.sources.kubernetes.api import JSON, Incoming
from tests.schema.sources.kubernetes import pods
from tests.schema.sources.kubernetes.pods import Manifest

END = object()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in place of the one asked for."""

    status: int
    body: Manifest = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Watcher:
    """One open watch: what it will be sent. `END` ends it, an exception cuts it."""

    queue: "asyncio.Queue[bytes | Exception | object]" = field(default_factory=asyncio.Queue)


class ModelServer:
    """Pods by (namespace, name), and all that ever happened to them."""

    def __init__(self, path: str = "/api/v1/pods") -> None:
        self.path = path
        self.version = 1
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.history: list[tuple[int, bytes]] = []
        self.past: dict[int, dict[tuple[str, str], Manifest]] = {1: {}}  # what there was at each version
        self.forgotten = 0  # versions below can no longer be watched
        self.streaming_lists = True
        self.chunk_bytes = 1_000_000
        self.refusals: list[Refusal | Exception] = []  # the next requests are answered so
        self.cut_lists = 0  # so many lists break off in the middle
        self.streams: list[bytes] = []  # the next streaming lists bring this instead, and stay open
        self.lists: list[bytes] = []  # the next LISTs are answered with this instead
        self.requests: list[Mapping[str, str]] = []
        self.accepted: list[str] = []  # what each of them accepts
        self.silences: list[float | None] = []  # how long each of them may be silent
        self.watchers: list[Watcher] = []
        self.closed = 0  # streams that were left
        self.asked_for_one = 0  # lists of one object, which tell how far the server is
        self.short: list[Watcher] = []  # watches of a few seconds
        self.bookmarks_soon = True  # each of these has its bookmark at once; else it is silent

    # ------------------------------------------------------------------------------------------- what happens in it

    def put(self, name: str, *, namespace: str = "shop", version: int | None = None, **what: Any) -> None:
        self.version = self.version + 1 if version is None else version
        known = self.objects.get((namespace, name))
        what.setdefault("uid", known["metadata"]["uid"] if known else f"uid-{self.version}")
        made = pods.manifest(name, self.version, namespace=namespace, **what)
        self.objects[namespace, name] = made
        self._happened("MODIFIED" if known else "ADDED", made)

    def put_raw(self, manifest: Manifest) -> None:
        """An object as it stands, however odd."""
        self.version += 1
        manifest["metadata"]["resourceVersion"] = str(self.version)
        place = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        kind = "MODIFIED" if place in self.objects else "ADDED"
        self.objects[place] = manifest
        self._happened(kind, manifest)

    def delete(self, name: str, *, namespace: str = "shop") -> None:
        gone = self.objects.pop((namespace, name), None)
        if gone is not None:
            self.version += 1
            last = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
            self._happened("DELETED", last)

    def _happened(self, kind: str, what: Manifest) -> None:
        line = pods.event(kind, what)
        self.past[self.version] = dict(self.objects)
        self.history.append((self.version, line))
        self.send(line)

    # ------------------------------------------------------------------------------------------------- what goes wrong

    def send(self, data: bytes) -> None:
        """Send these bytes to everybody who watches."""
        for watcher in self.watchers:
            watcher.queue.put_nowait(data)

    def bookmark(self) -> None:
        self.send(pods.bookmark(self.version))

    def end_watches(self) -> None:
        for watcher in self.watchers:
            watcher.queue.put_nowait(END)

    def cut_watches(self) -> None:
        for watcher in self.watchers:
            watcher.queue.put_nowait(Unreachable("connection reset by peer"))

    def forget(self) -> None:
        """Nothing of the past can be watched any more."""
        self.forgotten = self.version

    def restore_backup(self, version: int) -> None:
        """etcd comes back as it was about at that version, and so do the versions."""
        self.version = self.forgotten = min(self.past, key=lambda past: abs(past - version))
        self.objects = dict(self.past[self.version])
        self.past = {self.version: dict(self.objects)}
        self.history.clear()
        self.cut_watches()

    # ------------------------------------------------------------------------------------------------ how it is asked

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], *, accept: str = JSON, silence: float | None = None
    ) -> AsyncIterator[Incoming]:
        assert path == self.path
        self.requests.append(params)
        self.accepted.append(accept)
        self.silences.append(silence)
        watcher = Watcher()
        try:
            yield self._answer(params, watcher)
        finally:
            self.closed += 1
            if watcher in self.watchers:
                self.watchers.remove(watcher)
            if watcher in self.short:
                self.short.remove(watcher)

    async def get(self, path: str, params: Mapping[str, str], *, timeout: float) -> Reply:
        assert path == self.path
        assert timeout > 0
        if params == {"limit": "1"}:
            self.asked_for_one += 1
            return Reply(200, {}, self._list())
        assert params["resourceVersionMatch"] == "Exact"
        if params["resourceVersion"] != str(self.version):
            return Reply(410, {}, b"{}")  # the model keeps no past states
        return Reply(200, {}, self._list())

    def _answer(self, params: Mapping[str, str], watcher: Watcher) -> Incoming:
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return self._incoming(refusal.status, _once(json.dumps(refusal.body).encode()), refusal.headers)
        if params.get("watch") != "true":
            return self._incoming(200, _once(self.lists.pop(0)) if self.lists else self._list_chunks())
        assert params["allowWatchBookmarks"] == "true"
        if params["timeoutSeconds"] == "3":
            return self._short_watch(int(params["resourceVersion"]), watcher)
        assert 300 <= int(params["timeoutSeconds"]) <= 600
        if "sendInitialEvents" in params:
            return self._streaming_list(watcher)
        return self._watch(int(params["resourceVersion"]), watcher)

    def _streaming_list(self, watcher: Watcher) -> Incoming:
        if not self.streaming_lists:
            refusal = pods.failure(422, "Invalid", "sendInitialEvents: Forbidden: is forbidden for watch")
            return self._incoming(422, _once(json.dumps(refusal).encode()))
        if self.streams:
            watcher.queue.put_nowait(self.streams.pop(0))
            self.watchers.append(watcher)
            return self._incoming(200, self._watched(watcher))
        for made in self.objects.values():
            watcher.queue.put_nowait(pods.event("ADDED", made))
        if self.cut_lists:
            self.cut_lists -= 1
            watcher.queue.put_nowait(Unreachable("connection reset by peer"))
        watcher.queue.put_nowait(pods.bookmark(self.version, initial_end=True))
        self.watchers.append(watcher)
        return self._incoming(200, self._watched(watcher))

    def _watch(self, since: int, watcher: Watcher) -> Incoming:
        if since < self.forgotten:
            expired = pods.failure(410, "Expired", f"too old resource version: {since} ({self.forgotten})")
            watcher.queue.put_nowait(pods.event("ERROR", expired))
            watcher.queue.put_nowait(END)
        elif since > self.version:
            too_large = pods.failure(
                504, "Timeout", "Too large resource version", causes=[{"reason": "ResourceVersionTooLarge"}]
            )
            return self._incoming(504, _once(json.dumps(too_large).encode()))
        for version, line in self.history:
            if version > since:
                watcher.queue.put_nowait(line)
        self.watchers.append(watcher)
        return self._incoming(200, self._watched(watcher))

    def _short_watch(self, since: int, watcher: Watcher) -> Incoming:
        """A bookmark comes two seconds before the end: here, with all that it is about."""
        for version, line in self.history:
            if version > since:
                watcher.queue.put_nowait(line)
        if self.bookmarks_soon:
            watcher.queue.put_nowait(pods.bookmark(self.version))
        self.short.append(watcher)
        return self._incoming(200, self._watched(watcher))

    def _list(self) -> bytes:
        return pods.listing(self.version, *(self.objects[place] for place in sorted(self.objects)))

    async def _list_chunks(self) -> AsyncIterator[bytes]:
        body = self._list()
        if self.cut_lists:
            self.cut_lists -= 1
            yield body[: len(body) // 2]
            raise Unreachable("connection reset by peer")
        yield body

    async def _watched(self, watcher: Watcher) -> AsyncIterator[bytes]:
        """Like a socket: what is there already comes in one piece."""
        while True:
            sent = [await watcher.queue.get()]
            while not watcher.queue.empty() and isinstance(sent[-1], bytes):
                sent.append(watcher.queue.get_nowait())
            last = sent.pop() if not isinstance(sent[-1], bytes) else None
            if sent:
                yield b"".join(piece for piece in sent if isinstance(piece, bytes))
            if isinstance(last, Exception):
                raise last
            if last is END:
                return

    def _incoming(
        self, status: int, chunks: AsyncIterator[bytes], headers: Mapping[str, str] | None = None
    ) -> Incoming:
        return Incoming(status, headers or {}, self._in_pieces(chunks))

    async def _in_pieces(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            for start in range(0, len(chunk), self.chunk_bytes):
                yield chunk[start : start + self.chunk_bytes]


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
