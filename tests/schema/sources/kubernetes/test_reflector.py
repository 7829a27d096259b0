"""The reflector against an API server in memory: every fault by name, and then at random."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from auth.api import Unreachable
from schema.sources.kubernetes import reflector
from schema.sources.kubernetes.kinds import PODS, Decoder, Kind
from schema.sources.kubernetes.objects import PodRecord, Sharing
from schema.sources.kubernetes.policy import Backoff
from schema.sources.kubernetes.reflector import CAUGHT_UP_S, GRACE_S, SLICE_S, Reflector
from schema.sources.kubernetes.store import Merge, Store
from tests.schema.sources.kubernetes import pods, promises
from tests.schema.sources.kubernetes.clock import Clock
from tests.schema.sources.kubernetes.model_server import END, ModelServer, Refusal

LIST_AS_WATCH = "streaming list"


class Watch:
    """A server, and a reflector that watches it in virtual time."""

    def __init__(self, kind: Kind[PodRecord] = PODS) -> None:
        self.server = ModelServer()
        self.clock = Clock()
        self.store: Store[PodRecord] = Store(PODS.counted_by, PODS.grouped_by, PODS.summing, ring_limit=32)
        self.witness = promises.Witness(self.store)
        self.returned = 0
        self.decoder = Decoder(PODS, Sharing())
        self.reflector = Reflector(
            self.server,
            kind,
            self.decoder,
            self.store,
            on_return=self._count_return,
            backoff=Backoff(self.clock, self.clock.sleep, lambda: 0.0),
            clock=self.clock,
            wall=self.clock,
        )
        self.task: asyncio.Task[Any] | None = None

    def _count_return(self) -> None:
        self.returned += 1

    def start(self) -> None:
        self.task = asyncio.create_task(self.reflector.run(), name="reflector/pods")

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait([self.task])
        assert self.task.cancelled(), self.task.exception()

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the reflector work until that is so."""
        for _ in range(2_000):
            if condition():
                return
            assert self.task is not None
            if self.task.done():
                self.task.result()
            await asyncio.sleep(0)
        raise AssertionError(f"never so: {self.reflector.status()}, asked {self.asked()[-5:]}")

    async def settled(self) -> None:
        """Let the reflector work until it knows all that happened, and listens for more."""
        await self.until(lambda: self.store.version == str(self.server.version) and self.server.watchers)

    async def asked_again(self, count: int) -> None:
        """Let the reflector work until it has asked more than `count` times, and listens."""
        await self.until(lambda: len(self.server.requests) > count and self.server.watchers)

    def asked(self) -> list[str]:
        """The requests so far, in short: a streaming list, LIST@version or WATCH@version."""
        return [_in_short(params) for params in self.server.requests]

    def names(self) -> list[str]:
        return [pod.name for pod in self.store.snapshot()]

    async def keeps_its_promises(self) -> None:
        promises.all_of(self.store.snapshot(), PODS)
        self.witness.check()
        await promises.complete(self.server, PODS, self.store.snapshot())


def _in_short(params: Any) -> str:
    if "sendInitialEvents" in params:
        assert "resourceVersion" not in params, "a streaming list is asked for without a version"
        assert params["resourceVersionMatch"] == "NotOlderThan"
        return LIST_AS_WATCH
    assert "limit" not in params
    verb = "WATCH" if "watch" in params else "LIST"
    return f"{verb}@{params.get('resourceVersion', '')}"


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    watch = Watch()
    watch.server.put("a")
    watch.server.put("b")
    yield watch
    await watch.stop()
    assert watch.server.closed == len(watch.server.requests), "a stream was left open"


# ------------------------------------------------------------------------------------------------------ it goes well


async def test_a_streaming_list_goes_on_as_the_watch(watch: Watch):
    """One request brings the list and all that follows."""
    watch.start()
    await watch.settled()
    watch.server.put("c")
    watch.server.put("a", phase="Failed")
    watch.server.delete("b")
    await watch.settled()

    assert watch.names() == ["a", "c"]
    assert watch.asked() == [LIST_AS_WATCH]
    assert watch.reflector.status().live
    await watch.keeps_its_promises()


