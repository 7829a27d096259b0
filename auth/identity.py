"""Who asks, as the API server names them."""

import msgspec


class Identity(msgspec.Struct, frozen=True, cache_hash=True):
    """One user, as the API server's own authenticators described them; a key of every cached answer about them.

    `groups` and `extra` are sorted and without doubles: the same user is the same value, whatever order was sent.
    Attributes that a review must carry stand here and nothing else does; the token in particular does not.
    """

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
