"""The reflector's policy as a table, the reading of refusals, and the backoff against a clock that tests move."""

import json

import pytest

from schema.sources.kubernetes.policy import (
    BACKOFF,
    NO_PAUSE,
    REFUSED,
    RELIST,
    Backoff,
    Delivered,
    Expired,
    Failed,
    Listed,
    Listing,
    NotServed,
    Outcome,
    Pause,
    Refused,
    Series,
    State,
    Status,
    Streaming,
    Throttled,
    TooShort,
    Unsupported,
    Watching,
    after,
    refusal,
    status_of,
)
from tests.schema.sources.kubernetes.clock import Clock
from tests.schema.sources.kubernetes.pods import failure

TABLE: list[tuple[State, Outcome, State, Pause]] = [
    # it goes well: no pause, no relist
    (Streaming("0"), Delivered("7"), Watching("7"), NO_PAUSE),
    (Watching("7"), Delivered("9"), Watching("9"), NO_PAUSE),
    (Listing("0"), Listed("7"), Watching("7"), NO_PAUSE),
    # an old server: a plain LIST, once
    (Streaming("0"), Unsupported(), Listing("0"), NO_PAUSE),
    (Streaming(""), Unsupported(), Listing(""), NO_PAUSE),
    # a version that was lost: list again, the newest
    (Watching("7"), Expired("410"), Streaming(""), RELIST),
    (Listing("0"), Expired("410"), Listing(""), RELIST),
    (Listing(""), Expired("410"), Listing(""), RELIST),
    (Streaming("0"), Expired("410"), Streaming("0"), RELIST),
    # no answer: the same again, from where it was
    (Streaming("0"), Failed("refused"), Streaming("0"), BACKOFF),
    (Listing("0"), Failed("refused"), Listing("0"), BACKOFF),
    (Watching("7"), Failed("refused"), Watching("7"), BACKOFF),
    (Watching("7"), TooShort(), Watching("7"), BACKOFF),
    (Streaming("0"), TooShort(), Streaming("0"), BACKOFF),
    # told to wait
    (Watching("7"), Throttled(5, "429"), Watching("7"), Pause(Series.RETRY, at_least=5)),
    (Streaming("0"), Throttled(1, "429"), Streaming("0"), Pause(Series.RETRY, at_least=1)),
    # not allowed
    (Streaming("0"), Refused("403"), Streaming("0"), REFUSED),
    (Listing(""), Refused("403"), Listing(""), REFUSED),
    (Watching("7"), Refused("403"), Watching("7"), REFUSED),
    # not there
    (Streaming("0"), NotServed("404"), Streaming("0"), REFUSED),
    (Watching("7"), NotServed("404"), Watching("7"), REFUSED),
]


@pytest.mark.parametrize(("state", "outcome", "then", "pause"), TABLE)
def test_the_policy(state: State, outcome: Outcome, then: State, pause: Pause):
    """What is asked next, and how long to wait before."""
    assert after(state, outcome) == (then, pause)


def test_only_progress_goes_without_a_pause():
    """Everything that brought nothing waits; the one exception is learning, once, what the server cannot do."""
    unpaused = {type(outcome) for _, outcome, _, pause in TABLE if pause == NO_PAUSE}

    assert unpaused == {Delivered, Listed, Unsupported}


def test_an_outcome_that_cannot_be_is_a_mistake_of_ours():
    """A LIST does not deliver, a watch does not list."""
    with pytest.raises(AssertionError):
        after(Watching("7"), Listed("8"))


