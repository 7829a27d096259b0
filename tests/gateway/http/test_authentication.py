"""Who asks is checked before anything else is done with a request, on every way in."""

import asyncio
import base64
import contextlib
import io
import itertools
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway import logs
from gateway.demo.statuses import Refusal
from schema.execution.context import GraphContext
from schema.execution.prepare import Documents
from tests.front_door import ADMIN, Answer, FrontDoor, simulated_door

BROKEN = "{ this is not GraphQL"  # would be a parse error, if anybody parsed it


def jwt(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


EXPIRED = jwt(exp=int(time.time()) - 60)
DEEP_CLAIMS = base64.urlsafe_b64encode(b'{"exp":1,"deep":' + b"[" * 1_500 + b"]" * 1_500 + b"}").decode().rstrip("=")
DEEP = f"e30.{DEEP_CLAIMS}.c2lnbmF0dXJl"


@dataclass(frozen=True, slots=True)
class Bad:
    """A credential that nobody is let in by: what is sent, and what is heard while the API server can be asked."""

    name: str
    headers: Mapping[str, str]
    status: int
    reason: str
    reviewed: bool = False  # only the API server can tell
    query: Mapping[str, str] = field(default_factory=dict)


def bearer(token: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **headers}


BAD = [
    Bad("none", {}, 401, "MISSING"),
    Bad("another scheme", {"Authorization": "Basic dXNlcjpwYXNz"}, 401, "MALFORMED"),
    Bad("no value", {"Authorization": "Bearer"}, 401, "MALFORMED"),
    Bad("two words", bearer("first second"), 401, "MALFORMED"),
    Bad("two tokens folded into one", bearer(f"{ADMIN}, Bearer {ADMIN}"), 401, "MALFORMED"),
    Bad("one byte too long", bearer("x" * 16_385), 401, "TOO_LONG"),
    Bad("a cookie alone", {"Cookie": f"Authorization=Bearer {ADMIN}; token={ADMIN}; session={ADMIN}"}, 401, "MISSING"),
    Bad("somebody else's name", bearer(ADMIN, **{"Impersonate-User": "root"}), 400, "impersonate-user"),
    Bad("a proxy's word", {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}, 400, "x-remote-user"),
    Bad("a forwarded user", bearer(ADMIN, **{"X-Forwarded-User": "root"}), 400, "x-forwarded-user"),
    Bad("a token in the address", {}, 400, "access_token", query={"access_token": ADMIN}),
    Bad("two tokens, one in the address", bearer(ADMIN), 400, "access_token", query={"access_token": ADMIN}),
    Bad("no ASCII", bearer("caf\u00e9-token"), 401, "MALFORMED"),
    Bad(
        "a token as a subprotocol",
        {"Sec-WebSocket-Protocol": f"base64url.bearer.authorization.k8s.io.{ADMIN}"},
        401,
        "MISSING",
    ),
    Bad("claims nested too deeply", bearer(DEEP), 401, "REJECTED", reviewed=True),
    Bad("unknown", bearer("nobody-knows-it"), 401, "REJECTED", reviewed=True),
    Bad("expired", bearer(EXPIRED), 401, "EXPIRED", reviewed=True),
]

SECRETS = [ADMIN, EXPIRED, DEEP, "nobody-knows-it", "dXNlcjpwYXNz", "x" * 16_385]

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "graphql-transport-ws",
}


@dataclass(frozen=True, slots=True)
class Transport:
    """A way to send a document; a new one is one more row."""

    name: str
    method: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def ask(self, door: FrontDoor, headers: Mapping[str, str], query: Mapping[str, str]) -> Answer:
        options: dict[str, Any] = {"headers": {**self.headers, **headers}, "params": dict(query)}
        if self.method == "POST":
            options["json"] = {"query": BROKEN}
        else:
            options["params"]["query"] = BROKEN
        return await door.request(self.method, "/graphql", **options)


