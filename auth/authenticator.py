"""Who asks: the token's verdict, asked once and kept for seconds."""

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from typing import final

import msgspec

from auth.credentials import bearer_token
from auth.errors import TokenExpired, TokenRejected
from auth.flights import Flights, landed
from auth.identity import Identity
from auth.lru import LruCache
from auth.reviewers import TokenAuthenticator
from auth.settings import AuthSettings


class _Accepted(msgspec.Struct, frozen=True):
    until: float
    identity: Identity


class _Refused(msgspec.Struct, frozen=True):
    until: float
    expired: bool


_Verdict = _Accepted | _Refused


class _Claims(msgspec.Struct):
    exp: float | None = None


@final
class Authenticator:
    """Says whose token it is; no is the default.

    Promised: no verdict, yes or no, is used `token_verdict_seconds` after it was asked for, nor past the token's own
    `exp`. A failure to ask is never kept, and never a yes. One review under way per token, whoever waits for it.
    Promised: no token is kept; verdicts stand under a keyed hash of it, with a key that nobody else has.
    Tests: tests/auth/test_authenticator.py.

    The age of a verdict counts from before the review was sent: the API server's answer is never older than that.
    """

    def __init__(
        self,
        authenticator: TokenAuthenticator,
        settings: AuthSettings,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._authenticator = authenticator
        self._settings = settings
        self._clock = clock
        self._wall = wall
        self._secret = secrets.token_bytes(32)
        self._verdicts: LruCache[bytes, _Verdict] = LruCache(settings.tokens_cached)
        self._flights: Flights[bytes, _Verdict] = Flights("auth/token-review")

    async def verify(self, headers: Iterable[tuple[bytes, bytes]]) -> Identity:
        """Return who sent these headers; raise Unauthenticated, BadRequest or ReviewsUnavailable."""
        token = bearer_token(headers, limit=self._settings.token_limit_bytes)
        key = self._key(token)
        verdict = self._verdicts.get(key)
        if verdict is None or verdict.until <= self._clock():
            flight = self._flights.start(key, lambda: self._ask(key, token))
            (verdict,) = await landed(flight, timeout=self._settings.review_timeout_seconds)
        match verdict:
            case _Accepted(identity=identity):
                return identity.proven_by(token)
            case _Refused(expired=True):
                raise TokenExpired
            case _Refused():
                raise TokenRejected

    async def aclose(self) -> None:
        """Cancel the reviews under way and wait for their end."""
        await self._flights.aclose()

    async def _ask(self, key: bytes, token: str) -> _Verdict:
        asked = self._clock()
        try:
            identity = await self._authenticator.authenticate(token)
        except TokenRejected:
            left = self._left(token)
            expired = left is not None and left <= 0
            # Over is over: only a token that is still to expire changes its reason in the meantime.
            verdict: _Verdict = _Refused(self._until(asked, None if expired else left), expired)
        else:
            # Accepted past its `exp` (the API server's clock is behind ours) counts for those who wait, and no longer.
            verdict = _Accepted(self._until(asked, self._left(token)), identity.to_keep)
        self._verdicts.put(key, verdict)
        return verdict

    def _until(self, asked: float, left: float | None) -> float:
        until = asked + self._settings.token_verdict_seconds
        return until if left is None else min(until, self._clock() + left)

    def _left(self, token: str) -> float | None:
        """Seconds until the token's own end, negative after it; None if it states none."""
        end = expiry(token)
        return None if end is None else end - self._wall()

    def _key(self, token: str) -> bytes:
        # Keyed as in k8s.io/apiserver's token cache: no precomputation, no tokens in memory dumps, and no comparison of
        # secrets when looking up. By BLAKE2, which needs no HMAC around it and, unlike that, keeps the interpreter: a
        # thread that gives a large answer would take it for as long as a small answer takes.
        return hashlib.blake2b(token.encode("ascii"), key=self._secret, digest_size=32).digest()


def expiry(token: str) -> float | None:
    """Read `exp` (Unix seconds) of a JWT without verifying it; None if there is none.

    Only good for shortening what the API server said, and for telling "expired" from "rejected" after it said no.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(payload, type=_Claims).exp
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
