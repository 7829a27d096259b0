"""Clients that people use, from npm and PyPI, each asking a serving gateway in its own way.

All of them ask the nested query, a question that is refused, one with a variable, and a document that they name instead
of sending it.
"""

import hashlib
import json
from typing import Any

import aiohttp
import pytest
from gql import Client, GraphQLRequest, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError

from tests.clients.node import HERE, compile_relay, npm
from tests.front_door import ADMIN, FrontDoor, simulated_door

NESTED = (HERE / "documents" / "nodes.graphql").read_text()
WITH_VARIABLE = (HERE / "documents" / "node.graphql").read_text()
WRONG = "query Wrong { nodes(limit: -1) { id name } }"
PERSISTED = "query Persisted { cluster { nodeCount } }"
NAME = {"name": "control-plane-1"}
COUNTED = {"cluster": {"nodeCount": 3}}


def without_typenames(answer: Any) -> Any:
    """Apollo's cache asks for `__typename` everywhere."""
    match answer:
        case dict():
            return {key: without_typenames(value) for key, value in answer.items() if key != "__typename"}
        case list():
            return [without_typenames(each) for each in answer]
        case _:
            return answer


@pytest.mark.thorough
async def test_clients_of_frontends():
    """Apollo Client, urql, graphql-request, GraphiQL's fetcher and Relay's network layer with compiled documents."""
    async with simulated_door(server={"trusted_documents": await compile_relay()}) as door:
        results = json.loads(await npm("ask", f"{door.url}/graphql", ADMIN))
        nested = (await door.ask(NESTED)).data
        node = (await door.ask(WITH_VARIABLE, variables=NAME)).data

    for name in ("apollo", "urql", "graphql-request", "graphiql"):
        result = without_typenames(results[name])
        assert ids_of(result["nested"]) == ids_of(nested), name
        assert result["variable"] == node, name
        assert result["error"] == ["BAD_USER_INPUT"], name
        assert result["persisted"] == [COUNTED, COUNTED], name
        assert result["named"], name
    relay = results["relay"]
    assert relay["documents"] == 1
    assert [node["id"] for node in relay["shown"]["nodes"]] == [node["id"] for node in nested["nodes"][:2]]
    assert relay["error"] == ["BAD_USER_INPUT"]
    assert relay["named"] == 2, "a text never went over the wire"


def ids_of(nested: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Metrics change between two questions; which objects there are does not."""
    return [(node["id"], [pod["id"] for pod in node["pods"]]) for node in nested["nodes"]]


async def test_gql_from_pypi(front_door: FrontDoor):
    """It fetches the schema first, checks documents against it, and asks."""
    transport = AIOHTTPTransport(f"{front_door.url}/graphql", headers={"Authorization": f"Bearer {ADMIN}"}, ssl=False)
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        assert ids_of(await session.execute(gql(NESTED))) == ids_of((await front_door.ask(NESTED)).data)
        shown = await session.execute(GraphQLRequest(WITH_VARIABLE, variable_values=NAME))
        assert shown["node"]["name"] == NAME["name"]
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(gql(WRONG))
        assert [error["extensions"]["code"] for error in refused.value.errors or ()] == ["BAD_USER_INPUT"]
        text = GraphQLRequest(PERSISTED).payload["query"]  # as it prints it
        named = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}
        by_name: dict[str, Any] = {"json": {"extensions": named}}
        with pytest.raises(TransportQueryError, match="PERSISTED_QUERY_NOT_FOUND"):
            await session.execute(GraphQLRequest(PERSISTED), extra_args=by_name)
        assert await session.execute(GraphQLRequest(PERSISTED, extensions=named)) == COUNTED
        assert await session.execute(GraphQLRequest(PERSISTED), extra_args=by_name) == COUNTED


async def test_plain_aiohttp(front_door: FrontDoor):
    """Nothing but HTTP and JSON is needed."""
    digest = hashlib.sha256(PERSISTED.encode()).hexdigest()
    named = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
    headers = {"Authorization": f"Bearer {ADMIN}", "Accept": "application/graphql-response+json"}
    async with aiohttp.ClientSession(front_door.url, headers=headers) as session:

        async def ask(**body: Any) -> tuple[int, dict[str, Any]]:
            async with session.post("/graphql", json=body) as response:
                return response.status, await response.json(content_type=None)

        assert ids_of((await ask(query=NESTED))[1]["data"]) == ids_of((await front_door.ask(NESTED)).data)
        assert (await ask(query=WITH_VARIABLE, variables=NAME))[1]["data"]["node"]["name"] == NAME["name"]
        assert (await ask(query=WRONG))[1]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert (await ask(extensions=named))[0] == 400
        assert await ask(query=PERSISTED, extensions=named) == (200, {"data": COUNTED})
        assert await ask(extensions=named) == (200, {"data": COUNTED})
