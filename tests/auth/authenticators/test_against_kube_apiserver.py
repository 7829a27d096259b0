"""The flags of kube-apiserver that our settings are named after, as the oracle: the same token, the same user."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from auth.authenticators.issuer import Issuer, KeySet
from auth.authenticators.oidc import OidcAuthenticator
from auth.authenticators.token_file import TokenFile
from auth.errors import TokenRejected
from auth.reviewers import TokenAuthenticator
from auth.settings import OidcSettings
from tests.auth.authenticators.local_issuer import AUDIENCE, Key, LocalIssuer, local_issuer
from tests.cluster.control_plane import ControlPlane, Refused, eventually
from tests.cluster.fixtures import StartControlPlane

SELF_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

User = tuple[str, tuple[str, ...]] | None  # name and groups; None: not accepted

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "subjects": {"groups_claim": "groups", "required_claims": {"hd": "example.com"}},
    "email": {"username_claim": "email", "groups_claim": "role", "groups_prefix": "oidc:"},
    "prefixed": {"username_claim": "name", "username_prefix": "oidc:", "groups_claim": "groups"},
    "bare": {"username_claim": "name", "username_prefix": "-"},
}


def claims_of_tokens() -> list[dict[str, Any]]:
    """What tokens say beside what every good one says; kept to what both read in the same way (see below)."""
    now = int(time.time())
    everybody = {"email": "ann@example.com", "name": "Ann", "hd": "example.com"}
    return [
        everybody,
        {**everybody, "groups": ["b", "a"], "role": ["x"]},
        {**everybody, "groups": "one", "role": "one"},
        {**everybody, "groups": [], "role": []},
        {**everybody, "groups": ["a", "a"]},
        {**everybody, "groups": {"a": True}},
        {**everybody, "groups": [1]},
        {**everybody, "email_verified": True},
        {**everybody, "email_verified": False},
        {**everybody, "hd": "evil.example.com"},
        {"email": "ann@example.com", "name": "Ann"},
        {"hd": "example.com"},
        {**everybody, "name": 7},
        {**everybody, "aud": "another"},
        {**everybody, "aud": [AUDIENCE]},
        {**everybody, "aud": ["another", "third"]},
        {**everybody, "exp": now - 3_600},
        {**everybody, "exp": None},
        {**everybody, "nbf": now + 3_600},
    ]


def flags(settings: OidcSettings, issuer: LocalIssuer) -> list[str]:
    written = [
        f"--oidc-issuer-url={issuer.url}",
        f"--oidc-client-id={AUDIENCE}",
        f"--oidc-ca-file={issuer.ca_file}",
        f"--oidc-username-claim={settings.username_claim}",
    ]
    if settings.username_prefix:
        written.append(f"--oidc-username-prefix={settings.username_prefix}")
    if settings.groups_claim:
        written.append(f"--oidc-groups-claim={settings.groups_claim}")
    if settings.groups_prefix:
        written.append(f"--oidc-groups-prefix={settings.groups_prefix}")
    return written + [f"--oidc-required-claim={name}={value}" for name, value in settings.required_claims.items()]


async def by_kube_apiserver(plane: ControlPlane, token: str) -> User:
    try:
        answer = await plane.request("POST", SELF_REVIEWS, {}, token=token)
    except Refused as refused:
        if refused.status != 401:
            raise
        return None
    user = answer["status"]["userInfo"]
    return user["username"], tuple(sorted(set(user["groups"])))


async def by_us(authenticator: TokenAuthenticator, token: str) -> User:
    try:
        identity = await authenticator.authenticate(token)
    except TokenRejected:
        return None
    return identity.username, identity.groups


@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_a_token_is_the_same_user_to_us_as_to_kube_apiserver(
    control_plane: StartControlPlane, tmp_path: Path, name: str
):
    """Names, prefixes, groups and refusals. Where we are stricter is in test_oidc.py alone: no name, `azp`, types."""
    async with local_issuer(tmp_path) as issuer:
        settings = OidcSettings(
            issuer=issuer.url, audiences=(AUDIENCE,), ca_file=issuer.ca_file, **CONFIGURATIONS[name]
        )
        plane = await control_plane(api_server_flags=flags(settings, issuer))
        ours = OidcAuthenticator(settings, KeySet(Issuer(issuer.url, issuer.ca_file, 5, "binnacle/test"), settings))
        good = issuer.token(email="ann@example.com", name="Ann", hd="example.com")

        async def known() -> bool:  # it reads the issuer's keys in the background
            return await by_kube_apiserver(plane, good) is not None

        await eventually(known)
        tokens = [(str(claims), issuer.token(**claims)) for claims in claims_of_tokens()]
        everything: dict[str, Any] = {"email": "ann@example.com", "name": "Ann", "hd": "example.com"}
        tokens += [
            ("another's key", issuer.token(Key(), **everything)),
            ("another's key under a known name", issuer.token(Key(kid=issuer.key.kid), **everything)),
            ("another algorithm", issuer.token(Key("ES256", kid=issuer.key.kid), **everything)),
        ]
        theirs = await asyncio.gather(*(by_kube_apiserver(plane, token) for _, token in tokens))

        differences = {
            case: (found, expected)
            for (case, token), expected in zip(tokens, theirs, strict=True)
            if (found := await by_us(ours, token)) != expected
        }
        assert differences == {}


async def test_a_file_of_tokens_is_the_same_users_to_us_as_to_kube_apiserver(control_plane: StartControlPlane):
    """Quotes, empty columns and groups; less the group without a name that an empty column is to it, and less what is
    the cluster's own (test_token_file.py)."""
    plane = await control_plane()
    plane.stop_api_server()
    file = plane.folder / "tokens.csv"
    lines = 'a-token,ann,1,"dev,ops"\nb-token,bob,2\nc-token,cat,,one\n\ne-token,eve,5,a,b\n'
    file.write_text(f"{file.read_text().rstrip()}\n{lines}")
    await plane.start_api_server()
    ours = TokenFile(file)

    for token in ("a-token", "b-token", "c-token", "e-token", "a", "unknown"):
        assert await by_us(ours, token) == await by_kube_apiserver(plane, token), token
