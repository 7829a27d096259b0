"""An issuer of tokens: where its keys are, and the keys, as they come and go.

https://openid.net/specs/openid-connect-discovery-1_0.html
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import jwt
import msgspec
from jwt.algorithms import AllowedPublicKeys, get_default_algorithms

from auth.errors import ReviewsUnavailable
from auth.flights import Flights, landed
from auth.settings import Algorithm, OidcSettings

LARGEST_BYTES: Final = 1024 * 1024
SMALLEST_RSA_BITS: Final = 2_048
FRESH_KEYS_WAIT_S: Final = 0.5  # less than who asks would wait for an answer

# What a key must say of itself (RFC 7518, 6 and RFC 8037) to be used with an algorithm: its type, and its curve.
_SUITS: Final[Mapping[Algorithm, tuple[str, str]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
_PUBLIC: Final = ("kty", "crv", "n", "e", "x", "y")  # a private half that somebody published by mistake is not read

_log = logging.getLogger(__name__)


class IssuerUnreachable(Exception):  # noqa: N818 - says what the issuer is
    """Its keys could not be had; `str()` is one line with the reason."""


class _Discovered(msgspec.Struct):
    issuer: str
    jwks_uri: str


class Jwk(msgspec.Struct, frozen=True):
    """One key as the issuer publishes it."""

    kty: str
    kid: str = ""
    alg: str = ""
    use: str = ""
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""

    def suits(self, algorithm: Algorithm) -> bool:
        """Whether the issuer signs with this key by this algorithm, for all that the key says."""
        kind, curve = _SUITS[algorithm]
        return (
            self.kty == kind
            and (not curve or self.crv == curve)
            and self.alg in ("", algorithm)
            and self.use in ("", "sig")
        )

    def public(self, algorithm: Algorithm) -> AllowedPublicKeys | None:
        """The key for PyJWT; None if it is none, or too weak to mean anything."""
        written = {name: value for name in _PUBLIC if (value := getattr(self, name))}
        try:
            key: Any = get_default_algorithms()[algorithm].from_jwk(written)
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return None if self.kty == "RSA" and key.key_size < SMALLEST_RSA_BITS else key


class _Published(msgspec.Struct):
    keys: Sequence[msgspec.Raw]


@final
class Issuer:
    """The issuer on the network: discovery, then its keys, each time anew; nothing is kept."""

    def __init__(self, url: str, ca_file: Path | None, timeout_seconds: float, user_agent: str) -> None:
        self._url = url
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._headers = {"Accept": "application/json", "User-Agent": user_agent}

    async def keys(self) -> Sequence[Jwk]:
        """The keys that it publishes now. Raises IssuerUnreachable."""
        try:
            authorities = await asyncio.to_thread(_authorities, self._ca_file)
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=authorities),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                headers=self._headers,
            ) as session:
                where = await self._discovered(session)
                return _keys(await _document(session, where, "keys"))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            said = str(error).strip().splitlines()
            raise IssuerUnreachable(said[0] if said else f"no answer ({type(error).__name__})") from None

    async def _discovered(self, session: aiohttp.ClientSession) -> str:
        where = self._url.removesuffix("/") + "/.well-known/openid-configuration"
        try:
            found = msgspec.json.decode(await _document(session, where, "discovery"), type=_Discovered)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise IssuerUnreachable("its discovery document is not one") from None
        if found.issuer != self._url:
            raise IssuerUnreachable(f"its discovery document is of another issuer, `{found.issuer[:256]}`")
        if not found.jwks_uri.startswith("https://"):
            raise IssuerUnreachable("its keys are not behind https")
        return found.jwks_uri


def _authorities(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


async def _document(session: aiohttp.ClientSession, url: str, what: str) -> bytes:
    """The body of a 200, never more of it than anybody's keys have; redirects are not followed."""
    async with session.get(url, proxy=_proxy_for(url), allow_redirects=False) as response:
        if response.status != 200:
            raise IssuerUnreachable(f"{what}: status {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > LARGEST_BYTES:
                raise IssuerUnreachable(f"{what}: longer than {LARGEST_BYTES} bytes")
        return bytes(body)


def _proxy_for(url: str) -> str | None:
    """Issuers are outside of the cluster as a rule, where the way out may be a proxy: as the environment says."""
    host = urlsplit(url).netloc
    return None if proxy_bypass(host) else getproxies().get("https")


def _keys(body: bytes) -> Sequence[Jwk]:
    """All that can be read: issuers publish kinds of keys that not everybody knows."""
    try:
        published = msgspec.json.decode(body, type=_Published).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise IssuerUnreachable("its keys are no key set") from None
    keys = []
    for raw in published:
        try:
            keys.append(msgspec.json.decode(raw, type=Jwk))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return keys


@final
class KeySet:
    """The issuer's keys as they were last heard of.

    Promised: an unknown key has them fetched, but not within `keys_pause_seconds` of the last time, whoever asks.
    Promised: keys older than `keys_seconds` are fetched again in the background, and at twice that age before they are
    used, so that a withdrawn key ends. When the issuer cannot be reached the last ones stay, and the log says so.
    Promised: without ever having had keys, and for an unknown key while the issuer is gone: ReviewsUnavailable.
    Tests: tests/auth/authenticators/test_oidc.py.
    """

    def __init__(self, issuer: Issuer, settings: OidcSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._settings = settings
        self._clock = clock
        self._keys: Sequence[Jwk] = ()
        self._fetched_at: float | None = None  # when they were last had
        self._asked_at: float | None = None
        self._failed = False  # the last time
        self._flights: Flights[str, None] = Flights("auth/issuer-keys")

    def warm(self) -> None:
        """Begin to fetch: the first who comes should not wait."""
        self._flights.start("keys", self._fetch)

    async def find(self, kid: str, algorithm: Algorithm) -> Sequence[AllowedPublicKeys]:
        """The keys that may have signed a token; none if the issuer has no such key. Raises ReviewsUnavailable."""
        age = self._settings.keys_seconds if self._fetched_at is None else self._clock() - self._fetched_at
        if age >= self._settings.keys_seconds and self._may_ask():
            flight = self._flights.start("keys", self._fetch)
            if age >= 2 * self._settings.keys_seconds and not self._failed:
                await asyncio.wait([flight], timeout=FRESH_KEYS_WAIT_S)  # its failure leaves what was known
        found = self._suiting(kid, algorithm)
        if not found and (self._may_ask() or len(self._flights)):
            flight = self._flights.start("keys", self._fetch)
            await landed(flight, timeout=self._settings.timeout_seconds)
            found = self._suiting(kid, algorithm)
        if not found and self._failed:
            raise _unavailable(self._settings.keys_pause_seconds)
        return found

    async def aclose(self) -> None:
        await self._flights.aclose()

    def _may_ask(self) -> bool:
        return self._asked_at is None or self._clock() - self._asked_at >= self._settings.keys_pause_seconds

    def _suiting(self, kid: str, algorithm: Algorithm) -> Sequence[AllowedPublicKeys]:
        """By the key's id; a token that names none is only for an issuer with one key of that kind."""
        suiting = [key for key in self._keys if key.suits(algorithm)]
        named = [key for key in suiting if key.kid == kid] if kid else suiting if len(suiting) == 1 else []
        return [public for key in named if (public := key.public(algorithm)) is not None]

    async def _fetch(self) -> None:
        self._asked_at = self._clock()
        try:
            self._keys = await self._issuer.keys()
        except IssuerUnreachable as reason:
            if not self._failed:  # once for each outage
                age = None if self._fetched_at is None else round(self._clock() - self._fetched_at)
                _log.warning(
                    "issuer.unreachable", extra={"reason": str(reason), "keys": len(self._keys), "keys_age": age}
                )
            self._failed = True
            raise _unavailable(self._settings.keys_pause_seconds) from None
        self._fetched_at = self._clock()
        self._failed = False
        _log.info("issuer.keys", extra={"keys": len(self._keys)})


def _unavailable(retry_after: float) -> ReviewsUnavailable:
    return ReviewsUnavailable(
        "The issuer of this token cannot be asked now for its keys; try again soon",
        retry_after=max(1, round(retry_after)),
    )
