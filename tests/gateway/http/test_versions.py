"""`resourceVersions` and `minResourceVersions` in requests and answers: how they are asked, told, and refused."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.front_door import ADMIN, SHOP, Answer, FrontDoor, simulated_door

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERY = "query Both { nodes { name } pods(limit: 2) { name } }"
TOLD = {"resourceVersions": True}
SPECIFIED = {"Accept": "application/graphql-response+json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front_door() -> AsyncIterator[FrontDoor]:
    """One for all of these tests: pods are added to it, and each asks for what it adds."""
    async with simulated_door(prometheus=False) as door:
        yield door


async def post(door: FrontDoor, extensions: Any, query: str = QUERY, token: str = ADMIN) -> Answer:
    body = {"query": query, "extensions": extensions}
    return await door.request("POST", "/graphql", token, json=body, headers=SPECIFIED)


async def get(door: FrontDoor, extensions: Any, headers: Any = None, **parameters: str) -> Answer:
    parameters = {"query": QUERY, **parameters, "extensions": json.dumps(extensions)}
    return await door.request("GET", "/graphql", ADMIN, params=parameters, headers=headers or {})


def newest(door: FrontDoor) -> int:
    return int(door.simulated.revision)


@pytest.mark.parametrize("compiled", [True, False])
async def test_an_answer_tells_the_versions_of_what_it_shows(compiled: bool):  # noqa: FBT001
    """Of the kinds that the operation reads, and only if it is asked; kept answers and new ones alike."""
    async with simulated_door(settings={"execution": {"compiled": compiled}}, prometheus=False) as door:
        first = await post(door, TOLD)
        again = await post(door, TOLD)
        untold = await post(door, {"resourceVersions": False})
        nothing = await post(door, TOLD, "{ __typename }")

    versions = first.body["extensions"]["resourceVersions"]
    assert set(versions) == {"nodes", "pods"}
    assert all(version.isdigit() for version in versions.values())
    assert again.body == first.body
    assert "extensions" not in untold.body
    assert nothing.body["extensions"] == {"resourceVersions": {}}


async def test_only_kinds_that_the_caller_may_list_are_told(front_door: FrontDoor):
    """As the API server itself tells a version with every list, and only with one."""
    answer = await post(front_door, TOLD, "{ pods { name } nodes { name } }", SHOP)

    assert answer.codes == ["FORBIDDEN"]
    assert set(answer.body["extensions"]["resourceVersions"]) == {"pods"}


async def test_versions_are_no_part_of_an_entity_tag(front_door: FrontDoor):
    """What an answer shows is the same when something else has happened; its versions are of now all the same."""
    first = await get(front_door, TOLD)
    before = first.body["extensions"]["resourceVersions"]["pods"]
    front_door.simulated.create_pod("shop", "zz-last")  # not shown: there are two before it

    async def told() -> bool:
        answer = await get(front_door, TOLD)
        assert answer.headers["ETag"] == first.headers["ETag"]
        return int(answer.body["extensions"]["resourceVersions"]["pods"]) > int(before)

    await front_door.eventually(told, expected=True)
    unchanged = await get(front_door, TOLD, {"If-None-Match": first.headers["ETag"]})
    assert (unchanged.status, unchanged.text) == (304, "")


async def test_a_large_answer_carries_them_too():
    """Compressed, in slices, encoded before."""
    query = "{ nodes { name pods { name namespace id phase status labels { key value } } } }"
    async with simulated_door(pods_per_node=300, prometheus=False) as door:
        for _ in range(2):
            answer = await post(door, TOLD, query)
            assert len(answer.text) > 256 * 1024
            assert set(answer.body["extensions"]["resourceVersions"]) == {"nodes", "pods"}
            assert len(answer.data["nodes"]) == 3


async def test_what_an_answer_told_can_be_asked_for(front_door: FrontDoor):
    """By POST, by GET, and of a document that is named by its hash."""
    versions = (await post(front_door, TOLD)).body["extensions"]["resourceVersions"]
    smallest = {"minResourceVersions": versions}
    named = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(QUERY.encode()).hexdigest()}}

    answers = [
        await post(front_door, smallest),
        await get(front_door, smallest),
        await post(front_door, smallest | named),
        await post(front_door, smallest | named, query=""),
        await get(front_door, smallest | named, query=""),
    ]
    assert len({json.dumps(answer.data) for answer in answers}) == 1


async def test_a_version_that_is_not_reached_is_an_error_of_the_whole_request():
    """It names the kind, what was wanted and what is known; with either media type it is 504."""
    settings = {"execution": {"min_resource_version_seconds": 0.05}}
    async with simulated_door(settings=settings, prometheus=False) as door:
        seen = (await post(door, TOLD)).body["extensions"]["resourceVersions"]["pods"]
        wanted = "18446744073709551615"
        refused = await post(door, {"minResourceVersions": {"pods": wanted, "nodes": "0"}})
        again = await get(door, {"minResourceVersions": {"pods": wanted}})

    assert (refused.status, refused.codes) == (504, ["RESOURCE_VERSION_NOT_REACHED"])
    assert "data" not in refused.body
    (error,) = refused.errors
    assert error["extensions"] | {"code": ""} == {"code": "", "kind": "pods", "wanted": wanted, "seen": seen}
    assert f"Of pods this gateway knows what happened up to version {seen}, not up to {wanted}" in error["message"]
    assert (again.status, again.codes) == (504, ["RESOURCE_VERSION_NOT_REACHED"])


async def test_a_kept_answer_is_not_given_below_the_version(front_door: FrontDoor):
    """The very question has been answered before: what is asked for now comes first."""
    query = "{ pods { name } }"
    before = await post(front_door, {}, query)
    assert (await post(front_door, {}, query)).body == before.body
    front_door.simulated.create_pod("default", "written")
    version = str(newest(front_door))

    answer = await post(front_door, {"minResourceVersions": {"pods": version}, **TOLD}, query)

    assert "written" in {pod["name"] for pod in answer.data["pods"]}
    assert int(answer.body["extensions"]["resourceVersions"]["pods"]) >= int(version)


async def test_who_does_not_see_a_kind_waits_for_none_of_it(front_door: FrontDoor):
    """However far its version is: the wait would tell of what is hidden."""
    beyond = {"minResourceVersions": {"nodes": str(newest(front_door) + 1_000), "pods": "1"}}
    hidden = await post(front_door, beyond, "{ pods { name } nodes { name } }", SHOP)
    plain = await post(front_door, {}, "{ pods { name } nodes { name } }", SHOP)

    assert hidden.codes == ["FORBIDDEN"]
    assert hidden.body == plain.body


async def test_what_cannot_be_meant_is_refused(front_door: FrontDoor):
    """Never passed over: the answer would not show what its reader believes. By POST and by GET."""
    for extensions in ({"minResourceVersions": {"pods": 7}}, {"minResourceVersions": {"deployments": "7"}}):
        for answer in (await post(front_door, extensions), await get(front_door, extensions, SPECIFIED)):
            assert (answer.status, answer.codes) == (400, ["BAD_REQUEST"])


async def test_a_refusal_is_the_same_whoever_asks(front_door: FrontDoor):
    """It depends on the document alone."""
    answer = await post(front_door, {"minResourceVersions": {"secrets": "1"}}, "{ __typename }", SHOP)

    assert answer.codes == ["BAD_REQUEST"]
    assert "has 'secrets', and the operation reads no kind" in answer.errors[0]["message"]
