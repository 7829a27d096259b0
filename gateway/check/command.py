"""Runs all checks, and tells what they found."""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Literal

from gateway.check.cluster import check_cluster
from gateway.check.findings import Finding, Outcome, as_json, as_text, coloured, fails, summary
from gateway.check.metrics import check_metrics
from gateway.check.resource_metrics import check_resource_metrics
from gateway.check.surroundings import check_certificate, check_grafana, check_issuer
from gateway.config import Config

Output = Literal["text", "json"]


def run_check(config: Config, *, source: str, grafana: str | None, output: Output) -> int:
    """Check what this config leads to; returns the exit code: 1 if something fails that is needed."""
    return tell([Finding("config", Outcome.WORKS, source), *asyncio.run(_all(config, grafana))], output)


async def _all(config: Config, grafana: str | None) -> Sequence[Finding]:
    cluster, metrics, in_its_place, issuer, beside = await asyncio.gather(
        check_cluster(config),
        check_metrics(config.prometheus),
        check_resource_metrics(config),
        check_issuer(config.auth, config.oidc),
        check_grafana(grafana),
    )
    return [*cluster, *metrics, *in_its_place, *issuer, *check_certificate(config.server.tls_certificate), *beside]


def tell(findings: Sequence[Finding], output: Output) -> int:
    if output == "json":
        sys.stdout.write(f"{as_json(findings)}\n")
    else:
        lines = as_text(findings, colours=coloured(sys.stdout, os.environ))
        sys.stdout.write("\n".join([*lines, "", summary(findings), ""]))
    return 1 if fails(findings) else 0
