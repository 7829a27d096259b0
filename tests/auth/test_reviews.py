"""How reviews reach the API server: bounded in number and in time."""

import asyncio
import time

import pytest

from auth.api import Reply, Unreachable
from auth.errors import ReviewsUnavailable
from auth.reviews import ReviewCalls
from auth.settings import AuthSettings
from tests.auth.fake_api import Clock, FakeApi, until

BODY = b'{"spec":{"token":"secret"}}'
PATH = "/apis/authentication.k8s.io/v1/tokenreviews"


async def test_no_more_reviews_are_under_way_than_the_limit() -> None:
    """The others wait for their turn, and all are answered."""
    api = FakeApi()
    calls = ReviewCalls(api, AuthSettings(reviews_in_flight=3))

    await asyncio.gather(*(calls.post(PATH, BODY) for _ in range(20)))

    assert api.most_at_once == 3
    assert len(api.calls) == 20


async def test_a_server_that_hangs_is_waited_for_once() -> None:
    """The first review ends after its time, those behind it and after it at once: nobody else waits."""
    api = FakeApi(held=asyncio.Event())
    calls = ReviewCalls(api, AuthSettings(review_timeout_seconds=0.2, reviews_in_flight=2), Clock())
    began = time.monotonic()

    outcomes = await asyncio.gather(*(calls.post(PATH, BODY) for _ in range(50)), return_exceptions=True)
    with pytest.raises(ReviewsUnavailable):
        await calls.post(PATH, BODY)

    assert all(isinstance(outcome, ReviewsUnavailable) for outcome in outcomes)
    assert len(api.calls) == 2
    assert time.monotonic() - began < 2, "one by one, they would wait for five seconds"


class Flaky(FakeApi):
    """Closes the connection on the first review."""

    async def post(self, path: str, body: bytes, *, timeout: float, token: str | None = None) -> Reply:
        reply = await super().post(path, body, timeout=timeout)
        if len(self.calls) == 1:
            raise Unreachable("server disconnected")
        return reply


async def test_a_connection_closed_in_the_meantime_costs_nothing() -> None:
    """A review changes nothing, so it is sent again at once."""
    api = Flaky()

    await ReviewCalls(api, AuthSettings()).post(PATH, BODY)

    assert len(api.calls) == 2


async def test_a_server_that_is_gone_is_asked_twice_and_then_left_alone() -> None:
    """Until the pause is over nothing more is sent."""
    api = FakeApi(down="connection refused")
    calls = ReviewCalls(api, AuthSettings(), Clock())

    for _ in range(5):
        with pytest.raises(ReviewsUnavailable):
            await calls.post(PATH, BODY)

    assert len(api.calls) == 2


async def test_a_server_that_is_back_is_used_again_after_the_pause() -> None:
    """One review tries, and then everything goes on."""
    clock = Clock()
    api = FakeApi(down="connection refused")
    calls = ReviewCalls(api, AuthSettings(unreachable_pause_seconds=1.0), clock)
    with pytest.raises(ReviewsUnavailable):
        await calls.post(PATH, BODY)

    api.down = None
    clock.advance(1.0)
    await calls.post(PATH, BODY)
    await asyncio.gather(*(calls.post(PATH, BODY) for _ in range(5)))


async def test_nobody_queues_behind_the_one_who_tries() -> None:
    """While one review finds out whether the server is back, the others are refused, also with all turns taken."""
    clock = Clock()
    api = FakeApi(down="connection refused")
    calls = ReviewCalls(api, AuthSettings(reviews_in_flight=1), clock)
    with pytest.raises(ReviewsUnavailable):
        await calls.post(PATH, BODY)
    clock.advance(1.0)
    api.down, api.held, asked = None, asyncio.Event(), len(api.calls)
    trying = asyncio.create_task(calls.post(PATH, BODY))
    await until(lambda: len(api.calls) == asked + 1)

    with pytest.raises(ReviewsUnavailable):
        async with asyncio.timeout(0.2):
            await calls.post(PATH, BODY)

    api.held.set()
    await trying
