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


def encoded(things: Sequence[Any], *, alike: bool) -> bytes:
    """`alike`: what is inside begins as what it is in."""
    inside = "name" if alike else "text"
    rows = [{"name": each.name, "inner": [{inside: text} for text in each.inner]} for each in things]
    return orjson.dumps(rows)[1:-1]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), things=st.lists(THINGS, min_size=1, max_size=8), alike=st.booleans())
def test_a_mended_block_is_what_it_would_be_if_made_anew(data, things, alike):
    """Objects replaced, put in and taken out, anywhere."""
    now = list(things)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(now)))
        now[at : at + data.draw(st.integers(0, 2))] = data.draw(st.lists(THINGS, max_size=2))

    mend = mending(Block(tuple(things), encoded(things, alike=alike)), tuple(now), "name")

    if mend is not None:
        assert len(mend.new) <= len(things) // 2
        assert mend.mended(encoded(mend.new, alike=alike)) == Block(tuple(now), encoded(now, alike=alike))


@pytest.mark.parametrize("at", [0, 1, 7, 28, 29])
@pytest.mark.parametrize("new", [[Thing("new")], [], [Thing("new"), Thing("newer")]])
def test_only_what_is_new_is_encoded(at: int, new: list[Thing]):
    """One of 30 changes, goes, or becomes two."""
    things = [Thing(f"thing-{number}") for number in range(30)]
    now = (*things[:at], *new, *things[at + 1 :])

    mend = mending(Block(tuple(things), encoded(things, alike=False)), now, "name")

    assert isinstance(mend, Mending)
    assert list(mend.new) == new
    assert mend.mended(encoded(new, alike=False)).encoded == encoded(now, alike=False)