async def test_an_older_server_is_listed_and_watched(watch: Watch):
    """Refused with 422, the list is asked for at "0", unpaged, from the API server's watch cache."""
    watch.server.streaming_lists = False
    watch.start()
    await watch.settled()
    watch.server.put("c")
    await watch.settled()

    assert watch.names() == ["a", "b", "c"]
    assert watch.asked() == [LIST_AS_WATCH, "LIST@0", "WATCH@3"]
    assert watch.clock.slept == []
    await watch.keeps_its_promises()


async def test_readers_see_nothing_of_a_list_that_is_not_whole(watch: Watch):
    """The first picture appears in one piece, deletions of the second too."""
    seen: list[list[str]] = []
    watch.store.consume(lambda _: seen.append(watch.names()))
    watch.server.chunk_bytes = 50
    watch.server.cut_lists = 1
    watch.start()
    await watch.settled()
    watch.server.put("c")
    await watch.settled()
    await lose_versions(watch, delete="a", put="d")
    await watch.settled()

    assert seen == [["a", "b"], ["a", "b", "c"], ["b", "c", "d"]]


async def test_what_happens_while_a_list_streams_is_in_it(watch: Watch):
    """Changes and deletions come between the objects of a streaming list."""
    made = pods.manifest("a", 2)
    lines = [
        pods.event("ADDED", made),
        pods.event("ADDED", pods.manifest("b", 3)),
        pods.event("DELETED", pods.manifest("b", 4)),
        pods.event("MODIFIED", pods.manifest("a", 5, phase="Failed")),
        pods.bookmark(5, initial_end=True),
        pods.event("ADDED", pods.manifest("c", 6)),
    ]
    watch.server.streams.append(b"".join(lines))
    watch.start()
    await watch.until(lambda: watch.store.version == "6")

    assert [(pod.name, pod.phase) for pod in watch.store.snapshot()] == [("a", "Failed"), ("c", "Running")]


async def test_events_of_one_socket_read_are_one_batch(watch: Watch):
    """Consumers are called once for all of them."""
    watch.start()
    await watch.settled()
    told: list[int] = []
    watch.store.consume(lambda changes: told.append(len(changes)))
    for name in "cdefg":
        watch.server.put(name)
    await watch.settled()

    assert told == [5]


async def test_bookmarks_move_the_version_of_a_quiet_kind(watch: Watch):
    """So that a resume after a quiet hour is no relist; nothing is told, and readers keep their snapshot."""
    watch.start()
    await watch.settled()
    snapshot = watch.store.snapshot()
    watch.server.version = 500
    watch.server.bookmark()
    await watch.settled()
    watch.server.forget()
    watch.server.cut_watches()
    await watch.until(lambda: len(watch.server.requests) == 2 and watch.server.watchers)

    assert watch.asked() == [LIST_AS_WATCH, "WATCH@500"]
    assert watch.store.snapshot() is snapshot


# ------------------------------------------------------------------------------------------------------- it goes wrong


async def lose_versions(watch: Watch, *, delete: str, put: str) -> None:
    """Things happen while nobody listens, and the past is forgotten."""
    watch.server.refusals.append(Unreachable("connection refused"))
    watch.server.cut_watches()
    await watch.until(lambda: not watch.server.watchers)
    watch.server.delete(delete)
    watch.server.put(put)
    watch.server.forget()


async def test_a_watch_that_the_server_ends_is_resumed(watch: Watch):
    """No relist, and no pause after a watch that brought something."""
    watch.start()
    await watch.settled()
    watch.server.put("c")
    await watch.settled()
    watch.server.end_watches()
    await watch.until(lambda: len(watch.server.requests) == 2)
    watch.server.put("d")
    await watch.settled()

    assert watch.asked() == [LIST_AS_WATCH, "WATCH@4"]
    assert watch.clock.slept == []


async def test_a_cut_in_mid_stream_is_resumed(watch: Watch):
    """Even in the middle of a line: what was cut off comes again."""
    watch.start()
    await watch.settled()
    watch.server.send(pods.event("ADDED", pods.manifest("c", 4))[:40])
    watch.server.cut_watches()
    await watch.until(lambda: len(watch.server.requests) == 2)
    watch.server.put("c")
    await watch.settled()

    assert watch.asked() == [LIST_AS_WATCH, "WATCH@3"]
    assert watch.names() == ["a", "b", "c"]
    await watch.keeps_its_promises()


