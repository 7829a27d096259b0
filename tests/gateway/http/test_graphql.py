"""GraphQL over HTTP, as clients of any language speak it."""

import json
from io import BytesIO
from typing import Any

import pytest

from tests.front_door import ADMIN, SHOP, FrontDoor

RESPONSE = "application/graphql-response+json"
VERSION = "{ cluster { version } }"


async def test_post_and_get_answer_alike(front_door: FrontDoor):
    """A query can be sent as a JSON body or in the URL."""
    posted = await front_door.ask(VERSION)
    got = await front_door.request("GET", "/graphql", ADMIN, params={"query": VERSION})

    assert posted.status == got.status == 200
    assert posted.body == got.body == {"data": {"cluster": {"version": posted.data["cluster"]["version"]}}}


async def test_variables_and_operation_name_choose_what_is_executed(front_door: FrontDoor):
    """A document with several operations executes the one that is named, with its variables."""
    document = "query A { cluster { version } } query B($n: String!) { node(name: $n) { name } }"
    name = front_door.simulated.nodes()[0]
    body = {"query": document, "operationName": "B", "variables": {"n": name}}

    posted = await front_door.request("POST", "/graphql", ADMIN, json=body)
    got = await front_door.request(
        "GET", "/graphql", ADMIN, params={**body, "variables": json.dumps(body["variables"])}
    )

    assert posted.data == got.data == {"node": {"name": name}}


async def test_an_answer_is_private_to_who_asked(front_door: FrontDoor):
    """No shared cache may keep an answer, and a request id ties it to the log."""
    answer = await front_door.ask(VERSION)

    assert answer.headers["Cache-Control"].startswith("private")
    assert "Authorization" in answer.headers["Vary"]
    assert len(answer.headers["X-Request-Id"]) >= 8


async def test_a_harmless_request_id_is_kept_and_any_other_replaced(front_door: FrontDoor):
    """What a proxy calls the request, the gateway calls it too; nothing else gets into its log."""
    kept = await front_door.ask(VERSION, headers={"X-Request-Id": "proxy-0123456789"})
    replaced = await front_door.ask(VERSION, headers={"X-Request-Id": "a b=c"})

    assert kept.headers["X-Request-Id"] == "proxy-0123456789"
    assert replaced.headers["X-Request-Id"] != "a b=c"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{ cluster { version }", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: String!) { node(name: $n) { name } }", "BAD_USER_INPUT"),
    ],
)
async def test_a_document_that_cannot_be_executed_is_told_by_status_or_by_body(front_door: FrontDoor, document, code):
    """400 without `data` in the new media type; 200 for clients from before it."""
    new = await front_door.ask(document, headers={"Accept": RESPONSE})
    old = await front_door.ask(document, headers={"Accept": "application/json"})

    assert (new.status, old.status) == (400, 200)
    assert new.headers["Content-Type"].startswith(RESPONSE)
    assert new.codes == old.codes == [code]
    assert "data" not in new.body
    assert new.errors[0]["locations"]


