"""Whatever comes in: an answer of the gateway's own, never a traceback, a 500 or the end of the process."""

import asyncio
import base64
import contextlib
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.config import ConfigError, keys, load_config
from tests.front_door import ADMIN, SHOP, simulated_door

pytestmark = pytest.mark.thorough
fuzzed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# Past the server's own limit (`server.request_seconds`, 10 s) an answer would not have kept to it.
LONGEST_ANSWER_S = 11.0
SHORTEST_TOKEN = 12  # shorter texts stand in a log by chance

HEADERS = [
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Expect",
    "If-None-Match",
    "Origin",
    "Upgrade",
    "X-Request-Id",
    "traceparent",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
# Deeper than decoders go.
DEEP: Any = json.loads("[" * 900 + "]" * 900)
DEEP_CLAIMS = base64.urlsafe_b64encode(b'{"exp":1,"a":' + b"[" * 1_500 + b"]" * 1_500 + b"}").decode().rstrip("=")
PARTS = [
    "",
    "a",
    "app",
    "web",
    "in",
    "notin",
    "exists",
    "(",
    ")",
    ",",
    "=",
    "==",
    "!=",
    "!",
    " ",
    ">",
    "<",
    "\0",
    "é",
    "/",
]
SELECTOR = st.lists(st.sampled_from(PARTS), max_size=8).map("".join) | st.text(max_size=60)


@dataclass
class Served:
    """A gateway in a thread of its own, and what it wrote to its log."""

    host: str = ""
    port: int = 0
    written: list[logging.LogRecord] = field(default_factory=list)
    read: int = 0  # of what was written

    def ask(self, query: str, token: str = ADMIN, **variables: Any) -> Any:
        status, body = self.send("POST", "/graphql", {"query": query, "variables": variables}, token)
        assert status < 500
        return body

    def send(
        self, method: str, path: str, content: Any = None, token: str = ADMIN, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        started = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LONGEST_ANSWER_S)
        with contextlib.closing(connection):
            sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, None if content is None else json.dumps(content), sent)
            answer = connection.getresponse()
            body = answer.read()
            assert time.monotonic() - started < LONGEST_ANSWER_S
            return answer.status, json.loads(body) if "json" in (answer.getheader("Content-Type") or "") else body

    def check(self, *secrets: str) -> None:
        """It serves, nothing of ours broke, and no line of the log has a token, nor what came in a token's place."""
        assert self.send("GET", "/healthz")[0] == 200
        lines, self.read = self.written[self.read :], len(self.written)
        broken = [line for line in lines if line.levelno >= logging.ERROR or line.exc_info]
        assert not broken, [line.getMessage() + str(line.exc_info) for line in broken]
        told = "".join(str(vars(line)) for line in lines)
        assert not [secret for secret in (ADMIN, SHOP, *secrets) if secret in told]


