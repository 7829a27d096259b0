"""Tokens of an issuer: each way in which one can lie, and the issuer's keys as they come and go."""

import asyncio
import base64
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth.authenticators.issuer import Issuer, KeySet
from auth.authenticators.oidc import OidcAuthenticator
from auth.errors import ReviewsUnavailable, TokenRejected
from auth.identity import Identity
from auth.settings import OidcSettings
from tests.auth.authenticators.local_issuer import AUDIENCE, Key, LocalIssuer, local_issuer
from tests.auth.fake_api import Clock


class World:
    """An authenticator for a local issuer, with a clock of the keys' age that a test moves."""

    def __init__(self, issuer: LocalIssuer, **settings: Any) -> None:
        self.issuer = issuer
        self.clock = Clock()
        written = {"issuer": issuer.url, "audiences": (AUDIENCE,), "ca_file": issuer.ca_file, **settings}
        self.settings = OidcSettings(**written)
        source = Issuer(issuer.url, self.settings.ca_file, self.settings.timeout_seconds, "binnacle/test")
        self.keys = KeySet(source, self.settings, self.clock)
        self.authenticator = OidcAuthenticator(self.settings, self.keys)

    async def knows(self, token: str) -> Identity:
        return await self.authenticator.authenticate(token)

    async def fetched(self) -> None:
        """Until no keys are on their way any more."""
        async with asyncio.timeout(5):
            await asyncio.gather(*self.keys._flights._tasks.values())

    async def refuses(self, token: str) -> None:
        with pytest.raises(TokenRejected):
            await self.authenticator.authenticate(token)


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[LocalIssuer]:
    async with local_issuer(tmp_path) as issuer:
        yield issuer


@pytest.fixture
async def world(issuer: LocalIssuer) -> AsyncIterator[World]:
    world = World(issuer)
    yield world
    await world.keys.aclose()