TRANSPORTS = [
    Transport("POST", "POST"),
    Transport("GET", "GET"),
    Transport("WebSocket", "GET", WEBSOCKET),
    Transport("server-sent events", "POST", {"Accept": "text/event-stream"}),
    Transport("server-sent events by GET", "GET", {"Accept": "text/event-stream"}),
    Transport("multipart", "POST", {"Accept": "multipart/mixed; subscriptionSpec=1.0"}),
]


def up(door: FrontDoor) -> None:
    """As it should be."""


async def slow(door: FrontDoor) -> None:
    """Each of its answers comes late."""

    async def hold_up() -> None:
        while True:
            door.simulated.kubernetes.pause()
            await asyncio.sleep(0.1)
            door.simulated.kubernetes.resume()
            await asyncio.sleep(0.005)

    HOLDING_UP.append(asyncio.create_task(hold_up(), name="slow"))


HOLDING_UP: list[asyncio.Task[None]] = []


def silent(door: FrontDoor) -> None:
    door.simulated.kubernetes.pause()


def refusing(door: FrontDoor) -> None:
    door.simulated.refuse(Refusal(500, "InternalError", "etcdserver: request timed out"))


def throttling(door: FrontDoor) -> None:
    door.simulated.refuse(Refusal(429, "TooManyRequests", "too many requests", retry_after=1))


def not_taking_us(door: FrontDoor) -> None:
    door.simulated.refuse(Refusal(401, "Unauthorized", "Unauthorized"))


async def down(door: FrontDoor) -> None:
    await door.simulated.kubernetes.stop()


@contextlib.contextmanager
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """What the log of the block is, as collectors get it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    logger, level = logging.getLogger("gateway"), logging.getLogger("gateway").level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    lines: list[dict[str, Any]] = []
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        lines += [json.loads(line) for line in stream.getvalue().splitlines()]


# Who reviews tokens, and how: the gateway, or whoever holds them.
REVIEWED_BY = {"token_review": "create tokenreviews", "self_subject_review": "create selfsubjectreviews"}
STATES = [
    *((state, "token_review") for state in (up, slow, silent, down, refusing, throttling, not_taking_us)),
    *((state, "self_subject_review") for state in (up, slow, silent, down, refusing)),
]


@pytest.mark.parametrize(("api_server", "authenticator"), STATES, ids=lambda each: getattr(each, "__name__", each))
async def test_every_bad_credential_on_every_transport_is_its_own_clear_refusal(
    api_server, authenticator: str, monkeypatch
):
    """Whatever the API server does: the answer, nothing parsed, no call but the token's own review, one log line."""

    def parsed(*_: object) -> None:
        raise AssertionError("a document was looked at")

    monkeypatch.setattr(Documents, "find", parsed)
    auth: dict[str, Any] = {"authenticators": [authenticator]}
    if api_server is silent:
        auth["review_timeout_seconds"] = 0.9
    async with simulated_door(settings={"auth": auth}) as door:
        if (broken := api_server(door)) is not None:
            await broken
        for transport, bad in itertools.product(TRANSPORTS, BAD):
            before, asked = door.simulated.requests.copy(), door.simulated.metrics.requests.copy()
            cell = f"{bad.name} by {transport.name}"
            with log_lines() as lines:
                answer = await transport.ask(door, bad.headers, bad.query)

            expected = bad.status if not bad.reviewed or api_server in (up, slow) else 503
            assert answer.status == expected, cell
            assert (answer.headers.get("WWW-Authenticate") == "Bearer") == (expected == 401), cell
            assert ("Retry-After" in answer.headers) == (expected == 503), cell
            (error,) = answer.errors
            code = {400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 503: "UNAVAILABLE"}[expected]
            assert error["extensions"]["code"] == code, cell
            if expected != 503:
                details = error["extensions"]
                assert bad.reason in (details.get("reason"), details.get("header"), details.get("parameter")), cell
            assert "data" not in answer.body, cell
            calls = door.simulated.requests - before
            calls = {call for call in calls if "watch" not in call[1] and "list" not in call[1]}
            assert calls <= ({("POST", REVIEWED_BY[authenticator])} if bad.reviewed else set()), cell
            assert door.simulated.metrics.requests == asked, cell
            (line,) = [line for line in lines if line["event"] == "request"]
            assert (line["method"], line["path"], line["status"]) == (transport.method, "/graphql", expected), cell
            assert line["request_id"] == answer.headers["X-Request-Id"], cell
            assert "user" not in line, cell
            assert not [secret for secret in SECRETS if secret in json.dumps(lines) + answer.text], cell
        while HOLDING_UP:
            HOLDING_UP.pop().cancel()
        door.simulated.kubernetes.resume()