@pytest.mark.parametrize("streaming", [True, False])
async def test_410_in_the_stream_leads_to_a_relist(watch: Watch, streaming: bool):  # noqa: FBT001
    """What vanished meanwhile is told; the list is the newest this time, not any that the server has cached."""
    watch.server.streaming_lists = streaming
    watch.start()
    await watch.settled()
    await lose_versions(watch, delete="a", put="c")
    await watch.settled()

    first = [LIST_AS_WATCH] if streaming else [LIST_AS_WATCH, "LIST@0"]
    again = [LIST_AS_WATCH] if streaming else [LIST_AS_WATCH, "LIST@", "WATCH@5"]
    watches = ["WATCH@3", "WATCH@3"] if streaming else ["WATCH@3", "WATCH@3", "WATCH@3"]
    assert watch.asked() == [*first, *watches, *again]
    assert watch.names() == ["b", "c"]
    await watch.keeps_its_promises()


async def test_410_as_a_status_leads_to_a_relist(watch: Watch):
    """Some servers refuse the watch itself."""
    watch.start()
    await watch.settled()
    watch.server.refusals.append(Refusal(410, pods.failure(410, "Expired", "too old")))
    watch.server.cut_watches()
    await watch.until(lambda: len(watch.server.requests) == 3)
    await watch.settled()

    assert watch.asked() == [LIST_AS_WATCH, "WATCH@3", LIST_AS_WATCH]


async def test_410_for_a_list_asks_for_the_newest(watch: Watch):
    """At the price of a quorum read."""
    watch.server.streaming_lists = False
    watch.start()
    await watch.settled()
    await watch.stop()
    watch.server.requests.clear()
    watch.server.closed = 0

    watch.server.refusals += [
        Refusal(422, pods.failure(422, "Invalid")),
        Refusal(410, pods.failure(410, "Expired", "the list is too old")),
    ]
    watch.start()
    await watch.until(lambda: len(watch.server.requests) == 4)

    assert watch.asked() == [LIST_AS_WATCH, "LIST@0", "LIST@", "WATCH@3"]


async def test_an_etcd_restored_from_a_backup_is_listed_again(watch: Watch):
    """Our version is larger than the server's own: 504 ResourceVersionTooLarge."""
    watch.start()
    watch.server.version = 500
    await watch.settled()
    watch.server.restore_backup(7)
    await watch.settled()
    watch.server.put("c")
    await watch.settled()

    assert watch.asked() == [LIST_AS_WATCH, "WATCH@500", LIST_AS_WATCH]
    assert watch.names() == ["a", "b", "c"]
    await watch.keeps_its_promises()


async def test_a_server_that_ends_each_watch_at_once_is_asked_slowly(watch: Watch):
    """Ten requests take minutes, not milliseconds."""
    watch.start()
    await watch.settled()
    began = watch.clock.now
    for _ in range(10):
        watch.server.end_watches()
        count = len(watch.server.requests)
        await watch.asked_again(count)

    assert watch.clock.now - began > 120
    assert set(watch.asked()[1:]) == {"WATCH@3"}
    assert not watch.reflector.status().refused


async def test_a_server_that_answers_410_for_ever_is_asked_slowly(watch: Watch):
    """Relisting without a pause would be a denial of service."""
    watch.server.refusals += [Refusal(410, pods.failure(410, "Expired")) for _ in range(10)]
    watch.start()
    await watch.settled()

    assert len(watch.clock.slept) == 10
    assert sum(watch.clock.slept) > 120


async def test_a_list_that_breaks_off_shows_nothing_and_is_asked_for_again(watch: Watch):
    """Neither half of a list nor half of an object is ever shown."""
    for watch.server.streaming_lists in (True, False):
        watch.server.cut_lists = 2
        watch.server.requests.clear()
        watch.server.closed = 0
        watch.start()
        await watch.settled()
        await watch.stop()

        assert watch.server.cut_lists == 0
        assert watch.names() == ["a", "b"]
    watch.start()


async def test_a_refused_kind_says_so_and_is_asked_again(watch: Watch):
    """403: until an administrator grants it."""
    words = 'pods is forbidden: User "gateway" cannot watch resource "pods"'
    watch.server.refusals += [Refusal(403, pods.failure(403, "Forbidden", words)) for _ in range(4)]
    watch.start()
    await watch.until(lambda: watch.reflector.status().refused)
    status = watch.reflector.status()
    await watch.settled()

    assert (status.synced, status.live, status.age) == (False, False, None)
    assert words in status.reason
    assert watch.reflector.status().refused is False


