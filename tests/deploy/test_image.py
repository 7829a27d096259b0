"""The image without a container engine: the Dockerfile's own scripts in a clean folder, the result as it would run.

As root, on Linux, it runs as the user 65532 without capabilities, in a mount namespace where everything but /proc is
read-only; as somebody else, as that person, over a tree without write bits. Not run: the Dockerfile itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from deploy.render import HERE
from gateway.demo import simulated_cluster
from tests.cluster.control_plane import eventually
from tests.cluster.process import free_ports
from tests.deploy.policy import uv_command

pytestmark = pytest.mark.cluster  # npm's and PyPI's packages are fetched

ROOT = HERE.parent
SCRIPTS = HERE / "image"
DOCKERFILE = SCRIPTS / "Dockerfile"
SCRIPT_LIMIT_S = 600.0
ENTRYPOINT = re.compile(r'^ENTRYPOINT \["(\w+)"\]$', re.MULTILINE)
ENVIRONMENT = re.compile(r"^ENV (.+)$", re.MULTILINE)
HEALTHCHECK = re.compile(r"^HEALTHCHECK .*CMD (\[.+\])$", re.MULTILINE)
PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3", "/opt/python/bin/python3")


@dataclass(frozen=True, slots=True)
class Image:
    """What the last stage copies, in a folder that everybody may enter."""

    tree: Path
    wheel: Path
    log: Path
    """What the process prints."""

    def started(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """The entry point with these arguments, as the container would run it."""
        (entry,) = ENTRYPOINT.findall(DOCKERFILE.read_text())
        command = [*confinement(), str(self.tree / "bin" / entry), *arguments]
        with self.log.open("w") as log:
            return subprocess.Popen(command, env=self.environment() | variables, cwd="/", stdout=log, stderr=log)

    def is_healthy(self, port: int) -> bool:
        """What docker would find with the image's own check; there the port is 8080."""
        (words,) = HEALTHCHECK.findall(DOCKERFILE.read_text())
        python, *arguments = json.loads(words.replace(":8080/", f":{port}/"))
        command = [*confinement(), str(self.tree / "bin" / python), *arguments]
        return (
            subprocess.run(command, env=self.environment(), cwd="/", capture_output=True, check=False).returncode == 0
        )

    def environment(self) -> dict[str, str]:
        (own,) = ENVIRONMENT.findall(DOCKERFILE.read_text())
        return dict(word.split("=", 1) for word in own.split()) | {"PATH": f"{self.tree}/bin:/usr/bin:/bin"}


