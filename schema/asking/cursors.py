"""Cursors: a row's place in an order, as text that clients hand back.

A cursor carries the row's own keys, namespace, name and uid, which its reader has seen, and nothing of any other row. A
checksum over these and over the list's order and filter tells a cursor of another list, or one that was tampered with.
It is no signature, and need not be one: a place is only where to begin, what is shown there is decided by rights.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from auth.errors import InvalidArgument
from schema.asking.orders import Value

CURSOR_BYTES: Final = 4_096
_CHECKSUM_BYTES: Final = 8


def fingerprint(*parts: object) -> bytes:
    """What makes lists different: their kind, order and filter, each with a `repr` of its own."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=32).digest()


def encode(place: Sequence[Value], of: bytes) -> str:
    """The cursor of a place in the list with that fingerprint."""
    body = msgspec.msgpack.encode(tuple(place))
    return base64.urlsafe_b64encode(_checksum(body, of) + body).decode().rstrip("=")


def decode(argument: str, cursor: str, of: bytes) -> tuple[Value, ...]:
    """The place that a cursor of this list names; raises InvalidArgument for all others."""
    if len(cursor) <= CURSOR_BYTES:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        checksum, body = raw[:_CHECKSUM_BYTES], raw[_CHECKSUM_BYTES:]
        if body and checksum == _checksum(body, of):
            return msgspec.msgpack.decode(body, type=tuple[Value, ...])
    raise InvalidArgument(
        f"`{argument}` is not a cursor of this list in this order and with this filter; begin again without it",
        argument=argument,
    )


def _checksum(body: bytes, of: bytes) -> bytes:
    return hashlib.blake2b(body, key=of, digest_size=_CHECKSUM_BYTES).digest()
