"""The collector of cycles: sent for, and what it leaves behind is bounded."""

import asyncio
import gc
import weakref

import pytest

from gateway import collector
from gateway.collector import ENOUGH, OLD_ENOUGH, TOO_MANY, CollectingThread, Collector, look_around, sent_for
from tests.front_door import FrontDoor


class Cycle:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def still():
    """No collector but the one that is sent for, and nothing to look at but what the test makes."""
    collector.settle()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def thread():
    with CollectingThread("some", Collector()) as made:
        yield made


async def looked_around(thread: CollectingThread, times: int) -> None:
    """It has had the occasion so many times."""
    seen = 0

    async def sleep(_seconds: float) -> None:
        nonlocal seen
        seen += 1
        if seen > times:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await look_around(thread._collector, thread, sleep)


@pytest.mark.usefixtures("still")
async def test_cycles_are_gone_soon_after_they_were_left(thread: CollectingThread):
    """However many requests leave some."""
    left = [weakref.ref(Cycle()) for _ in range(ENOUGH)]
    await looked_around(thread, 1)

    assert not any(each() for each in left)


@pytest.mark.usefixtures("still")
def test_the_cycles_of_a_piece_of_work_are_gone_after_it(thread: CollectingThread):
    """Whether it ended well or not; its outcome is what it was."""

    def work(ends: str) -> list[weakref.ref[Cycle]]:
        left.extend(weakref.ref(Cycle()) for _ in range(ENOUGH))
        if ends == "badly":
            raise ValueError(ends)
        return left[:1]

    left: list[weakref.ref[Cycle]] = []

    assert thread.submit(work, "well").result() == left[:1]
    assert not any(each() for each in left)
    with pytest.raises(ValueError, match="badly"):
        thread.submit(work, ends="badly").result()
    assert not any(each() for each in left)


@pytest.mark.usefixtures("still")
async def test_what_was_old_when_it_became_garbage_is_found_in_time(
    thread: CollectingThread, monkeypatch: pytest.MonkeyPatch
):
    """It was in use when the collector came first; a bounded number of such objects waits for it to look at all."""
    monkeypatch.setattr(collector, "OLD_ENOUGH", 10 * ENOUGH)
    kept = [Cycle() for _ in range(ENOUGH)]
    await looked_around(thread, 1)
    left = [weakref.ref(each) for each in kept]
    del kept
    more: list[Cycle] = []
    for _ in range(12):
        more += [Cycle() for _ in range(ENOUGH)]
        await looked_around(thread, 1)

    assert not any(each() for each in left)


@pytest.mark.usefixtures("still")
async def test_nothing_is_done_for_little(thread: CollectingThread):
    """An idle process stays idle."""
    left = weakref.ref(Cycle())
    await looked_around(thread, 5)

    assert left() is not None


async def test_a_gateway_sends_for_it_and_leaves_things_as_they_were():
    """While it is open; by itself the collector comes only when there is far more than usual."""
    before = gc.get_threshold()
    async with sent_for():
        assert gc.get_threshold() == (TOO_MANY, *before[1:])
    assert gc.get_threshold() == before
    assert ENOUGH < TOO_MANY < OLD_ENOUGH


async def test_an_open_gateway_has_one(front_door: FrontDoor):
    """Its end would be the gateway's."""
    assert front_door.gateway.failure is None
    assert "collecting" in {task.get_name() for task in asyncio.all_tasks()}
