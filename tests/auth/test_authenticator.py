"""Who asks: verdicts, how long they count, and what happens when there is none."""

import asyncio
import logging

import pytest

from auth.authenticator import Authenticator, expiry
from auth.errors import (
    ClientError,
    IdentityHeaderRefused,
    ReviewsUnavailable,
    TokenExpired,
    TokenMalformed,
    TokenMissing,
    TokenRejected,
    TokenTooLong,
    Unauthenticated,
)
from auth.reviewers import TokenReviewer
from auth.settings import AuthSettings
from tests.auth.fake_api import Clock, FakeApi, bearer, jwt, until

NOW = 1_800_000_000.0


class World:
    """An authenticator over a fake API server, with clocks that stand still."""

    def __init__(self, settings: AuthSettings | None = None) -> None:
        self.api = FakeApi(users={"ann-token": {"username": "ann"}, "bob-token": {"username": "bob"}})
        self.clock = Clock()
        self.wall = Clock(NOW)
        chosen = settings or AuthSettings()
        self.authenticator = Authenticator(
            TokenReviewer(self.api, chosen, self.clock), chosen, self.clock, wall=self.wall
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.wall.advance(seconds)

    async def verify(self, token: str) -> str:
        return (await self.authenticator.verify(bearer(token))).username


@pytest.fixture
def world() -> World:
    return World()


async def test_a_token_is_asked_about_once_in_five_seconds(world: World) -> None:
    """A verdict counts for token_verdict_seconds, and not a moment longer."""
    assert await world.verify("ann-token") == "ann"
    world.pass_time(4.99)
    assert await world.verify("ann-token") == "ann"
    assert world.api.token_reviews == 1

    world.pass_time(0.02)
    assert await world.verify("ann-token") == "ann"
    assert world.api.token_reviews == 2


async def test_a_revoked_token_stops_within_five_seconds(world: World) -> None:
    """What the API server accepted until now counts for the rest of its verdict, and then no more."""
    await world.verify("ann-token")
    world.api.users.clear()

    world.pass_time(5.0)

    with pytest.raises(TokenRejected):
        await world.verify("ann-token")


async def test_the_age_of_a_verdict_counts_from_before_the_review_was_sent(world: World) -> None:
    """An answer that was three seconds on its way is three seconds old."""
    world.api.held = asyncio.Event()
    first = asyncio.create_task(world.verify("ann-token"))
    await until(lambda: world.api.token_reviews == 1)
    world.pass_time(3.0)
    world.api.held.set()
    await first

    world.pass_time(2.0)
    await world.verify("ann-token")

    assert world.api.token_reviews == 2


async def test_users_are_told_apart(world: World) -> None:
    """The verdict on one token says nothing about another, however alike they are."""
    assert await world.verify("ann-token") == "ann"
    assert await world.verify("bob-token") == "bob"
    assert await world.verify("ann-token") == "ann"
    for other in ("ann-toke", "ann-tokenx", "Ann-token"):
        with pytest.raises(TokenRejected):
            await world.verify(other)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([], TokenMissing),
        ([(b"authorization", b"Basic abc")], TokenMalformed),
        (bearer("x" * 16_385), TokenTooLong),
        ([*bearer("ann-token"), (b"impersonate-user", b"root")], IdentityHeaderRefused),
    ],
)
async def test_what_is_no_token_makes_no_call(
    world: World, headers: list[tuple[bytes, bytes]], error: type[Exception]
) -> None:
    """Missing, malformed and too long are known without asking."""
    with pytest.raises(error):
        await world.authenticator.verify(headers)

    assert world.api.calls == []


async def test_a_token_of_16_kib_is_asked_about(world: World) -> None:
    """The limit itself is allowed; and it can be what the old dashboard had."""
    with pytest.raises(TokenRejected):
        await world.verify("x" * 16_384)
    with pytest.raises(TokenTooLong):
        await World(AuthSettings(token_limit_bytes=2_000)).verify("x" * 2_001)


