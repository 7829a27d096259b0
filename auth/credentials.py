"""Where a token may come from: exactly one `Authorization: Bearer` header. Cookies are not looked at."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from auth.errors import IdentityHeaderRefused, TokenInAddress, TokenMalformed, TokenMissing, TokenTooLong

_SCHEME = b"bearer"

# Printable ASCII without spaces, and no comma: proxies fold two Authorization headers into one with a comma, and no
# token contains one (RFC 6750, 2.1).
_TOKEN = re.compile(rb"[\x21-\x2B\x2D-\x7E]+")

# What proxies in front of Kubernetes use to say who somebody is (client-go's impersonation, the API server's request
# header authenticator, oauth2-proxy, Grafana's). No proxy is trusted here, so nobody has a reason to send them.
_IDENTITY_PREFIXES = (b"impersonate-", b"x-remote-", b"x-auth-request-", b"x-webauth-")
_IDENTITY_HEADERS = frozenset(
    {
        b"x-forwarded-user",
        b"x-forwarded-email",
        b"x-forwarded-groups",
        b"x-forwarded-preferred-username",
        b"x-forwarded-access-token",
    }
)

# `access_token` is RFC 6750's; the others are what people try.
_TOKEN_PARAMETERS = frozenset({"access_token", "id_token", "token", "bearer", "authorization"})


def bearer_token(headers: Iterable[tuple[bytes, bytes]], *, limit: int) -> str:
    """Return the request's only bearer token, at most `limit` bytes of printable ASCII.

    Costs no call and no hash. A header that claims an identity comes first, whatever else is sent. Raises
    IdentityHeaderRefused, TokenMissing, TokenMalformed or TokenTooLong.
    """
    values: list[bytes] = []
    for raw_name, value in headers:
        name = raw_name.lower()
        if name == b"authorization":
            values.append(value)
        elif name in _IDENTITY_HEADERS or name.startswith(_IDENTITY_PREFIXES):
            raise IdentityHeaderRefused(name.decode("latin-1")[:64])
    if not values:
        raise TokenMissing
    if len(values) > 1:
        raise TokenMalformed(f"was sent {len(values)} times")
    return _token(values[0], limit)


def refuse_tokens_in(query_string: bytes) -> None:
    """Raise TokenInAddress if a parameter of the address is a token by its name, whatever stands in it.

    Addresses are kept in histories and in the logs of every proxy, and sent on as referrers.
    """
    if not query_string:
        return
    for name, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
        if name.lower() in _TOKEN_PARAMETERS:
            raise TokenInAddress(name.lower())


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
