"""Blocks are mended: what is new takes its place among what is kept, to the byte as if all had been encoded anew."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from schema.execution.plan.blocks import Block, Mending, mending

# Whatever could be taken for the border between two objects.
TEXTS = st.lists(st.sampled_from(["},{", '"', "name", '"name":', "\\", ":", ",", "é", "\n", "{"]), max_size=6).map(
    "".join
)


class Thing(Struct, frozen=True, eq=False):
    name: str
    inner: tuple[str, ...] = ()


THINGS = st.builds(Thing, TEXTS, st.lists(TEXTS, max_size=2).map(tuple))


def rows_of(things: Sequence[Any], *, alike: bool = False) -> list[bytes]:
    """`alike`: what is inside begins as what it is in."""
    inside = "name" if alike else "text"
    return [orjson.dumps({"name": each.name, "inner": [{inside: text} for text in each.inner]}) for each in things]


def block_of(things: Sequence[Any], *, alike: bool = False) -> Block:
    return Block(tuple(things), b",".join(rows_of(things, alike=alike)))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), things=st.lists(THINGS, min_size=1, max_size=8), alike=st.booleans())
def test_a_mended_block_is_what_it_would_be_if_made_anew(data, things, alike):
    """Objects replaced, put in and taken out, anywhere, again and again."""
    block = block_of(things, alike=alike)
    for _ in range(data.draw(st.integers(1, 4))):
        now = list(block.objects)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(now)))
            now[at : at + data.draw(st.integers(0, 2))] = data.draw(st.lists(THINGS, max_size=2))
        mend = mending(block, tuple(now), "name")
        anew = block_of(now, alike=alike)
        if mend is not None:
            assert len(mend.new) <= len(block.objects) // 2
            mended = mend.mended(rows_of(mend.new, alike=alike))
            assert (mended.objects, mended.encoded) == (anew.objects, anew.encoded)
        block = anew if mend is None else mended


@pytest.mark.parametrize("at", [0, 1, 7, 28, 29])
@pytest.mark.parametrize("new", [[Thing("new")], [], [Thing("new"), Thing("newer")]])
def test_only_what_is_new_is_encoded(at: int, new: list[Thing]):
    """One of 30 changes, goes, or becomes two."""
    things = [Thing(f"thing-{number}") for number in range(30)]
    now = (*things[:at], *new, *things[at + 1 :])

    mend = mending(block_of(things), now, "name")

    assert isinstance(mend, Mending)
    assert list(mend.new) == new
    assert mend.mended(rows_of(new)).encoded == block_of(now).encoded


@pytest.mark.parametrize("at", [0, 7, 29])
def test_what_looks_as_before_is_the_same_bytes(at: int):
    """Most of what changes in a pod is not what was asked for: nothing of its list is written anew."""
    things = [Thing(f"thing-{number}") for number in range(30)]
    block = block_of(things)
    now = (*things[:at], Thing(things[at].name), *things[at + 1 :])

    mend = mending(block, now, "name")

    assert mend is not None
    mended = mend.mended(rows_of(mend.new))
    assert mended.encoded is block.encoded
    assert mended.objects is now
