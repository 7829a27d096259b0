"""TLS towards the API server, whose files are replaced while we run: authorities, client certificate and key.

Connections that stand are left alone, since the API server closes them in its own time; new ones are made with what the
files say now.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from kubernetes_asyncio.client import Configuration

# A look costs a few microseconds, and certificates are replaced hours before their end.
LOOK_AGAIN_S: Final = 10.0

_log = logging.getLogger(__name__)

_Stamps = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Contexts:
    """The same authorities twice: showing the gateway's client certificate, if there is one, and showing none.

    The second is for requests with somebody else's token. To the API server a certificate comes before a token: with
    the first, the gateway's own rights would be taken for theirs.
    """

    own: ssl.SSLContext
    bare: ssl.SSLContext


@final
class Tls:
    """The contexts for connections that are made now.

    Promised: changed files count after LOOK_AGAIN_S, and at once after `suspect`; files that cannot be used leave what
    was there, and the log says why. Tests: tests/schema/sources/kubernetes/test_tls.py.
    """

    def __init__(self, configuration: Configuration, clock: Callable[[], float] = time.monotonic) -> None:
        """Reads the files; raises OSError if they cannot be used."""
        self._configuration = configuration
        self._clock = clock
        self._paths = tuple(
            Path(path)
            for path in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
            if path is not None
        )
        self._seen = self._stamps()
        self._looked_at = clock()
        self._contexts = self._made()

    async def contexts(self) -> Contexts:
        """What a connection that is made now should use."""
        if self._paths and self._clock() - self._looked_at >= LOOK_AGAIN_S:
            self._looked_at = self._clock()
            if (stamps := self._stamps()) != self._seen:
                self._seen = stamps
                await self._replace()
        return self._contexts

    def suspect(self) -> None:
        """A connection could not be made: look at the files before the next one."""
        self._looked_at = float("-inf")

    async def _replace(self) -> None:
        files = ", ".join(map(str, self._paths))
        try:
            self._contexts = await asyncio.to_thread(self._made)
        except OSError as error:  # an SSLError is one, and so is a key of another certificate, replaced a moment later
            _log.error("tls.kept", extra={"files": files, "reason": str(error)})
        else:
            _log.info("tls.replaced", extra={"files": files})

    def _made(self) -> Contexts:
        own, bare = self._context(), self._context()
        if self._configuration.cert_file is not None:
            own.load_cert_chain(self._configuration.cert_file, self._configuration.key_file)
        return Contexts(own, bare)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._configuration.ssl_ca_cert)
        if not self._configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._configuration.disable_strict_ssl_verification:
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def _stamps(self) -> _Stamps:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Another value for another file, or another content; None for no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
