"""What we say somebody may see is what the real API server answers to that somebody's own requests."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from auth.access import NAMESPACES, NODES, PODS, SERVICES, Access, AccessNeed, Resource, Visibility
from auth.authenticator import Authenticator
from auth.errors import ReviewsUnavailable, TokenExpired, TokenRejected
from auth.reviewers import TokenReviewer
from auth.settings import AuthSettings
from schema.sources.kubernetes.client import open_api
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.auth.fake_api import Clock, bearer
from tests.cluster.control_plane import GATEWAY, VIEWER, ControlPlane, Refused, eventually
from tests.cluster.fixtures import Account, Namespace, StartControlPlane

NAMES = ("web-0", "web-1")
NAMESPACED = (PODS, SERVICES)

# The limit is tight on purpose, and this machine may be running a build beside the control plane.
PATIENT = AuthSettings(review_timeout_seconds=10)


class Gateway:
    """Our two answers, with the gateway's own account at a real API server, and clocks that a test moves."""

    def __init__(self, authenticator: Authenticator, access: Access, clock: Clock) -> None:
        self.authenticator = authenticator
        self.access = access
        self.clock = clock

    async def sees(self, token: str, *needs: AccessNeed) -> Visibility:
        return await self.access.visibility(await self.authenticator.verify(bearer(token)), needs)


@asynccontextmanager
async def opened(
    cluster: ControlPlane, namespaces: Callable[[], set[str]], settings: AuthSettings = PATIENT
) -> AsyncIterator[Gateway]:
    where = KubernetesSettings(kubeconfig=cluster.kubeconfig_of(GATEWAY))
    clock = Clock()
    async with open_api(where, "binnacle/test") as api:
        reviewer = TokenReviewer(api, settings, clock)
        authenticator = Authenticator(reviewer, settings, clock)
        access = Access(reviewer, lambda _: namespaces(), settings, clock)
        try:
            yield Gateway(authenticator, access, clock)
        finally:
            await access.aclose()
            await authenticator.aclose()


@pytest_asyncio.fixture
async def neighbour(namespace: Namespace) -> AsyncIterator[Namespace]:
    """A second namespace, which nobody here has rights in."""
    name = f"{namespace.name}-neighbour"
    await namespace.cluster.create_namespace(name)
    yield Namespace(namespace.cluster, name)
    await namespace.cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest_asyncio.fixture
async def gateway(namespace: Namespace, neighbour: Namespace) -> AsyncIterator[Gateway]:
    async with opened(namespace.cluster, lambda: {namespace.name, neighbour.name, "default"}) as gateway:
        yield gateway


Grants = Callable[[ControlPlane, Namespace, Account], Awaitable[Any]]


