"""Where a token may come from: exactly one `Authorization: Bearer` header."""

import re
from collections.abc import Iterable

from auth.errors import IdentityHeaderRefused, TokenMalformed, TokenMissing, TokenTooLong

_SCHEME = b"bearer"

# Printable ASCII without spaces, and no comma: proxies fold two Authorization headers into one with a comma, and no
# token contains one (RFC 6750, 2.1).
_TOKEN = re.compile(rb"[\x21-\x2B\x2D-\x7E]+")

# What proxies in front of Kubernetes use to say who somebody is (client-go's impersonation, the API server's request
# header authenticator, oauth2-proxy). No proxy is trusted here, so nobody has a reason to send them.
_IDENTITY_PREFIXES = (b"impersonate-", b"x-remote-")
_IDENTITY_HEADERS = frozenset({b"x-forwarded-user"})


def bearer_token(headers: Iterable[tuple[bytes, bytes]], *, limit: int) -> str:
    """Return the request's only bearer token, at most `limit` bytes of printable ASCII.

    Costs no call and no hash. Raises TokenMissing, TokenMalformed, TokenTooLong or IdentityHeaderRefused.
    """
    values: list[bytes] = []
    claim: bytes | None = None
    for raw_name, value in headers:
        name = raw_name.lower()
        if name == b"authorization":
            values.append(value)
        elif name in _IDENTITY_HEADERS or name.startswith(_IDENTITY_PREFIXES):
            claim = name
    if not values:
        raise TokenMissing
    if len(values) > 1:
        raise TokenMalformed(f"was sent {len(values)} times")
    token = _token(values[0], limit)
    if claim is not None:
        raise IdentityHeaderRefused(claim.decode("latin-1")[:64])
    return token


def _token(value: bytes, limit: int) -> str:
    """Parse one header value; the scheme's case does not matter, and one space or more follows it (RFC 9110, 11.4)."""
    scheme, _, rest = value.strip(b" \t").partition(b" ")
    if len(scheme) != len(_SCHEME) or scheme.lower() != _SCHEME:
        raise TokenMalformed("does not begin with `Bearer`")
    token = rest.lstrip(b" ")
    if not token:
        raise TokenMalformed("has no token after `Bearer`")
    if len(token) > limit:
        raise TokenTooLong(got=len(token), limit=limit)
    if _TOKEN.fullmatch(token) is None:
        raise TokenMalformed("has characters in its token that no token has, such as a space or a comma")
    return token.decode("ascii")