async def test_a_server_that_has_not_yet_read_its_roles_refuses_nobody(watch: Watch):
    """Right after its start it answers 403 to everybody: that is an outage, and not the administrator's will."""
    watch.start()
    await watch.settled()
    watch.server.refusals += [Refusal(403, pods.failure(403, "Forbidden", "not yet")) for _ in range(2)]
    watch.server.cut_watches()
    await watch.until(lambda: not watch.server.refusals and not watch.reflector.status().live)

    assert watch.reflector.status().refused is False
    assert watch.names() == ["a", "b"]
    await watch.settled()
    watch.clock.now += CAUGHT_UP_S
    assert watch.reflector.status().live
    assert watch.clock.slept == [0.8, 1.6]


async def test_a_kind_that_is_not_served_says_so_at_once_and_is_asked_again(watch: Watch):
    """404: a custom resource may come later."""
    watch.server.refusals.append(Refusal(404, pods.failure(404, "NotFound", "the server could not find it")))
    watch.start()
    await watch.until(lambda: watch.reflector.status().refused)
    status = watch.reflector.status()
    await watch.settled()

    assert (status.served, status.reason) == (False, "404 NotFound: the server could not find it")
    assert (watch.reflector.status().served, watch.reflector.status().refused) == (True, False)


async def test_silence_is_no_death_where_no_bookmarks_come():
    """Such a watch may be silent until the API server itself must have ended it; any other is dead much earlier."""
    for kind in (PODS, replace(PODS, bookmarks=False)):
        watch = Watch(kind)
        watch.start()
        await watch.settled()
        watch.server.end_watches()
        await watch.asked_again(1)
        await watch.stop()
        ends = [int(params["timeoutSeconds"]) for params in watch.server.requests]

        assert watch.server.silences == ([None, None] if kind.bookmarks else [end + GRACE_S for end in ends])


async def test_a_quiet_kind_without_bookmarks_is_listed_again_and_nobody_is_alarmed(caplog: pytest.LogCaptureFixture):
    """The version that it last heard of is forgotten while nothing happens; for any other kind that is an accident."""
    for kind in (PODS, replace(PODS, bookmarks=False)):
        caplog.clear()
        watch = Watch(kind)
        watch.server.put("a")
        watch.start()
        await watch.settled()
        unheard, watch.server.watchers = watch.server.watchers, []
        watch.server.put("b")
        watch.server.forget()
        for watcher in unheard:
            watcher.queue.put_nowait(END)
        await watch.until(partial(len, watch.clock.slept))
        quiet = watch.reflector.status().live
        await watch.settled()
        await watch.stop()

        assert quiet is not kind.bookmarks
        assert bool(caplog.records) is kind.bookmarks
        assert watch.names() == ["a", "b"]


async def test_metadata_alone_is_asked_for_where_that_is_enough():
    """As a list of it and as a watch of it, which the API server tells apart."""
    partial = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
    watch = Watch(replace(PODS, metadata_only=True))
    watch.server.streaming_lists = False
    watch.start()
    await watch.settled()
    await watch.stop()

    assert watch.asked() == [LIST_AS_WATCH, "LIST@0", "WATCH@1"]
    assert watch.server.accepted == [partial.format(""), partial.format("List"), partial.format("")]


async def test_a_list_is_compared_in_turns_and_swapped_in_at_once(watch: Watch, monkeypatch: pytest.MonkeyPatch):
    """While a relist of thousands is compared others have their turn, and see the picture before; then all of it."""
    for number in range(2_000):
        watch.server.put(f"pod-{number:04}")
    watch.start()
    await watch.settled()
    unheard, watch.server.watchers = watch.server.watchers, []
    for number in range(2_000):
        watch.server.delete(f"pod-{number:04}")
        watch.server.put(f"late-{number:04}")
    seen: list[int] = []
    merge = Merge.steps

    def counting(self: Merge[PodRecord]) -> Iterator[None]:
        seen.append(-1)
        yield from merge(self)
        seen.append(-1)

    monkeypatch.setattr(Merge, "steps", counting)
    monkeypatch.setattr(reflector, "SLICE_S", -1.0)  # each turn is over at once
    watch.server.forget()
    for watcher in unheard:
        watcher.queue.put_nowait(END)
    while seen.count(-1) < 2:
        await asyncio.sleep(0)
        if seen:
            seen.append(sum(pod.name.startswith("late") for pod in watch.store.snapshot()))
    await watch.settled()

    during = seen[1 : seen.index(-1, 1)]
    assert len(during) > 2_000 // 256
    assert set(during) == {0}
    assert len(watch.names()) == 2_002
    await watch.keeps_its_promises()


