"""Who asks is checked before anything else is done with a request, on every way in."""

import asyncio
import base64
import json
import time

import pytest

from schema.execution.context import GraphContext
from tests.front_door import ADMIN, FrontDoor, simulated_door

BROKEN = "{ this is not GraphQL"  # would be a parse error, if anybody parsed it


def jwt(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


EXPIRED = jwt(exp=int(time.time()) - 60)

REFUSALS = [
    pytest.param({}, "MISSING", 0, id="no token"),
    pytest.param({"Authorization": "Basic dXNlcjpwYXNz"}, "MALFORMED", 0, id="another scheme"),
    pytest.param({"Authorization": "Bearer"}, "MALFORMED", 0, id="no value"),
    pytest.param({"Authorization": "Bearer two words"}, "MALFORMED", 0, id="two words"),
    pytest.param({"Authorization": f"Bearer {'x' * 16_385}"}, "TOO_LONG", 0, id="one byte too long"),
    pytest.param({"Authorization": "Bearer nobody-knows-it"}, "REJECTED", 1, id="unknown"),
    pytest.param({"Authorization": f"Bearer {EXPIRED}"}, "EXPIRED", 1, id="expired"),
]


async def over_post(door: FrontDoor, headers):
    answer = await door.request("POST", "/graphql", headers=headers, json={"query": BROKEN})
    return answer.status, answer.headers.get("WWW-Authenticate"), answer.body


async def over_get(door: FrontDoor, headers):
    answer = await door.request("GET", "/graphql", headers=headers, params={"query": BROKEN})
    return answer.status, answer.headers.get("WWW-Authenticate"), answer.body


async def alone(door: FrontDoor, headers):
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    result = await door.gateway.schema.execute(BROKEN, context_value=GraphContext(headers=raw))
    assert result.data is None
    return 401, "Bearer", {"errors": [error.formatted for error in result.errors or ()]}


@pytest.mark.parametrize("ask", [over_post, over_get, alone])
@pytest.mark.parametrize(("headers", "reason", "reviews"), REFUSALS)
async def test_each_refusal_is_its_own_clear_error_and_costs_no_other_call(
    front_door: FrontDoor, ask, headers, reason, reviews
):
    """401 with a code and a reason; nothing parsed, and no call to the cluster but the token's own review."""
    before = front_door.simulated.requests.copy()
    asked = front_door.simulated.metrics.requests.copy()

    status, challenge, body = await ask(front_door, headers)

    assert (status, challenge) == (401, "Bearer")
    assert [error["extensions"]["code"] for error in body["errors"]] == ["UNAUTHENTICATED"]
    assert body["errors"][0]["extensions"]["reason"] == reason
    assert "data" not in body
    calls = front_door.simulated.requests - before
    calls = {call: count for call, count in calls.items() if "watch" not in call[1]}
    assert calls == ({("POST", "create tokenreviews"): reviews} if reviews else {})
    assert front_door.simulated.metrics.requests == asked


async def test_the_old_token_limit_can_be_set():
    """The dashboard that Binnacle replaces stopped at 2,000 bytes."""
    async with simulated_door(settings={"auth": {"token_limit_bytes": 2000}}) as door:
        long_enough = await door.ask("{ cluster { version } }", "x" * 2000)
        too_long = await door.ask("{ cluster { version } }", "x" * 2001)

    assert long_enough.errors[0]["extensions"]["reason"] == "REJECTED"
    assert too_long.errors[0]["extensions"]["reason"] == "TOO_LONG"


async def test_when_the_api_server_cannot_be_asked_the_answer_is_503_within_a_second():
    """Never yes, never a long wait, and a hint when to come back."""
    async with simulated_door() as door:
        door.simulated.kubernetes.pause()
        started = time.monotonic()

        answers = [await door.ask("{ cluster { version } }") for _ in range(3)]

        took = time.monotonic() - started
        assert [(answer.status, answer.codes) for answer in answers] == [(503, ["UNAVAILABLE"])] * 3
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
        assert took < 1.3, "the first waits for less than a second, the others not at all"
        door.simulated.kubernetes.resume()


async def test_the_body_of_a_refused_request_is_not_read(front_door: FrontDoor):
    """An upload of any size is answered at its headers."""
    sent = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
    host, port = front_door.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(5):
        status = await reader.readline()
    writer.close()
    await writer.wait_closed()

    assert status.startswith(b"HTTP/1.1 401")


async def test_no_token_reaches_a_log(front_door: FrontDoor, caplog: pytest.LogCaptureFixture):
    """Whatever happens to a request, its token is nowhere in what is written about it."""
    caplog.set_level(0)
    tokens = [ADMIN, "nobody-knows-it-either", EXPIRED, "y" * 16_385]

    for token in tokens:
        await front_door.ask("{ cluster { version } }", token)
        await front_door.request("GET", "/graphql", token, params={"query": BROKEN})

    written = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "request" in written
    assert not [token for token in tokens if token in written]
