"""All authenticators behind one door: whose token each knows, and what is answered when one of them is gone."""

import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.demo import Right
from schema.execution.prepare import Documents
from tests.auth.authenticators.local_issuer import AUDIENCE, Key, LocalIssuer, local_issuer
from tests.auth.authenticators.test_oidc import hmac_signed
from tests.front_door import ADMIN, FrontDoor, simulated_door
from tests.gateway.http.test_authentication import TRANSPORTS, bearer, log_lines

VERSION = "{ cluster { version } }"
PODS = "{ pods { namespace } }"


@contextlib.asynccontextmanager
async def door_for(issuer: LocalIssuer, folder: Path, *order: str) -> AsyncIterator[FrontDoor]:
    """A gateway that asks these authenticators in this order."""
    tokens = folder / "tokens.csv"
    tokens.write_text('robot-token,robot,7,"ci,system:masters"\n')
    settings: dict[str, Any] = {
        "auth": {"authenticators": order, "token_auth_file": tokens},
        "oidc": {"issuer": issuer.url, "audiences": [AUDIENCE], "ca_file": issuer.ca_file, "username_prefix": "oidc:"},
    }
    async with simulated_door(settings=settings) as door:
        lists_pods = Right(frozenset({"list"}), frozenset({"pods"}), "shop")
        door.simulated.add_user("oidc:ann", lists_pods, token="not-a-token-of-anns")
        door.simulated.add_user("robot", lists_pods, token="not-a-token-of-the-robots")
        yield door


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[LocalIssuer]:
    async with local_issuer(tmp_path) as issuer:
        yield issuer


ORDERS = [("oidc", "token_file", "token_review"), ("token_review", "token_file", "oidc")]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order[0])
async def test_each_knows_its_own_whatever_the_order(issuer: LocalIssuer, tmp_path: Path, order: tuple[str, ...]):
    """And rights are asked under the name that each gives; no group makes a robot an administrator."""
    async with door_for(issuer, tmp_path, *order) as door:
        for token in (issuer.token(), "robot-token"):
            pods = (await door.ask(PODS, token)).data["pods"]
            assert {pod["namespace"] for pod in pods} == {"shop"}
        assert len({pod["namespace"] for pod in (await door.ask(PODS, ADMIN)).data["pods"]}) > 1

        refused = [await door.ask(VERSION, token) for token in ("unknown", issuer.token(Key()), issuer.token(exp=1))]
        reasons = [answer.errors[0]["extensions"]["reason"] for answer in refused]
        assert [answer.status for answer in refused] == [401, 401, 401]
        assert reasons == ["REJECTED", "REJECTED", "EXPIRED"]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order[0])
async def test_who_is_known_without_the_api_server_comes_in_without_it(
    issuer: LocalIssuer, tmp_path: Path, order: tuple[str, ...]
):
    """Their rights cannot be had, so only what needs none is answered; whom only it could know hears 503, never yes."""
    async with door_for(issuer, tmp_path, *order) as door:
        assert (await door.ask(VERSION, issuer.token())).status == 200
        await door.simulated.kubernetes.stop()
        for token in (issuer.token(sub="bob"), "robot-token"):
            assert (await door.ask(VERSION, token)).status == 200
            assert (await door.ask(PODS, token)).codes == ["UNAVAILABLE"]

        assert (await door.ask(VERSION, "only-the-api-server-could-know-it")).status == 503
        assert (await door.ask(VERSION, issuer.token(Key(kid=issuer.key.kid)))).status == 503


async def test_an_issuer_that_is_gone_from_the_start_costs_its_own_users_alone(issuer: LocalIssuer, tmp_path: Path):
    """The gateway starts, the others are known; the issuer's tokens are 503, and count as soon as it is there."""
    await issuer.stop()
    async with door_for(issuer, tmp_path, "oidc", "token_file", "token_review") as door:
        assert (await door.ask(VERSION, ADMIN)).status == 200
        assert (await door.ask(VERSION, "robot-token")).status == 200
        assert (await door.ask(VERSION, "unknown")).status == 401
        gone = await door.ask(VERSION, issuer.token())
        assert (gone.status, gone.codes) == (503, ["UNAVAILABLE"])
        assert int(gone.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("gone", ["nobody", "the API server", "the issuer"])
async def test_every_bad_token_of_an_issuer_is_refused_on_every_transport(
    issuer: LocalIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
):
    """Whoever is gone meanwhile: nothing is parsed, the API server is asked nothing, and no log has the token."""

    def parsed(*_: object) -> None:
        raise AssertionError("a document was looked at")

    async with door_for(issuer, tmp_path, "oidc", "token_file") as door:
        assert (await door.ask(VERSION, issuer.token())).status == 200
        monkeypatch.setattr(Documents, "find", parsed)
        now = int(time.time())
        bad = {
            "another's signature": issuer.token(Key(kid=issuer.key.kid)),
            "no signature": issuer.token().rpartition(".")[0] + ".",
            "the public key as a secret": hmac_signed(issuer, "HS256", issuer.key.pem),
            "another issuer": issuer.token(iss="https://elsewhere.example"),
            "another audience": issuer.token(aud="somebody-else"),
            "expired": issuer.token(exp=now - 60),
            "not yet": issuer.token(nbf=now + 600),
            "nobody named": issuer.token(sub=None),
            "of nobody's file": "robot-tokem",
        }
        match gone:
            case "the API server":
                await door.simulated.kubernetes.stop()
            case "the issuer":
                await issuer.stop()
        for transport, (what, token) in itertools.product(TRANSPORTS, bad.items()):
            asked = door.simulated.requests.copy()
            with log_lines() as lines:
                answer = await transport.ask(door, bearer(token), {})

            cell = f"{what} by {transport.name}"
            assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"]), cell
            assert answer.errors[0]["extensions"]["reason"] in ("REJECTED", "EXPIRED"), cell
            assert not [call for _, call in door.simulated.requests - asked if "reviews" in call], cell
            assert [line["status"] for line in lines if line["event"] == "request"] == [401], cell
            assert token not in json.dumps(lines) + answer.text, cell


async def test_with_their_own_tokens_callers_see_what_is_theirs(tmp_path: Path):
    """Nothing is asked as the gateway: it needs no right to review anybody."""
    async with simulated_door(settings={"auth": {"authenticators": ["self_subject_review"]}}) as door:
        pods = (await door.ask("{ pods { namespace } nodes { name } }", "demo-shop")).body
        unknown = await door.ask(VERSION, "unknown")

        assert {pod["namespace"] for pod in pods["data"]["pods"]} == {"shop"}
        assert [error["path"] for error in pods["errors"]] == [["nodes"]]
        assert (unknown.status, unknown.errors[0]["extensions"]["reason"]) == (401, "REJECTED")
        asked = {call for _, call in door.simulated.requests if "reviews" in call}
        assert asked == {"create selfsubjectreviews", "create selfsubjectaccessreviews"}