def read(state: State, code: int, reason: str, message: str = "", **details: object) -> Outcome:
    return refusal(state, code, status_of(json.dumps(failure(code, reason, message, **details)).encode()))


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (read(Watching("7"), 410, "Expired", "too old"), Expired("410 Expired: too old")),
        (read(Watching("7"), 410, "Gone"), Expired("410 Gone")),
        (
            read(Watching("7"), 504, "Timeout", "slow", causes=[{"reason": "ResourceVersionTooLarge"}]),
            Expired("504 Timeout: slow"),
        ),
        (
            read(Listing("7"), 504, "Timeout", "Too large resource version: 8, current: 7"),
            Expired("504 Timeout: Too large resource version: 8, current: 7"),
        ),
        (read(Watching("7"), 504, "Timeout", "slow"), Failed("504 Timeout: slow")),
        (read(Streaming("0"), 422, "Invalid"), Unsupported()),
        (read(Streaming("0"), 400, "BadRequest"), Unsupported()),
        (read(Watching("7"), 422, "Invalid"), Failed("422 Invalid")),
        (read(Listing("0"), 400, "BadRequest", "what"), Failed("400 BadRequest: what")),
        (read(Streaming("0"), 403, "Forbidden", "no"), Refused("403 Forbidden: no")),
        (read(Streaming("0"), 404, "NotFound", "none"), NotServed("404 NotFound: none")),
        (read(Streaming("0"), 401, "Unauthorized"), Failed("401 Unauthorized")),
        (read(Listing("0"), 429, "TooManyRequests", retryAfterSeconds=3), Throttled(3, "429 TooManyRequests")),
        (read(Listing("0"), 429, "TooManyRequests"), Failed("429 TooManyRequests")),
        (read(Listing("0"), 429, "Too", retryAfterSeconds=9_999), Throttled(120, "429 Too")),
        (read(Watching("0"), 500, "InternalError", "a\nb"), Failed("500 InternalError: a b")),
    ],
)
def test_a_refusal_is_read_by_code_reason_and_cause(outcome: Outcome, expected: Outcome):
    """What the API server means, in the state in which it was asked."""
    assert outcome == expected


def test_retry_after_may_stand_in_the_header():
    """The API server's own 429 comes without a Status."""
    assert refusal(Listing("0"), 429, Status(), "2") == Throttled(2, "429")
    assert refusal(Listing("0"), 503, Status(), "4") == Throttled(4, "503")
    assert refusal(Listing("0"), 429, Status(), "Wed, 21 Oct 2026 07:28:00 GMT") == Failed("429")


def test_a_proxys_page_is_no_status():
    """Its words are not repeated, the code is enough."""
    assert refusal(Watching("7"), 502, status_of(b"<html>bad gateway</html>")) == Failed("502")


async def test_the_backoff_doubles_up_to_its_limit():
    """0.8 s to 30 s; without jitter, to see it."""
    clock = Clock()
    backoff = Backoff(clock, clock.sleep, lambda: 0.0)

    for _ in range(8):
        await backoff.observe(BACKOFF)

    assert clock.slept == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


async def test_the_jitter_adds_up_to_as_much_again():
    """Never less than the step: that is what the server is promised."""
    clock = Clock()
    backoff = Backoff(clock, clock.sleep, lambda: 0.5)

    await backoff.observe(BACKOFF)
    await backoff.observe(BACKOFF)

    assert clock.slept == pytest.approx([1.2, 2.4])


async def test_no_pause_is_no_pause():
    """Progress neither waits nor is forgiven what came before."""
    clock = Clock()
    backoff = Backoff(clock, clock.sleep, lambda: 0.0)

    await backoff.observe(BACKOFF)
    await backoff.observe(NO_PAUSE)
    await backoff.observe(BACKOFF)

    assert clock.slept == [0.8, 1.6]


async def test_two_minutes_of_health_begin_it_anew():
    """A server that was well for a while gets the benefit of the doubt; time spent waiting is not health."""
    clock = Clock()
    backoff = Backoff(clock, clock.sleep, lambda: 0.0)

    for _ in range(7):
        await backoff.observe(BACKOFF)
    clock.now += 119
    await backoff.observe(BACKOFF)
    clock.now += 121
    await backoff.observe(BACKOFF)

    assert clock.slept[-2:] == [30.0, 0.8]


async def test_a_pause_may_ask_for_more_than_the_backoff():
    """Retry-After: at least so long."""
    clock = Clock()
    backoff = Backoff(clock, clock.sleep, lambda: 0.0)

    await backoff.observe(Pause(Series.RETRY, at_least=5))

    assert clock.slept == [5]


async def test_a_refused_kind_comes_to_one_request_a_minute():
    """A right just granted shows within two; a server that has just started is asked again soon."""
    clock = Clock()
    backoff = Backoff(clock, clock.sleep, lambda: 0.0)

    for _ in range(9):
        await backoff.observe(REFUSED)

    assert clock.slept == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]


async def test_a_relist_after_an_outage_does_not_wait_for_the_outage():
    """The server answers again: its 410 is the first of its kind."""
    clock = Clock()
    backoff = Backoff(clock, clock.sleep, lambda: 0.0)

    for pause in (BACKOFF, BACKOFF, BACKOFF, BACKOFF, RELIST, RELIST, BACKOFF):
        await backoff.observe(pause)

    assert clock.slept == [0.8, 1.6, 3.2, 6.4, 0.8, 1.6, 12.8]