class Writing(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.DEBUG)
        self.records = records

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Small, and standing still, so that the same question has the same answer."""
    served, ready, loop = Served(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with simulated_door(nodes=3, pods_per_node=6, server={"header_seconds": 1, "body_seconds": 1}) as door:
            address = urlsplit(door.url)
            served.host, served.port = str(address.hostname), int(address.port or 0)
            ready.set()
            await stop.wait()

    writing = Writing(served.written)
    loggers = [logging.getLogger(name) for name in ("auth", "gateway", "schema", "uvicorn", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(writing)
        logger.setLevel(logging.DEBUG)
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield served
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(writing)
        logger.setLevel(level)


@fuzzed
@given(
    headers=st.dictionaries(
        st.sampled_from(HEADERS), st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=80)
    )
)
@example({"Authorization": "Bearer " + "x" * 20_000})
@example({"If-None-Match": 'W/"' + "," * 5_000})
@example({"Accept": "application/json;q=" + "9" * 400})
@example({"Authorization": "Bearer e30." + DEEP_CLAIMS + ".c2ln"})
@example({"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-00"})
def test_headers(served: Served, headers: dict[str, str]):
    """Of any content: what HTTP allows to stand in them, and what it does not."""
    query = urlencode({"query": "{ cluster { nodeCount } }"})
    with contextlib.suppress(http.client.HTTPException, ConnectionError):
        status, _ = served.send("GET", f"/graphql?{query}", headers=headers)
        assert status < 500
    token = headers.get("Authorization", "").partition(" ")[2].strip()
    served.check(*([token] if len(token) >= SHORTEST_TOKEN else []))


@fuzzed
@given(
    sent=st.binary(max_size=400)
    | st.binary(max_size=100).map(lambda tail: b"POST /graphql HTTP/1.1\r\nHost: x\r\n" + tail)
)
@example(b"GET /graphql HTTP/9.9\r\n\r\n")
@example(b"POST /graphql HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n")
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
@example(b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n")
@example(b"GET /%zz%00 HTTP/1.1\r\nHost: x\r\n\r\n")
def test_bytes_on_the_wire(served: Served, sent: bytes):
    """HTTP or not: refused or closed, by the next byte or by the clock."""
    with socket.create_connection((served.host, served.port), timeout=10) as line, contextlib.suppress(ConnectionError):
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        said = line.recv(65_536)
        assert not said or said.startswith(b"HTTP/1.1 ")
        assert not said.startswith(b"HTTP/1.1 5")
    served.check()


@fuzzed
@given(
    body=JSON
    | st.fixed_dictionaries(
        {}, optional={"query": JSON, "variables": JSON, "operationName": JSON, "extensions": JSON, "documentId": JSON}
    )
)
@example({"query": "{ cluster { nodeCount } }", "variables": {"a": DEEP}})
@example({"query": "{ cluster { nodeCount } }", "ignored": DEEP})
def test_bodies(served: Served, body: Any):
    """JSON of any shape where a request should stand."""
    status, answer = served.send("POST", "/graphql", body)

    assert status < 500
    assert answer.get("errors") or answer.get("data")
    served.check()


@fuzzed
@given(text=st.text(max_size=300), token=st.sampled_from([ADMIN, SHOP]))
@example("{ pods(limit: 99999999999999999999) { id } }", ADMIN)
@example("{ __schema { types { fields { type { fields { name } } } } } }", ADMIN)
@example("query ($a: [String!]! = [null]) { pods { id } }", ADMIN)
@example('{ pods { metricsRange(names: [CPU_USAGE], start: "", step: "-1s") { name } } }', ADMIN)
def test_documents(served: Served, text: str, token: str):
    """Text of any kind where a document should stand."""
    assert not internal(served.ask(text, token))
    served.check()


def internal(answer: dict[str, Any]) -> list[Any]:
    return [error for error in answer.get("errors", ()) if error["extensions"]["code"] == "INTERNAL"]


PAGE = """
query ($first: Int, $after: String, $last: Int, $before: String) {
  podsConnection(first: $first, after: $after, last: $last, before: $before) { totalCount pageInfo { endCursor } }
}
"""


@fuzzed
@given(data=st.data())
def test_cursors(served: Served, data: st.DataObject):
    """Made up, or a real one with something changed: refused by name, or a place in the list."""
    real = served.ask(PAGE, first=2)["data"]["podsConnection"]["pageInfo"]["endCursor"]
    at = data.draw(st.integers(0, len(real)))
    changed = real[:at] + data.draw(st.text(max_size=3)) + real[at + data.draw(st.integers(0, 3)) :]
    cursor = data.draw(st.sampled_from([changed, data.draw(st.text(max_size=100))]))
    sizes = st.none() | st.integers(-(2**31), 2**31 - 1)

    answer = served.ask(PAGE, first=data.draw(sizes), last=data.draw(sizes), after=cursor)

    assert not internal(answer)
    served.check()


@fuzzed
@given(labels=SELECTOR, fields=SELECTOR, token=st.sampled_from([ADMIN, SHOP]))
def test_selectors(served: Served, labels: str, fields: str, token: str):
    """In Kubernetes' syntax or not."""
    query = "query ($l: String, $f: String) { pods(filter: {labelSelector: $l, fieldSelector: $f}) { id } }"

    assert not internal(served.ask(query, token, l=labels, f=fields))
    served.check()


SECTIONS = sorted({section for section, _ in keys()})
SETTING = st.sampled_from(sorted(keys())).flatmap(
    lambda key: st.tuples(st.just(key[0]), st.just(key[1]), JSON | st.text(max_size=12))
)
YAML = st.lists(
    st.sampled_from(
        ["server", "port", ": ", ":\n  ", "- ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "!!binary ", "? "]
    )
    | st.sampled_from(["0x", "1_0", "1e9", "2026-13-45", ".inf", "'", '"', "|\n", "<<", "#", "\t", "\x00", "\n"]),
    max_size=14,
).map(lambda parts: "".join(parts).encode())


@fuzzed
@given(
    written=st.lists(SETTING, max_size=4) | JSON,
    raw=st.none() | st.binary(max_size=60) | YAML,
    suffix=st.sampled_from(["yaml", "json"]),
)
@example(written=None, raw=b'{"server": {"port": ' + b"9" * 5_000 + b"}}", suffix="json")
@example(written=None, raw=b'{"server": {"port": ' + b"9" * 5_000 + b"}}", suffix="yaml")
@example(written=None, raw=b"server: {port: 0x" + b"f" * 6_000 + b"}", suffix="yaml")
@example(written=None, raw=b"[" * 100_000, suffix="json")
@example(written=None, raw=b"auth: {audiences: &a [*a]}", suffix="yaml")
@example(written=None, raw=b"oidc: {required_claims: &a {x: *a}}", suffix="yaml")
@example(written=None, raw=b"a: &a [x, x]\nb: &b [*a, *a]\nserver: {host: *b}", suffix="yaml")
def test_config_files(written: Any, raw: bytes | None, suffix: str, tmp_path_factory: pytest.TempPathFactory):
    """Of any content: a config, or one line that says what is wrong."""
    path: Path = tmp_path_factory.getbasetemp() / f"binnacle.{suffix}"
    if isinstance(written, list) and all(isinstance(each, tuple) for each in written):
        content: Any = {}
        for section, name, value in written:
            content.setdefault(section, {})[name] = value
    else:
        content = written
    path.write_bytes(raw if raw is not None else json.dumps(content).encode())
    said = ""
    try:
        load_config({}, {}, path)
    except ConfigError as error:
        said = str(error)

    assert len(said.splitlines()) <= 1
