"""`make test`: everything, in the order that shows failures soonest; what must be built is built meanwhile.

The first run builds a real control plane and Prometheus from Go modules; its output is shown as it comes, between
the lines of the tests that do not need it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
BIN: Final = ROOT / ".venv" / "bin"

INTRODUCTION: Final = """\
Running every check and test of Binnacle.
  The first run takes about 25 minutes on two cores: it builds kube-apiserver, etcd, KWOK and Prometheus
  from their Go modules, because the tests talk to the real ones. They are kept in the user's cache folder;
  later runs take under 15 minutes. For the inner loop: make test-quick (about two minutes, nothing to build).
"""

CHECKS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    ("format", (str(BIN / "ruff"), "format", "--check", "--quiet", ".")),
    ("lint", (str(BIN / "ruff"), "check", "--quiet", ".")),
    ("import layers", (str(BIN / "lint-imports"),)),
    ("types", (str(BIN / "mypy"),)),
    ("GraphiQL's types and tests", (sys.executable, "-m", "gateway.graphiql.build", "--test")),
)
# Each process has a control plane of its own, of about 1 GB; they mostly wait for it.
CLUSTERS: Final = "4"


def main(arguments: Sequence[str]) -> int:
    print(INTRODUCTION, flush=True)
    started = time.monotonic()
    build = subprocess.Popen([sys.executable, "-m", "tests.cluster", "build"], cwd=ROOT)
    failed = [name for name, command in CHECKS if not _passes(name, command)]
    if not _pytest("tests that need no build", "not cluster and not browser", ("-n", "auto", *arguments)):
        failed.append("quick tests")
    if build.poll() is None:
        print("\nWaiting for the control plane to be built", flush=True)
    if build.wait() != 0:
        print(
            "The control plane cannot be built here (see above): its tests will say that they are skipped", flush=True
        )
    subprocess.run([sys.executable, "-m", "tests.browser.chromium"], cwd=ROOT, check=False)
    if not _pytest(
        "tests on the real cluster and in the browser",
        "(cluster or browser) and not long",
        ("-n", "auto", "--maxprocesses", CLUSTERS, "--dist", "loadfile", *arguments),
    ):
        failed.append("tests on the real cluster and in the browser")
    minutes = (time.monotonic() - started) / 60
    print(f"\n{'FAILED: ' + ', '.join(failed) if failed else 'All checks and tests passed'} ({minutes:.1f} minutes)")
    return 1 if failed else 0


def _passes(name: str, command: Sequence[str]) -> bool:
    print(f"--- {name}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _pytest(title: str, marks: str, arguments: Sequence[str]) -> bool:
    print(f"\n--- {title}", flush=True)
    command = [str(BIN / "pytest"), "-q", "-m", marks, "--durations=5", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
