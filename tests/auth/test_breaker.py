"""When the API server may be asked."""

import logging
from contextlib import ExitStack

import pytest

from auth.breaker import Breaker, Closed, NoAnswer, Open, Probing
from auth.errors import ReviewsUnavailable
from tests.auth.fake_api import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(pause=1.0, clock=clock)


def fail(breaker: Breaker, *, pause: float | None = None) -> ReviewsUnavailable:
    with pytest.raises(ReviewsUnavailable) as caught, breaker.attempt():
        raise NoAnswer("connection refused", pause=pause)
    return caught.value


def test_after_a_failure_nobody_asks_until_the_pause_is_over(breaker: Breaker, clock: Clock) -> None:
    """The first failure opens it, and then every attempt is refused at once."""
    fail(breaker)

    clock.advance(0.99)
    with pytest.raises(ReviewsUnavailable), breaker.attempt():
        raise AssertionError("it was let through")
    with pytest.raises(ReviewsUnavailable):
        breaker.check()

    clock.advance(0.02)
    with breaker.attempt():
        pass
    assert breaker.state == Closed()


def test_one_at_a_time_tries_whether_it_is_back(breaker: Breaker, clock: Clock) -> None:
    """While one probes, the others are refused; its answer is everybody's."""
    fail(breaker)
    clock.advance(1.1)

    with breaker.attempt():
        assert breaker.state == Probing()
        with pytest.raises(ReviewsUnavailable):
            breaker.check()

    breaker.check()


def test_a_failed_probe_starts_the_pause_again(breaker: Breaker, clock: Clock) -> None:
    """An API server that stays away is asked once in each pause."""
    fail(breaker)
    clock.advance(1.1)

    fail(breaker)

    assert breaker.state == Open(until=clock.now + 1.0)


def test_a_cancelled_probe_leaves_the_way_free(breaker: Breaker, clock: Clock) -> None:
    """Nothing was learned, so the next one may try: a breaker can not stay half open for ever."""
    fail(breaker)
    clock.advance(1.1)
    with pytest.raises(KeyboardInterrupt), breaker.attempt():
        raise KeyboardInterrupt

    with breaker.attempt():
        pass

    assert breaker.state == Closed()


@pytest.mark.parametrize(("asked", "kept"), [(7.0, 7.0), (0.0, 0.0), (3_600.0, 30.0)])
def test_a_pause_that_was_asked_for_is_kept(breaker: Breaker, clock: Clock, asked: float, kept: float) -> None:
    """Retry-After counts, within reason, and the client is told the same."""
    error = fail(breaker, pause=asked)

    assert breaker.state == Open(until=clock.now + kept)
    assert error.retry_after == max(1, kept)


def test_the_longer_of_two_pauses_is_kept(breaker: Breaker, clock: Clock) -> None:
    """Two reviews were under way; a plain failure does not shorten what the other was told."""
    other = ExitStack()
    other.enter_context(breaker.attempt())
    fail(breaker, pause=7.0)

    with pytest.raises(ReviewsUnavailable), other:
        raise NoAnswer("connection reset")

    assert breaker.state == Open(until=clock.now + 7.0)


def test_an_older_success_does_not_end_a_pause(breaker: Breaker, clock: Clock) -> None:
    """Reviews that were under way when the API server asked for a pause may still be answered; the pause stands."""
    with breaker.attempt():
        fail(breaker, pause=7.0)

    assert breaker.state == Open(until=clock.now + 7.0)


def test_an_outage_is_two_lines_in_the_log(breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Its beginning with the reason, and its end; not a line per request."""
    caplog.set_level(logging.DEBUG, logger="auth")
    for _ in range(5):
        fail(breaker)
        clock.advance(1.1)
    with breaker.attempt():
        pass

    assert [record.message for record in caplog.records] == ["reviews.unavailable", "reviews.available"]
    assert vars(caplog.records[0])["reason"] == "connection refused"
