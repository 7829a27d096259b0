"""Who sees what, against the real API server: what the gateway shows is what the API server lists with that token."""

import asyncio
import json
import time
from functools import partial

from tests.cluster.control_plane import ControlPlane, Refused
from tests.cluster.fixtures import Account, Namespace
from tests.front_door import FrontDoor, open_front_door
from tests.test_end_to_end import config_for

ALL_PODS = "{ pods { namespace name } }"


async def listed(cluster: ControlPlane, path: str, token: str) -> list[tuple[str, str]] | None:
    """What the API server itself lists with this token; None when it refuses."""
    try:
        answer = await cluster.request("GET", path, token=token)
    except Refused as refused:
        if refused.status != 403:
            raise
        return None
    return [(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in answer["items"]]


async def visible_pods(cluster: ControlPlane, token: str) -> set[tuple[str, str]]:
    """The union of what the token lists cluster-wide or, refused there, namespace by namespace."""
    everywhere = await listed(cluster, "/api/v1/pods", token)
    if everywhere is not None:
        return set(everywhere)
    names = [item["metadata"]["name"] for item in (await cluster.request("GET", "/api/v1/namespaces"))["items"]]
    found: set[tuple[str, str]] = set()
    for name in names:
        found |= set(await listed(cluster, f"/api/v1/namespaces/{name}/pods", token) or ())
    return found


async def shown_pods(door: FrontDoor, token: str) -> set[tuple[str, str]]:
    answer = await door.ask(ALL_PODS, token)
    assert set(answer.codes) <= {"FORBIDDEN"}
    return {(pod["namespace"], pod["name"]) for pod in answer.body["data"]["pods"] or ()}


async def test_for_every_role_the_gateway_shows_what_the_api_server_lists(
    real_cluster: ControlPlane, namespace: Namespace
):
    """Cluster-wide readers, readers of one or two namespaces, of pods but not nodes, and nobody in particular."""
    await namespace.run_pods("a", "b")
    other = Namespace(real_cluster, f"{namespace.name}-other")
    await real_cluster.create_namespace(other.name)
    await other.run_pods("c")
    cluster_wide, here, both, pods_only, nobody = [
        await namespace.account(name) for name in ("cluster-wide", "here", "both", "pods-only", "nobody")
    ]
    await real_cluster.allow(cluster_wide.user, ["list"], ["nodes", "pods"])
    await real_cluster.allow(here.user, ["list"], ["pods"], namespace=namespace.name)
    await real_cluster.allow(both.user, ["list"], ["pods"], namespace=namespace.name)
    await real_cluster.allow(both.user, ["list"], ["pods"], namespace=other.name)
    await real_cluster.allow(pods_only.user, ["list"], ["pods"])

    async with open_front_door(config_for(real_cluster)) as door:
        for user in (cluster_wide, here, both, pods_only, nobody):
            expected = await visible_pods(real_cluster, user.token)
            await door.eventually(partial(shown_pods, door, user.token), expected)
            nodes = await listed(real_cluster, "/api/v1/nodes", user.token)
            answer = await door.ask("{ nodes { name } }", user.token)
            shown = answer.body["data"]["nodes"]
            assert (shown is None) == (nodes is None)
            if nodes is not None:
                assert {node["name"] for node in shown} == {name for _, name in nodes}
        assert (await door.ask(ALL_PODS, nobody.token)).codes == ["FORBIDDEN"]
    await real_cluster.request("DELETE", f"/api/v1/namespaces/{other.name}")


async def test_a_look_up_by_name_needs_get_of_that_name_alone(real_cluster: ControlPlane, namespace: Namespace):
    """A rule with resourceNames shows that object by name, and lists nothing."""
    await namespace.run_pods("open", "closed")
    user = await namespace.account("one-pod")
    await real_cluster.allow(user.user, ["get"], ["pods"], namespace=namespace.name, names=["open"])
    query = "query($ns: String!, $name: String!) { pod(namespace: $ns, name: $name) { name } }"

    async with open_front_door(config_for(real_cluster)) as door:

        async def look_up(name: str):
            return (await door.ask(query, user.token, variables={"ns": namespace.name, "name": name})).body

        assert (await look_up("open"))["data"] == {"pod": {"name": "open"}}
        hidden, missing = await look_up("closed"), await look_up("no-such")
        listing = await door.ask(ALL_PODS, user.token)

    assert hidden["data"] == missing["data"] == {"pod": None}
    assert hidden["errors"] == missing["errors"], "what is hidden answers as what does not exist"
    assert listing.codes == ["FORBIDDEN"]


async def test_a_removed_role_binding_stops_showing_within_ten_seconds_of_the_denial(
    real_cluster: ControlPlane, namespace: Namespace
):
    """Counted from the moment at which the API server itself says no, while the user keeps asking."""
    await namespace.run_pods("a")
    user = await namespace.account("leaver")
    grant = await real_cluster.allow(user.user, ["list"], ["pods"], namespace=namespace.name)

    async with open_front_door(config_for(real_cluster)) as door:
        assert await shown_pods(door, user.token) == {(namespace.name, "a")}
        await grant.revoke()
        while await listed(real_cluster, f"/api/v1/namespaces/{namespace.name}/pods", user.token) is not None:
            await asyncio.sleep(0.05)
        denied_at = time.monotonic()

        while await shown_pods(door, user.token):
            assert time.monotonic() - denied_at < 10
            await asyncio.sleep(0.1)


async def test_hidden_pods_change_no_byte_of_an_answer(real_cluster: ControlPlane, namespace: Namespace):
    """A user of one namespace learns nothing of the others: not by a row, a count, an error or a length."""
    await namespace.run_pods("a")
    user = await namespace.account("clerk")
    await real_cluster.allow(user.user, ["list"], ["pods"], namespace=namespace.name)
    hidden = Namespace(real_cluster, f"{namespace.name}-hidden")
    query = "{ cluster { podCount nodeCount } nodes { name } pods { id name labels { key } metrics { name missing } } }"

    async with open_front_door(config_for(real_cluster)) as door:
        await door.eventually(lambda: shown_pods(door, user.token), {(namespace.name, "a")})
        before = await door.ask(query, user.token)
        await real_cluster.create_namespace(hidden.name)
        await hidden.run_pods(*(f"hidden-{index}" for index in range(20)))
        admin = real_cluster.token("admin")

        async def admin_sees() -> int:
            return sum(1 for space, _ in await shown_pods(door, admin) if space == hidden.name)

        await door.eventually(admin_sees, 20)
        after = await door.ask(query, user.token)

    assert json.loads(before.text)["data"]["cluster"]["podCount"] == 1
    assert after.text == before.text
    await real_cluster.request("DELETE", f"/api/v1/namespaces/{hidden.name}")


async def test_expired_and_unknown_tokens_are_told_apart(real_cluster: ControlPlane, namespace: Namespace):
    """The API server refuses both; the token's own end says which it was."""
    account: Account = await namespace.account("late")

    async with open_front_door(config_for(real_cluster)) as door:
        good = await door.ask("{ cluster { version } }", account.token)
        expired = await door.ask("{ cluster { version } }", await real_cluster.expired_token("late", namespace.name))
        forged = await door.ask("{ cluster { version } }", account.token[:-8] + "AAAAAAAA")

    assert good.status == 200
    assert (expired.status, expired.errors[0]["extensions"]["reason"]) == (401, "EXPIRED")
    assert (forged.status, forged.errors[0]["extensions"]["reason"]) == (401, "REJECTED")
