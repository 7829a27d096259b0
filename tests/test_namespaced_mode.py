"""A gateway without any cluster-wide right, on a real API server: Roles in two namespaces, and nothing else."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from auth.settings import AuthSettings
from gateway.config import Config
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.cluster.control_plane import ControlPlane, Refused
from tests.cluster.fixtures import Account, Namespace
from tests.front_door import FrontDoor, free_port, open_front_door
from tests.test_who_sees_what import shown_pods

WATCHED = ["pods", "services"]


@dataclass(frozen=True, slots=True)
class World:
    """Two namespaces that the gateway watches, and one that it knows nothing of; a pod in each."""

    shop: Namespace
    bank: Namespace
    vault: Namespace
    gateway: Account
    door: FrontDoor

    @property
    def cluster(self) -> ControlPlane:
        return self.shop.cluster


@pytest_asyncio.fixture
async def world(real_cluster: ControlPlane, tmp_path: Path) -> AsyncIterator[World]:
    suffix = secrets.token_hex(3)
    spaces = [Namespace(real_cluster, f"{name}-{suffix}") for name in ("shop", "bank", "vault")]
    for space in spaces:
        await real_cluster.create_namespace(space.name)
        await space.run_pods("web")
    gateway = await spaces[0].account("gateway")
    for space in spaces[:2]:
        await real_cluster.allow(gateway.user, ["list", "watch"], WATCHED, namespace=space.name)
    token = tmp_path / "token"
    token.write_text(gateway.token)
    config = Config(
        server=free_port(),
        kubernetes=KubernetesSettings(
            server=real_cluster.server,
            ca_file=real_cluster.ca_file,
            token_file=token,
            namespaces=(spaces[0].name, spaces[1].name),
        ),
        auth=AuthSettings(authenticators=("self_subject_review",), review_timeout_seconds=5),
    )
    async with open_front_door(config) as door:
        yield World(spaces[0], spaces[1], spaces[2], gateway, door)
    for space in spaces:
        await real_cluster.request("DELETE", f"/api/v1/namespaces/{space.name}")


async def test_the_account_has_no_right_in_the_whole_cluster(world: World):
    """Neither a list nor a review of anybody: what the mode is for."""
    for method, path, body in (
        ("GET", "/api/v1/pods", None),
        ("GET", "/api/v1/nodes", None),
        ("GET", f"/api/v1/namespaces/{world.vault.name}/pods", None),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}}),
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {"user": "x"}}),
    ):
        with pytest.raises(Refused, match=r"^403"):
            await world.cluster.request(method, path, body, token=world.gateway.token)


async def test_callers_see_what_they_may_of_the_namespaces_that_are_watched(world: World):
    """An administrator all of these; somebody of one namespace that one; of one that is not watched, nothing."""
    of_shop, of_vault = await world.shop.account("clerk"), await world.vault.account("guard")
    await world.cluster.allow(of_shop.user, ["list", "get"], ["pods"], namespace=world.shop.name)
    await world.cluster.allow(of_vault.user, ["list", "get"], ["pods"], namespace=world.vault.name)
    admin = world.cluster.token("admin")
    both = {(world.shop.name, "web"), (world.bank.name, "web")}

    await world.door.eventually(lambda: shown_pods(world.door, admin), both)
    assert await shown_pods(world.door, of_shop.token) == {(world.shop.name, "web")}
    assert await shown_pods(world.door, of_vault.token) == set()


async def test_a_namespace_that_is_not_watched_answers_as_one_that_does_not_exist(world: World):
    """To an administrator too: the gateway knows nothing of it."""
    admin = world.cluster.token("admin")

    async def asked(namespace: str) -> Any:
        look_up = f'{{ pod(namespace: "{namespace}", name: "web") {{ name }} }}'
        listed = f'{{ pods(filter: {{namespace: "{namespace}"}}) {{ name }} }}'
        return [(await world.door.ask(query, admin)).body for query in (look_up, listed)]

    there, elsewhere = await asked(world.shop.name), await asked(world.vault.name)
    assert [answer["data"] for answer in there] == [{"pod": {"name": "web"}}, {"pods": [{"name": "web"}]}]
    assert elsewhere == await asked("does-not-exist")


@pytest.mark.parametrize("query", ["{ nodes { name } }", '{ node(name: "worker-1") { name } }'])
async def test_nodes_are_forbidden_and_the_message_says_why(world: World, query: str):
    """They belong to the whole cluster; the rest of the answer stands."""
    answer = await world.door.ask(query.replace("{ ", "{ pods { name } ", 1), world.cluster.token("admin"))

    assert answer.codes == ["FORBIDDEN"]
    assert "nodes belong to the whole cluster" in answer.errors[0]["message"]
    assert {pod["name"] for pod in answer.body["data"]["pods"]} == {"web"}


async def test_changes_arrive_and_a_namespace_may_be_refused_by_itself(world: World):
    """New pods of both show by their watches."""
    admin = world.cluster.token("admin")
    await world.bank.run_pods("new")

    await world.door.eventually(
        lambda: shown_pods(world.door, admin),
        {(world.shop.name, "web"), (world.bank.name, "web"), (world.bank.name, "new")},
    )


async def test_a_right_that_is_withdrawn_stops_showing(world: World):
    """By the caller's own reviews, in the time of all others."""
    clerk = await world.shop.account("clerk")
    grant = await world.cluster.allow(clerk.user, ["list"], ["pods"], namespace=world.shop.name)
    await world.door.eventually(lambda: shown_pods(world.door, clerk.token), {(world.shop.name, "web")})

    await grant.revoke()

    await world.door.eventually(lambda: shown_pods(world.door, clerk.token), set(), within=20)
