"""Indexes: after any changes what sorting anew would give, without doing so."""

from collections.abc import Callable, Hashable, Iterable
from operator import attrgetter

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from schema.asking.indexes import IDLE_SECONDS, KEPT, Indexes
from schema.asking.orders import By, ordered
from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.store import Gone, Put, Store
from tests.schema.sources.kubernetes.pods import NOTHING


class Row(Struct, frozen=True, gc=False, eq=False):
    uid: str
    resource_version: str
    namespace: str
    name: str
    size: int
    node: str | None
    rest: Rest = NOTHING


SIZE = By("SIZE", attrgetter("size"), descending=True)
NODE = By("NODE", attrgetter("node"), nullable=True)
NODE_DOWN = By("NODE", attrgetter("node"), descending=True, nullable=True)
ORDERS = [(SIZE,), (NODE, SIZE), (NODE_DOWN,), (By("NAME", attrgetter("name"), descending=True),)]

# One key, none, or several.
KEYS: dict[str, Callable[[Row], Iterable[Hashable]]] = {
    "node": lambda row: () if row.node is None else (row.node,),
    "size and node": lambda row: [(row.namespace, row.size), row.node],
}

CHANGE = st.tuples(
    st.sampled_from(["put", "gone"]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 400),
    st.integers(0, 5),
    st.sampled_from([None, "n1", "n2"]),
)


def put(store: Store[Row], version: int, namespace: str, number: int, size: int, node: str | None):
    return store.apply([Put(Row(f"u{version}", str(version), namespace, f"p{number}", size, node))])


def filled() -> Store[Row]:
    store: Store[Row] = Store()
    store.replace([Row(f"{i}", "1", "ab"[i % 2], f"p{i}", i % 5, [None, "n1", "n2"][i % 3]) for i in range(600)], "1")
    return store


@given(batches=st.lists(st.lists(CHANGE, max_size=30), max_size=5))
@settings(max_examples=60, deadline=None)
def test_an_index_is_what_sorting_anew_would_give(batches):
    """After every batch of changes, in every order, ties and missing values included."""
    store, indexes, version = filled(), Indexes(), 2
    for batch in [[], *batches]:
        for what, namespace, number, size, node in batch:
            if what == "put":
                put(store, version, namespace, number, size, node)
            else:
                store.apply([Gone(namespace, f"p{number}", str(version))])
            version += 1
        for order in ORDERS:
            found = indexes.rows("rows", store.snapshot(), order)
            assert list(found) == ordered(store.snapshot(), order)
        for by, keys in KEYS.items():
            groups = indexes.groups("rows", store.snapshot(), by, keys)
            assert {key: list(rows) for key, rows in groups.items()} == grouped(store.snapshot(), keys), by


def grouped(rows: Iterable[Row], keys: Callable[[Row], Iterable[Hashable]]) -> dict[Hashable, list[Row]]:
    """Groups made anew, each by namespace and name; none is empty."""
    groups: dict[Hashable, list[Row]] = {}
    for row in rows:
        for key in keys(row):
            groups.setdefault(key, []).append(row)
    return groups


def test_groups_in_which_nothing_changed_stay_what_they_were():
    """A change costs the groups that it touches; whoever holds the ones before keeps them."""
    store, indexes = filled(), Indexes()
    before = indexes.groups("rows", store.snapshot(), "node", KEYS["node"])
    held = {key: list(rows) for key, rows in before.items()}

    put(store, 2, "a", 1_000, 9, "n1")
    after = indexes.groups("rows", store.snapshot(), "node", KEYS["node"])

    assert len(after["n1"]) == len(before["n1"]) + 1
    assert after["n2"] is before["n2"]
    assert {key: list(rows) for key, rows in before.items()} == held


def test_a_kind_that_is_given_back_is_held_by_no_index():
    """All its orders are let go, and no other kind's."""
    indexes = Indexes()
    for order in ORDERS:
        indexes.rows("rows", filled().snapshot(), order)
    indexes.rows("others", filled().snapshot(), ORDERS[0])
    indexes.forget("rows")

    assert len(indexes) == 1


def test_an_index_is_sorted_once_and_then_kept():
    """A question about the same moment reads nothing; after a change only few rows are read."""
    read = 0

    def size(row: Row) -> int:
        nonlocal read
        read += 1
        return row.size

    store, indexes, order = filled(), Indexes(), (By("SIZE", size),)
    indexes.rows("rows", store.snapshot(), order)
    assert read == 600

    indexes.rows("rows", store.snapshot(), order)
    assert read == 600

    put(store, 2, "a", 0, 3, None)
    indexes.rows("rows", store.snapshot(), order)
    assert read < 650


def test_an_index_that_a_reader_holds_never_changes():
    """Answers are made in another thread, while the next question brings the index up to date."""
    store, indexes = filled(), Indexes()
    held = indexes.rows("rows", store.snapshot(), (SIZE,))
    before = list(held)

    put(store, 2, "a", 0, 9, None)
    indexes.rows("rows", store.snapshot(), (SIZE,))

    assert list(held) == before


def test_what_nobody_asks_for_is_dropped():
    """By time, and beyond a number."""
    now = 0.0
    store, indexes = filled(), Indexes(lambda: now)
    indexes.rows("rows", store.snapshot(), (SIZE,))
    indexes.rows("rows", store.snapshot(), (NODE,))
    now = IDLE_SECONDS + 1
    indexes.rows("rows", store.snapshot(), (NODE,))
    assert len(indexes) == 1

    for number in range(KEPT + 5):
        indexes.rows("rows", store.snapshot(), (By(f"{number}", attrgetter("size")),))
    assert len(indexes) == KEPT


def test_orders_by_answers_of_a_source_are_kept_apart():
    """Each answer of Prometheus has an order of its own, and the same answer the same."""
    store, indexes = filled(), Indexes()
    up, down = object(), object()
    rows = indexes.rows("rows", store.snapshot(), (By("CPU", attrgetter("size"), source=up),))

    again = indexes.rows("rows", store.snapshot(), (By("CPU", attrgetter("size"), source=up),))
    other = indexes.rows("rows", store.snapshot(), (By("CPU", lambda row: -row.size, source=down),))

    assert again is rows
    assert list(other) != list(rows)
