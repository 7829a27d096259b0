"""Results for people and for programs: the table of goals, all figures as Markdown and JSON, and plots."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import plots
from tests.benchmarks.figures import Bar, Goal, Results, number
from tests.benchmarks.servers import CLIENTS, SERVER
from tests.cluster import programs

PACKAGES: Final = ("strawberry-graphql", "graphql-core", "starlette", "uvicorn", "uvloop", "msgspec", "orjson")
PROFILE_LINES: Final = 6


def about(runs: int, *, quick: bool) -> dict[str, Any]:
    """The machine, the versions, the date."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])  # type: ignore[index]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit.stdout.strip(),
        "form": "quick" if quick else "whole",
        "runs": runs,
        "machine": {
            "processor": cpu[1] if cpu else platform.processor(),
            "cores": os.cpu_count(),
            "memory GB": round(memory / 1e6),
            "system": " ".join((platform.system(), *re.findall(r"^\d+\.\d+", platform.release()), platform.machine())),
            "clients on core": sorted(CLIENTS),
            "server on core": sorted(SERVER),
            "load before": os.getloadavg()[0],
        },
        "versions": {
            "Python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
            "kube-apiserver": _version(programs.API_SERVER),
            "etcd": _version(programs.ETCD),
        },
    }


def _version(program: programs.Program) -> str:
    found = programs.find(program)
    return found.version if found else "not found"


def table(results: Results) -> str:
    """The goals, for a terminal and for Markdown alike."""
    lines = ["| work | size | goal | measured | limit | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {goal.work} | {goal.size} | {goal.goal} | {number(goal.measured)} {goal.unit} "
        f"| {'≥' if goal.at_least else '≤'} {number(goal.limit)} {goal.unit} | {_verdict(goal)} |"
        for goal in results.goals
    ]
    failed = ["", *(f"**Could not be measured:** {reason}" for reason in results.failed)] if results.failed else []
    return "\n".join(["", *lines, *failed, *_profiles(results.goals)])


def write(results: Results, folder: Path) -> None:
    """results.json, results.md and a plot for each chart."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results.plain(), indent=1) + "\n")
    drawn = plots.draw(results.bars)
    for name, text in drawn.items():
        (folder / f"{name}.svg").write_text(text)
    (folder / "results.md").write_text(_markdown(results, drawn))


def _markdown(results: Results, drawn: Mapping[str, str]) -> str:
    said = results.about
    machine, versions = said["machine"], said["versions"]
    quick = (
        "**The quick form: small clusters, few and short runs. Ratios are rough.**\n\n"
        if said["form"] == "quick"
        else ""
    )
    head = (
        f"# Results of {said['date']}\n\n{quick}"
        f"Commit {said['commit']}, {said['runs']} runs, {said.get('minutes', '?')} minutes. Written by `make bench`; "
        f"[what each row means](README.md).\n\n"
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory GB']} GB; {machine['system']}; "
        f"clients on core {machine['clients on core']}, the server on core {machine['server on core']}; "
        f"load {machine['load before']:.1f} before the start.\n\n"
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".\n\n## Goals\n"
    )
    charts = [
        f"\n### {chart}\n\n" + (f"![{chart}]({plots.name(chart)}.svg)\n\n" if plots.name(chart) in drawn else "") + rows
        for chart, rows in _by_chart(results.bars)
    ]
    return (
        head + table(results) + "\n\n## Figures\n\nMedians, with the smallest and the largest run.\n" + "".join(charts)
    )


def _by_chart(bars: Iterable[Bar]) -> list[tuple[str, str]]:
    ordered = sorted(bars, key=lambda bar: bar.chart)
    return [(chart, _rows(list(those))) for chart, those in groupby(ordered, lambda bar: bar.chart)]


def _rows(bars: list[Bar]) -> str:
    lines = ["| size | who | median | smallest … largest | of an answer |", "|---|---|---|---|---|"]
    for bar in bars:
        factor, unit = plots.shown_unit(bar)
        spread = f"{number(bar.figure.low * factor)} … {number(bar.figure.high * factor)}"
        lines.append(
            f"| {bar.size} | {bar.who} | {number(bar.figure.median * factor)} {unit} | {spread} | {_cost(bar)} |"
        )
    return "\n".join(lines) + "\n"


def _cost(bar: Bar) -> str:
    parts = [
        f"{bar.bytes:,} bytes" if bar.bytes else "",
        f"{bar.cpu_seconds * 1e6:,.0f} µs of CPU" if bar.cpu_seconds else "",
        f"{bar.memory / 2**20:,.0f} MiB resident" if bar.memory else "",
        bar.note,
    ]
    return ", ".join(filter(None, parts))


def _profiles(goals: Iterable[Goal]) -> list[str]:
    lines: list[str] = []
    for goal in goals:
        if goal.profile and goal.judged and not goal.reached:
            lines += ["", f"Where the time goes — {goal.work}, {goal.size}:", ""]
            lines += [
                f"- {each['own']:.0%} in `{each['function']}` ({each['within']:.0%} with what it calls)"
                for each in goal.profile[:PROFILE_LINES]
            ]
    return lines


def _verdict(goal: Goal) -> str:
    return f"**{goal.verdict}**" if goal.judged and not goal.reached else goal.verdict
