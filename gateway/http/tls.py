"""TLS as kube-apiserver serves it, with files that may change while it serves.

Versions and cipher suites are the API server's defaults (Go's own: TLS 1.2 and up; for 1.2 only suites with forward
secrecy and authenticated encryption). The files are looked at when a connection is opened, at most once in a second: no
task watches them, and a Secret that kubelet swaps is served from the next connection on. A pair that does not fit, such
as half of a swap, changes nothing: the last good one stays, and the log says so once.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway import logs

LOOKED_AT_SECONDS: Final = 1.0
# crypto/tls of Go, whose TLS 1.2 suites with elliptic-curve Diffie-Hellman and AEAD these are, in OpenSSL's words.
CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the certificate shown, with its intermediates, its key, and the authority that clients must be of."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2

    def context(self) -> ssl.SSLContext:
        """Of the files as they are now. Raises OSError and ssl.SSLError for what cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self.minimum_version
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.certificate, self.key, _no_passphrase)
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def stamps(self) -> tuple[tuple[int, int, int], ...]:
        """What tells that a file is another one. Raises OSError."""
        found = (path.stat() for path in (self.certificate, self.key, self.client_ca) if path is not None)
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in found)


def _no_passphrase() -> str:
    """OpenSSL would ask for one on the terminal."""
    return ""


@dataclass(slots=True)
class ServedTls:
    """The context that is handed to the server once, and shows each new connection the files of that moment."""

    files: TlsFiles
    clock: Callable[[], float] = time.monotonic
    context: ssl.SSLContext = field(init=False)
    _current: ssl.SSLContext = field(init=False)
    _stamps: object = field(init=False)
    _looked: float = field(init=False)

    def __post_init__(self) -> None:
        self._stamps, self._looked = self.files.stamps(), self.clock()
        self._current = self.context = self.files.context()
        self.context.sni_callback = self._greet

    def _greet(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """OpenSSL calls this for every greeting, also without a server name."""
        if self.clock() - self._looked >= LOOKED_AT_SECONDS:
            self._look()
        if self._current is not self.context:
            connection.context = self._current

    def _look(self) -> None:
        self._looked = self.clock()
        try:
            stamps = self.files.stamps()
            if stamps == self._stamps:
                return
            self._stamps = stamps
            self._current = self.files.context()
        except (OSError, ssl.SSLError) as error:
            logs.event("tls.kept", level=30, reason=f"the new files cannot be used: {error}")
            return
        logs.event("tls.reloaded", certificate=str(self.files.certificate))