def confinement() -> Sequence[str]:
    """The words before a command that take its rights away."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        return ()
    read_only = (
        "while read -r _ on _ options _; do case $on in /proc*|/dev/pts*) continue;; esac;"
        ' mount -o remount,bind,ro "$on" 2>/dev/null || true; done < /proc/mounts; exec "$@"'
    )
    rights = ("--reuid=65532", "--regid=65532", "--clear-groups", "--no-new-privs", "--inh-caps=-all")
    return ("unshare", "--mount", "sh", "-c", read_only, "sh", "setpriv", *rights, "--bounding-set=-all")


def everybodys_python() -> str | None:
    """An interpreter that the user 65532 can reach too; root's own may be in root's home."""
    if os.geteuid() != 0:
        return sys.executable
    for python in PYTHONS:
        ask = [python, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"]
        with contextlib.suppress(OSError):
            if subprocess.run(ask, check=False, capture_output=True).returncode == 0:
                return python
    return None


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """A clean folder with the files of a clone, and the three scripts run there, in the Dockerfile's order."""
    python = everybodys_python()
    if python is None:
        pytest.skip("no Python 3.11 or newer that another user could run")
    if not (ROOT / ".git").exists():
        pytest.skip("git tells what belongs to a clone, and this is no checkout")
    with tempfile.TemporaryDirectory(prefix="binnacle-image-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        copy_source(folder / "source")
        lend_packages(folder / "source")
        (folder / "bin").mkdir()
        (folder / "bin" / "python3").symlink_to(python)
        path = os.pathsep.join([str(folder / "bin"), str(Path(uv_command()).parent), os.environ["PATH"]])
        for script, *arguments in (
            ("assets.sh", "source"), ("wheel.sh", "source", "wheel"), ("environment.sh", "source", "wheel", "tree"),
        ):  # fmt: skip
            done = subprocess.run(
                [SCRIPTS / script, *(folder / argument for argument in arguments)],
                env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False, timeout=SCRIPT_LIMIT_S,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
        (wheel,) = (folder / "wheel").glob("*.whl")
        make_read_only(folder / "tree")
        yield Image(folder / "tree", wheel, folder / "log")
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def copy_source(target: Path) -> None:
    """What a fresh clone of this checkout would have, if all in it were committed now."""
    ask = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def lend_packages(source: Path) -> None:
    """npm's packages, where this checkout has those of its lock file: `npm ci` would cost as much as all else here.

    It is what `make` has run by the same script (gateway/graphiql/build.py); without them the script runs it here.
    """
    own = ROOT / "gateway" / "graphiql"
    stamp = own / "node_modules" / ".package-lock.sha256"
    wanted = hashlib.sha256((own / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        (source / "gateway" / "graphiql" / "node_modules").symlink_to(own / "node_modules")


def make_read_only(tree: Path) -> None:
    subprocess.run(["chmod", "-R", "a-w,a+rX", tree], check=True)


@contextlib.contextmanager
def stopped_in_the_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_it_serves_without_rights_over_a_tree_that_it_cannot_write(image: Image):
    """`binnacle serve` answers, with the page of GraphiQL in it, is healthy, and ends with 0 on SIGTERM."""
    (port,) = free_ports(1)
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(simulated_cluster(nodes=3, pods_per_node=2, churn=0))
        token = image.log.with_name("token")
        token.write_text(cluster.gateway_token_file.read_text())  # where the other user can read it
        process = stack.enter_context(
            stopped_in_the_end(
                image.started(
                    "serve",
                    "--port",
                    str(port),
                    BINNACLE_KUBERNETES__SERVER=cluster.kubernetes_url,
                    BINNACLE_KUBERNETES__TOKEN_FILE=str(token),
                )
            )
        )
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as session:

            async def ready() -> bool:
                assert process.poll() is None, image.log.read_text()
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/readyz") as answer:
                        return answer.status == 200
                return False

            await eventually(ready)
            async with session.get(f"{url}/graphql", headers={"Accept": "text/html"}) as answer:
                assert "GraphiQL" in await answer.text()
            query = {"query": "{ cluster { nodeCount } }"}
            async with session.post(
                f"{url}/graphql", json=query, headers={"Authorization": "Bearer demo-admin"}
            ) as answer:
                assert (await answer.json())["data"]["cluster"]["nodeCount"] > 0
        if confinement():
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert re.search(r"^Uid:\t65532\t65532\t65532\t65532$", status, re.MULTILINE)
            assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
            assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        assert await asyncio.to_thread(image.is_healthy, port)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
        assert not image.is_healthy(port)


def test_the_confinement_is_one(tmp_path: Path):
    """Else the test above would show nothing."""
    if not confinement():
        pytest.skip("only root can take rights away from a process it starts")
    for place in ("/tmp", "/var/tmp", "/", "/dev/shm"):
        tried = subprocess.run(
            [*confinement(), "touch", f"{place}/binnacle-was-here"], capture_output=True, check=False
        )
        assert tried.returncode != 0, place


def test_the_same_source_gives_the_same_wheel(image: Image, tmp_path: Path):
    source = image.wheel.parent.parent / "source"
    path = os.pathsep.join([str(Path(uv_command()).parent), os.environ["PATH"]])
    subprocess.run([SCRIPTS / "wheel.sh", source, tmp_path], env=os.environ | {"PATH": path}, check=True, timeout=600)
    assert (tmp_path / image.wheel.name).read_bytes() == image.wheel.read_bytes()


def test_the_image_has_nothing_but_what_runs(image: Image):
    """No compiler, no test tool, no npm package: the locked dependencies and the wheel."""
    (packages,) = image.tree.glob("lib/python*/site-packages")
    names = {folder.name.split("-")[0] for folder in packages.glob("*.dist-info")}
    assert "binnacle" in names
    assert not names & {"pytest", "ruff", "mypy", "hatchling", "pip", "playwright"}
    assert not list(packages.glob("**/node_modules"))


def test_the_dockerfile_calls_the_scripts_in_this_order():
    text = DOCKERFILE.read_text()
    assert text.startswith("# Not run:")
    assert re.findall(r"^RUN deploy/image/(\S+\.sh)", text, re.MULTILINE) == [
        "assets.sh", "wheel.sh", "environment.sh",
    ]  # fmt: skip
    assert "USER 65532:65532" in text
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", text))
    assert labels == {"title", "description", "version", "revision", "licenses"}
