"""WATCH and streaming lists, as the gateway's reflectors rely on them."""

import asyncio

import pytest

from tests.conformance.api_server import MOMENT, ApiServer, event

STREAMING_LIST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


async def test_a_watch_tells_every_change_after_its_version(server: ApiServer, pods: str, namespace: str):
    """Creation, change and deletion, in order, each with the object and a larger version."""
    version = (await server.get(pods)).version
    await server.make.create_pod(namespace, "delta", {"app": "web"}, None)
    async with server.watch(pods, resourceVersion=version) as events:
        added = await events.next()
        await server.make.label_pod(namespace, "delta", {"app": "cache"})
        modified = await events.next()
        await server.make.delete_pod(namespace, "delta")
        deleted = await events.until("DELETED", "delta")

    assert (added["type"], modified["type"]) == ("ADDED", "MODIFIED")
    assert {event["object"]["metadata"]["name"] for event in (added, modified, deleted)} == {"delta"}
    assert (added["object"]["kind"], added["object"]["apiVersion"]) == ("Pod", "v1")
    assert modified["object"]["metadata"]["labels"] == {"app": "cache"}
    assert deleted["object"]["metadata"]["labels"] == {"app": "cache"}, "a deletion carries the last state"
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in (added, modified, deleted)]
    assert [int(version), *versions] == sorted({int(version), *versions})


async def test_a_watch_of_metadata_alone_streams_partial_objects(server: ApiServer, pods: str, namespace: str):
    """The streaming list, its bookmark and each change after it, as PartialObjectMetadata."""
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    async with server.watch(pods, accept=accept, **STREAMING_LIST) as events:
        first = [await events.next() for _ in range(4)]
        await server.make.label_pod(namespace, "alpha", {"app": "cache"})
        modified = await events.next()

    assert [event["type"] for event in (*first, modified)] == ["ADDED", "ADDED", "ADDED", "BOOKMARK", "MODIFIED"]
    assert {event["object"]["kind"] for event in (*first, modified)} == {"PartialObjectMetadata"}
    assert set(modified["object"]) == {"kind", "apiVersion", "metadata"}
    assert modified["object"]["metadata"]["labels"] == {"app": "cache"}


async def test_events_are_streamed_to_the_end_of_what_there_is(server: ApiServer, namespace: str):
    """They have no watch cache, and still the bookmark that ends a streaming list."""
    await server.make.create_namespace(namespace)
    async with server.watch(f"/api/v1/namespaces/{namespace}/events", **STREAMING_LIST) as events:
        event = await events.next()

    assert event["type"] == "BOOKMARK"
    assert event["object"]["metadata"]["annotations"] == {INITIAL_EVENTS_END: "true"}


async def test_an_event_that_is_seen_again_is_the_same_changed(server: ApiServer, namespace: str):
    """It counts up, in the old way as in the new one, and is told as a change."""
    await server.make.create_namespace(namespace)
    await server.make.write("events", event(namespace, "old", count=1))
    await server.make.write("events", event(namespace, "new", count=None, eventTime=MOMENT))
    version = (await server.get(f"/api/v1/namespaces/{namespace}/events")).version
    async with server.watch(f"/api/v1/namespaces/{namespace}/events", resourceVersion=version) as events:
        await server.make.write("events", event(namespace, "old", count=2, lastTimestamp="2026-11-24T09:05:00Z"))
        old = await events.next()
        series = {"count": 2, "lastObservedTime": "2026-11-24T09:05:00.000000Z"}
        await server.make.write("events", event(namespace, "new", count=None, eventTime=MOMENT, series=series))
        new = await events.next()

    assert [(told["type"], told["object"]["metadata"]["name"]) for told in (old, new)] == [
        ("MODIFIED", "old"),
        ("MODIFIED", "new"),
    ]
    assert (old["object"]["count"], old["object"]["lastTimestamp"]) == (2, "2026-11-24T09:05:00Z")
    assert (new["object"].get("count"), new["object"]["series"]) == (None, series)
    assert new["object"]["eventTime"] == MOMENT