async def test_an_unknown_token_is_rejected_once_for_five_seconds(world: World) -> None:
    """A no is kept like a yes: a client that tries again and again costs one review."""
    for _ in range(3):
        with pytest.raises(TokenRejected):
            await world.verify("who-knows")
    assert world.api.token_reviews == 1

    world.pass_time(5.0)
    world.api.users["who-knows"] = {"username": "new"}
    assert await world.verify("who-knows") == "new"


async def test_a_verdict_never_outlives_the_token(world: World) -> None:
    """A token that ends in two seconds is asked about again in two seconds."""
    token = jwt(exp=NOW + 2)
    world.api.users[token] = {"username": "ann"}
    await world.verify(token)
    world.pass_time(1.9)
    await world.verify(token)
    assert world.api.token_reviews == 1

    del world.api.users[token]
    world.pass_time(0.2)

    with pytest.raises(TokenExpired):
        await world.verify(token)


async def test_a_token_accepted_after_its_end_is_asked_about_each_time(world: World) -> None:
    """Clocks differ; the API server's word counts, and is not kept past the token's own."""
    token = jwt(exp=NOW - 1)
    world.api.users[token] = {"username": "ann"}

    assert await world.verify(token) == "ann"
    assert await world.verify(token) == "ann"

    assert world.api.token_reviews == 2


async def test_an_expired_token_is_told_from_an_unknown_one(world: World) -> None:
    """By its own `exp`, once the API server refused it; and it is asked about once."""
    for _ in range(3):
        with pytest.raises(TokenExpired):
            await world.verify(jwt(exp=NOW - 60))
    assert world.api.token_reviews == 1

    with pytest.raises(TokenRejected):
        await world.verify(jwt(exp=NOW + 60))


async def test_a_rejected_token_becomes_an_expired_one_when_its_time_comes(world: World) -> None:
    """The reason is as true as the verdict."""
    token = jwt(exp=NOW + 1)
    with pytest.raises(TokenRejected):
        await world.verify(token)

    world.pass_time(1.1)

    with pytest.raises(TokenExpired):
        await world.verify(token)


async def test_a_far_exp_makes_nobody_welcome(world: World) -> None:
    """The token's own word only ever shortens."""
    with pytest.raises(TokenRejected):
        await world.verify(jwt(exp=NOW + 1e9, sub="system:admin"))


async def test_many_requests_with_one_token_share_one_review(world: World) -> None:
    """One flight per token, however many wait for it."""
    names = await asyncio.gather(*(world.verify("ann-token") for _ in range(50)))

    assert set(names) == {"ann"}
    assert world.api.token_reviews == 1


async def test_a_caller_who_leaves_takes_nothing_from_the_others(world: World) -> None:
    """The review goes on when the request that started it is cancelled."""
    world.api.held = asyncio.Event()
    first = asyncio.create_task(world.verify("ann-token"))
    await until(lambda: world.api.token_reviews == 1)
    second = asyncio.create_task(world.verify("ann-token"))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    world.api.held.set()

    assert await second == "ann"
    assert await world.verify("ann-token") == "ann"
    assert world.api.token_reviews == 1


async def test_a_review_that_nobody_waits_for_any_more_is_not_lost(world: World) -> None:
    """When all its callers have left, its answer still serves the next one, and its failure bothers nobody."""
    world.api.held = asyncio.Event()
    only = asyncio.create_task(world.verify("ann-token"))
    await until(lambda: world.api.token_reviews == 1)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    world.api.held.set()

    assert await world.verify("ann-token") == "ann"
    assert world.api.token_reviews == 1


