"""Reviews with the caller's own token, at the real API server, by a gateway whose account may review nobody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from auth.access import NAMESPACES, NODES, PODS, Access, AccessNeed
from auth.authenticator import Authenticator
from auth.errors import ReviewsUnavailable, TokenExpired, TokenRejected
from auth.identity import Identity
from auth.reviewers import Attributes, OwnReviewer, TokenReviewer
from auth.settings import AuthSettings
from schema.sources.kubernetes.client import KubernetesApi, open_api
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.auth.fake_api import bearer
from tests.cluster.control_plane import ADMIN, GATEWAY, ControlPlane, eventually
from tests.cluster.fixtures import Account, Namespace

PATIENT = AuthSettings(review_timeout_seconds=10)


@asynccontextmanager
async def nobodys_api(namespace: Namespace, folder: Path) -> AsyncIterator[KubernetesApi]:
    """The way to the API server of an account without any right."""
    account = await namespace.account("gateway")
    token = folder / "token"
    token.write_text(account.token)
    where = KubernetesSettings(server=namespace.cluster.server, ca_file=namespace.cluster.ca_file, token_file=token)
    async with open_api(where, "binnacle/test") as api:
        yield api


class Gateway:
    def __init__(self, api: KubernetesApi, namespaces: set[str]) -> None:
        reviewer = OwnReviewer(api, PATIENT)
        self.authenticator = Authenticator(reviewer, PATIENT)
        self.access = Access(reviewer, lambda _: namespaces, PATIENT)

    async def verify(self, token: str) -> Identity:
        return await self.authenticator.verify(bearer(token))


@pytest_asyncio.fixture
async def gateway(namespace: Namespace, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with nobodys_api(namespace, tmp_path) as api:
        gateway = Gateway(api, {namespace.name, "default"})
        yield gateway
        await gateway.access.aclose()
        await gateway.authenticator.aclose()


@pytest_asyncio.fixture
async def clerk(namespace: Namespace) -> Account:
    """Somebody who may list pods in the namespace, and see the namespace itself."""
    account = await namespace.account("clerk")
    await namespace.cluster.allow(account.user, ["list"], ["pods"], namespace=namespace.name)
    await namespace.cluster.allow(account.user, ["get"], ["namespaces"], namespace=namespace.name)
    return account


async def test_the_same_user_as_a_token_review_names(namespace: Namespace, gateway: Gateway, clerk: Account) -> None:
    """Name, uid, groups and extra."""
    async with open_api(KubernetesSettings(kubeconfig=namespace.cluster.kubeconfig_of(GATEWAY)), "test") as api:
        reviewed = await TokenReviewer(api, PATIENT).authenticate(clerk.token)

    own = await gateway.verify(clerk.token)

    assert (own.username, own.uid, own.groups, own.extra) == (
        reviewed.username,
        reviewed.uid,
        reviewed.groups,
        reviewed.extra,
    )


async def test_rights_are_the_callers(namespace: Namespace, gateway: Gateway, clerk: Account) -> None:
    """Neither the gateway's, which has none, nor anybody else's."""
    seen = await gateway.access.visibility(
        await gateway.verify(clerk.token), [AccessNeed(PODS), AccessNeed(NODES), AccessNeed(NAMESPACES)]
    )

    assert seen.scope(PODS) == frozenset({namespace.name})
    assert seen.scope(NAMESPACES) == frozenset({namespace.name})
    assert not seen.lists(NODES)


async def test_unknown_and_expired_tokens_are_refused(namespace: Namespace, gateway: Gateway, clerk: Account) -> None:
    """Each with its reason."""
    expired = await namespace.cluster.expired_token("clerk", namespace.name)

    with pytest.raises(TokenRejected):
        await gateway.verify("never-heard-of")
    with pytest.raises(TokenExpired):
        await gateway.verify(expired)


async def test_a_gateway_without_the_right_to_review_others_really_has_none(
    namespace: Namespace, tmp_path: Path, clerk: Account
) -> None:
    """With its own account it could ask nothing: this is what the second reviewer is for."""
    async with nobodys_api(namespace, tmp_path) as api:
        with pytest.raises(ReviewsUnavailable):
            await TokenReviewer(api, PATIENT).authenticate(clerk.token)


async def test_the_gateways_client_certificate_does_not_speak_for_the_caller(
    namespace: Namespace, real_cluster: ControlPlane, clerk: Account
) -> None:
    """A gateway that logs in as an administrator: to the API server a certificate would come before the token."""
    certificate, key = real_cluster.client_certificate(ADMIN, ["system:masters"])
    where = KubernetesSettings(
        server=real_cluster.server,
        ca_file=real_cluster.ca_file,
        client_certificate_file=certificate,
        client_key_file=key,
    )
    async with open_api(where, "binnacle/test") as api:
        assert (await api.get("/api/v1/nodes", {}, timeout=10)).status == 200  # the certificate is worth everything
        gateway = Gateway(api, {namespace.name})
        identity = await gateway.verify(clerk.token)
        seen = await gateway.access.visibility(identity, [AccessNeed(NODES), AccessNeed(PODS)])

        assert identity.username == clerk.user
        assert not seen.lists(NODES)
        assert seen.scope(PODS) == frozenset({namespace.name})


async def test_a_deleted_account_ends_also_between_token_and_right(
    namespace: Namespace, gateway: Gateway, clerk: Account
) -> None:
    """While its verdict still counts, the API server no longer takes the token: 401, not 503 and not a no."""
    identity = await gateway.verify(clerk.token)
    await namespace.cluster.request("DELETE", f"/api/v1/namespaces/{namespace.name}/serviceaccounts/clerk")

    async def refused() -> bool:
        try:
            await gateway.access._reviewer.decide(identity, Attributes("list", "", "pods", namespace.name))
        except TokenRejected:
            return True
        return False

    await eventually(refused)
