"""Bars as SVG, written by hand: a chart is a few rectangles and words, and matplotlib would be 100 MB for them.

One plot for each chart: a group of bars for each size of cluster, on a logarithmic scale where values are far apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape

from tests.benchmarks.figures import Bar, number

WIDTH: Final = 860
LABELS: Final = 330
BAR: Final = 18
GAP: Final = 6
FAR_APART: Final = 20
OURS: Final = "#2563eb"
THEIRS: Final = "#94a3b8"
STYLE: Final = """<style>
text { fill: #334155 }
.title { font-size: 15px; font-weight: 600 }
.size { font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #cbd5e1 } }
</style>"""


def name(chart: str) -> str:
    """A chart's name as a file's."""
    return re.sub(r"[^a-z0-9]+", "-", chart.lower()).strip("-")


def shown_unit(bar: Bar) -> tuple[float, str]:
    """Seconds are shown as milliseconds where they are short: the factor and the unit."""
    return (1000.0, "ms") if bar.unit == "s" and bar.figure.median < 2 else (1.0, bar.unit)


def draw(bars: Iterable[Bar]) -> Mapping[str, str]:
    """File names to SVG, for the charts that have more than one bar."""
    ordered = sorted(bars, key=lambda bar: bar.chart)
    charts = [(chart, list(those)) for chart, those in groupby(ordered, lambda bar: bar.chart)]
    return {name(chart): _plot(chart, those) for chart, those in charts if len(those) > 1}


def _plot(chart: str, bars: list[Bar]) -> str:
    values = [bar.figure.median for bar in bars if bar.figure.median > 0]
    logarithmic = bool(values) and max(values) > FAR_APART * min(values)
    parts: list[str] = []
    top = 44
    for size, those in groupby(bars, lambda bar: bar.size):
        parts.append(f'<text x="12" y="{top}" class="size">{escape(size)}</text>')
        top += 10
        for bar in those:
            parts += _bar(bar, top, _scale(values, logarithmic=logarithmic))
            top += BAR + GAP
        top += 22
    scale = " (logarithmic scale)" if logarithmic else ""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img"',
            f'  aria-label="{escape(chart)}" font-family="system-ui, sans-serif" font-size="12">',
            STYLE,
            f'<text x="12" y="22" class="title">{escape(chart + scale)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _scale(values: list[float], *, logarithmic: bool) -> tuple[float, float, bool]:
    low = min(values, default=1.0) / 2 if logarithmic else 0.0
    return low, max(values, default=1.0), logarithmic


def _bar(bar: Bar, top: int, scale: tuple[float, float, bool]) -> list[str]:
    factor, unit = shown_unit(bar)
    start, end = LABELS, WIDTH - 110

    def x(value: float) -> float:
        low, high, logarithmic = scale
        if value <= low:
            return start
        share = math.log(value / low) / math.log(high / low) if logarithmic else value / high
        return start + (end - start) * min(1.0, share)

    middle = top + BAR / 2
    length = max(1.0, x(bar.figure.median) - start)
    colour = OURS if bar.who.startswith(("binnacle", "user")) else THEIRS
    spread = f'x1="{x(bar.figure.low):.1f}" x2="{x(bar.figure.high):.1f}" y1="{middle}" y2="{middle}"'
    after = max(start + length, x(bar.figure.high)) + 6
    return [
        f'<text x="{start - 8}" y="{middle + 4}" text-anchor="end">{escape(bar.who)}</text>',
        f'<rect x="{start}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
        f'<line {spread} stroke="#0f172a" stroke-width="1.5" stroke-opacity="0.6"/>',
        f'<text x="{after:.1f}" y="{middle + 4}">{number(bar.figure.median * factor)} {unit}</text>',
    ]
