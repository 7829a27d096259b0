"""A file of tokens, in kube-apiserver's format (`--token-auth-file`): token,user,uid,"group1,group2".

For automation in small installations: such tokens never expire, and whoever reads the file is everybody in it.
"""

import asyncio
import csv
import hmac
import io
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, final

from auth.authenticators.reserved import Outsiders
from auth.errors import TokenRejected
from auth.identity import Identity
from auth.settings import AuthConfigError

# A look at the file's times costs microseconds; mounted Secrets take a minute to change.
LOOK_AGAIN_S: Final = 1.0
LARGEST_BYTES: Final = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


@final
class TokenFile:
    """Knows the tokens of a file.

    Promised: a changed file counts within a second of the next question, whole or not at all: one that cannot be read
    or has a wrong line leaves what was known, and the log says which line, never what stands in it.
    Promised: no token is kept; they are found by a keyed hash, so that no comparison tells how much of one was right.
    Tests: tests/auth/authenticators/test_token_file.py.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file. Raises AuthConfigError."""
        self._path = path
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._outsiders = Outsiders("token_file")
        self._looked_at = clock()
        self._seen = _stamp(path)
        try:
            self._users: Mapping[bytes, Identity] = self._read()
        except _Unusable as problem:
            raise AuthConfigError("auth.token_auth_file", path, str(problem)) from None

    async def authenticate(self, token: str) -> Identity:
        """See TokenAuthenticator."""
        if self._clock() - self._looked_at >= LOOK_AGAIN_S:
            self._looked_at = self._clock()
            await asyncio.to_thread(self._look)
        identity = self._users.get(self._hash(token))
        if identity is None:
            raise TokenRejected
        return identity

    def _look(self) -> None:
        """Read the file again if it is another one now; what is wrong with it is said once."""
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._users = self._read()
        except _Unusable as problem:
            _log.error("token_file.kept", extra={"path": str(self._path), "reason": str(problem)})
        else:
            _log.info("token_file.read", extra={"path": str(self._path), "count": len(self._users)})

    def _read(self) -> dict[bytes, Identity]:
        users: dict[bytes, Identity] = {}
        for number, row in _rows(self._path):
            if len(row) < 3:
                raise _Unusable(f"line {number} has {len(row)} columns; needed are token, user and uid")
            token, user, uid = (column.strip() for column in row[:3])
            if not token or not user:
                raise _Unusable(f"line {number} has no {'token' if not token else 'user'}")
            digest = self._hash(token)
            if digest in users:
                raise _Unusable(f"line {number} has a token that another line has")
            groups = (group.strip() for group in (row[3] if len(row) > 3 else "").split(","))
            try:
                users[digest] = self._outsiders.identity(user, uid, groups)
            except TokenRejected:
                _log.warning("token_file.line_left_out", extra={"line": number, "rule": "no-system-users"})
        return users

    def _hash(self, token: str) -> bytes:
        return hmac.digest(self._secret, token.encode(), "sha256")


class _Unusable(Exception):  # noqa: N818 - never leaves this module
    """The file cannot be used; `str()` says why, with the line's number and nothing that stands in it."""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Another value for another file, or another content; None for no file. Secrets are replaced by renaming."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that say anything, numbered; the parser's complaint is not passed on, since it may quote them."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise _Unusable(f"it is longer than {LARGEST_BYTES} bytes")
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), skipinitialspace=True, strict=True)
        return [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise _Unusable(error.strerror or "it cannot be read") from None
    except UnicodeDecodeError:
        raise _Unusable("it is not UTF-8 text") from None
    except csv.Error:
        raise _Unusable(f"line {reader.line_num} is no CSV") from None
