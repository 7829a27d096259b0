"""How often Prometheus scrapes what the gateway asks for, beside what is configured.

One series of containers' CPU, which every profile needs, is looked at sample by sample: that holds for a Prometheus
that has just started, and for whatever else speaks its HTTP API.
"""

import math
from itertools import pairwise
from statistics import median
from typing import Final

from gateway.check.findings import Finding, Outcome
from schema.sources.prometheus.catalogue import quoted
from schema.sources.prometheus.client import Prometheus
from schema.sources.prometheus.raw import RawAnswer, RawQuery, RawRefused, RawUnanswered
from schema.sources.prometheus.settings import SCRAPES_IN_A_WINDOW, PrometheusSettings, duration_seconds

SUBJECT: Final = "its scrapes"
SERIES: Final = "container_cpu_usage_seconds_total"
LOOKED_BACK: Final = "15m"
# Scrapes are not made to the millisecond, and an interval that is a little off changes nothing.
TOLERANCE: Final = 1.5


async def check_scrapes(prometheus: Prometheus, settings: PrometheusSettings) -> Finding:
    """Whether rates have scrapes enough in their window, and answers are kept for as long as numbers stay the same."""
    times = await _times(prometheus)
    if isinstance(times, str):
        return Finding(SUBJECT, Outcome.NOT_ASKED, times)
    if len(times) < 2:
        return Finding(SUBJECT, Outcome.NOT_ASKED, f"one of {SERIES} until now: two would tell their interval")
    return judged(median(later - earlier for earlier, later in pairwise(times)), settings)


def judged(interval: float, settings: PrometheusSettings) -> Finding:
    """What it means that so many seconds lie between two scrapes."""
    configured, window = settings.scrape_interval_seconds, duration_seconds(settings.rate_window)
    every, enough = f"{interval:.3g}", f"{math.ceil(SCRAPES_IN_A_WINDOW * interval)}s"
    if window * TOLERANCE < SCRAPES_IN_A_WINDOW * interval:
        return Finding(
            SUBJECT,
            Outcome.WARNS,
            f"one every {every} s: the rate window of {settings.rate_window} holds {window / interval:.2g} of them",
            f"Rates have gaps, or no value at all. Set `prometheus.rate_window` to {enough} or more, and "
            f"`prometheus.scrape_interval_seconds` to {every}.",
        )
    if not configured / TOLERANCE <= interval <= configured * TOLERANCE:
        return Finding(
            SUBJECT,
            Outcome.WARNS,
            f"one every {every} s, not every {configured:g} s as configured",
            f"Set `prometheus.scrape_interval_seconds` to {every}: it is how long an answer is kept.",
        )
    held = f"the rate window of {settings.rate_window} holds {window / interval:.0f}"
    return Finding(SUBJECT, Outcome.WORKS, f"one every {every} s, as configured; {held}")


async def _times(prometheus: Prometheus) -> list[float] | str:
    """When one series was scraped, of late; a sentence where that cannot be known."""
    match await prometheus.raw(RawQuery(f"topk(1, {SERIES})")):
        case RawAnswer(vector=[row, *_]):
            labels = ",".join(f'{name}="{quoted(value)}"' for name, value in row.metric.items() if name != "__name__")
        case RawRefused(reason) | RawUnanswered(reason):
            return f"Prometheus does not say: {reason}"
        case _:
            return f"Prometheus has no {SERIES}"
    match await prometheus.raw(RawQuery(f"{SERIES}{{{labels}}}[{LOOKED_BACK}]")):
        case RawAnswer(matrix=[looked_at, *_]):
            return [sample.timestamp for sample in looked_at.samples]
        case RawRefused(reason) | RawUnanswered(reason):
            return f"Prometheus does not say: {reason}"
        case _:
            return f"Prometheus has no {SERIES} of late"
