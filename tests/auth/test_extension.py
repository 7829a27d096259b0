"""The schema executed alone, without any HTTP layer: as closed as with one."""

import logging
from collections.abc import AsyncIterator
from functools import partial

import pytest
import strawberry
from strawberry.extensions import SchemaExtension

from auth.authenticator import Authenticator
from auth.context import RequestContext
from auth.extension import AuthExtension
from auth.identity import Identity
from auth.reviewers import TokenReviewer
from auth.settings import AuthSettings
from tests.auth.fake_api import FakeApi, bearer, jwt

BROKEN = "{ this is { not GraphQL"

Headers = list[tuple[bytes, bytes]]


class World:
    """A tiny schema behind the extension, and a record of everything that ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.api = FakeApi(users={"ann-token": {"username": "ann"}})
        self.authenticator = Authenticator(TokenReviewer(self.api, AuthSettings()), AuthSettings())
        ran = self.ran

        class Watching(SchemaExtension):
            def on_parse(self):
                ran.append("parse")
                yield

        @strawberry.type
        class Query:
            @strawberry.field
            def me(self, info: strawberry.Info[RequestContext, None]) -> str:
                ran.append("query")
                assert info.context.identity
                return info.context.identity.username

        @strawberry.type
        class Mutation:
            @strawberry.mutation
            def drop(self) -> bool:
                ran.append("mutation")
                return True

        @strawberry.type
        class Subscription:
            @strawberry.subscription
            async def ticks(self) -> AsyncIterator[int]:
                ran.append("subscription")
                yield 1

        self.schema = strawberry.Schema(
            Query, Mutation, Subscription, extensions=[partial(AuthExtension, self.authenticator), Watching]
        )


@pytest.fixture
def world() -> World:
    return World()


async def test_a_known_user_is_answered(world: World) -> None:
    """And the resolvers find who it is in the context."""
    context = RequestContext(bearer("ann-token"))

    answer = await world.schema.execute("{ me }", context_value=context)

    assert answer.errors is None
    assert answer.data == {"me": "ann"}
    assert context.identity == Identity("ann", groups=("system:authenticated",))


@pytest.mark.parametrize("document", [BROKEN, "{ me }", "mutation { drop }", "{ __schema { types { name } } }", ""])
@pytest.mark.parametrize(
    ("headers", "reason", "reviews"),
    [
        ([], "MISSING", 0),
        ([(b"authorization", b"Basic YTpi")], "MALFORMED", 0),
        (bearer("x" * 16_385), "TOO_LONG", 0),
        (bearer(jwt(exp=1)), "EXPIRED", 1),
        (bearer("bob-token"), "REJECTED", 1),
    ],
)
async def test_a_refused_request_is_not_even_parsed(
    world: World, document: str, headers: Headers, reason: str, reviews: int
) -> None:
    """The answer is the one error, whatever was sent; the only call is the token's own review."""
    answer = await world.schema.execute(document, context_value=RequestContext(headers))

    assert answer.data is None
    assert answer.errors is not None
    [error] = answer.errors
    assert error.extensions is not None
    assert (error.extensions["code"], error.extensions["reason"]) == ("UNAUTHENTICATED", reason)
    assert world.ran == []
    assert len(world.api.calls) == world.api.token_reviews == reviews


async def test_an_api_server_that_cannot_be_asked_closes_the_schema(world: World) -> None:
    """UNAVAILABLE, with the time after which to try again."""
    world.api.down = "connection refused"

    answer = await world.schema.execute(BROKEN, context_value=RequestContext(bearer("ann-token")))

    assert answer.errors is not None
    assert answer.errors[0].extensions == {"code": "UNAVAILABLE", "retryAfter": 1}
    assert world.ran == []


async def test_an_identity_that_somebody_wrote_into_the_context_is_not_believed(world: World) -> None:
    """The extension verifies by itself, and leaves nobody's name behind when it refuses."""
    context = RequestContext([], identity=Identity("system:admin", groups=("system:masters",)))

    answer = await world.schema.execute("{ me }", context_value=context)

    assert answer.errors
    assert context.identity is None
    assert world.ran == []


@pytest.mark.parametrize("context", [None, {}, {"headers": bearer("ann-token")}, object()])
async def test_without_its_context_the_schema_is_closed(world: World, context: object) -> None:
    """An embedding that forgot the context finds no way in."""
    answer = await world.schema.execute("{ me }", context_value=context)

    assert answer.data is None
    assert answer.errors is not None
    assert answer.errors[0].extensions is not None
    assert answer.errors[0].extensions["code"] == "UNAUTHENTICATED"
    assert world.ran == []


async def test_a_mistake_of_ours_is_not_a_yes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks while verifying, nothing is parsed and nothing answered."""

    async def broken(headers: object) -> Identity:
        raise RuntimeError

    monkeypatch.setattr(world.authenticator, "verify", broken)

    answer = await world.schema.execute("{ me }", context_value=RequestContext(bearer("ann-token")))

    assert answer.data is None
    assert answer.errors
    assert world.ran == []


async def test_executing_synchronously_is_no_way_around(world: World) -> None:
    """The extension waits for a review, so Strawberry refuses to run it there: closed as well."""
    answer = world.schema.execute_sync("{ me }", context_value=RequestContext(bearer("ann-token")))

    assert answer.data is None
    assert answer.errors
    assert world.ran == []
    assert world.api.calls == []


async def test_a_subscription_without_a_token_runs_nothing(world: World) -> None:
    """In Strawberry 0.341 the error escapes instead of becoming a frame: nothing is sent at all."""
    with pytest.raises(Exception, match="No token was sent"):
        await anext(aiter(await world.schema.subscribe("subscription { ticks }", context_value=RequestContext([]))))

    assert world.ran == []


async def test_tokens_stay_out_of_logs_answers_and_contexts(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Also where Strawberry logs the errors it met, and where a context is printed."""
    caplog.set_level(logging.DEBUG)
    contexts = [RequestContext(bearer(token)) for token in ("ann-token", "bad-token", "odd,-token")]
    answers = [await world.schema.execute("{ me }", context_value=context) for context in contexts]

    assert "-token" not in repr(answers)
    assert "-token" not in repr(contexts)
    assert "-token" not in caplog.text
