"""Reviews with the caller's own token: nothing of the gateway's, nothing of it kept."""

import logging
from typing import Any

import orjson
import pytest

from auth.access import NAMESPACES, NODES, PODS, Access, AccessNeed
from auth.api import Reply
from auth.authenticator import Authenticator
from auth.errors import ReviewsUnavailable, TokenRejected
from auth.reviewers import SELF_SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_REVIEWS, OwnReviewer
from auth.settings import AuthSettings
from tests.auth.fake_api import Clock, bearer

USERS: dict[str, dict[str, Any]] = {
    "ann-token": {"username": "ann", "uid": "1", "groups": ["dev"], "extra": {"scope": ["x"]}},
    "ann-token-2": {"username": "ann", "uid": "1", "groups": ["dev"], "extra": {"scope": ["x"]}},
    "nobody": {"username": "system:anonymous", "groups": ["system:unauthenticated"]},
}


class SelfApi:
    """Knows users by their own tokens; `calls` has who asked for what."""

    def __init__(self) -> None:
        self.users = dict(USERS)
        self.rules = {("list", "pods", "shop"), ("list", "nodes", "")}
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.status = 201

    async def post(self, path: str, body: bytes, *, timeout: float, token: str | None = None) -> Reply:
        review = orjson.loads(body)
        assert token is not None, "nothing is asked as the gateway"
        self.calls.append((path, token, review.get("spec", {})))
        if self.status != 201:
            return Reply(self.status, {}, b"{}")
        if token not in self.users:
            return Reply(401, {}, b"{}")
        if path == SELF_SUBJECT_REVIEWS:
            status: dict[str, Any] = {"userInfo": self.users[token]}
        else:
            assert path == SELF_SUBJECT_ACCESS_REVIEWS
            wanted = review["spec"]["resourceAttributes"]
            status = {"allowed": (wanted["verb"], wanted["resource"], wanted["namespace"]) in self.rules}
        return Reply(201, {}, orjson.dumps({"kind": review["kind"], "status": status}))


class World:
    def __init__(self, within: frozenset[str] | None = None) -> None:
        self.api = SelfApi()
        self.clock = Clock()
        settings = AuthSettings(authenticators=("self_subject_review",))
        reviewer = OwnReviewer(self.api, settings, self.clock)
        self.authenticator = Authenticator(reviewer, settings, self.clock)
        self.access = Access(reviewer, lambda _: {"shop", "payroll"}, settings, self.clock, within)

    async def verify(self, token: str = "ann-token") -> Any:
        return await self.authenticator.verify(bearer(token))

    async def sees(self, *needs: AccessNeed, token: str = "ann-token") -> Any:
        return await self.access.visibility(await self.verify(token), needs)


@pytest.fixture
def world() -> World:
    return World()


async def test_who_asks_is_what_the_api_server_says_to_their_own_token(world: World) -> None:
    """With all that belongs to an identity."""
    identity = await world.verify()

    assert (identity.username, identity.uid, identity.groups, identity.extra) == (
        "ann",
        "1",
        ("dev", "system:authenticated"),
        (("scope", ("x",)),),
    )


@pytest.mark.parametrize("token", ["unknown", "nobody"])
async def test_a_token_that_the_api_server_does_not_accept_is_refused(world: World, token: str) -> None:
    """With 401, or by taking its holder for nobody."""
    with pytest.raises(TokenRejected):
        await world.verify(token)


async def test_rights_are_asked_with_the_same_token(world: World) -> None:
    """And what they say of themselves is no part of the question."""
    seen = await world.sees(AccessNeed(PODS), AccessNeed(NODES))

    assert seen.scope(PODS) == frozenset({"shop"})
    assert seen.lists(NODES)
    assert {token for _, token, _ in world.api.calls} == {"ann-token"}
    assert all(set(spec) <= {"resourceAttributes"} for _, _, spec in world.api.calls)


async def test_verdicts_and_answers_are_kept_as_ever(world: World) -> None:
    """One review for the token, one for each right; and again after their time."""
    for _ in range(3):
        await world.sees(AccessNeed(NODES))
    assert len(world.api.calls) == 2

    world.clock.advance(10.0)
    await world.sees(AccessNeed(NODES))
    assert len(world.api.calls) == 4


async def test_another_token_of_the_same_user_is_asked_for_itself(world: World) -> None:
    """A token may be worth less than its user."""
    await world.sees(AccessNeed(NODES))
    await world.sees(AccessNeed(NODES), token="ann-token-2")

    assert [token for _, token, _ in world.api.calls] == ["ann-token", "ann-token", "ann-token-2", "ann-token-2"]


async def test_no_token_is_kept_and_none_is_shown(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Caches hold fingerprints, reprs hold nothing, logs neither."""
    caplog.set_level(0)
    identity = await world.verify()
    await world.sees(AccessNeed(PODS), AccessNeed(NODES))

    kept = [*world.access._answers._entries, *world.authenticator._verdicts._entries.values()]
    assert all("ann-token" not in str(each) for each in (identity, identity.proof, caplog.text, *kept))
    for who, _attributes in world.access._answers._entries:
        assert who.proof is not None
        assert who.proof.token == ""
    for verdict in world.authenticator._verdicts._entries.values():
        assert verdict.identity.proof.token == ""  # type: ignore[union-attr]


async def test_a_token_that_ends_between_two_questions_is_refused(world: World) -> None:
    """Its verdict may still count for a moment: the API server's word about the next right comes first."""
    await world.verify()
    world.api.users.clear()

    with pytest.raises(TokenRejected):
        await world.sees(AccessNeed(NODES))


async def test_a_cluster_whose_users_may_not_review_themselves_is_said_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a yes nor a no."""
    await world.verify()
    world.api.status = 403

    with pytest.raises(ReviewsUnavailable):
        await world.sees(AccessNeed(NODES))

    assert "system:basic-user" in caplog.records[-1].help  # type: ignore[attr-defined]
    assert caplog.records[-1].levelno == logging.ERROR


class TestWithinNamespaces:
    """A gateway that knows of some namespaces alone asks about no other, and about nothing cluster-wide."""

    async def test_a_list_is_of_these_namespaces(self) -> None:
        """Those of them where it is allowed."""
        world = World(frozenset({"shop", "payroll"}))
        seen = await world.sees(AccessNeed(PODS))

        assert seen.scope(PODS) == frozenset({"shop"})
        assert not seen.beyond(PODS)
        asked = [spec["resourceAttributes"]["namespace"] for _, _, spec in world.api.calls[1:]]
        assert sorted(asked) == ["payroll", "shop"]

    async def test_other_namespaces_answer_no_without_being_asked(self) -> None:
        """Whether they exist is not told either."""
        world = World(frozenset({"payroll"}))
        seen = await world.sees(AccessNeed(PODS, frozenset({"shop"})), AccessNeed(PODS, frozenset({"shop"}), "web-0"))

        assert not seen.lists(PODS, "shop")
        assert not seen.reads(PODS, "shop", "web-0")
        assert len(world.api.calls) == 1

    async def test_cluster_scoped_kinds_are_seen_by_nobody(self) -> None:
        """Whatever the caller's own rights are: the gateway has none of these objects."""
        world = World(frozenset({"shop"}))
        seen = await world.sees(AccessNeed(NODES), AccessNeed(NODES, name="node-1"), AccessNeed(NAMESPACES))

        assert not seen.lists(NODES)
        assert not seen.reads(NODES, "", "node-1")
        assert seen.beyond(NODES)
        assert not seen.reads(NAMESPACES, "", "shop")
        assert seen.beyond(NAMESPACES)
        assert len(world.api.calls) == 1
