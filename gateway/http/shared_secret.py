"""The secret that replicas share: what one of them has said of an answer, another can say again.

It is read once, at the start, and never used itself: each use derives a key of its own from it.
"""

import hmac
import secrets
from pathlib import Path
from typing import Final, Self, final

LEAST_BYTES: Final = 32


@final
class SharedSecret:
    """A file's content, else one that this process alone knows."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes | None = None) -> None:
        self._content = secrets.token_bytes(LEAST_BYTES) if content is None else content

    @classmethod
    def read(cls, file: Path | None) -> Self:
        """Space around it is no part of it: editors and `openssl rand` end a file with a line's end.

        Raises ValueError for one that is too short to be a secret, OSError for a file that cannot be read.
        """
        if file is None:
            return cls()
        content = file.read_bytes().strip()
        if len(content) < LEAST_BYTES:
            raise ValueError(f"it must hold {LEAST_BYTES} bytes at least, and holds {len(content)}")
        return cls(content)

    def key(self, purpose: str) -> bytes:
        """The key for one purpose: 32 bytes that tell nothing of any other purpose's."""
        return hmac.digest(self._content, purpose.encode(), "sha256")