async def test_retry_after_is_obeyed(watch: Watch):
    """429 is normal after a server's start."""
    watch.server.refusals.append(Refusal(429, headers={"retry-after": "7"}))
    watch.start()
    await watch.settled()

    assert watch.clock.slept == [7]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"<html>not a watch</html>\n",
        b'{"type":"ADDED"}\n',
        b'{"type":"ADDED","object":{"metadata":{"name":"c"}\n',
        pods.event("MODIFIED", pods.manifest("c", 4))[:-2] + b"]\n",
        b'{"type":"FUNNY","object":{}}\n',
        b'{"type":"BOOKMARK","object":[]}\n',
        pods.event("ERROR", pods.failure(500, "InternalError", "etcd is upset")),
    ],
)
async def test_nonsense_in_a_watch_ends_it(watch: Watch, nonsense: bytes):
    """It is resumed from the last good version, after a pause; what came before counts."""
    watch.start()
    await watch.settled()
    watch.server.end_watches()
    await watch.until(lambda: len(watch.server.requests) == 2 and watch.server.watchers)
    watch.server.send(nonsense)
    await watch.until(lambda: len(watch.server.requests) == 3 and watch.server.watchers)
    watch.server.put("c")
    await watch.settled()

    assert watch.asked() == [LIST_AS_WATCH, "WATCH@3", "WATCH@3"]
    assert watch.names() == ["a", "b", "c"]


async def test_an_event_is_read_however_it_is_written(watch: Watch):
    """The fields of JSON may come in any order, with spaces, and with others beside; each event counts once."""
    watch.start()
    await watch.settled()
    before = dict(watch.reflector.received)
    for number, line in enumerate(
        (
            '{"type":"ADDED","object":%s}',
            '{"type": "ADDED", "object": %s }',
            '{"object":%s,"type":"ADDED"}',
            '{"type":"MODIFIED","object":%s,"more":{}}',
        )
    ):
        watch.server.version += 1
        pod = json.dumps(pods.manifest(f"c-{number}", watch.server.version))
        watch.server.send((line % pod).encode() + b"\n")
    await watch.settled()

    assert watch.names() == ["a", "b", "c-0", "c-1", "c-2", "c-3"]
    assert watch.asked() == [LIST_AS_WATCH]
    received = {kind: count - before[kind] for kind, count in watch.reflector.received.items()}
    assert received == {"ADDED": 3, "MODIFIED": 1, "DELETED": 0, "BOOKMARK": 0, "ERROR": 0}


async def test_a_server_that_ignores_the_streaming_list_is_listed(watch: Watch):
    """A plain bookmark before the marked one says that the parameters meant nothing to it."""
    watch.server.streams.append(pods.event("ADDED", pods.manifest("a", 2)) + pods.bookmark(3))
    watch.start()
    await watch.settled()

    assert watch.asked() == [LIST_AS_WATCH, "LIST@0", "WATCH@3"]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", pods.listing("", pods.manifest("a", 1)), b'{"metadata":{"conti'])
async def test_a_list_that_is_none_is_asked_for_again(watch: Watch, body: bytes):
    """An answer of 200 proves nothing."""
    watch.server.streaming_lists = False
    watch.server.lists.append(body)
    watch.start()
    await watch.settled()

    assert watch.asked() == [LIST_AS_WATCH, "LIST@0", "LIST@0", "WATCH@3"]
    assert watch.names() == ["a", "b"]


async def test_pages_that_nobody_asked_for_are_not_taken_for_the_whole(watch: Watch):
    """A first page alone would tell all others as deleted."""
    watch.server.streaming_lists = False
    page = json.loads(pods.listing(3, pods.manifest("a", 2)))
    page["metadata"]["continue"] = "abc"
    watch.server.lists.append(json.dumps(page).encode())
    watch.start()
    await watch.settled()

    assert watch.names() == ["a", "b"]


