"""The programs that the test cluster consists of, and where each is found.

In this order: the folder that `KUBEBUILDER_ASSETS` names (the ecosystem's convention, see envtest), the PATH, the
user's cache, a build from Go modules (`build.py`). Only the standard library is used, so that any Python can prepare a
machine: `python -m tests.cluster build`.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import build

VERSION_LIMIT_S = 20.0
"""A program that cannot tell its version within this time is not used; kube-apiserver needs 0.1 s, cold disks more."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program: how it is called, which Go package it is, and how old a found one may be."""

    name: str
    module: str
    """The folder beside this file with the go.mod that lists the package as a `tool`."""
    package: str
    oldest: tuple[int, int] | None
    """The oldest release (major, minor) taken from elsewhere; None: this very version is meant, so only the cache."""
    build_takes: str
    """On two cores, from nothing but what the programs before it left in Go's cache."""
    version_arguments: tuple[str, ...] = ("--version",)


KUBERNETES = "k8s.io/kubernetes/cmd"
ETCD = Program("etcd", "kubernetes", "go.etcd.io/etcd/server/v3", (3, 5), "about 1 minute")
API_SERVER = Program("kube-apiserver", "kubernetes", f"{KUBERNETES}/kube-apiserver", (1, 33), "about 5 minutes")
# An older one counts requests in `describe node` in another way than the scheduler: without pod-level resources.
KUBECTL = Program("kubectl", "kubernetes", f"{KUBERNETES}/kubectl", (1, 36), "half a minute", ("version", "--client"))
KWOK = Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", (0, 7), "about 1 minute")
CONTROLLER_MANAGER = Program(
    "kube-controller-manager", "kubernetes", f"{KUBERNETES}/kube-controller-manager", (1, 33), "about 2 minutes"
)
SCHEDULER = Program("kube-scheduler", "kubernetes", f"{KUBERNETES}/kube-scheduler", (1, 33), "seconds")
PROMETHEUS = Program(
    "prometheus", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus", (3, 0), "about 5 minutes"
)
PROMTOOL = Program("promtool", "prometheus", "github.com/prometheus/prometheus/cmd/promtool", (3, 0), "seconds")
HELM = Program(
    "helm", "helm", "helm.sh/helm/v4/cmd/helm", (4, 0), "about 2 minutes", ("version", "--template={{.Version}}")
)
METRICS_SERVER = Program(
    "metrics-server", "metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", (0, 8), "about 2 minutes"
)
OLDEST_API_SERVER = Program(
    "kube-apiserver", "kubernetes-oldest", f"{KUBERNETES}/kube-apiserver", None, "about 4 minutes"
)

ALL = (
    ETCD, API_SERVER, KUBECTL, KWOK, CONTROLLER_MANAGER, SCHEDULER, PROMETHEUS, OLDEST_API_SERVER, PROMTOOL,
    HELM, METRICS_SERVER,
)  # fmt: skip
"""In the order of need, so that tests can begin while the rest is still building."""


@dataclass(frozen=True, slots=True)
class Found:
    """A program on this machine: its file, the place it was found in, and the version it says it has."""

    path: Path
    origin: str
    version: str


def find(program: Program) -> Found | None:
    """Look for the program without building it."""
    for path, origin in _places(program):
        version = said_version(path, program.version_arguments)
        if version and (program.oldest is None or _number(version) >= program.oldest):
            return Found(path, origin, version)
    return None


def provide(program: Program, say: Callable[[str], None]) -> Path:
    """The program's file, built first where it must be; raises `build.CannotBuild` with the reason in one line."""
    if found := find(program):
        return found.path
    return build.built(program.name, program.module, program.package, program.build_takes, say)


def provide_all(programs: Iterable[Program], say: Callable[[str], None]) -> None:
    for program in programs:
        provide(program, say)


def _places(program: Program) -> Iterable[tuple[Path, str]]:
    if program.oldest is not None:
        assets = os.environ.get("KUBEBUILDER_ASSETS")
        if assets and (path := shutil.which(program.name, path=assets)):
            yield Path(path), "KUBEBUILDER_ASSETS"
        if path := shutil.which(program.name):
            yield Path(path), "PATH"
    cached = build.cached_file(program.name, program.module)
    if cached and cached.exists():
        yield cached, "cache"


@functools.cache
def said_version(path: Path, arguments: tuple[str, ...]) -> str | None:
    """The first version number in what the program prints, such as `1.37.2`; None if it cannot be run."""
    try:
        answer = subprocess.run([path, *arguments], capture_output=True, text=True, check=True, timeout=VERSION_LIMIT_S)
    except (OSError, subprocess.SubprocessError):
        return None  # found, but not for this machine, or not what its name says: the next place is tried
    version = re.search(r"\d+\.\d+(\.\d+)?", answer.stdout + answer.stderr)
    return version.group() if version else None


def _number(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)