def rules(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The rules that the log says were broken."""
    return [record.rule for record in caplog.records if hasattr(record, "rule")]


async def test_a_token_of_the_issuer_is_its_user(world: World) -> None:
    """Named as kube-apiserver would: the issuer before the subject, system:authenticated beside the groups."""
    assert await world.knows(world.issuer.token()) == Identity(
        f"{world.issuer.url}#ann", groups=("system:authenticated",)
    )


@pytest.mark.parametrize(
    ("settings", "claims", "user", "groups"),
    [
        ({"username_prefix": "-"}, {}, "ann", ()),
        ({"username_prefix": "oidc:"}, {}, "oidc:ann", ()),
        ({"username_claim": "email"}, {"email": "ann@example.com"}, "ann@example.com", ()),
        ({"username_claim": "email"}, {"email": "a@b.c", "email_verified": True}, "a@b.c", ()),
        ({"username_claim": "email", "username_prefix": "x:"}, {"email": "a@b.c"}, "x:a@b.c", ()),
        ({"username_prefix": "-", "groups_claim": "groups"}, {"groups": ["b", "a", "b", ""]}, "ann", ("a", "b")),
        ({"username_prefix": "-", "groups_claim": "role"}, {"role": "admin"}, "ann", ("admin",)),
        ({"username_prefix": "-", "groups_claim": "groups"}, {}, "ann", ()),
        (
            {"username_prefix": "-", "groups_claim": "groups", "groups_prefix": "oidc:"},
            {"groups": ["system:masters", "dev"]},
            "ann",
            ("oidc:dev", "oidc:system:masters"),
        ),
        ({"username_prefix": "-"}, {"groups": ["not", "asked", "for"]}, "ann", ()),
    ],
)
async def test_names_and_groups_are_made_as_kube_apiserver_makes_them(
    issuer: LocalIssuer, settings: dict[str, Any], claims: dict[str, Any], user: str, groups: tuple[str, ...]
) -> None:
    """Claims and prefixes mean what its flags of these names mean."""
    identity = await World(issuer, **settings).knows(issuer.token(**claims))

    assert (identity.username, identity.groups) == (user, tuple(sorted([*groups, "system:authenticated"])))


# Fixed, as they are in tests' names, and processes that share the tests must call them the same.
LATER, EARLIER = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())

CLAIMS_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"exp": EARLIER}, "expired"),
    ({"exp": None}, "missing-claim"),
    ({"exp": "soon"}, "form"),
    ({"nbf": LATER}, "not-yet-valid"),
    ({"iat": LATER}, "not-yet-valid"),
    ({"aud": "another"}, "audience"),
    ({"aud": ["another", "third"]}, "audience"),
    ({"aud": []}, "missing-claim"),
    ({"aud": None}, "missing-claim"),
    ({"aud": {"binnacle": True}}, "audience"),
    ({"aud": [AUDIENCE, "another"]}, "authorized-party"),
    ({"aud": [AUDIENCE, "another"], "azp": "another"}, "authorized-party"),
    ({"azp": "another"}, "authorized-party"),
    ({"azp": None, "sub": None}, "username-claim"),
    ({"sub": ""}, "username-claim"),
    ({"sub": 7}, "username-claim"),
]


@pytest.mark.parametrize(("claims", "rule"), CLAIMS_REFUSED, ids=[str(claims) for claims, _ in CLAIMS_REFUSED])
async def test_a_signed_token_with_a_claim_that_does_not_hold_is_refused_by_its_rule(
    world: World, caplog: pytest.LogCaptureFixture, claims: dict[str, Any], rule: str
) -> None:
    """The log names the rule; the client only hears that the token is not accepted."""
    caplog.set_level(logging.INFO)

    await world.refuses(world.issuer.token(**claims))

    assert rules(caplog) == [rule]


@pytest.mark.parametrize(
    ("settings", "claims", "rule"),
    [
        ({"required_claims": {"hd": "example.com"}}, {}, "required-claim hd"),
        ({"required_claims": {"hd": "example.com"}}, {"hd": "evil.example.com"}, "required-claim hd"),
        ({"required_claims": {"hd": "example.com"}}, {"hd": ["example.com"]}, "required-claim hd"),
        ({"username_claim": "email"}, {"email": "a@b.c", "email_verified": False}, "email-verified"),
        ({"username_claim": "email"}, {"email": "a@b.c", "email_verified": "true"}, "email-verified"),
        ({"groups_claim": "groups"}, {"groups": {"admin": True}}, "groups-claim"),
        ({"groups_claim": "groups"}, {"groups": ["a", 7]}, "groups-claim"),
        ({"authorized_parties": ("portal",)}, {"azp": AUDIENCE}, "authorized-party"),
        ({"algorithms": ("ES256",)}, {}, "algorithm"),
    ],
)
async def test_a_token_that_breaks_a_rule_of_the_settings_is_refused_by_it(
    issuer: LocalIssuer,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    claims: dict[str, Any],
    rule: str,
) -> None:
    """What is required, and whom it was issued to."""
    caplog.set_level(logging.INFO)

    await World(issuer, **settings).refuses(issuer.token(**claims))

    assert rules(caplog) == [rule]


async def test_settings_open_what_they_name(issuer: LocalIssuer) -> None:
    """Required claims that are there, several audiences with their party, a clock that is a little behind."""
    world = World(issuer, required_claims={"hd": "example.com"}, authorized_parties=("portal",), leeway_seconds=30)
    now = int(time.time())

    await world.knows(issuer.token(hd="example.com", aud=[AUDIENCE, "b"], azp="portal", exp=now - 20, nbf=now + 20))


class TestSystemNames:
    """`system:` is the cluster's own."""

    @pytest.mark.parametrize("name", ["system:admin", "system:serviceaccount:kube-system:default", "system:"])
    async def test_no_user_of_the_clusters_own_comes_from_an_issuer(
        self, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        """The token is good, and its holder is refused."""
        await World(issuer, username_prefix="-").refuses(issuer.token(sub=name))

        assert rules(caplog) == ["no-system-users"]

    async def test_no_group_of_the_clusters_own_comes_from_an_issuer(
        self, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """They are dropped, the rest stays; the log says so once for each user."""
        world = World(issuer, groups_claim="groups")
        token = issuer.token(groups=["system:masters", "system:authenticated", "system:nodes", "dev"])

        for _ in range(2):
            assert (await world.knows(token)).groups == ("dev", "system:authenticated")

        assert rules(caplog) == ["no-system-groups"]
        assert "system:masters" in caplog.records[0].groups  # type: ignore[attr-defined]

    async def test_a_prefix_cannot_make_one(self, issuer: LocalIssuer) -> None:
        """Neither the prefix alone nor prefix and claim together."""
        world = World(issuer, username_prefix="sys", groups_claim="groups", groups_prefix="sys")

        assert (await world.knows(issuer.token(sub="ann", groups=["tem:masters"]))).groups == ("system:authenticated",)
        await world.refuses(issuer.token(sub="tem:admin"))


def forged(header: dict[str, Any], claims: dict[str, Any] | bytes, signature: bytes = b"signature") -> str:
    parts = [
        json.dumps(header).encode(),
        claims if isinstance(claims, bytes) else json.dumps(claims).encode(),
        signature,
    ]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_signed(issuer: LocalIssuer, algorithm: str, secret: bytes) -> str:
    """What PyJWT itself refuses to sign: the issuer's public key used as a secret."""
    import hashlib
    import hmac

    header = {"alg": algorithm, "typ": "JWT", "kid": issuer.key.kid}
    text = forged(header, issuer.claims()).rpartition(".")[0]
    digest = hmac.digest(secret, text.encode(), {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[algorithm])
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def rsa_signed(issuer: LocalIssuer, header: dict[str, Any], claims: bytes | None = None) -> str:
    """What PyJWT itself refuses to write: the issuer's own signature under any header, and any claims."""
    text = forged({"alg": "RS256", "kid": issuer.key.kid, **header}, claims or issuer.claims()).rpartition(".")[0]
    signature = issuer.key.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


class TestLies:
    """Tokens that nobody of the issuer's signed so."""

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 7, ["RS256"]])
    async def test_about_having_a_signature(self, world: World, algorithm: object) -> None:
        """`alg: none` in all spellings, and none at all."""
        header = {"alg": algorithm, "typ": "JWT", "kid": world.issuer.key.kid}

        for signature in (b"", b"signature"):
            await world.refuses(forged(header, world.issuer.claims(), signature))
        await world.refuses(forged({"kid": world.issuer.key.kid}, world.issuer.claims()))

    @pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
    async def test_about_whose_secret_it_is(self, world: World, algorithm: str) -> None:
        """The public key, which everybody has, as an HMAC secret: as PEM and as the published JSON."""
        for secret in (world.issuer.key.pem, json.dumps(world.issuer.key.jwk).encode()):
            await world.refuses(hmac_signed(world.issuer, algorithm, secret))

    async def test_about_which_key_it_was(self, world: World) -> None:
        """Another's key under a known id; a known key under another's id; and keys that the header brings along."""
        other = Key(kid=world.issuer.key.kid)
        await world.refuses(world.issuer.token(other))
        await world.refuses(world.issuer.token(headers={"kid": "somebody-else"}))
        await world.refuses(world.issuer.token(other, headers={"jwk": other.jwk, "jku": "https://evil.example/keys"}))

    async def test_about_an_algorithm_of_another_kind_of_key(self, issuer: LocalIssuer) -> None:
        """An RSA key published for RS256 verifies nothing else, though PS256 is allowed and the signature is right."""
        world = World(issuer, algorithms=("RS256", "PS256", "ES256"))
        token = jwt.encode(issuer.claims(), issuer.key.private, algorithm="PS256", headers={"kid": issuer.key.kid})

        await world.refuses(token)
        await world.refuses(issuer.token(Key("ES256", kid=issuer.key.kid)))

    async def test_about_the_content(self, world: World) -> None:
        """One claim changed after signing."""
        header, _, signature = world.issuer.token().split(".")
        claims = base64.urlsafe_b64encode(json.dumps(world.issuer.claims(sub="bob")).encode()).rstrip(b"=").decode()

        await world.refuses(f"{header}.{claims}.{signature}")

    @pytest.mark.parametrize(
        "headers",
        [
            {"crit": ["exp"], "exp": LATER},
            {"crit": ["b64"], "b64": True},
            {"crit": ["x-policy"], "x-policy": "mfa"},
            {"crit": "b64"},
            {"crit": [7]},
            {"crit": []},
            {"crit": None},
            {"b64": False},
            {"b64": True},
        ],
        ids=str,
    )
    async def test_a_critical_extension_is_refused(
        self, world: World, caplog: pytest.LogCaptureFixture, headers: dict[str, Any]
    ) -> None:
        """None is understood here, so none may be passed over (RFC 7515, 4.1.11), though the signature is right."""
        caplog.set_level(logging.INFO)

        await world.refuses(rsa_signed(world.issuer, {**headers, "typ": "JWT"}))

        assert rules(caplog) == ["critical-header"]
        await world.knows(rsa_signed(world.issuer, {"typ": "JWT"}))

    @pytest.mark.parametrize("end", [b"1e999", b"-1e999", b"[]", b"true", b"null", b'"' + b"9" * 5_000 + b'"'])
    async def test_an_end_that_is_no_moment_is_refused(
        self, world: World, caplog: pytest.LogCaptureFixture, end: bytes
    ) -> None:
        """Also signed: an issuer's mistake is no error of ours."""
        caplog.set_level(logging.INFO)
        claims = json.dumps(world.issuer.claims(exp=0)).encode().replace(b'"exp": 0', b'"exp": ' + end)

        await world.refuses(rsa_signed(world.issuer, {}, claims))

        assert len(rules(caplog)) == 1

    @pytest.mark.parametrize("kind", ["logout+jwt", "secevent+jwt", "dpop+jwt", "JOSE"])
    async def test_a_token_of_another_type_is_no_users_token(self, world: World, kind: str) -> None:
        """They are signed with the same keys, for other purposes."""
        await world.refuses(world.issuer.token(headers={"typ": kind}))

    @pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
    async def test_id_tokens_and_access_tokens_are_users_tokens(self, world: World, kind: str | None) -> None:
        """With the type written in any case, or left out."""
        await world.knows(world.issuer.token(headers={"typ": kind}))

    async def test_what_is_no_token_is_refused_quietly(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        """Also when it is large or deep: nothing is fetched for it and nothing is logged."""
        caplog.set_level(logging.INFO)
        deep = base64.urlsafe_b64encode(b'{"iss":' + b"[" * 9_000 + b"]" * 9_000 + b"}").decode().rstrip("=")
        for token in (
            "x",
            "a.b.c",
            "..",
            "." * 16_384,
            f"eyJhbGciOiJSUzI1NiJ9.{deep}.c2ln",
            "eyJhbGciOiJSUzI1NiJ9.e30.",
        ):
            await world.refuses(token)

        assert world.issuer.asked == 0
        assert caplog.records == []

    async def test_tokens_of_other_issuers_ask_nobody(self, world: World) -> None:
        """They are for another authenticator, and must not be a reason to fetch keys."""
        for url in ("https://kubernetes.default.svc", world.issuer.url + "/", world.issuer.url.upper()):
            await world.refuses(world.issuer.token(iss=url))

        assert world.issuer.asked == 0


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"])
async def test_every_pinned_algorithm_is_verified(issuer: LocalIssuer, algorithm: str) -> None:
    """Each with a key of its own kind."""
    world = World(issuer, algorithms=(algorithm,))
    key = Key(algorithm)
    issuer.published = [key.jwk]

    await world.knows(issuer.token(key))
    await world.refuses(issuer.token(Key(algorithm, kid=key.kid)))


@pytest.mark.parametrize("claims", [{"sub": "half \ud83d"}, {"groups": ["half \ud83d"]}, {"hd": "\udc00"}])
async def test_half_a_character_is_no_name(issuer: LocalIssuer, claims: dict[str, Any]) -> None:
    """JSON can spell it, and nobody could say it to the API server."""
    await World(issuer, groups_claim="groups").refuses(issuer.token(**claims))


async def test_a_weak_key_counts_for_nothing(issuer: LocalIssuer) -> None:
    """1,024 bits of RSA are nobody's identity."""
    world = World(issuer)
    weak = Key(bits=1024)
    issuer.published = [weak.jwk]

    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        token = issuer.token(weak)
    await world.refuses(token)


async def test_a_key_for_encrypting_signs_nothing(issuer: LocalIssuer) -> None:
    """Whatever it could do."""
    issuer.published = [{**issuer.key.jwk, "use": "enc"}]

    await World(issuer).refuses(issuer.token())


async def test_a_token_without_a_key_id_is_of_an_issuer_with_one_key(issuer: LocalIssuer) -> None:
    """With several nobody guesses."""
    world = World(issuer)
    await world.knows(issuer.token(headers={"kid": None}))

    issuer.rotate()
    world.clock.advance(world.settings.keys_pause_seconds)
    await world.knows(issuer.token())
    await world.refuses(issuer.token(headers={"kid": None}))


async def test_keys_of_a_kind_that_nobody_here_knows_stop_nothing(issuer: LocalIssuer) -> None:
    """Symmetric, encrypting, malformed and future ones beside a good one."""
    issuer.published = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": issuer.key.kid},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "future", "pub": "x"},
        {"kty": "RSA", "kid": issuer.key.kid, "n": "!!!", "e": "AQAB"},
        {**Key(kid=issuer.key.kid).jwk, "use": "enc"},
        {"kid": 7},
        "none",  # type: ignore[list-item]
        issuer.key.jwk,
    ]

    await World(issuer).knows(issuer.token())


EMPTY_AND_LONG = b'{"keys": []}' + b" " * 1_048_577


class TestKeysComeAndGo:
    """What is fetched when, and what counts meanwhile."""

    async def test_they_are_fetched_once_for_all_who_come(self, world: World) -> None:
        """However many come at once, and afterwards not again."""
        tokens = [world.issuer.token(sub=f"user-{number}") for number in range(20)]
        await asyncio.gather(*map(world.knows, tokens))
        await asyncio.gather(*map(world.knows, tokens))

        assert world.issuer.asked == 1

    async def test_a_new_key_is_fetched_when_its_first_token_comes(self, world: World) -> None:
        """And the old one goes on counting beside it."""
        old = world.issuer.key
        await world.knows(world.issuer.token())
        world.clock.advance(world.settings.keys_pause_seconds)
        world.issuer.rotate()

        await world.knows(world.issuer.token())

        await world.knows(world.issuer.token(old))
        assert world.issuer.asked == 2

    async def test_made_up_keys_are_no_flood(self, world: World) -> None:
        """A hundred tokens with unknown keys cost one request, and one more after the pause."""
        await world.knows(world.issuer.token())
        strangers = [world.issuer.token(Key(kid=f"made-up-{number}")) for number in range(3)] * 30
        world.clock.advance(world.settings.keys_pause_seconds)

        for token in strangers:
            await world.refuses(token)
        assert world.issuer.asked == 2

        world.clock.advance(world.settings.keys_pause_seconds)
        await world.refuses(strangers[0])
        assert world.issuer.asked == 3

    async def test_a_withdrawn_key_ends(self, world: World) -> None:
        """Used at once after their age, while new ones come; at twice the age not before they have come."""
        await world.knows(world.issuer.token())
        world.issuer.withdraw(world.issuer.key)
        token = world.issuer.token()

        world.clock.advance(world.settings.keys_seconds)
        await world.knows(token)
        await world.fetched()

        world.clock.advance(world.settings.keys_pause_seconds)
        await world.refuses(token)

    async def test_a_key_withdrawn_long_ago_is_not_used_once_more(self, world: World) -> None:
        """Nobody came for an hour: the first who does is not answered from keys of then."""
        await world.knows(world.issuer.token())
        world.issuer.withdraw(world.issuer.key)
        world.clock.advance(3_600)

        await world.refuses(world.issuer.token())

    async def test_when_the_issuer_goes_away_the_last_keys_stay(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        """For hours; what has a known key is accepted, what has another cannot be known. The log says it once."""
        await world.knows(world.issuer.token())
        unknown = world.issuer.token(Key())
        await world.issuer.stop()

        for _ in range(5):
            world.clock.advance(3_600)
            await world.knows(world.issuer.token())
            with pytest.raises(ReviewsUnavailable):
                await world.knows(unknown)

        assert [record.message for record in caplog.records] == ["issuer.unreachable"]

        await world.issuer.start()
        world.clock.advance(3_600)
        await world.knows(world.issuer.token())
        await world.refuses(unknown)

    async def test_an_issuer_that_never_answered_accepts_nobody(self, world: World) -> None:
        """It is "cannot be known", not "no" and not "yes"; and it is asked again after the pause."""
        await world.issuer.stop()
        with pytest.raises(ReviewsUnavailable):
            await world.knows(world.issuer.token())
        await world.issuer.start()
        with pytest.raises(ReviewsUnavailable):
            await world.knows(world.issuer.token())
        assert world.issuer.asked == 0

        world.clock.advance(world.settings.keys_pause_seconds)

        await world.knows(world.issuer.token())

    async def test_an_issuer_that_hangs_is_left_after_its_time(self, issuer: LocalIssuer) -> None:
        """And the last keys count meanwhile."""
        world = World(issuer, timeout_seconds=0.2)
        await world.knows(issuer.token())
        issuer.held = asyncio.Event()
        world.clock.advance(3_600)

        started = time.monotonic()
        await world.knows(issuer.token())

        assert time.monotonic() - started < 2

    @pytest.mark.parametrize(
        ("discovery", "reason"),
        [
            ({"issuer": "https://another.example"}, "another issuer"),
            ({"jwks_uri": "http://127.0.0.1/keys"}, "not behind https"),
            ({"jwks_uri": 7}, "discovery document"),
        ],
    )
    async def test_a_discovery_document_that_is_wrong_is_not_followed(
        self, world: World, caplog: pytest.LogCaptureFixture, discovery: dict[str, Any], reason: str
    ) -> None:
        """The keys of whoever it speaks of are not this issuer's."""
        world.issuer.discovery = discovery

        with pytest.raises(ReviewsUnavailable):
            await world.knows(world.issuer.token())

        assert reason in caplog.records[0].reason  # type: ignore[attr-defined]
        assert world.issuer.asked == 0

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 7}', b"\xff\xfe", b"[" * 100_000, EMPTY_AND_LONG])
    async def test_an_answer_that_is_no_key_set_leaves_the_last_keys(self, world: World, body: bytes) -> None:
        """Whatever a broken proxy may send with status 200."""
        await world.knows(world.issuer.token())
        world.issuer.body = body
        world.clock.advance(3_600)

        await world.knows(world.issuer.token())

    async def test_a_certificate_of_another_authority_is_not_believed(
        self, issuer: LocalIssuer, tmp_path: Path
    ) -> None:
        """Without the issuer's authority nothing is fetched; the authority's file is read each time."""
        world = World(issuer, ca_file=tmp_path / "authorities.pem")
        (tmp_path / "other").mkdir()
        other = LocalIssuer(tmp_path / "other")
        (tmp_path / "authorities.pem").write_bytes(other.ca_file.read_bytes())
        with pytest.raises(ReviewsUnavailable):
            await world.knows(issuer.token())

        (tmp_path / "authorities.pem").write_bytes(issuer.ca_file.read_bytes())
        world.clock.advance(world.settings.keys_pause_seconds)

        await world.knows(issuer.token())


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ALGORITHMS = st.sampled_from(["RS256", "ES256", "PS256", "HS256", "none"])


# A busy machine is no slow strategy.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class OneKey:
    """An issuer with this key, whatever is asked for."""

    key = Key()

    async def find(self, kid: str, algorithm: str) -> list[Any]:
        return [self.key.private.public_key()]


@unhurried
@given(
    st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "zip"]), ALGORITHMS | ANY_JSON),
    st.dictionaries(st.sampled_from(["aud", "exp", "nbf", "iat", "sub", "azp", "groups"]), ANY_JSON),
    st.binary(max_size=64),
)
async def test_whatever_stands_in_a_token_it_is_refused_and_nothing_breaks(
    header: dict[str, Any], claims: dict[str, Any], signature: bytes
) -> None:
    """Nobody signed it: no header and no claim makes it anybody's, or raises anything else."""
    settings = OidcSettings(issuer="https://id.example", audiences=(AUDIENCE,), algorithms=("RS256", "ES256", "PS256"))
    authenticator = OidcAuthenticator(settings, OneKey())  # type: ignore[arg-type]

    with pytest.raises(TokenRejected):
        await authenticator.authenticate(forged(header, {"iss": settings.issuer, **claims}, signature))