async def test_a_watch_resumes_at_the_last_version_that_it_saw(server: ApiServer, pods: str, namespace: str):
    """What happened in between is told, what was told is not told again."""
    version = (await server.get(pods)).version
    await server.make.create_pod(namespace, "delta", {}, None)
    async with server.watch(pods, resourceVersion=version) as events:
        seen = (await events.next())["object"]["metadata"]["resourceVersion"]
    await server.make.create_pod(namespace, "epsilon", {}, None)

    async with server.watch(pods, resourceVersion=seen) as events:
        assert (await events.next())["object"]["metadata"]["name"] == "epsilon"


@pytest.mark.parametrize("version", [{}, {"resourceVersion": "0"}])
async def test_a_watch_without_a_version_begins_with_what_there_is(
    server: ApiServer, pods: str, version: dict[str, str]
):
    """Everything comes as ADDED; no event says where that ends."""
    async with server.watch(pods, **version) as events:
        first = [await events.next() for _ in range(3)]

    assert {event["type"] for event in first} == {"ADDED"}
    assert {event["object"]["metadata"]["name"] for event in first} == {"alpha", "beta", "gamma"}


async def test_a_watch_follows_what_enters_and_leaves_its_selection(server: ApiServer, pods: str, namespace: str):
    """A pod whose label changes is ADDED or DELETED to those who select by it."""
    version = (await server.get(pods)).version
    async with server.watch(pods, resourceVersion=version, labelSelector="app=web") as events:
        await server.make.label_pod(namespace, "gamma", {"app": "web"})
        entered = await events.next()
        await server.make.label_pod(namespace, "gamma", {"app": "db"})
        left = await events.next()

    assert (entered["type"], left["type"]) == ("ADDED", "DELETED")
    assert left["object"]["metadata"]["labels"] == {"app": "web"}, "as it last belonged"
    assert int(left["object"]["metadata"]["resourceVersion"]) > int(entered["object"]["metadata"]["resourceVersion"])


async def test_a_watch_of_one_namespace_tells_nothing_of_another(server: ApiServer, pods: str, namespace: str):
    """Only the namespace of its path."""
    version = (await server.get(pods)).version
    await server.make.create_namespace(f"{namespace}-2")
    await server.make.create_pod(f"{namespace}-2", "elsewhere", {}, None)
    await server.make.create_pod(namespace, "here", {}, None)

    async with server.watch(pods, resourceVersion=version) as events:
        assert (await events.next())["object"]["metadata"]["name"] == "here"


async def test_a_watch_ends_after_its_timeout_and_says_before_how_far_it_got(
    server: ApiServer, pods: str, namespace: str
):
    """With bookmarks allowed, one or more before the end; then the stream ends without an error."""
    version = (await server.get(pods)).version
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with server.watch(pods, resourceVersion=version, allowWatchBookmarks="true", timeoutSeconds="5") as events:
        await server.make.create_pod(namespace, "delta", {}, None)
        added = await events.until("ADDED", "delta")
        bookmarks = [event async for event in events.rest() if event["type"] == "BOOKMARK"]

    assert bookmarks
    for bookmark in bookmarks:
        metadata = bookmark["object"]["metadata"]
        assert bookmark["object"]["kind"] == "Pod"
        assert int(metadata["resourceVersion"]) >= int(added["object"]["metadata"]["resourceVersion"])
        assert INITIAL_EVENTS_END not in metadata.get("annotations", {})
    assert 4 < loop.time() - started < 8