@pytest.mark.parametrize("streaming", [True, False])
async def test_one_odd_object_costs_only_itself(watch: Watch, caplog: Any, streaming: bool):  # noqa: FBT001
    """It is counted, logged once a name, and left out; when it can be read again, it is back."""
    odd = pods.manifest("odd", 0)
    odd["status"]["podIP"] = {"not": "a string"}
    watch.server.streaming_lists = streaming
    watch.server.put_raw(odd)
    with caplog.at_level(logging.WARNING):
        watch.start()
        await watch.settled()
        watch.server.put_raw({**odd, "metadata": {**odd["metadata"]}})
        await watch.settled()
    left_out = watch.names()
    watch.server.put("odd")
    await watch.settled()
    back = watch.names()
    watch.server.put_raw({**odd, "metadata": {**odd["metadata"]}})
    await watch.settled()

    assert left_out == ["a", "b"]
    assert back == ["a", "b", "odd"]
    assert watch.names() == ["a", "b"], "a state that cannot be read leaves no stale one behind"
    assert watch.reflector.status().odd == 1
    assert [entry.object for entry in caplog.records if entry.message == "object.unreadable"] == ["shop/odd"]


async def test_an_outage_is_one_line_of_log(watch: Watch, caplog: Any):
    """Retries that fail for the same reason are silent; what is known stays visible, and its age grows."""
    watch.start()
    await watch.settled()
    with caplog.at_level(logging.WARNING):
        watch.server.refusals += [Unreachable("connection refused") for _ in range(6)]
        watch.server.cut_watches()
        await watch.until(lambda: len(watch.server.refusals) == 1)
        status = watch.reflector.status()
        await watch.until(lambda: not watch.server.refusals and watch.server.watchers)

    assert [entry.reason for entry in caplog.records] == ["connection refused"]
    assert (status.synced, status.live, status.objects) == (True, False, 2)
    assert status.age is not None
    assert status.age > 5
    assert status.reason == "connection refused"
    assert watch.returned == 1
    watch.clock.now += CAUGHT_UP_S
    assert watch.reflector.status().live


async def test_an_answer_that_has_only_begun_makes_no_old_picture_new(watch: Watch):
    """While a list is on its way the picture is the old one, and says how old; at its end it is the new one."""
    watch.start()
    await watch.settled()
    (lost,) = watch.server.watchers
    watch.server.watchers.clear()
    watch.server.put("c")  # which never reaches it
    watch.server.forget()
    watch.server.streams.append(pods.event("ADDED", watch.server.objects["shop", "a"]))
    watch.clock.now += 20
    lost.queue.put_nowait(Unreachable("connection reset by peer"))
    await watch.until(lambda: not watch.server.streams and watch.server.watchers[0].queue.empty())
    on_its_way = watch.reflector.status()
    (watcher,) = watch.server.watchers
    for name in ("b", "c"):
        watcher.queue.put_nowait(pods.event("ADDED", watch.server.objects["shop", name]))
    watcher.queue.put_nowait(pods.bookmark(watch.server.version, initial_end=True))
    await watch.settled()

    assert watch.asked()[-2:] == ["WATCH@3", LIST_AS_WATCH]
    assert not on_its_way.live
    assert on_its_way.age is not None
    assert on_its_way.age > 20, "neither a 410 nor half a list is news"
    assert watch.reflector.status().live
    assert watch.reflector.status().age == 0


async def test_a_watch_that_is_taken_up_again_is_live_a_moment_later_with_news_or_without(watch: Watch):
    """What happened meanwhile comes at once, in pieces: neither the answer's head nor the first of them is all."""
    watch.start()
    await watch.settled()
    for news in (True, False):
        asked = len(watch.server.requests)
        watch.clock.now += 5
        watch.server.cut_watches()
        await watch.asked_again(asked)
        if news:
            watch.server.put("c")
            await watch.settled()
        await settle()
        begun = watch.reflector.status()
        watch.clock.now += CAUGHT_UP_S
        resumed = watch.reflector.status()

        assert not begun.live
        assert begun.age is not None
        assert begun.age >= 5
        assert (resumed.live, resumed.age) == (True, CAUGHT_UP_S)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_cancelling_closes_the_connection(watch: Watch):
    """Whatever it was waiting for."""
    watch.start()
    await watch.settled()
    await watch.stop()

    assert watch.server.closed == 1
    watch.start()


