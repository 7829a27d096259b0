"""Prometheus as the gateway meets it: does it answer, and under which profile has it the series of nodes and pods."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from gateway.check.findings import Finding, Outcome
from gateway.check.scrapes import check_scrapes
from gateway.version import USER_AGENT
from schema.sources.prometheus.catalogue import Level, MetricName, Profile
from schema.sources.prometheus.client import Prometheus, open_prometheus
from schema.sources.prometheus.frames import MetricFrame, Question, Selector
from schema.sources.prometheus.settings import PrometheusSettings

ASKED: Final = (Level.NODE, Level.POD)
# What pins the series to their jobs comes first: under the generic one a tenant's own series could pass for others'.
MOST_SAYING: Final = (*(profile for profile in Profile if profile is not Profile.GENERIC), Profile.GENERIC)


async def check_metrics(settings: PrometheusSettings) -> list[Finding]:
    """What Prometheus says of the CPU of every node and pod; and, if that is nothing, which profile has more to say."""
    if settings.url is None:
        return [
            Finding(
                "Prometheus",
                Outcome.NOT_ASKED,
                "none is configured: of metrics there are CPU and memory of this moment alone, where the cluster has "
                "metrics.k8s.io",
                "Give `prometheus.url` (--prometheus-url).",
            )
        ]
    async with open_prometheus(settings, USER_AGENT) as prometheus:
        reason = await prometheus.check()
        if reason is not None:
            return [
                Finding(
                    "Prometheus",
                    Outcome.FAILS,
                    f"{settings.url}: {reason}",
                    "Look at `prometheus.url`, its credentials and the network policy; metrics say UNREACHABLE.",
                )
            ]
        with suppress(TimeoutError):  # it has scraped nothing yet: then any series would do
            await asyncio.wait_for(prometheus.recognise(), settings.timeout_seconds)
        profile = prometheus.profile
        counted = {level: await _series(prometheus, level) for level in ASKED}
        scrapes = await check_scrapes(prometheus, settings)
    found = [Finding("Prometheus", Outcome.WORKS, settings.url), scrapes]
    known = f"profile {profile}{'' if settings.profile else ', recognised by its jobs'}"
    if all(frame.failure is None and frame.size for frame in counted.values()):
        numbers = ", ".join(f"{frame.size} {level.name.lower()}s" for level, frame in counted.items())
        return [*found, Finding("its series", Outcome.WORKS, f"{known}: CPU of {numbers}")]
    return [*found, await _without_series(settings, profile, counted)]


async def _series(prometheus: Prometheus, level: Level) -> MetricFrame:
    question = Question(MetricName.CPU_USAGE, level, Selector())
    return (await prometheus.frames([question]))[question]


async def _without_series(
    settings: PrometheusSettings, profile: Profile, counted: Mapping[Level, MetricFrame]
) -> Finding:
    failed = [frame.reason for frame in counted.values() if frame.failure is not None]
    if failed:
        return Finding("its series", Outcome.FAILS, f"profile {profile}: {failed[0]}")
    empty = " and ".join(f"{level.name.lower()}s" for level, frame in counted.items() if not frame.size)
    better = [other for other in MOST_SAYING if other is not profile and await _knows(settings, other)]
    advice = (
        f"Set `prometheus.profile` to {' or '.join(better)}, which finds both."
        if better
        else "No profile finds both: is node exporter scraped, and the kubelets' cAdvisor? "
        "`prometheus.catalogue` takes queries of your own."
    )
    return Finding("its series", Outcome.WARNS, f"profile {profile} finds no CPU of {empty}", advice)


async def _knows(settings: PrometheusSettings, profile: Profile) -> bool:
    async with open_prometheus(settings.model_copy(update={"profile": profile}), USER_AGENT) as prometheus:
        return all([(await _series(prometheus, level)).size for level in ASKED])
