"""TLS at the front door: what is spoken, who may connect, and files that change while it is."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.http.tls import ServedTls, TlsFiles
from tests.front_door import FrontDoor, simulated_door


@dataclass(frozen=True)
class Authority:
    """Signs certificates for localhost."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(key, signed(key, name, key, name, authority=True))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, certificate: Path, key: Path) -> int:
        """Write a new pair; returns the certificate's serial number."""
        own = ec.generate_private_key(ec.SECP256R1())
        made = signed(own, "localhost", self.key, self.certificate.subject.rfc4514_string().removeprefix("CN="))
        for path, content in (
            (certificate, made.public_bytes(serialization.Encoding.PEM)),
            (
                key,
                own.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                ),
            ),
        ):
            new = path.with_suffix(".new")
            new.write_bytes(content)
            new.replace(path)
        return made.serial_number


def signed(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    authority: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    common_name = x509.NameOID.COMMON_NAME
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(common_name, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(common_name, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )


@contextlib.asynccontextmanager
async def https_door(folder: Path, authority: Authority, **server: Any) -> AsyncIterator[FrontDoor]:
    authority.issue(folder / "tls.crt", folder / "tls.key")
    files = {"tls_certificate": folder / "tls.crt", "tls_key": folder / "tls.key", "protocol": "https"}
    async with simulated_door(server={**files, **server}, trusting=client_context(authority)) as door:
        yield door


def client_context(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem.decode())


async def serial_shown(door: FrontDoor, context: ssl.SSLContext) -> int:
    """The serial number of the certificate that a new connection is shown, once it has answered."""
    address = urlsplit(door.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        if not (await reader.read()).startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(
                "closed after the handshake, as TLS 1.3 does with a client whose certificate it refuses"
            )
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown).serial_number
    finally:
        writer.close()


async def test_tls_below_the_floor_is_refused(tmp_path: Path):
    """TLS 1.2 is the oldest by default, as kube-apiserver's; a higher floor is one key."""
    authority = Authority.new("authority")
    old = client_context(authority)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with https_door(tmp_path, authority) as door:
        assert await serial_shown(door, old)
        older = client_context(authority)
        older.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await serial_shown(door, older)
    async with https_door(tmp_path, authority, tls_minimum_version="1.3") as door:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await serial_shown(door, old)
        assert await serial_shown(door, client_context(authority))


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"])
async def test_ciphers_without_forward_secrecy_or_authentication_are_refused(tmp_path: Path, cipher: str):
    """What Go's servers do not speak by default is not spoken here."""
    authority = Authority.new("authority")
    weak = client_context(authority)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers(cipher)
    async with https_door(tmp_path, authority) as door:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await serial_shown(door, weak)


async def test_certificates_are_swapped_while_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """New connections are shown the new one, old connections live on; no file is looked at twice in a second."""
    monkeypatch.setattr("gateway.http.tls.LOOKED_AT_SECONDS", 0.0)
    authority = Authority.new("authority")
    async with https_door(tmp_path, authority) as door:
        context = client_context(authority)
        first = await serial_shown(door, context)
        renewed = authority.issue(tmp_path / "tls.crt", tmp_path / "tls.key")

        assert await serial_shown(door, context) == renewed != first
        assert (await door.ask("{ cluster { nodeCount } }")).status == 200, "the kept connection still serves"


async def test_half_of_a_swap_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A certificate whose key has not come yet is not shown; the next look finds both."""
    caplog.set_level(20)
    authority, now = Authority.new("authority"), [0.0]
    files = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    authority.issue(files.certificate, files.key)
    served = ServedTls(files, clock=lambda: now[0])
    greeting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)

    def shown() -> ssl.SSLContext:
        now[0] += 1.0
        greeting.context = served.context
        served.context.sni_callback(greeting, None, served.context)  # type: ignore[misc, arg-type] # typeshed: a name always comes
        return greeting.context

    authority.issue(files.certificate, tmp_path / "other.key")
    assert shown() is served.context
    assert [record.getMessage() for record in caplog.records] == ["tls.kept"]
    assert shown() is served.context
    assert len(caplog.records) == 1, "said once"

    authority.issue(files.certificate, files.key)
    assert shown() is not served.context


async def test_only_clients_of_the_authority_may_connect(tmp_path: Path):
    """With a client authority, a certificate of it comes beside the token; another's does not do."""
    authority, proxies, strangers = Authority.new("authority"), Authority.new("proxies"), Authority.new("strangers")
    (tmp_path / "clients.pem").write_bytes(proxies.pem)
    trusted = client_context(authority)
    proxies.issue(tmp_path / "client.crt", tmp_path / "client.key")
    trusted.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    stranger = client_context(authority)
    strangers.issue(tmp_path / "client.crt", tmp_path / "client.key")
    stranger.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    authority.issue(tmp_path / "tls.crt", tmp_path / "tls.key")
    server = {
        "tls_certificate": tmp_path / "tls.crt",
        "tls_key": tmp_path / "tls.key",
        "protocol": "https",
        "tls_client_ca": tmp_path / "clients.pem",
    }
    async with simulated_door(server=server, trusting=trusted) as door:
        assert (await door.ask("{ cluster { nodeCount } }")).status == 200
        assert (await door.ask("{ cluster { nodeCount } }", token=None)).status == 401
        for context in (client_context(authority), stranger):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await serial_shown(door, context)


async def test_plain_http_on_a_tls_port_is_closed(tmp_path: Path):
    """It is not TLS: the connection ends, the server serves on."""
    authority = Authority.new("authority")
    async with https_door(tmp_path, authority) as door:
        address = urlsplit(door.url)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"http://{address.hostname}:{address.port}/healthz")
        assert (await door.ask("{ cluster { nodeCount } }")).status == 200
