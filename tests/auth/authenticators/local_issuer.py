"""An OpenID Connect issuer on this machine, over https: it signs what a test wants, and breaks as real ones do."""

import asyncio
import contextlib
import json
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tests.cluster.keys import Authority

AUDIENCE = "binnacle"


class Key:
    """A signing key and what the issuer publishes of it."""

    def __init__(self, algorithm: str = "RS256", kid: str | None = None, *, bits: int = 2048) -> None:
        self.algorithm = algorithm
        self.kid = secrets.token_hex(4) if kid is None else kid
        self.private: Any
        match algorithm[:2]:
            case "ES":
                curve = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
                self.private = ec.generate_private_key(curve)
            case "Ed":
                self.private = ed25519.Ed25519PrivateKey.generate()
            case _:
                self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    @property
    def jwk(self) -> dict[str, Any]:
        public = get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        public.pop("key_ops", None)
        return {**public, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def pem(self) -> bytes:
        """The public half, as an attacker would use it for a secret."""
        how = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        pem: bytes = self.private.public_key().public_bytes(*how)
        return pem


class LocalIssuer:
    """Publishes `published`; `asked` counts fetches of the keys."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self._certificate = self.authority.server("issuer")
        self.key = Key()
        self.published: list[dict[str, Any]] = [self.key.jwk]
        self.asked = 0
        self.discovery: dict[str, Any] = {}
        self.status = 200
        self.body: bytes | None = None  # of the keys, in their place
        self.held: asyncio.Event | None = None
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def ca_file(self) -> Path:
        return self.authority.certificate

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a good token says; a claim set to None is left out."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "nbf": now, "exp": now + 300} | changed
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: Key | None = None, headers: dict[str, Any] | None = None, **changed: Any) -> str:
        key = key or self.key
        headers = {"kid": key.kid, **(headers or {})}
        return jwt.encode(
            self.claims(**changed),
            key.private,
            algorithm=key.algorithm,
            headers={k: v for k, v in headers.items() if v},
        )

    def rotate(self) -> Key:
        """Sign with a new key from now on; the old one stays published."""
        self.key = Key()
        self.published.append(self.key.jwk)
        return self.key

    def withdraw(self, key: Key) -> None:
        self.published = [jwk for jwk in self.published if jwk["kid"] != key.kid]

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", self._discover)
        application.router.add_get("/keys", self._keys)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._certificate)
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=context, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"https://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Go away; `start` comes back at the same address."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _discover(self, _request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.discovery)

    async def _keys(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        body = json.dumps({"keys": self.published}).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, content_type="application/json")


@contextlib.asynccontextmanager
async def local_issuer(folder: Path) -> AsyncIterator[LocalIssuer]:
    issuer = LocalIssuer(folder)
    await issuer.start()
    try:
        yield issuer
    finally:
        await issuer.stop()
