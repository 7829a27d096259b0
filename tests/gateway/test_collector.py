"""The collector of cycles: sent for, and what it leaves behind is bounded."""

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import collector
from gateway.collector import ENOUGH, OLD_ENOUGH, TOO_MANY, Collecting, sent_for
from tests.front_door import FrontDoor


class Cycle:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def still():
    """No collector but the one that is sent for."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def ticks(collecting: Collecting, times: int) -> None:
    """Let it look around so many times."""
    seen = 0

    async def sleep(_seconds: float) -> None:
        nonlocal seen
        seen += 1
        if seen > times:
            raise asyncio.CancelledError

    collecting._sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        await collecting.run()


@pytest.mark.usefixtures("still")
async def test_cycles_are_gone_soon_after_they_were_left():
    """However many requests leave some."""
    with ThreadPoolExecutor(1) as worker:
        left = [weakref.ref(Cycle()) for _ in range(ENOUGH)]
        await ticks(Collecting(worker), 1)

    assert not any(each() for each in left)


@pytest.mark.usefixtures("still")
async def test_what_was_old_when_it_became_garbage_is_found_in_time(monkeypatch: pytest.MonkeyPatch):
    """It was in use when the collector came first; a bounded number of such objects waits for it to look at all."""
    monkeypatch.setattr(collector, "OLD_ENOUGH", 10 * ENOUGH)
    with ThreadPoolExecutor(1) as worker:
        collecting = Collecting(worker)
        kept = [Cycle() for _ in range(ENOUGH)]
        await ticks(collecting, 1)
        left = [weakref.ref(each) for each in kept]
        del kept
        more = []
        for _ in range(12):
            more += [Cycle() for _ in range(ENOUGH)]
            await ticks(collecting, 1)

    assert not any(each() for each in left)


@pytest.mark.usefixtures("still")
async def test_nothing_is_done_for_little():
    """An idle process stays idle."""
    with ThreadPoolExecutor(1) as worker:
        left = weakref.ref(Cycle())
        await ticks(Collecting(worker), 5)

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