async def test_an_unreachable_api_server_is_never_a_yes(world: World) -> None:
    """503 instead, kept by nobody: once it is back and the pause over, the token is asked about again."""
    await world.verify("ann-token")
    world.pass_time(5.0)
    world.api.down = "connection refused"
    with pytest.raises(ReviewsUnavailable) as caught:
        await world.verify("ann-token")
    assert (caught.value.status, caught.value.retry_after) == (503, 1)

    world.api.down = None
    world.pass_time(1.0)
    assert await world.verify("ann-token") == "ann"


async def test_a_verdict_still_counts_while_the_api_server_is_away(world: World) -> None:
    """A short outage is not felt by those who were just asked about."""
    await world.verify("ann-token")
    world.api.down = "connection refused"
    world.pass_time(4.0)

    assert await world.verify("ann-token") == "ann"


async def test_while_the_api_server_is_away_nobody_waits_for_it() -> None:
    """A hundred tokens, one of which finds out: the rest are refused without a call of their own."""
    world = World(AuthSettings(review_timeout_seconds=0.05))
    world.api.held = asyncio.Event()
    with pytest.raises(ReviewsUnavailable):
        await world.verify("ann-token")
    calls = world.api.token_reviews

    for number in range(100):
        with pytest.raises(ReviewsUnavailable):
            await world.verify(f"token-{number}")

    assert world.api.token_reviews == calls == 1


async def test_the_end_of_the_process_ends_every_review() -> None:
    """`aclose` cancels and awaits them; who waits hears 503, and nothing is asked after it."""
    world = World(AuthSettings(review_timeout_seconds=10))
    world.api.held = asyncio.Event()
    waiting = asyncio.create_task(world.verify("ann-token"))
    await until(lambda: world.api.token_reviews == 1)

    async with asyncio.timeout(1):
        await world.authenticator.aclose()

    with pytest.raises(ReviewsUnavailable):
        await waiting
    with pytest.raises(ReviewsUnavailable):
        await world.verify("bob-token")
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "auth/token-review"]


async def test_verdicts_are_bounded() -> None:
    """The least recently used leave first, and cost a review when they come again."""
    world = World(AuthSettings(tokens_cached=2))
    for token in ("ann-token", "bob-token", "ann-token"):
        await world.verify(token)
    with pytest.raises(TokenRejected):
        await world.verify("third")
    assert world.api.token_reviews == 3

    await world.verify("ann-token")
    assert world.api.token_reviews == 3
    await world.verify("bob-token")
    assert world.api.token_reviews == 4


async def test_no_token_is_kept_or_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in what the authenticator holds, nor in logs or errors, whatever went wrong."""
    caplog.set_level(logging.DEBUG)
    errors: list[ClientError] = []
    await world.verify("ann-token")
    world.api.users["odd-token"] = {"username": ["odd-token"]}
    for token in ("bad-token", "odd-token", "bad-token,bad-token"):
        with pytest.raises((Unauthenticated, ReviewsUnavailable)) as caught:
            await world.verify(token)
        errors.append(caught.value)
    world.api.down = "connection refused"
    with pytest.raises(ReviewsUnavailable):
        await world.verify("cut-token")

    assert "-token" not in repr(vars(world.authenticator))
    assert "-token" not in repr(world.authenticator._verdicts._entries)
    assert "-token" not in repr([(str(error), error.extensions) for error in errors])
    assert "-token" not in caplog.text


@pytest.mark.parametrize(
    ("token", "seconds"),
    [
        (jwt(exp=12), 12.0),
        (jwt(exp=12.5), 12.5),
        (jwt(exp=-1), -1.0),
        (jwt(), None),
        (jwt(exp=None), None),
        (jwt(exp="12"), None),
        (jwt(exp=[12]), None),
        ("a.b.c", None),
        ("..", None),
        ("opaque", None),
        ("a.bm90IGpzb24.c", None),
        (jwt(exp=12) + ".more", None),
    ],
)
def test_exp_is_read_where_there_is_one(token: str, seconds: float | None) -> None:
    """A token that is not a JWT, or whose `exp` is no number, states no end."""
    assert expiry(token) == seconds
