"""Several authenticators: who is asked, whose word counts, and what a broken one changes."""

import asyncio
from typing import Any

import pytest

from auth.authenticators import in_order
from auth.authenticators.in_order import InOrder
from auth.breaker import unavailable
from auth.errors import ReviewsUnavailable, TokenRejected
from auth.identity import Identity

ANN, OTHER = Identity("ann"), Identity("other")


class Stub:
    """Answers with an identity or raises; waits first if told to."""

    def __init__(self, outcome: Identity | Exception, wait: asyncio.Event | None = None) -> None:
        self.outcome = outcome
        self.wait = wait
        self.asked = 0
        self.cancelled = False

    async def authenticate(self, token: str) -> Identity:
        self.asked += 1
        try:
            if self.wait is not None:
                await self.wait.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def knows(who: Identity = ANN) -> Stub:
    return Stub(who)


def does_not_know() -> Stub:
    return Stub(TokenRejected())


def unreachable() -> Stub:
    return Stub(unavailable())


NOBODY, UNKNOWN = TokenRejected, ReviewsUnavailable


@pytest.mark.parametrize(
    ("authenticators", "outcome", "asked"),
    [
        ([knows(), knows(OTHER)], ANN, [1, 0]),
        ([does_not_know(), knows()], ANN, [1, 1]),
        ([unreachable(), knows()], ANN, [1, 1]),
        ([does_not_know(), unreachable(), knows()], ANN, [1, 1, 1]),
        ([does_not_know(), does_not_know()], NOBODY, [1, 1]),
        ([unreachable(), does_not_know()], UNKNOWN, [1, 1]),
        ([does_not_know(), unreachable()], UNKNOWN, [1, 1]),
    ],
)
async def test_the_first_who_knows_decides(authenticators: list[Stub], outcome: Any, asked: list[int]) -> None:
    """A failure to ask is never a yes, and matters only if nobody else says yes."""
    union = InOrder(authenticators)

    if isinstance(outcome, Identity):
        assert await union.authenticate("token") is outcome
    else:
        with pytest.raises(outcome):
            await union.authenticate("token")

    assert [each.asked for each in authenticators] == asked


async def test_a_silent_one_does_not_keep_the_others_from_being_asked() -> None:
    """Whoever is known to the second hears nothing of the first one's trouble, and nothing is left running."""
    silent, second = Stub(OTHER, asyncio.Event()), knows()

    async with asyncio.timeout(in_order.PATIENCE_S + 2):  # the silent one says nothing, ever
        assert await InOrder([silent, second]).authenticate("token") is ANN

    assert silent.cancelled


async def test_a_late_yes_of_an_earlier_one_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """After all others have said no, the silent one is waited for."""
    monkeypatch.setattr(in_order, "PATIENCE_S", 0.01)
    answers = asyncio.Event()
    late = Stub(ANN, answers)
    asked = asyncio.create_task(InOrder([late, does_not_know()]).authenticate("token"))
    await asyncio.sleep(0.05)
    assert not asked.done()

    answers.set()

    assert await asked is ANN


async def test_a_mistake_of_ours_is_no_verdict() -> None:
    """It is raised as it is: neither a no, after which another might say yes, nor an outage."""
    union = InOrder([Stub(RuntimeError("mistake")), knows()])

    with pytest.raises(RuntimeError):
        await union.authenticate("token")


async def test_who_stops_waiting_stops_all() -> None:
    """A cancelled question leaves no task behind."""
    silent = Stub(ANN, asyncio.Event())
    asked = asyncio.create_task(InOrder([silent, does_not_know()]).authenticate("token"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asked

    assert silent.cancelled