async def test_of_several_operations_one_must_be_named(front_door: FrontDoor):
    """Nothing is guessed."""
    document = "query A { cluster { version } } query B { cluster { version } }"

    unnamed = await front_door.ask(document)
    unknown = await front_door.request("POST", "/graphql", ADMIN, json={"query": document, "operationName": "C"})

    assert (unnamed.status, unnamed.codes) == (400, ["BAD_REQUEST"])
    assert (unknown.status, unknown.codes) == (400, ["BAD_REQUEST"])
    assert "'C'" in unknown.errors[0]["message"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"data": b"not json", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": b"\xff\xfe", "headers": {"Content-Type": "application/json"}}, 400),
        ({"json": []}, 400),
        ({"json": {"query": 1}}, 400),
        ({"json": {"query": VERSION, "variables": []}}, 400),
        ({"json": {}}, 400),
        ({"data": VERSION, "headers": {"Content-Type": "application/graphql"}}, 415),
        ({"data": b"{}", "headers": {"Content-Type": "application/json; charset=latin-1"}}, 415),
        ({"data": b"{}", "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}}, 415),
        ({"json": {"query": VERSION}, "headers": {"Accept": "text/csv"}}, 406),
        ({"data": BytesIO(b" " * 1_100_000), "headers": {"Content-Type": "application/json"}}, 413),
    ],
)
async def test_a_request_that_is_not_graphql_over_http_is_refused_by_name(front_door: FrontDoor, request_, status):
    """Each mistake has its status and one sentence, in GraphQL's own shape."""
    answer = await front_door.request("POST", "/graphql", ADMIN, **request_)

    assert (answer.status, answer.codes) == (status, ["BAD_REQUEST"])


async def test_other_methods_are_named_what_is_allowed(front_door: FrontDoor):
    """405 says which methods there are."""
    answer = await front_door.request("DELETE", "/graphql", ADMIN)

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")


async def test_a_mutation_is_never_executed_by_get(front_door: FrontDoor):
    """A link must not change anything."""
    answer = await front_door.request("GET", "/graphql", ADMIN, params={"query": "mutation { anything }"})

    assert answer.status == 405


async def test_a_page_load_gets_graphiql_and_everything_else_the_api(front_door: FrontDoor):
    """The page needs no token and holds no data; it may load nothing from anywhere else."""
    page = await front_door.request("GET", "/graphql", headers={"Accept": "text/html,*/*;q=0.8"})
    linked = await front_door.request("GET", "/graphql?query={cluster{version}}", headers={"Accept": "text/html"})
    curl = await front_door.request("GET", "/graphql")

    assert page.status == linked.status == 200
    assert page.text == linked.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert curl.status == 401


async def test_nothing_else_is_served_without_a_token(front_door: FrontDoor):
    """Health, the page and its assets are all there is."""
    paths = ["/", "/metrics", "/graphql/", "/graphiql/../pyproject.toml", "/docs", "/openapi.json"]

    statuses = {path: (await front_door.request("GET", path, allow_redirects=False)).status for path in paths}

    assert statuses.pop("/metrics") == 401
    assert set(statuses.values()) <= {404, 307}, statuses


async def test_the_process_lives_and_is_ready(front_door: FrontDoor):
    """Probes need no token."""
    assert (await front_door.request("GET", "/healthz")).text == "ok\n"
    assert (await front_door.request("GET", "/readyz")).text == "ok\n"


async def test_what_was_asked_before_is_answered_alike_without_being_executed(
    front_door: FrontDoor, monkeypatch: pytest.MonkeyPatch
):
    """By POST and GET, with its name in the log and all its headers; whoever sees other things is answered anew."""
    asked = {"query": "query Pods { nodes { name pods { name phase } } }", "operationName": "Pods"}
    first = await front_door.request("POST", "/graphql", ADMIN, json=asked)
    executed: list[str] = []
    execute = front_door.gateway.schema.execute

    async def counted(text: str, **options: Any) -> Any:
        executed.append(text)
        return await execute(text, **options)

    monkeypatch.setattr(front_door.gateway.schema, "execute", counted)
    posted = await front_door.request("POST", "/graphql", ADMIN, json=asked)
    got = await front_door.request("GET", "/graphql", ADMIN, params=asked)
    assert executed == []
    others = await front_door.request("POST", "/graphql", SHOP, json=asked)

    told = {*first.headers} - {"X-Request-ID", "Date"}
    assert first.text == posted.text == got.text
    assert {name: first.headers[name] for name in told} == {name: posted.headers[name] for name in told}
    assert got.headers["ETag"]
    assert len(executed) == 1
    assert others.text != first.text


async def test_what_was_asked_before_is_for_those_alone_whose_token_is_good(front_door: FrontDoor):
    """The lock comes first, whatever is kept."""
    await front_door.ask(VERSION)
    await front_door.ask(VERSION)

    assert (await front_door.ask(VERSION, "nobody")).status == 401
    assert (await front_door.ask(VERSION, None)).status == 401
