"""What counts as a yes of the API server, and that nothing else does."""

import logging
from typing import Any

import orjson
import pytest

from auth.api import Reply
from auth.errors import ReviewsUnavailable, TokenRejected
from auth.identity import Identity
from auth.reviewers import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Decision, TokenReviewer
from auth.settings import AuthSettings
from tests.auth.fake_api import Clock, FakeApi, may

ANN = Identity("ann", "7", ("dev", "system:authenticated"), (("scopes", ("a", "b")),))


def answering(body: object, status: int = 201, **headers: str) -> FakeApi:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return FakeApi(reply=lambda: Reply(status, headers, raw))


def reviewing(status: dict[str, Any]) -> FakeApi:
    return answering({"kind": "TokenReview", "status": status})


def deciding(status: dict[str, Any]) -> FakeApi:
    return answering({"kind": "SubjectAccessReview", "status": status})


async def test_a_token_is_reviewed_without_an_audience_and_gives_the_whole_user() -> None:
    """User, uid, groups and extra are taken over; groups are sorted and have `system:authenticated`."""
    user = {"username": "ann", "uid": "7", "groups": ["dev"], "extra": {"scopes": ["a", "b"]}}
    api = FakeApi(users={"secret": user})

    assert await TokenReviewer(api, AuthSettings()).authenticate("secret") == ANN
    assert api.calls == [(TOKEN_REVIEWS, {"token": "secret"})]


async def test_the_group_of_everybody_is_not_added_twice() -> None:
    """An API server that already named it changes nothing."""
    api = reviewing({"authenticated": True, "user": {"username": "ann", "groups": ["system:authenticated", "dev"]}})

    assert (await TokenReviewer(api, AuthSettings()).authenticate("secret")).groups == ("dev", "system:authenticated")


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"authenticated": False},
        {"authenticated": False, "user": {"username": "ann"}},
        {"authenticated": True},
        {"authenticated": True, "user": None},
        {"authenticated": True, "user": {}},
        {"authenticated": True, "user": {"username": ""}},
        {"authenticated": True, "user": {"username": "ann"}, "error": "webhook failed"},
        {"authenticated": True, "user": {"username": "system:anonymous"}},
        {"authenticated": True, "user": {"username": "x", "groups": ["system:unauthenticated"]}},
        {"error": "token expired"},
    ],
)
async def test_a_token_without_a_clear_yes_is_rejected(status: dict[str, Any]) -> None:
    """Nobody without a name, no yes beside an error, and nobody who is the API server's word for nobody."""
    with pytest.raises(TokenRejected):
        await TokenReviewer(reviewing(status), AuthSettings()).authenticate("secret")


async def test_an_access_review_carries_all_that_rules_may_look_at() -> None:
    """User, uid, groups and extra, and the attributes as asked."""
    api = FakeApi(rules={may("get", "pods", "shop", "web-0")})

    assert (await TokenReviewer(api, AuthSettings()).decide(ANN, may("get", "pods", "shop", "web-0"))).allowed
    assert api.calls == [
        (
            SUBJECT_ACCESS_REVIEWS,
            {
                "user": "ann",
                "uid": "7",
                "groups": ["dev", "system:authenticated"],
                "extra": {"scopes": ["a", "b"]},
                "resourceAttributes": {
                    "verb": "get",
                    "group": "",
                    "resource": "pods",
                    "namespace": "shop",
                    "name": "web-0",
                },
            },
        )
    ]


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ({"allowed": True}, True),
        ({"allowed": True, "evaluationError": "a role was not found"}, True),
        ({"allowed": False}, False),
        ({"allowed": False, "denied": True}, False),
        ({"allowed": True, "denied": True}, False),
        ({"allowed": False, "reason": "allowed"}, False),
        ({"allowed": True, "reason": "RBAC: allowed by …"}, True),
    ],
)
async def test_only_allowed_and_not_denied_is_a_yes(status: dict[str, Any], allowed: bool) -> None:  # noqa: FBT001
    """Both at once are a no, as for the API server's own delegated authorisers."""
    decision = await TokenReviewer(deciding(status), AuthSettings()).decide(ANN, may("list", "pods"))

    assert decision == Decision(allowed, status.get("reason", ""))


YES = {
    "kind": "TokenReview",
    "status": {"authenticated": True, "user": {"username": "ann"}, "allowed": True},
}