async def test_the_shortest_watch_with_a_bookmark_tells_how_far_a_quiet_kind_is(
    server: ApiServer, pods: str, namespace: str
):
    """Others are written meanwhile; a list of one has the API server catch up, and the bookmark then says so."""
    version = (await server.get(pods)).version
    await server.make.create_namespace(f"{namespace}-other")
    listed = (await server.get(pods, limit="1")).version
    asked = {"resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "3"}
    async with server.watch(pods, **asked) as events:
        bookmark = await events.next()

    assert bookmark["type"] == "BOOKMARK"
    assert int(bookmark["object"]["metadata"]["resourceVersion"]) >= int(listed) > int(version)


async def test_a_watch_without_bookmarks_gets_none(server: ApiServer, pods: str):
    """They are for those who ask."""
    version = (await server.get(pods)).version
    async with server.watch(pods, resourceVersion=version, timeoutSeconds="1") as events:
        assert await events.next() is None


async def test_a_streaming_list_ends_with_an_annotated_bookmark_and_goes_on(
    server: ApiServer, pods: str, namespace: str
):
    """All objects as ADDED, the bookmark that says so and from which version, then changes."""
    async with server.watch(pods, **STREAMING_LIST) as events:
        initial = [await events.next() for _ in range(3)]
        bookmark = await events.next()
        await server.make.create_pod(namespace, "delta", {}, None)
        change = await events.next()

    assert [event["type"] for event in initial] == ["ADDED"] * 3
    assert {event["object"]["metadata"]["name"] for event in initial} == {"alpha", "beta", "gamma"}
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {INITIAL_EVENTS_END: "true"}
    newest = max(int(event["object"]["metadata"]["resourceVersion"]) for event in initial)
    assert int(bookmark["object"]["metadata"]["resourceVersion"]) >= newest
    assert (change["type"], change["object"]["metadata"]["name"]) == ("ADDED", "delta")


async def test_a_streaming_list_of_nothing_is_its_bookmark(server: ApiServer, namespace: str):
    """An empty kind is told at once, not by silence."""
    await server.make.create_namespace(namespace)
    async with server.watch(f"/api/v1/namespaces/{namespace}/pods", **STREAMING_LIST) as events:
        bookmark = await events.next()

    assert bookmark["object"]["metadata"]["annotations"] == {INITIAL_EVENTS_END: "true"}


async def test_a_streaming_list_of_a_version_that_nobody_wrote_yet_is_504_in_the_stream(server: ApiServer, pods: str):
    """The server has gone back in time: its only event is an ERROR that says so."""
    async with server.watch(pods, **STREAMING_LIST, resourceVersion="999999999") as events:
        event = await events.next()

    assert (event["type"], event["object"]["code"]) == ("ERROR", 504)
    assert event["object"]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_streaming_list_must_say_not_older_than(server: ApiServer, pods: str):
    """422 with the cause, where resourceVersionMatch is missing."""
    reply = await server.get(pods, watch="true", sendInitialEvents="true")

    assert (reply.status, reply.body["reason"]) == (422, "Invalid")
    assert reply.body["details"]["causes"] == [
        {
            "reason": "FieldValueForbidden",
            "message": "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            "field": "resourceVersionMatch",
        }
    ]


async def test_a_server_without_streaming_lists_refuses_them(server_without_streaming_lists: ApiServer):
    """422, word for word: what makes a reflector list instead."""
    reply = await server_without_streaming_lists.get("/api/v1/pods", watch="true", **STREAMING_LIST)

    rule = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
    assert reply.status == 422
    assert reply.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: {rule}',
        "reason": "Invalid",
        "details": {
            "group": "meta.k8s.io",
            "kind": "ListOptions",
            "causes": [{"reason": "FieldValueForbidden", "message": rule, "field": "sendInitialEvents"}],
        },
        "code": 422,
    }


async def test_a_server_without_streaming_lists_still_lists_and_watches(
    server_without_streaming_lists: ApiServer, namespace: str
):
    """The way back is open."""
    server = server_without_streaming_lists
    await server.make.create_namespace(namespace)
    version = (await server.get("/api/v1/namespaces", resourceVersion="0")).version
    await server.make.create_namespace(f"{namespace}-2")

    async with server.watch("/api/v1/namespaces", resourceVersion=version) as events:
        await events.until("ADDED", f"{namespace}-2")


async def test_a_forgotten_version_is_410_in_the_stream(server: ApiServer, pods: str):
    """The watch is opened, and its only event is an ERROR with a Status."""
    version = (await server.get(pods)).version
    await server.make.forget_history()

    async with server.watch(pods, resourceVersion=version) as events:
        status = events.response.status
        event = await events.next()
        end = await events.next()

    assert (status, event["type"]) == (200, "ERROR")
    assert (event["object"]["kind"], event["object"]["status"]) == ("Status", "Failure")
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith(f"too old resource version: {version} (")
    assert end is None


async def test_after_history_is_lost_a_new_list_can_be_watched(server: ApiServer, pods: str, namespace: str):
    """The way out of a 410."""
    await server.make.forget_history()
    fresh = await server.get(pods)
    await server.make.create_pod(namespace, "delta", {}, None)

    assert fresh.names == ["alpha", "beta", "gamma"]
    async with server.watch(pods, resourceVersion=fresh.version) as events:
        await events.until("ADDED", "delta")