@pytest.mark.parametrize("transport", TRANSPORTS[2:], ids=lambda each: each.name)
async def test_a_transport_that_is_not_served_is_refused_by_its_name_after_the_token(front_door, transport):
    """Who may ask hears what is not there; nothing was executed."""
    answer = await transport.ask(front_door, bearer(ADMIN), {})

    named = transport.headers.get("Accept", "WebSocket").partition(";")[0]
    assert answer.status == (400 if named == "WebSocket" else 406)
    assert answer.codes == ["BAD_REQUEST"]
    assert f"{named} is not served" in answer.errors[0]["message"]


@pytest.mark.parametrize("bad", [bad for bad in BAD if not bad.query], ids=lambda bad: bad.name)
async def test_the_schema_is_as_closed_without_the_http_layer(front_door, bad):
    """Its own extension verifies what the context has, whoever did so before."""
    raw = [(name.lower().encode(), value.encode()) for name, value in bad.headers.items()]

    result = await front_door.gateway.schema.execute(BROKEN, context_value=GraphContext(headers=raw))

    assert result.data is None
    (error,) = [error.formatted["extensions"] for error in result.errors or ()]
    assert error["code"] == {400: "BAD_REQUEST", 401: "UNAUTHENTICATED"}[bad.status]
    assert bad.reason in (error.get("reason"), error.get("header"))


async def test_a_cookie_changes_nothing_beside_a_token(front_door):
    """Neither for the better nor for the worse: browsers send them along."""
    answer = await front_door.ask("{ cluster { version } }", headers={"Cookie": "token=nobody-knows-it"})

    assert answer.status == 200


async def test_the_old_token_limit_can_be_set():
    """The dashboard that Binnacle replaces stopped at 2,000 bytes."""
    async with simulated_door(settings={"auth": {"token_limit_bytes": 2000}}) as door:
        long_enough = await door.ask("{ cluster { version } }", "x" * 2000)
        too_long = await door.ask("{ cluster { version } }", "x" * 2001)

    assert long_enough.errors[0]["extensions"]["reason"] == "REJECTED"
    assert too_long.errors[0]["extensions"]["reason"] == "TOO_LONG"


async def test_when_the_api_server_cannot_be_asked_the_answer_is_503_within_a_second():
    """Never yes, never a long wait, and a hint when to come back."""
    async with simulated_door(settings={"auth": {"review_timeout_seconds": 0.9}}) as door:
        door.simulated.kubernetes.pause()
        started = time.monotonic()

        answers = [await door.ask("{ cluster { version } }") for _ in range(3)]

        took = time.monotonic() - started
        assert [(answer.status, answer.codes) for answer in answers] == [(503, ["UNAVAILABLE"])] * 3
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
        assert took < 2.5
        calls = {"system": "kubernetes", "operation": "tokenreviews", "code": "given_up"}
        count = door.gateway.telemetry.metrics.registry.get_sample_value("binnacle_upstream_requests_total", calls)
        assert count == 1, "the first one waits for less than a second, the others not at all"
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