async def test_a_long_list_does_not_hold_the_loop(watch: Watch):
    """Others have their turn while 3,000 objects in one socket read are decoded."""
    for number in range(3_000):
        watch.server.put(f"pod-{number}")
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(somebody_else())
    watch.start()
    while watch.store.version != str(watch.server.version):
        await asyncio.sleep(SLICE_S)
    other.cancel()

    assert turns > 3


# ------------------------------------------------------------------------------------------------------- and at random


class ReflectorAgainstServer(RuleBasedStateMachine):
    """Random events, cuts, refusals, losses of history and changes of the server, in any order; after each the cache
    comes back to what the server holds, with every promise kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        self.watch = Watch()
        self.server = self.watch.server
        self.watch.start()

    def teardown(self) -> None:
        self.runner.run(self.watch.stop())
        assert self.server.closed == len(self.server.requests)
        self.runner.close()

    names = st.sampled_from([f"p{index}" for index in range(6)])
    namespaces = st.sampled_from(["bank", "shop"])

    @rule(
        writes=st.lists(
            st.tuples(
                namespaces,
                names,
                st.sampled_from([None, "worker-1", "worker-2"]),
                st.sampled_from(["Pending", "Running", "Failed"]),
            ),
            max_size=5,
        )
    )
    def write(self, writes: list[tuple[str, str, str | None, str]]) -> None:
        for namespace, name, node, phase in writes:
            self.server.put(name, namespace=namespace, node=node, phase=phase)

    @rule(namespace=namespaces, name=names, again=st.sampled_from([False, True]))
    def delete(self, *, namespace: str, name: str, again: bool) -> None:
        self.server.delete(name, namespace=namespace)
        if again:
            self.server.put(name, namespace=namespace)

    @rule()
    def end(self) -> None:
        self.server.end_watches()

    @rule(piece=st.integers(0, 60))
    def cut(self, piece: int) -> None:
        """In the middle of a line, or between two."""
        self.server.send(pods.event("ADDED", pods.manifest("never", 999_999))[:piece])
        self.server.cut_watches()

    @rule()
    def bookmark(self) -> None:
        self.server.bookmark()

    @rule()
    def forget(self) -> None:
        self.server.forget()

    @rule(back=st.integers(1, 5))
    def restore_backup(self, back: int) -> None:
        """Noticed at once: what if the versions grow past ours again is not promised (nor is it by Kubernetes)."""
        self.it_comes_back()
        self.server.restore_backup(max(1, self.server.version - back))
        self.it_comes_back()
        self.watch.witness.forget()

    @rule(streaming=st.booleans())
    def another_server(self, *, streaming: bool) -> None:
        self.server.streaming_lists = streaming
        self.server.cut_watches()

    @rule(lists=st.integers(1, 3))
    def cut_lists(self, lists: int) -> None:
        self.server.cut_lists = lists
        self.server.forget()
        self.server.cut_watches()

    @rule(
        refusals=st.lists(
            st.sampled_from(
                [
                    Unreachable("connection refused"),
                    Refusal(410, pods.failure(410, "Expired")),
                    Refusal(403, pods.failure(403, "Forbidden", "no")),
                    Refusal(429, headers={"retry-after": "3"}),
                    Refusal(500, pods.failure(500, "InternalError")),
                    Refusal(502),
                ]
            ),
            max_size=3,
        )
    )
    def refuse(self, refusals: Iterable[Refusal | Exception]) -> None:
        self.server.refusals += refusals
        self.server.cut_watches()

    @rule(size=st.sampled_from([7, 100, 1_000_000]))
    def another_network(self, size: int) -> None:
        self.server.chunk_bytes = size

    @rule()
    def keep_a_snapshot(self) -> None:
        self.watch.witness.keep()

    @rule(turns=st.integers(1, 20))
    def let_it_work(self, turns: int) -> None:
        """Not to the end: the next fault meets it half-way."""

        async def some() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.runner.run(some())

    @invariant()
    def every_snapshot_is_sound(self) -> None:
        promises.all_of(self.watch.store.snapshot(), PODS)
        self.watch.witness.check()

    @rule()
    def it_comes_back(self) -> None:
        self.runner.run(self._comes_back())

    async def _comes_back(self) -> None:
        await self.watch.settled()
        await self.watch.keeps_its_promises()


TestReflectorAgainstServer = ReflectorAgainstServer.TestCase
TestReflectorAgainstServer.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