@unhurried
@given(
    st.dictionaries(st.sampled_from(["aud", "exp", "nbf", "iat", "sub", "azp", "groups", "hd"]), ANY_JSON),
)
async def test_whatever_an_issuer_signs_is_a_user_or_a_refusal(claims: dict[str, Any]) -> None:
    """Its mistakes are no errors of ours, and no name of the cluster's own comes out of them."""
    settings = OidcSettings(
        issuer="https://id.example", audiences=(AUDIENCE,), username_prefix="-", groups_claim="groups"
    )
    good = {"iss": settings.issuer, "aud": AUDIENCE, "exp": LATER, "sub": "ann"}
    text = forged({"alg": "RS256"}, {**good, **claims}).rpartition(".")[0]
    signature = OneKey.key.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    token = f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    authenticator = OidcAuthenticator(settings, OneKey())  # type: ignore[arg-type]

    with contextlib.suppress(TokenRejected):
        identity = await authenticator.authenticate(token)
        assert identity.username
        assert [group for group in identity.groups if group.startswith("system:")] == ["system:authenticated"]
        assert not identity.username.startswith("system:")


async def test_no_token_is_ever_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a good one nor one of each refusal."""
    caplog.set_level(0)
    tokens = [world.issuer.token(**claims) for claims, _ in CLAIMS_REFUSED] + [world.issuer.token()]
    for token in tokens:
        with contextlib.suppress(TokenRejected):
            await world.knows(token)

    written = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert not [token for token in tokens if token in written or token.split(".")[2] in written]
