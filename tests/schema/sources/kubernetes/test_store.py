"""The store's promises, one by one, and under random operations against a dict."""

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schema.sources.kubernetes import blocks
from schema.sources.kubernetes.kinds import PODS
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.store import Event, Gone, Mark, Put, Store, TooOld
from tests.schema.sources.kubernetes import promises
from tests.schema.sources.kubernetes.pods import record


def pod_store(**options: Any) -> Store[PodRecord]:
    return Store(PODS.counted_by, PODS.grouped_by, PODS.summing, **options)


def test_a_snapshot_is_shared_until_something_changes():
    """Readers between two changes get one object; a bookmark or an event seen before is no change."""
    store = pod_store()
    store.replace([record("a", 1)], "5")
    first = store.snapshot()
    store.apply([Mark("6")])
    store.apply([Put(record("a", 6, phase="Failed"))])

    assert store.snapshot() is first
    assert store.version == "6"

    store.apply([Put(record("a", 7, phase="Failed"))])

    assert store.snapshot() is not first
    assert [pod.phase for pod in first] == ["Running"]


def test_a_change_tells_what_was_there_before():
    """Appeared, changed and vanished are told with the very records that the store held."""
    store = pod_store()
    store.replace([], "1")
    a2, a3 = record("a", 2), record("a", 3)

    changes = [*store.apply([Put(a2), Put(a3)]), *store.apply([Gone("shop", "a", "4"), Gone("shop", "b", "5")])]

    assert [(change.before, change.after, change.version) for change in changes] == [
        (None, a2, "2"),
        (a2, a3, "3"),
        (a3, None, "4"),
    ]


async def test_who_waits_for_a_version_is_woken_when_all_up_to_there_is_visible():
    """By the first list, an event or a bookmark; 9 comes before 10, and who has gone is not thought of any more."""
    store = pod_store()
    seen: dict[str, list[str]] = {}

    async def wait(version: str) -> None:
        await store.reached(version)
        seen[version] = [pod.name for pod in store.snapshot()]

    waiting = {version: asyncio.create_task(wait(version)) for version in ("0", "9", "10", "11", "99")}
    for happens in (
        lambda: None,  # even version 0 is not there before the first list
        lambda: store.replace([record("a", 3)], "8"),
        lambda: store.apply([Put(record("b", 9))]),
        lambda: store.apply([Mark("10")]),
        lambda: store.replace([record("c", 11)], "11"),
    ):
        happens()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert {version for version, task in waiting.items() if task.done()} == {
            version for version in waiting if store.has(version)
        }
    waiting["99"].cancel()
    await asyncio.wait(waiting.values())
    store.apply([Mark("99")])

    assert seen == {"0": ["a"], "9": ["a", "b"], "10": ["a", "b"], "11": ["c"]}
    await store.reached("98")


def test_a_recreated_object_is_two_changes():
    """The same name with another uid is one object less and one more."""
    store = pod_store()
    old, new = record("a", 1, uid="old"), record("a", 3, uid="new")
    store.replace([old], "2")

    changes = store.apply([Put(new)])

    assert [(change.before, change.after) for change in changes] == [(old, None), (None, new)]
    assert store.snapshot().by_uid("old") is None
    assert store.snapshot().by_uid("new") is new


def test_versions_compare_as_numbers():
    """10 comes after 9, although "10" does not."""
    store = pod_store()
    store.replace([record("a", 9)], "9")

    changes = store.apply([Put(record("a", 10, phase="Failed"))])

    assert len(changes) == 1


def test_a_relist_tells_deletions_and_keeps_what_did_not_change():
    """What vanished meanwhile is told; unchanged objects stay the same objects, and their groups the same tuples."""
    store = pod_store()
    store.replace([record("a", 1), record("b", 1, node="worker-2"), record("c", 1)], "5")
    before = store.snapshot()

    changes = store.replace([record("a", 1), record("b", 1, node="worker-2")], "9")

    assert [(change.before and change.before.name, change.after) for change in changes] == [("c", None)]
    assert store.snapshot().get("shop", "a") is before.get("shop", "a")
    assert store.snapshot().on_node("worker-2") is before.on_node("worker-2")


def test_readers_see_the_old_picture_until_the_new_one_is_whole():
    """A draft shows nowhere before it is committed."""
    store = pod_store()
    store.replace([record("a", 1)], "5")

    draft = store.draft()
    draft.apply([Put(record("b", 6)), Put(record("c", 6)), Gone("shop", "c", "7")])
    meanwhile = [pod.name for pod in store.snapshot()]
    store.commit(draft, "8")

    assert meanwhile == ["a"]
    assert [pod.name for pod in store.snapshot()] == ["b"]


def test_a_reader_who_was_away_for_too_long_is_told_so():
    """The ring is bounded: it answers with all changes, or with TooOld."""
    store = pod_store(ring_limit=3)
    store.replace([], "1")
    for number in range(2, 7):
        store.apply([Put(record(f"p{number}", number))])

    assert [change.version for change in store.changes_since("3")] == ["4", "5", "6"]
    for version in ("", "1", "2", "7"):
        with pytest.raises(TooOld):
            store.changes_since(version)


def test_an_etcd_restored_from_a_backup_makes_all_versions_too_old():
    """After the versions went back, one of the old ones may come again with another meaning."""
    store = pod_store()
    store.replace([record("a", 1)], "50")
    store.apply([Put(record("b", 51))])

    store.replace([record("a", 1)], "20")

    assert [pod.name for pod in store.snapshot()] == ["a"]
    with pytest.raises(TooOld):
        store.changes_since("50")
    assert store.changes_since("20") == []


