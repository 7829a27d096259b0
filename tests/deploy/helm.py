"""The real Helm, with a configuration of its own, and what it renders as objects."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.render import CHART, NAMESPACE, RELEASE

LIMIT_S = 120.0
VALUES = Path(__file__).parent / "values"
GOLDEN = Path(__file__).parent / "golden"

# What Helm would find on a cluster of the newest release with the Prometheus operator, where it renders without looking
# at one. What comes after it on the command line wins.
KUBERNETES = "1.37.2"
OPERATOR = (
    *(
        word
        for kind in ("PodMonitor", "PrometheusRule")
        for word in ("--api-versions", f"monitoring.coreos.com/v1/{kind}")
    ),
    *("--kube-version", KUBERNETES),
)

Manifest = dict[str, Any]


class HelmRefused(Exception):  # noqa: N818 - an answer that tests ask for on purpose
    """Helm said no; str() is what it printed."""


@dataclass(frozen=True, slots=True)
class Helm:
    program: Path
    home: Path
    """Its cache and configuration: none of the user's repositories or plugins are seen."""

    def run(self, *arguments: str) -> str:
        folders = {f"HELM_{what}_HOME": str(self.home / what.lower()) for what in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [self.program, *arguments],
            capture_output=True, text=True, check=False, timeout=LIMIT_S, env=os.environ | folders,
        )  # fmt: skip
        if done.returncode:
            raise HelmRefused(done.stdout + done.stderr)
        return done.stdout

    def template(self, *arguments: str) -> str:
        """The chart as YAML; `arguments` are Helm's (`--set …`, `--values …`)."""
        return self.run("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *OPERATOR, *arguments)

    def objects(self, *arguments: str) -> list[Manifest]:
        return parsed(self.template(*arguments))


def parsed(text: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(text) if document]


def value_sets() -> Sequence[str]:
    """Names of the files in values/, and `default` for none."""
    return ("default", *sorted(file.stem for file in VALUES.glob("*.yaml")))


def values(name: str) -> Sequence[str]:
    """Helm's arguments for one of them."""
    return () if name == "default" else ("--values", str(VALUES / f"{name}.yaml"))


def one(objects: Sequence[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The only object of that kind (and name)."""
    found = [item for item in objects if item["kind"] == kind and (name is None or item["metadata"]["name"] == name)]
    assert len(found) == 1, [(item["kind"], item["metadata"]["name"]) for item in objects]
    return found[0]