@pytest.mark.parametrize("status", [100, 204, 301, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504])
async def test_a_yes_under_a_status_that_is_not_success_is_no_answer(status: int) -> None:
    """Whatever the body says: the status comes first. (204 has no body, and is as unclear.)"""
    body: object = b"" if status == 204 else YES
    with pytest.raises(ReviewsUnavailable) as caught:
        await TokenReviewer(answering(body, status), AuthSettings()).authenticate("secret")
    with pytest.raises(ReviewsUnavailable):
        await TokenReviewer(answering(body, status), AuthSettings()).decide(ANN, may("list", "pods"))

    assert caught.value.status == 503


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"true",
        b"<html>welcome</html>",
        b"\xff\xfe",
        b'{"status":{"authenticated":true,"allowed":true',
        {},
        {"status": None},
        {"status": []},
        {"status": {"authenticated": "true", "allowed": "true"}},
        {"status": {"authenticated": 1, "allowed": 1}},
        {"status": {"authenticated": None, "allowed": None}},
        {"kind": "Status", "status": {"authenticated": True, "user": {"username": "ann"}, "allowed": True}},
        {"status": {"authenticated": True, "user": {"username": 5}, "denied": "no"}},
        {"status": {"authenticated": True, "user": {"username": "ann", "groups": "admins"}}},
    ],
)
async def test_an_answer_that_makes_no_sense_is_no_answer(body: object) -> None:
    """A proxy's page, a cut body and wrong types are neither a yes nor a no."""
    with pytest.raises(ReviewsUnavailable):
        await TokenReviewer(answering(body), AuthSettings()).authenticate("secret")
    with pytest.raises(ReviewsUnavailable):
        await TokenReviewer(answering(body), AuthSettings()).decide(ANN, may("list", "pods"))


async def test_a_429_is_obeyed_by_everybody_for_as_long_as_it_says() -> None:
    """While the API server wants a pause it is not asked at all, and the client hears how long."""
    clock = Clock()
    api = answering(b"too many requests", 429, **{"retry-after": "7"})
    reviewer = TokenReviewer(api, AuthSettings(), clock)
    with pytest.raises(ReviewsUnavailable) as caught:
        await reviewer.authenticate("secret")
    assert caught.value.retry_after == 7

    api.reply = None
    clock.advance(6.9)
    with pytest.raises(ReviewsUnavailable):
        await reviewer.decide(ANN, may("list", "pods"))
    assert len(api.calls) == 1

    clock.advance(0.2)
    assert (await reviewer.decide(ANN, may("list", "pods"))).allowed is False


async def test_what_the_api_server_dislikes_about_one_review_stops_no_other() -> None:
    """A 500 or 400 came quickly and is about one question: nobody closes the gateway with a question of their own."""
    api = answering(b"", 500)
    reviewer = TokenReviewer(api, AuthSettings())
    with pytest.raises(ReviewsUnavailable):
        await reviewer.authenticate("secret")

    api.reply = None

    assert (await reviewer.decide(ANN, may("list", "pods"))).allowed is False


async def test_a_gateway_without_its_own_rights_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The client hears that nothing can be answered now; who runs the gateway hears what to do."""
    with pytest.raises(ReviewsUnavailable):
        await TokenReviewer(answering(b"", 403), AuthSettings()).authenticate("secret")

    [record] = caplog.records
    assert (record.message, vars(record)["status"]) == ("review.refused", 403)
    assert "system:auth-delegator" in vars(record)["help"]


async def test_no_token_stands_in_errors_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a refusal that repeats the token nor one that cannot be read brings it out."""
    caplog.set_level(logging.DEBUG)
    for body in (b'{"status": "secret-token"}', b"secret-token", b'{"status":{"user":{"username":["secret-token"]}}}'):
        for status in (201, 400, 503):
            with pytest.raises(ReviewsUnavailable) as caught:
                await TokenReviewer(answering(body, status), AuthSettings()).authenticate("secret-token")
            assert "secret-token" not in repr(caught.value)

    assert "secret-token" not in caplog.text
    assert caplog.records


@pytest.mark.parametrize(
    ("named", "accepted"),
    [(["binnacle"], True), (["other", "binnacle"], True), (["other"], False), ([], False), (None, False)],
)
async def test_a_token_for_an_audience_counts_if_the_api_server_says_for_which(
    named: list[str] | None,
    *,
    accepted: bool,
) -> None:
    """One that knows nothing of audiences names none, and has checked its own: that is not ours."""
    api = FakeApi()
    status = {"authenticated": True, "user": {"username": "ann"}} | ({} if named is None else {"audiences": named})
    api.reply = lambda: Reply(201, {}, orjson.dumps({"kind": "TokenReview", "status": status}))
    reviewer = TokenReviewer(api, AuthSettings(audiences=("binnacle", "console")))

    if accepted:
        assert (await reviewer.authenticate("token")).username == "ann"
    else:
        with pytest.raises(TokenRejected):
            await reviewer.authenticate("token")

    assert api.calls[0][1] == {"token": "token", "audiences": ["binnacle", "console"]}
