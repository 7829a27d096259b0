"""Runs what npm installs for these tests: Node from the PATH or from PyPI, packages as the lock file says."""

import asyncio
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.graphiql.build import Node, find_node, install_packages

HERE: Final = Path(__file__).parent
ARTIFACTS: Final = HERE / "relay" / "artifacts"


async def npm(script: str, *arguments: str) -> str:
    """What a script of package.json prints; fails with what it complains of."""
    return await asyncio.to_thread(_run, script, arguments)


async def compile_relay() -> Path:
    """Compile the documents in `relay/src`; returns the file with their texts by hash."""
    return await asyncio.to_thread(_compile)


def _run(script: str, arguments: tuple[str, ...]) -> str:
    with _alone() as node:
        return _printed(node, script, arguments)


def _compile() -> Path:
    texts = ARTIFACTS / "persisted.json"
    with _alone() as node:
        shutil.rmtree(ARTIFACTS, ignore_errors=True)
        ARTIFACTS.mkdir()
        texts.write_text("{}")  # the compiler adds to a file that must be there
        _printed(node, "relay", ())
    return texts


def _printed(node: Node, script: str, arguments: tuple[str, ...]) -> str:
    done = subprocess.run(
        [*node.npm, "run", "--silent", script, "--", *arguments],
        cwd=HERE,
        env={**os.environ, **node.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def _alone() -> Iterator[Node]:
    """Tests of other processes wait: they install and compile into the same folders."""
    node = find_node()
    with (HERE / "node_modules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_packages(node, HERE)
        yield node
