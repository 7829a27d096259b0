"""`binnacle demo` as a process of its own: what a newcomer starts."""

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

READY_WITHIN_S: Final = 30.0


@contextlib.contextmanager
def running_demo(*arguments: str) -> Iterator[str]:
    """Start it on a free port; yields its address (`http://127.0.0.1:PORT`) once it answers that it is ready."""
    command = [str(Path(sys.executable).parent / "binnacle"), "demo", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        try:
            address = _announced_address(process)
            _wait_until_ready(address)
            yield address
        finally:
            process.terminate()
            process.communicate(timeout=READY_WITHIN_S)


def _announced_address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise RuntimeError(f"binnacle demo ended with exit code {process.wait()} before it said where it listens")


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _ready(address):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{address}/readyz did not become ready within {READY_WITHIN_S:.0f} s")
        time.sleep(0.05)  # another process: there is nothing else to wait on


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("BINNACLE_")}