def test_a_pod_that_is_not_scheduled_stands_on_no_node():
    """Nothing is grouped under None."""
    store = pod_store()
    store.replace([record("a", 1, node=None)], "2")
    store.apply([Put(record("a", 3, node="worker-1"))])

    assert [pod.name for pod in store.snapshot().on_node("worker-1")] == ["a"]


def test_blocks_stay_small_and_few():
    """However objects come and go, no block is empty or larger than 256, and there is no dust."""
    store = pod_store()
    store.replace([record(f"p{index:05}", 1) for index in range(10_000)], "2")
    version = 2
    for index in range(10_000):
        if index % 50:
            version += 1
            store.apply([Gone("shop", f"p{index:05}", str(version))])

    left = store.snapshot().blocks

    assert sum(map(len, left)) == len(store.snapshot()) == 200
    assert all(0 < len(block) <= 256 for block in left)
    assert len(left) <= 4
    promises.all_of(store.snapshot(), PODS)


def test_a_sorted_list_fills_its_blocks():
    """The API server lists in order: 1,024 objects are 4 full blocks, not 8 halves."""
    store = pod_store()
    store.replace([record(f"p{index:05}", 1) for index in range(1_024)], "2")

    assert [len(block) for block in store.snapshot().blocks] == [256, 256, 256, 256]


def test_one_change_copies_one_block():
    """All other blocks are shared between the snapshots before and after."""
    store = pod_store()
    store.replace([record(f"p{index:05}", 1) for index in range(2_560)], "2")
    before = store.snapshot()

    store.apply([Put(record("p01000", 3, phase="Failed"))])

    shared = {id(block) for block in before.blocks} & {id(block) for block in store.snapshot().blocks}
    assert len(shared) == len(before.blocks) - 1 == 9


names = st.sampled_from([f"p{index}" for index in range(8)])
namespaces = st.sampled_from(["bank", "shop"])
nodes = st.sampled_from([None, "worker-1", "worker-2"])
phases = st.sampled_from(["Pending", "Running", "Failed"])


class StoreAgainstDict(RuleBasedStateMachine):
    """Random batches, replays, bookmarks and relists; a dict says what must be there."""

    def __init__(self) -> None:
        super().__init__()
        self.small_blocks = patch.multiple(blocks, BLOCK_LIMIT=4, BLOCK_FLOOR=2)  # so that few objects fill many
        self.small_blocks.start()
        self.store = pod_store(ring_limit=12)
        self.witness = promises.Witness(self.store)
        self.model: dict[tuple[str, str], PodRecord] = {}
        self.version = 1
        self.uids = 0
        self.history: list[Event[PodRecord]] = []

    def teardown(self) -> None:
        self.small_blocks.stop()

    @initialize()
    def list_nothing(self) -> None:
        self.store.replace([], "1")

    def next_version(self) -> int:
        self.version += 1
        return self.version

    def written(self, namespace: str, name: str, node: str | None, phase: str, *, recreate: bool) -> PodRecord:
        known = self.model.get((namespace, name))
        if known is None or recreate:
            self.uids += 1
            uid = f"uid-{self.uids}"
        else:
            uid = known.uid
        pod = record(name, self.next_version(), namespace=namespace, uid=uid, node=node, phase=phase)
        self.model[namespace, name] = pod
        return pod

    @rule(
        writes=st.lists(st.tuples(namespaces, names, nodes, phases, st.booleans(), st.booleans()), max_size=6),
        bookmarks=st.integers(0, 1),
    )
    def batch(self, writes: list[tuple[str, str, str | None, str, bool, bool]], bookmarks: int) -> None:
        """One socket read: writes and deletions, the last state of each of which must show."""
        events: list[Event[PodRecord]] = []
        for namespace, name, node, phase, recreate, delete in writes:
            if delete:
                if self.model.pop((namespace, name), None):
                    events.append(Gone(namespace, name, str(self.next_version())))
            else:
                events.append(Put(self.written(namespace, name, node, phase, recreate=recreate)))
        events += [Mark(str(self.next_version())) for _ in range(bookmarks)]
        self.history += events
        self.store.apply(events)

    @rule(count=st.integers(1, 10))
    def replay(self, count: int) -> None:
        """A resumed watch may send again what was seen: nothing may happen."""
        assert self.store.apply(self.history[-count:]) == []

    @rule(writes=st.lists(st.tuples(namespaces, names, nodes, phases, st.booleans(), st.booleans()), max_size=10))
    def relist(self, writes: list[tuple[str, str, str | None, str, bool, bool]]) -> None:
        """Things happen unseen, and then a list comes."""
        for namespace, name, node, phase, recreate, delete in writes:
            if delete:
                self.model.pop((namespace, name), None)
                self.next_version()
            else:
                self.written(namespace, name, node, phase, recreate=recreate)
        self.store.replace(list(self.model.values()), str(self.next_version()))

    @rule()
    def keep_a_snapshot(self) -> None:
        self.witness.keep()

    @invariant()
    def every_promise_is_kept(self) -> None:
        snapshot = self.store.snapshot()
        shown = {key: pod.resource_version for key, pod in self.witness.picture.items()}
        assert shown == {key: pod.resource_version for key, pod in self.model.items()}
        promises.all_of(snapshot, PODS)
        self.witness.check()


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_consumers_are_told_after_the_batch_is_visible():
    """A consumer that reads the store sees the whole batch it is being told."""
    store = pod_store()
    store.replace([], "1")
    seen: list[tuple[int, list[str]]] = []

    def consumer(changes: Any) -> None:
        seen.append((len(changes), [pod.name for pod in store.snapshot()]))

    store.consume(consumer)
    store.apply([Put(record("a", 2)), Put(record("b", 3))])

    assert seen == [(2, ["a", "b"])]
