"""Tokens of an OpenID Connect issuer, verified here, as kube-apiserver's `--oidc-*` flags mean it.

    is it of this issuer?  ─ no ─▶ another authenticator's, without a word
         │ yes, so it says
    header: algorithm pinned, type one of a user's token, nothing critical
         │
    signature, by a key of the issuer that suits the algorithm; then `iss`, `aud`, `exp`, `nbf`, `iat`
         │
    `azp`, required claims, name and groups; no `system:`

PyJWT does the cryptography and the registered claims. Nothing that the token says chooses how it is verified: the
algorithms are the settings', the keys the issuer's, and a header's `jku`, `jwk`, `x5c` and `x5u` are never looked at.
"""

import base64
import binascii
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, final

import jwt
import msgspec
from jwt.algorithms import AllowedPublicKeys

from auth.authenticators.issuer import KeySet
from auth.authenticators.reserved import Outsiders
from auth.errors import TokenRejected
from auth.identity import Identity
from auth.settings import Algorithm, OidcSettings

# ID tokens, and access tokens that are JWTs (RFC 9068). Logout tokens, security events and DPoP proofs, signed with the
# same keys, name their own type so that nobody takes them for these (RFC 8725, 3.11).
_TYPES: Final = frozenset({"", "jwt", "at+jwt", "application/jwt", "application/at+jwt"})

_log = logging.getLogger(__name__)


class _Header(msgspec.Struct):
    """What is read of a token's header; nothing else of it means anything here."""

    alg: str = ""
    typ: str = ""
    kid: str = ""
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    b64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Issued(msgspec.Struct):
    iss: str = ""


_Part = TypeVar("_Part", _Header, _Issued)


class _Failed(Exception):  # noqa: N818 - never leaves this module
    """A token of this issuer that is not accepted; `str()` names the rule, for the log."""


@final
class OidcAuthenticator:
    """Knows the tokens of one issuer.

    Promised: what is accepted was signed by a key of the issuer's with a pinned algorithm, for one of our audiences,
    and is in its time. Refusals of this issuer's tokens are said in the log by the rule's name.
    Tests: tests/auth/authenticators/test_oidc.py.
    """

    def __init__(self, settings: OidcSettings, keys: KeySet) -> None:
        self._settings = settings
        self._keys = keys
        self._outsiders = Outsiders("oidc")
        self._username_prefix = _username_prefix(settings)
        self._groups_prefix = settings.groups_prefix if settings.groups_prefix not in (None, "-") else ""

    async def authenticate(self, token: str) -> Identity:
        """See TokenAuthenticator."""
        if not self._is_ours(token):
            raise TokenRejected
        try:
            algorithm, kid = self._header(token)
            keys = await self._keys.find(kid, algorithm)
            claims = self._verified(token, algorithm, keys)
            self._check_party(claims)
            self._check_required(claims)
            username, groups = self._username(claims), self._groups(claims)
        except _Failed as failed:
            _log.info("token.refused", extra={"authenticator": "oidc", "rule": str(failed)})
            raise TokenRejected from None
        return self._outsiders.identity(username, groups=groups)

    def _is_ours(self, token: str) -> bool:
        """Whether the token says that it is of this issuer: not believed yet, but nobody is asked about others'."""
        claimed = _peek(token, 1, _Issued)
        return claimed is not None and claimed.iss == self._settings.issuer

    def _header(self, token: str) -> tuple[Algorithm, str]:
        """The algorithm, one of ours, and the key's id."""
        header = _peek(token, 0, _Header)
        if header is None:
            raise _Failed("form")
        if header.alg not in self._settings.algorithms:
            raise _Failed("algorithm")
        if header.crit is not msgspec.UNSET or header.b64 is not msgspec.UNSET:
            raise _Failed("critical-header")  # none of these extensions is known here
        if header.typ.lower() not in _TYPES:
            raise _Failed("type")
        return header.alg, header.kid

    def _verified(self, token: str, algorithm: Algorithm, keys: Sequence[AllowedPublicKeys]) -> Mapping[str, Any]:
        """The claims, once a key has signed them, and what is registered of them holds."""
        for key in keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=self._settings.audiences,
                    issuer=self._settings.issuer,
                    leeway=self._settings.leeway_seconds,
                    options={"require": ["iss", "aud", "exp"], "verify_sub": False, "verify_jti": False},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                raise _Failed(_RULES.get(type(error), "form")) from None
            except (ValueError, TypeError, OverflowError):
                raise _Failed("form") from None  # signed by the issuer, and still nonsense, such as `exp: 1e999`
            return claims
        raise _Failed("signature" if keys else "key")

    def _check_party(self, claims: Mapping[str, Any]) -> None:
        """A token that was issued to another client, or for several audiences, says so in `azp`."""
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if "azp" not in claims and not several:
            return
        if claims.get("azp") not in (self._settings.authorized_parties or self._settings.audiences):
            raise _Failed("authorized-party")

    def _check_required(self, claims: Mapping[str, Any]) -> None:
        for name, value in self._settings.required_claims.items():
            if claims.get(name) != value:
                raise _Failed(f"required-claim {name}")

    def _username(self, claims: Mapping[str, Any]) -> str:
        claim = self._settings.username_claim
        name = claims.get(claim)
        if not isinstance(name, str) or not name:
            raise _Failed("username-claim")
        if claim == "email" and claims.get("email_verified", True) is not True:
            raise _Failed("email-verified")
        return self._username_prefix + name

    def _groups(self, claims: Mapping[str, Any]) -> Sequence[str]:
        """No such claim: no groups, as in kube-apiserver; one name stands for a list of one."""
        claim = self._settings.groups_claim
        value = claims.get(claim) if claim is not None else None
        named = [] if value is None else [value] if isinstance(value, str) else value
        if not isinstance(named, list) or not all(isinstance(group, str) for group in named):
            raise _Failed("groups-claim")
        return [f"{self._groups_prefix}{group}" for group in named if group]


_RULES: Final[Mapping[type[jwt.PyJWTError], str]] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not-yet-valid",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
    jwt.MissingRequiredClaimError: "missing-claim",
    jwt.InvalidAlgorithmError: "algorithm",
}


def _username_prefix(settings: OidcSettings) -> str:
    match settings.username_prefix:
        case None:
            return "" if settings.username_claim == "email" else f"{settings.issuer}#"
        case "-":
            return ""
        case prefix:
            return prefix


def _peek(token: str, place: int, part: type[_Part]) -> _Part | None:
    """One of a token's three parts, before anybody has verified it; None for what is no such thing."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        content = base64.b64decode(parts[place] + "=" * (-len(parts[place]) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(content, type=part)
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
