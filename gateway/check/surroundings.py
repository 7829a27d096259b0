"""What stands around the gateway: its certificate, an issuer of tokens, and a Grafana beside."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

import aiohttp
from cryptography import x509

from auth.authenticators.issuer import Issuer, IssuerUnreachable, Jwk
from auth.settings import Algorithm, AuthSettings, OidcSettings
from gateway.check.findings import Finding, Outcome
from gateway.version import USER_AGENT

TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
SOON_DAYS: Final = 14


def check_certificate(file: Path | None) -> list[Finding]:
    """How long the certificate shown to clients is still good; it was read when the config was."""
    if file is None:
        return [
            Finding(
                "certificate",
                Outcome.NOT_ASKED,
                "none: tokens cross the network in the clear",
                "Put the gateway behind what ends TLS, or give `server.tls_certificate` and `server.tls_key`.",
            )
        ]
    until = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    days = (until - datetime.now(UTC)).days
    said = f"{file}: valid until {until:%Y-%m-%d}"
    if days < 0:
        return [Finding("certificate", Outcome.FAILS, said, "It has run out: no client will connect. Renew it.")]
    if days < SOON_DAYS:
        return [Finding("certificate", Outcome.WARNS, said, "Renew it; the gateway takes it up while it serves.")]
    return [Finding("certificate", Outcome.WORKS, said)]


async def check_issuer(auth: AuthSettings, oidc: OidcSettings) -> list[Finding]:
    """Whether the issuer is there, is the one that is configured, and has keys for the pinned algorithms."""
    if "oidc" not in auth.authenticators or oidc.issuer is None:
        return []
    try:
        keys = await Issuer(oidc.issuer, oidc.ca_file, oidc.timeout_seconds, USER_AGENT).keys()
    except IssuerUnreachable as error:
        return [
            Finding(
                "OIDC issuer",
                Outcome.FAILS,
                f"{oidc.issuer}: {error}",
                "Look at `oidc.issuer` (exactly as tokens have it in `iss`), `oidc.ca_file`, HTTPS_PROXY and the "
                "network policy. Its users cannot log in.",
            )
        ]
    usable = {algorithm: sum(_signs(key, algorithm) for key in keys) for algorithm in get_args(Algorithm)}
    wanted = ", ".join(oidc.algorithms)
    if not any(usable[algorithm] for algorithm in oidc.algorithms):
        offered = ", ".join(algorithm for algorithm, count in usable.items() if count)
        advice = f"Set `oidc.algorithms` to what it signs with, of {offered}." if offered else "Its keys are too weak."
        return [Finding("OIDC issuer", Outcome.FAILS, f"{oidc.issuer}: has no key for {wanted}", advice)]
    counted = " and ".join(f"{usable[algorithm] or 'none'} for {algorithm}" for algorithm in oidc.algorithms)
    return [Finding("OIDC issuer", Outcome.WORKS, f"{oidc.issuer}: keys: {counted}")]


def _signs(key: Jwk, algorithm: Algorithm) -> bool:
    return key.suits(algorithm) and key.public(algorithm) is not None


async def check_grafana(url: str | None) -> list[Finding]:
    """Whether a Grafana shows its dashboards without a login, and so every series of its data source."""
    if url is None:
        return []
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.get(f"{url.rstrip('/')}/api/search", allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        return [Finding("Grafana", Outcome.WARNS, f"{url}: no answer: {error or 'within 5 s'}")]
    if status == 200:
        return [
            Finding(
                "Grafana",
                Outcome.WARNS,
                f"{url} answers without a login",
                "Whoever reaches it can send any query to its data source: everything that permissions hide here. Put "
                "it behind a login (deploy/monitoring/grafana.yaml), or where only who may see all can reach it.",
            )
        ]
    return [Finding("Grafana", Outcome.WORKS, f"{url} asks for a login")]
