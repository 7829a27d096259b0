"""A real Prometheus, scraping every second what tests give it, and the kubelet metrics that KWOK serves."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml

from tests.cluster import programs
from tests.cluster.control_plane import REQUEST_LIMIT_S, answers, eventually
from tests.cluster.process import Process, free_ports

START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """One page to scrape, and the labels that all its series get: `job` and whatever service discovery would add."""

    address: str
    path: str
    job: str
    labels: Mapping[str, str] = field(default_factory=dict)


def exporter_targets(exporters: str, nodes: Iterable[str]) -> list[Target]:
    """The pages of `exporters.py`, labelled as kube-prometheus labels them: node exporter's `instance` is the node."""
    pages = [Target(exporters, "/state/metrics", "kube-state-metrics")]
    for node in nodes:
        cadvisor = {"node": node, "instance": node, "metrics_path": "/metrics/cadvisor"}
        pages += [
            Target(exporters, f"/nodes/{node}/metrics", "node-exporter", {"instance": node}),
            Target(exporters, f"/cadvisor/{node}/metrics", "kubelet", cadvisor),
        ]
    return pages


class PrometheusServer:
    """One Prometheus in a temporary folder of its own; not bound to an event loop.

    Promised: `start` returns when it answers queries; `stop` leaves neither a process nor a file; it keeps its address
    over `kill` and `start_again`.
    """

    def __init__(
        self,
        targets: Iterable[Target] = (),
        *,
        kwok_address: str | None = None,
        scrape_interval_s: int = 1,
        relabelling: Sequence[Mapping[str, Any]] = (),
        honor_labels: bool = True,
        rules: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    ) -> None:
        """With KWOK's address (`ControlPlane.kwok_address`), the nodes are found as they come and go.

        `relabelling` is what becomes of targets' labels, as in `relabel_configs`: of what service discovery says, which
        begins with `__meta_`. With `honor_labels` a target's own labels go before them: kube-state-metrics and cAdvisor
        name namespaces and pods themselves. `rules` are recorded as often as is scraped: names and their expressions.
        """
        self._targets = list(targets)
        self._kwok_address = kwok_address
        self._scrape_interval_s = scrape_interval_s
        self._relabelling = relabelling
        self._honor_labels = honor_labels
        self._rules = rules or {}
        self._say = say
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._process: Process | None = None
        (self._port,) = free_ports(1)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        await asyncio.to_thread(programs.provide, programs.PROMETHEUS, self._say)
        self._temporary = tempfile.TemporaryDirectory(prefix="binnacle-prometheus-")
        try:
            (self._folder / "prometheus.yml").write_text(yaml.safe_dump(self._config()))
            rules = [{"record": name, "expr": expression} for name, expression in self._rules.items()]
            groups = [{"name": "rules", "rules": rules}] if rules else []
            (self._folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
            self.set_targets(self._targets)
            await self.start_again()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.kill()
        if self._temporary:
            self._temporary.cleanup()
            self._temporary = None

    def kill(self) -> None:
        """End it at once; what it has stored stays."""
        if self._process:
            self._process.kill()

    async def start_again(self) -> None:
        command: list[str | Path] = [
            programs.provide(programs.PROMETHEUS, self._say),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=warn",
        ]
        self._process = Process(command, self._folder / "prometheus.log")
        self._process.start()
        await self._process.ready(lambda: answers(f"{self.url}/-/ready"), START_LIMIT_S)

    def freeze(self) -> None:
        """Stop it in mid-step: it accepts connections and answers nothing."""
        if self._process:
            self._process.freeze()

    def thaw(self) -> None:
        if self._process:
            self._process.thaw()

    def set_targets(self, targets: Iterable[Target]) -> None:
        """Scrape these from now on, instead of those before; Prometheus sees the file change by itself."""
        groups = [
            {
                "targets": [target.address],
                "labels": {"job": target.job, "__metrics_path__": target.path, **target.labels},
            }
            for target in targets
        ]
        aside = self._folder / "targets.json.new"
        aside.write_text(json.dumps(groups))
        aside.rename(self._folder / "targets.json")

    async def query(self, promql: str, at: float | None = None) -> list[Any]:
        """An instant query's `result`, now or at a moment.

        For a vector, entries with `metric` (labels) and `value` ([time, text]).
        """
        limit = aiohttp.ClientTimeout(total=REQUEST_LIMIT_S)
        form = {"query": promql} if at is None else {"query": promql, "time": str(at)}
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(f"{self.url}/api/v1/query", data=form) as answer,
        ):
            content = await answer.json()
        if content["status"] != "success":
            raise ValueError(f"{promql}: {content['errorType']}: {content['error']}")
        result: list[Any] = content["data"]["result"]
        return result

    async def wait_for_window(self, selector: str, window_s: int, at_least: int = 1, *, limit_s: float = 60.0) -> None:
        """Wait until so many of the selector's series fill the window with samples.

        `rate()` divides by the whole window: over a series that began within it, it answers less than the true rate.
        """
        full = f"count_over_time({selector}[{window_s}s]) >= {window_s // self._scrape_interval_s}"
        await self.wait_for_series(full, at_least, limit_s=limit_s)

    async def wait_for_series(self, promql: str, at_least: int = 1, *, limit_s: float = 30.0) -> list[Any]:
        """The result of the query once it has so many series; the first take a scrape or two."""
        result: list[Any] = []

        async def enough() -> bool:
            nonlocal result
            result = await self.query(promql)
            return len(result) >= at_least

        await eventually(enough, limit_s=limit_s, every_s=0.2)
        return result

    async def wait_for_value(
        self, promql: str, expected: float, at_least: int = 1, *, within: float, limit_s: float = 60.0
    ) -> list[Any]:
        """The result of the query once it has so many series, each of that value but for a share of it (`within`).

        For rates: on a busy machine a scrape comes late, and a rate over few of them is wrong by as much for a while.
        Raises AssertionError with the last values.
        """
        values: list[float] = []
        result: list[Any] = []

        async def agrees() -> bool:
            nonlocal values, result
            result = await self.query(promql)
            values = [float(series["value"][1]) for series in result]
            return len(values) >= at_least and all(abs(value - expected) <= within * expected for value in values)

        try:
            await eventually(agrees, limit_s=limit_s, every_s=0.2)
        except TimeoutError as error:
            raise AssertionError(f"{promql}: {values}, not {at_least} of {expected}") from error
        return result

    @property
    def _folder(self) -> Path:
        assert self._temporary, "Prometheus was not started"
        return Path(self._temporary.name)

    def _config(self) -> dict[str, Any]:
        interval = f"{self._scrape_interval_s}s"
        jobs: list[dict[str, Any]] = [
            {
                "job_name": "targets",
                "honor_labels": self._honor_labels,
                "relabel_configs": [dict(rule) for rule in self._relabelling],
                "file_sd_configs": [{"files": [str(self._folder / "targets.json")], "refresh_interval": "10s"}],
            }
        ]
        if self._kwok_address:
            jobs.append(
                {
                    "job_name": "kubelet",
                    "http_sd_configs": [
                        {"url": f"http://{self._kwok_address}/discovery/prometheus", "refresh_interval": interval}
                    ],
                    "relabel_configs": [
                        {
                            "source_labels": ["__metrics_path__"],
                            "regex": "/metrics/nodes/([^/]+)(/.+)",
                            "target_label": label,
                            "replacement": replacement,
                        }
                        for label, replacement in (("node", "$1"), ("instance", "$1"), ("metrics_path", "$2"))
                    ]
                    + [{"action": "labeldrop", "regex": "metrics_name"}],
                }
            )
        return {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(self._folder / "rules.yml")],
            "scrape_configs": jobs,
        }
