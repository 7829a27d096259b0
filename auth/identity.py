"""Who asks, as whoever verified their token names them."""

from dataclasses import dataclass, field
from typing import final

import msgspec


@final
@dataclass(frozen=True, slots=True)
class Proof:
    """The token that somebody proved themselves with, for reviews in their own name; never shown.

    Equal by its fingerprint, a keyed hash, which tells nothing of the token. What is kept has the fingerprint alone.
    """

    fingerprint: bytes = field(repr=False)
    token: str = field(default="", repr=False, compare=False)


class Identity(msgspec.Struct, frozen=True, cache_hash=True):
    """One user, as an authenticator described them; a key of every cached answer about them.

    `groups` and `extra` are sorted and without doubles: the same user is the same value, whatever order was sent.
    Attributes that a review must carry stand here and nothing else does. `proof` is there only where reviews are made
    with the caller's own token, for as long as the request lasts.
    """

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    proof: Proof | None = None

    @property
    def to_keep(self) -> "Identity":
        """The same user as a cache may hold them: equal to this, and without a token."""
        if self.proof is None:
            return self
        return msgspec.structs.replace(self, proof=Proof(self.proof.fingerprint))

    def proven_by(self, token: str) -> "Identity":
        """The same user with the token that a cache did not hold."""
        if self.proof is None:
            return self
        return msgspec.structs.replace(self, proof=Proof(self.proof.fingerprint, token))