async def nothing(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    """No binding at all."""


async def pods_of_one_namespace(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    await cluster.allow(account.user, ["list"], ["pods"], namespace=home.name)


async def one_pod_by_name(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    await cluster.allow(account.user, ["get", "list"], ["pods"], namespace=home.name, names=["web-0"])


async def one_node_by_name(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    await cluster.allow(account.user, ["get"], ["nodes"], names=["worker-1"])


async def nodes_only(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    await cluster.allow(account.user, ["list"], ["nodes"])


async def pods_everywhere(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    await cluster.allow(account.user, ["list", "get"], ["pods"])


async def get_without_list(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    await cluster.allow(account.user, ["get"], ["pods", "services", "namespaces"], namespace=home.name)


async def watch_without_list(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    await cluster.allow(account.user, ["watch"], ["pods"])


async def the_role_view_of_one_namespace(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    """Kubernetes' own role, which shows its namespace too; it holds `get pods` for the wait."""
    await bind_view(home, {"kind": "User", "name": account.user})
    await cluster.wait_allowed(account.user, "get", "pods", namespace=home.name)


async def the_role_view_by_group(cluster: ControlPlane, home: Namespace, account: Account) -> None:
    """Bound to all service accounts of the namespace: nothing is seen unless the groups are part of the review."""
    await bind_view(home, {"kind": "Group", "name": f"system:serviceaccounts:{home.name}"})
    await eventually(lambda: answers(cluster, account.token, f"/api/v1/namespaces/{home.name}/pods"))


async def bind_view(home: Namespace, subject: dict[str, str]) -> None:
    await home.cluster.request(
        "POST",
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{home.name}/rolebindings",
        {
            "metadata": {"name": "view"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", **subject}],
        },
    )


async def answers(cluster: ControlPlane, token: str, path: str) -> bool:
    """Whether the API server lets the holder of the token read this; what does not exist may be read as well."""
    try:
        await cluster.request("GET", path, token=token)
    except Refused as refused:
        if refused.status not in {403, 404}:
            raise
        return refused.status == 404
    return True


@pytest.mark.parametrize(
    "grant",
    [
        nothing,
        pods_of_one_namespace,
        one_pod_by_name,
        one_node_by_name,
        nodes_only,
        pods_everywhere,
        get_without_list,
        watch_without_list,
        the_role_view_of_one_namespace,
        the_role_view_by_group,
    ],
)
async def test_a_service_account_sees_what_the_api_server_shows_it(
    grant: Grants, namespace: Namespace, neighbour: Namespace, gateway: Gateway
) -> None:
    """For each kind, cluster-wide, per namespace and by name: the answer to its own request, 200 or 403."""
    account = await namespace.account()
    await grant(namespace.cluster, namespace, account)

    await _compare(gateway, namespace.cluster, account.token, (namespace.name, neighbour.name, "default"))


async def test_a_cluster_wide_viewer_sees_what_the_api_server_shows(
    namespace: Namespace, neighbour: Namespace, gateway: Gateway
) -> None:
    """A user with a static token and a ClusterRoleBinding."""
    cluster = namespace.cluster

    await _compare(gateway, cluster, cluster.token(VIEWER), (namespace.name, neighbour.name, "default"))


async def _compare(gateway: Gateway, cluster: ControlPlane, token: str, namespaces: tuple[str, ...]) -> None:
    listed = await gateway.sees(token, *(AccessNeed(kind) for kind in (NODES, PODS, SERVICES, NAMESPACES)))
    looked_up = await gateway.sees(
        token,
        *(AccessNeed(kind, frozenset({space}), name) for kind in NAMESPACED for space in namespaces for name in NAMES),
        *(AccessNeed(NODES, name=name) for name in ("worker-1", "worker-2")),
        *(AccessNeed(NAMESPACES, name=space) for space in namespaces),
    )

    async def of_api_server(path: str) -> bool:
        return await answers(cluster, token, path)

    ours: dict[str, bool] = {}
    for kind in (NODES, PODS, SERVICES, NAMESPACES):
        ours[f"/api/v1/{kind.name}"] = listed.lists(kind)
    for space in namespaces:
        for kind in NAMESPACED:
            ours[_path(kind, space)] = listed.lists(kind, space)
            ours |= {_path(kind, space, name): looked_up.reads(kind, space, name) for name in NAMES}
        ours[f"/api/v1/namespaces/{space}"] = looked_up.reads(NAMESPACES, "", space)
        assert listed.reads(NAMESPACES, "", space) == looked_up.reads(NAMESPACES, "", space)
    for name in ("worker-1", "worker-2"):
        ours[f"/api/v1/nodes/{name}"] = looked_up.reads(NODES, "", name)

    theirs = dict(zip(ours, await asyncio.gather(*map(of_api_server, ours)), strict=True))
    # Who may list a kind somewhere is shown its objects by name as well, which the API server wants `get` for.
    listings = {path for path in theirs if path.rpartition("/")[2] in {"nodes", "pods", "services", "namespaces"}}
    by_name = {path: path.rpartition("/")[0] for path in theirs if path not in listings}
    assert ours == theirs | {path: theirs[path] or theirs[listing] for path, listing in by_name.items()}


def _path(kind: Resource, namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/{kind.name}" + (f"/{name}" if name else "")


async def test_a_removed_binding_stops_showing_within_ten_seconds_of_the_api_servers_own_denial(
    namespace: Namespace, gateway: Gateway
) -> None:
    """The API server's no is the start of the clock; ten seconds later ours is the same, whoever asked meanwhile."""
    account = await namespace.account()
    grant = await namespace.cluster.allow(account.user, ["list"], ["pods"], namespace=namespace.name)
    need = AccessNeed(PODS, frozenset({namespace.name}))
    assert (await gateway.sees(account.token, need)).lists(PODS, namespace.name)

    await grant.revoke()
    await eventually(lambda: _refused(namespace.cluster, account.token, _path(PODS, namespace.name)))
    gateway.clock.advance(10.0)

    assert not (await gateway.sees(account.token, need)).lists(PODS, namespace.name)


async def test_a_new_binding_shows_two_seconds_after_a_denial(namespace: Namespace, gateway: Gateway) -> None:
    """For who names the namespace; the rest of the denials keep their minute."""
    account = await namespace.account()
    need = AccessNeed(PODS, frozenset({namespace.name}))
    assert not (await gateway.sees(account.token, need)).lists(PODS, namespace.name)

    await namespace.cluster.allow(account.user, ["list"], ["pods"], namespace=namespace.name)
    gateway.clock.advance(2.0)

    assert (await gateway.sees(account.token, need)).lists(PODS, namespace.name)


async def _refused(cluster: ControlPlane, token: str, path: str) -> bool:
    return not await answers(cluster, token, path)


async def test_a_service_account_is_known_by_all_that_rules_may_look_at(namespace: Namespace, gateway: Gateway) -> None:
    """Name, uid, the groups of service accounts, and the token's own id as extra."""
    account = await namespace.account("clerk")
    path = f"/api/v1/namespaces/{namespace.name}/serviceaccounts/clerk"
    uid = (await namespace.cluster.request("GET", path))["metadata"]["uid"]

    identity = await gateway.authenticator.verify(bearer(account.token))

    assert (identity.username, identity.uid) == (account.user, uid)
    assert identity.groups == (
        "system:authenticated",
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace.name}",
    )
    assert "authentication.kubernetes.io/credential-id" in dict(identity.extra)


async def test_expired_and_unknown_tokens_are_told_apart(namespace: Namespace, gateway: Gateway) -> None:
    """Both are refused by the API server; only one was ever good."""
    await namespace.account("clerk")
    expired = await namespace.cluster.expired_token("clerk", namespace.name)

    with pytest.raises(TokenExpired):
        await gateway.authenticator.verify(bearer(expired))
    with pytest.raises(TokenRejected):
        await gateway.authenticator.verify(bearer("never-heard-of"))


async def test_a_revoked_token_stops_within_five_seconds_of_the_api_servers_own_denial(
    namespace: Namespace, gateway: Gateway
) -> None:
    """Its account was deleted: the API server's own cache accepts it for up to ten seconds, then ours for five."""
    account = await namespace.account("clerk")
    await gateway.authenticator.verify(bearer(account.token))
    await namespace.cluster.request("DELETE", f"/api/v1/namespaces/{namespace.name}/serviceaccounts/clerk")

    async def rejected_by_the_api_server() -> bool:
        try:
            await namespace.cluster.request("GET", "/api/v1/pods", token=account.token)
        except Refused as refused:
            return refused.status == 401
        return False

    await eventually(rejected_by_the_api_server)
    gateway.clock.advance(5.0)

    with pytest.raises(TokenRejected):
        await gateway.authenticator.verify(bearer(account.token))


@pytest.mark.parametrize("fault", [ControlPlane.freeze_api_server, ControlPlane.stop_api_server])
async def test_an_api_server_that_does_not_answer_is_503_within_a_second(
    fault: Callable[[ControlPlane], None], control_plane: StartControlPlane
) -> None:
    """Killed, or hanging with its connections open; and everything works again when it is back."""
    plane = await control_plane()
    token = plane.token(VIEWER)
    async with opened(plane, set, AuthSettings()) as gateway:
        identity = await gateway.authenticator.verify(bearer(token))
        gateway.clock.advance(60.0)
        fault(plane)

        for ask in (
            lambda: gateway.authenticator.verify(bearer(token)),
            lambda: gateway.access.visibility(identity, [AccessNeed(PODS)]),
        ):
            began = time.monotonic()
            with pytest.raises(ReviewsUnavailable):
                await ask()
            assert time.monotonic() - began < 1.7  # once 0.9 s, and room for a busy machine; twice would be 1.8

        if fault is ControlPlane.freeze_api_server:
            plane.thaw_api_server()
        else:
            await plane.start_api_server()

        async def answered() -> bool:
            gateway.clock.advance(1.0)
            try:
                return (await gateway.sees(token, AccessNeed(PODS))).lists(PODS)
            except ReviewsUnavailable:
                return False

        await eventually(answered)


async def test_the_api_server_dislikes_no_token_so_much_that_others_suffer(
    namespace: Namespace, gateway: Gateway
) -> None:
    """Tokens of any printable bytes and of any length up to the limit are a clear no, and the next user is answered."""
    account = await namespace.account()
    for odd in ("!" * 16_384, "a.b.c", "..", "{}", "~" * 100, "%00", '"', "<script>", "';--"):
        with pytest.raises(TokenRejected):
            await gateway.authenticator.verify(bearer(odd))

    assert (await gateway.authenticator.verify(bearer(account.token))).username == account.user


async def test_a_token_for_an_audience_of_ours_is_known_where_that_audience_is_asked_for(namespace: Namespace) -> None:
    """And nowhere else: the API server says for which of the audiences it is."""
    await namespace.account("clerk")
    path = f"/api/v1/namespaces/{namespace.name}/serviceaccounts/clerk/token"
    answer = await namespace.cluster.request("POST", path, {"spec": {"audiences": ["binnacle"]}})
    for_us, for_the_api_server = (
        answer["status"]["token"],
        await namespace.cluster.create_token("clerk", namespace.name),
    )
    asking = {
        audiences: AuthSettings(review_timeout_seconds=10, audiences=audiences)
        for audiences in ((), ("binnacle",), ("other", "binnacle"), ("other",))
    }

    accepted = set()
    for audiences, settings in asking.items():
        async with opened(namespace.cluster, set, settings) as gateway:
            for token in (for_us, for_the_api_server):
                with contextlib.suppress(TokenRejected):
                    await gateway.authenticator.verify(bearer(token))
                    accepted.add((audiences, token))

    assert accepted == {
        ((), for_the_api_server),
        (("binnacle",), for_us),
        (("other", "binnacle"), for_us),
    }
