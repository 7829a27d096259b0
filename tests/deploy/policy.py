"""The policy scanner, checkov, over what the chart renders and over the Dockerfile: `python -m tests.deploy.policy`.

It has an environment of its own in the user's cache, because it needs PyPI's package `schema`, which this project's
folder of that name would hide. It asks nobody: no account, no download, no folder of the user's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from deploy.render import CHART, HERE
from tests.cluster import build
from tests.deploy.helm import GOLDEN

REQUIREMENTS = Path(__file__).parent / "checkov.txt"
EXCEPTIONS = CHART / ".checkov.yaml"
SCANNED = (
    *(GOLDEN / f"{name}.yaml" for name in ("default", "everything", "namespaced")),
    HERE / "image" / "Dockerfile",
)
INSTALL_LIMIT_S = 600.0
SCAN_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class Found:
    """What it did not like, of what; `because` where an annotation or a comment explains it."""

    check: str
    name: str
    resource: str
    file: str
    because: str = ""


def main() -> int:
    explained = explanations()
    unexplained = [found for found in scan(lambda line: print(line, file=sys.stderr)) if not found.because]
    bad = [found for found in unexplained if found.check not in explained]
    for found in bad:
        print(f"{found.check} {found.name}: {found.resource} in {found.file}")
    print(f"{len(unexplained) - len(bad)} findings are explained in {EXCEPTIONS.relative_to(HERE.parent)}")
    return 1 if bad else 0


def explanations() -> frozenset[str]:
    """The checks that the chart does not want to pass anywhere."""
    return frozenset(yaml.safe_load(EXCEPTIONS.read_text())["skip-check"])


def scan(say: Callable[[str], None], files: Sequence[Path] = SCANNED) -> list[Found]:
    """All that it finds in these files, explained or not."""
    named = [word for file in files for word in ("--file", str(file))]
    with tempfile.TemporaryDirectory() as home:  # it looks for a config and for credentials there
        done = subprocess.run(
            [scanner(say), "--framework", "kubernetes", "dockerfile", *named, "--skip-download", "--output", "json"],
            cwd=home, env={"HOME": home, "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
            timeout=SCAN_LIMIT_S,
        )  # fmt: skip
    if done.returncode not in (0, 1):  # 1: it has found something
        raise RuntimeError(f"checkov ended with {done.returncode}: {done.stderr}")
    reports = json.loads(done.stdout)
    return [
        _found(item)
        for report in (reports if isinstance(reports, list) else [reports])
        for result in ("failed_checks", "skipped_checks") for item in report["results"][result]
    ]  # fmt: skip


def _found(item: dict) -> Found:
    because = item["check_result"].get("suppress_comment") or ""
    return Found(item["check_id"], item["check_name"], item["resource"], Path(item["file_path"]).name, because)


def scanner(say: Callable[[str], None]) -> Path:
    """Its command, installed once for each list of requirements; raises CannotBuild where it cannot be had."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = build.cache_folder().parent / f"checkov-{key}"
    if not folder.exists():
        aside = folder.with_name(f".{folder.name}.{os.getpid()}")
        say("installing checkov from PyPI (200 MB, first time only) ...")
        uv = uv_command()
        try:
            _run(uv, "venv", "--quiet", "--no-project", "--relocatable", "--python", sys.executable, str(aside))
            _run(uv, "pip", "install", "--quiet", "--python", str(aside), "--requirement", str(REQUIREMENTS))
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder / "bin" / "checkov"


def uv_command() -> str:
    """From the environment, the PATH, or where the Makefile installs it."""
    known = (os.environ.get("UV"), shutil.which("uv"), str(build.cache_folder().parent / "tools" / "bin" / "uv"))
    for uv in known:
        if uv and Path(uv).exists():
            return uv
    raise build.CannotBuild("uv is neither on the PATH nor where `make` installs it")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_LIMIT_S)
    if done.returncode:
        raise build.CannotBuild(f"{' '.join(command[:3])}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
