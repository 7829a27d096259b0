"""Lines and items, however the bytes arrive."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.sources.kubernetes import framing
from schema.sources.kubernetes.framing import Items, Lines, Malformed

texts = st.text(alphabet='ab{}[]",:\\\n äé🦀', max_size=12)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
# Nothing forbids an object to contain, in a string or deeper down, what looks like the border between two items.
objects = st.builds(
    lambda meta, more: {"metadata": meta, **more},
    st.fixed_dictionaries({"name": texts | st.just('},{"metadata":{"name":"x"}},{'), "labels": values}),
    st.dictionaries(texts, values | st.just([{"a": 1}, {"metadata": {}}, {"metadata": {}}]), max_size=3),
)


def pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def cut(body: bytes, size: int) -> tuple[list[Any], framing.ListMeta]:
    items = Items()
    found = [item for piece in pieces(body, size) for item in items.feed(piece)]
    rest, meta = items.end()
    return [json.loads(item) for item in [*found, *rest]], meta


@settings(deadline=None)
@given(st.lists(objects, max_size=6), st.integers(1, 200), st.sampled_from([(",", ":"), (", ", ": "), (",\n", " :\t")]))
def test_items_are_cut_where_they_end(made: list[Any], size: int, separators: tuple[str, str]):
    """Whatever is in them, however the list is written, and wherever the network cuts it."""
    body = {"kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": made}

    items, meta = cut(json.dumps(body, separators=separators).encode(), size)

    assert items == made
    assert meta.resource_version == "7"


@settings(deadline=None)
@given(st.lists(objects, min_size=1, max_size=6), st.integers(1, 200), st.data())
def test_a_list_that_is_cut_off_is_never_taken_for_whole(made: list[Any], size: int, data: Any):
    """Neither in an item, nor between two, nor in what stands around them."""
    body = json.dumps({"metadata": {"resourceVersion": "7"}, "items": made}).encode()
    length = data.draw(st.integers(0, len(body) - 1))

    with pytest.raises(Malformed):
        cut(body[:length], size)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"metadata":{"resourceVersion":"7"},"items":[]}', []),
        (b'{"metadata":{"resourceVersion":"7"},"items":null}', []),
        (b'{"metadata":{"resourceVersion":"7"}}', []),
        # how custom resources are listed: keys in alphabetical order
        (b'{"apiVersion":"v1","items":[{"a":1},{"a":2}],"kind":"L","metadata":{"resourceVersion":"7"}}\n', [1, 2]),
        # items that do not begin alike
        (b'{"items":[{"a":1},{"b":0,"a":2},{"a":3}],"metadata":{"resourceVersion":"7"}}', [1, 2, 3]),
    ],
)
def test_lists_come_in_many_shapes(body: bytes, expected: list[int], size: int):
    """Empty, null, absent, or in another order."""
    items, meta = cut(body, size)

    assert [item["a"] for item in items] == expected
    assert meta.resource_version == "7"


def test_items_come_as_soon_as_they_are_whole():
    """Not at the end: the list of a large cluster is never in memory as a whole."""
    items = Items()
    body = b'{"kind":"PodList","items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}},{"metadata":{"na'

    assert items.feed(body) == [b'{"metadata":{"name":"a"}}', b'{"metadata":{"name":"b"}}']


@given(st.lists(st.text(alphabet="ab{}é", max_size=9), max_size=8), st.integers(1, 30))
def test_lines_are_cut_where_they_end(lines: list[str], size: int):
    """Empty ones are none."""
    cutter = Lines()
    body = b"".join(line.encode() + b"\n" for line in lines)

    found = [line for piece in pieces(body, size) for line in cutter.feed(piece)]

    assert found == [line.encode() for line in lines if line]


def test_a_line_without_an_end_is_not_given():
    """It was cut off."""
    cutter = Lines()

    assert cutter.feed(b'{"type":"ADDED"}\n{"type":"DEL') == [b'{"type":"ADDED"}']


def test_what_is_longer_than_any_object_is_refused(monkeypatch: pytest.MonkeyPatch):
    """Memory is not given to a stream without lines."""
    monkeypatch.setattr(framing, "LONGEST", 100)
    with pytest.raises(Malformed, match="100 bytes"):
        Lines().feed(b"x" * 101)
    with pytest.raises(Malformed, match="100 bytes"):
        Items().feed(b'{"items":[{"metadata":"' + b"x" * 101)
    with pytest.raises(Malformed, match="100 bytes"):
        Items().feed(b"<html>" * 20)


def test_a_line_of_two_megabytes_is_a_line():
    """aiohttp's own readline would refuse it."""
    line = b'{"data":"' + b"x" * 2_000_000 + b'"}'
    cutter = Lines()

    found = [whole for piece in pieces(line + b"\n", 65_536) for whole in cutter.feed(piece)]

    assert found == [line]
