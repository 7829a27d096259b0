"""A Chromium for the tests: `python -m tests.browser.chromium` finds or installs one and prints its path.

The one on the PATH, else Debian's package where this user can install it, else Playwright's own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
MISSING: Final = "no Chromium here; run: python -m tests.browser.chromium"


def flags() -> Sequence[str]:
    """Headless, quiet, and silent on the network: it must ask for nothing that the page does not."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to start as root with one
    return [
        "--headless",
        *sandbox,
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]


def find(playwrights_own: str) -> Path | None:
    """A Chromium that starts: of the PATH, else where Playwright would have put its own."""
    named = (shutil.which(name) for name in NAMES)
    for path in (*named, playwrights_own):
        if path and _starts(path):
            return Path(path)
    return None


def install(playwrights_own: str) -> Path | None:
    """The first of the two ways that works; what they print is shown."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _show("Installing Debian's chromium (about a minute)")
        _run("apt-get", "-qq", "update")
        _run("apt-get", "-qq", "install", "--yes", "chromium")
        if found := find(playwrights_own):
            return found
    _show("Installing Playwright's Chromium (about a minute)")
    _run(sys.executable, "-m", "playwright", "install", "chromium")
    return find(playwrights_own)


def main() -> int:
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    found = find(own) or install(own)
    if found is None:
        _show("No Chromium can be had here: its tests will say that they are skipped")
        return 1
    print(found)
    return 0


def _starts(path: str) -> bool:
    """Some distributions put a script there that only says where the real one is."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, check=False, timeout=30).returncode == 0
    except OSError:
        return False


def _run(*command: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=environment, stdout=sys.stderr, check=False)


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
