"""The kubelet's part for a pod of the chart: its process, started from what the API server has of it and nothing else.

The command, the environment, what is mounted (ConfigMaps, Secrets, the account's own token, bound to the pod) and the
gateway's own way of finding the API server are then those of a pod. It runs in namespaces of its own (sandbox.py);
where this machine permits none, beside us, with the differences that `_Beside` names.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias
from urllib.parse import urlsplit

import aiohttp

from deploy.render import HERE
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import Manifest
from tests.cluster.process import Process, free_ports
from tests.deploy.sandbox import CAPABLE_OF_NOTHING

SANDBOX: Final = Path(__file__).with_name("sandbox.py")
IMAGE: Final = "/opt/binnacle"  # where the image has what this checkout has in its environment
BASE_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
ENVIRONMENT: Final = re.compile(r"^ENV (.+)$", re.MULTILINE)
MOUNTED: Final = "/etc/binnacle"
ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
LIMIT_S: Final = 60.0

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Container:
    """What is to run: path in the pod to what is mounted there, the command, and every variable."""

    mounts: Mapping[str, Path]
    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pod finds on its loopback interface: port there to port of this machine; `names` lead there."""

    ports: Mapping[int, int]
    names: Sequence[str] = ()


class PodProcess(Process):
    """One that may come to an end."""

    async def ended(self) -> int:
        """Wait for it; its exit code."""
        assert self._process
        return await asyncio.to_thread(self._process.wait, LIMIT_S)


class Running(Protocol):
    """A pod's process, and the ways to it."""

    @property
    def process(self) -> PodProcess: ...

    async def port(self, of_the_pod: int) -> int:
        """A port of this machine that leads to one of the pod's."""
        ...

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, as `kubectl exec` does."""
        ...


@contextlib.asynccontextmanager
async def running(
    plane: ControlPlane, pod: Manifest, folder: Path, around: Surroundings | None = None
) -> AsyncIterator[Running]:
    """Start the pod's only container; `around`: what it finds beside the API server. Ends the process in the end."""
    api_server = urlsplit(plane.server).port or 443
    around = around or Surroundings({})
    around = Surroundings({api_server: api_server, **around.ports}, around.names)
    async with contextlib.AsyncExitStack() as stack:
        container = await contained(plane, pod, folder)
        if namespaces():
            yield await _sandboxed(container, folder, around, stack)
        else:
            yield await _beside(container, folder, around, plane, stack)


async def is_well(manifest: Manifest, pod: Running) -> None:
    """Wait until all three probes say so, as they are in the manifest."""
    (container,) = manifest["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        port = await pod.port(ports.get(asked["port"], asked["port"]))
        await pod.process.ready(functools.partial(_answers, f"http://127.0.0.1:{port}{asked['path']}"), LIMIT_S)


async def _answers(url: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    return False


# ------------------------------------------------------------------------------------------- from manifest to container


async def contained(plane: ControlPlane, pod: Manifest, folder: Path) -> Container:
    """Fetch what its volumes are made of into `folder`."""
    (container,) = pod["spec"]["containers"]
    volumes = {}
    for volume in pod["spec"]["volumes"]:
        place = volumes[volume["name"]] = folder / "volumes" / volume["name"]
        place.mkdir(parents=True)
        for name, content in (await _files(plane, pod, volume)).items():
            (place / name).write_text(content)
    address = urlsplit(plane.server)
    environment = {
        **environment_of_the_image(),
        "KUBERNETES_SERVICE_HOST": str(address.hostname),
        "KUBERNETES_SERVICE_PORT": str(address.port),
        **{variable["name"]: variable["value"] for variable in container.get("env", ())},
    }
    mounts = {
        mount["mountPath"]: volumes[mount["name"]] / mount.get("subPath", "") for mount in container["volumeMounts"]
    }
    return Container(mounts, [*container["command"], *container.get("args", ())], environment)


def environment_of_the_image() -> dict[str, str]:
    (own,) = ENVIRONMENT.findall((HERE / "image" / "Dockerfile").read_text())
    return dict(word.replace("$PATH", BASE_PATH).split("=", 1) for word in own.split())


async def _files(plane: ControlPlane, pod: Manifest, volume: Manifest) -> dict[str, str]:
    """Name to content; a kind of volume that is not expected here is a KeyError."""
    here = f"/api/v1/namespaces/{pod['metadata']['namespace']}"
    if source := volume.get("configMap"):
        data = (await plane.request("GET", f"{here}/configmaps/{source['name']}"))["data"]
        items = source.get("items") or [{"key": name, "path": name} for name in data]
        return {item["path"]: data[item["key"]] for item in items}
    if source := volume.get("secret"):
        data = (await plane.request("GET", f"{here}/secrets/{source['secretName']}"))["data"]
        return {name: base64.b64decode(content).decode() for name, content in data.items()}
    if source := volume.get("downwardAPI"):
        return {item["path"]: _field(pod, item["fieldRef"]["fieldPath"]) for item in source["items"]}
    if source := volume.get("serviceAccountToken"):
        bound_to = {"kind": "Pod", "apiVersion": "v1", **{key: pod["metadata"][key] for key in ("name", "uid")}}
        wanted = {"expirationSeconds": source["expirationSeconds"], "boundObjectRef": bound_to}
        account = pod["spec"]["serviceAccountName"]
        made = await plane.request("POST", f"{here}/serviceaccounts/{account}/token", {"spec": wanted})
        return {source["path"]: made["status"]["token"]}
    parts = [await _files(plane, pod, part) for part in volume["projected"]["sources"]]
    return {name: content for part in parts for name, content in part.items()}


def _field(pod: Manifest, path: str) -> str:
    return str(functools.reduce(lambda part, key: part[key], path.split("."), pod))


# ------------------------------------------------------------------------------------------------------ in namespaces


@functools.cache
def namespaces() -> Sequence[str]:
    """`unshare`'s words for a sandbox, tried out; none where this machine permits no such thing."""
    kinds = ("--mount", "--net") if os.geteuid() == 0 else ("--user", "--map-root-user", "--mount", "--net")
    if not all(shutil.which(program) for program in ("unshare", "nsenter", "setpriv")):
        return ()
    with tempfile.TemporaryDirectory() as temporary, _listening(Path(temporary) / "control") as control:
        folder = Path(temporary)
        (folder / "volume").mkdir()
        container = Container({ACCOUNT: folder / "volume", MOUNTED: folder / "volume"}, ["true"], os.environ)
        spec = _specified(container, folder, Surroundings({}), control)
        nowhere = subprocess.DEVNULL  # no pipe: the helper would hold it
        tried = subprocess.run(_started(kinds, spec), check=False, stdout=nowhere, stderr=nowhere, timeout=LIMIT_S)
    return kinds if tried.returncode == 0 else ()


@dataclass(frozen=True, slots=True)
class _Sandboxed:
    process: PodProcess
    container: Container
    inside: socket.socket
    """Asked with a byte, it answers with a new socket of the pod's network."""
    stack: contextlib.AsyncExitStack

    async def port(self, of_the_pod: int) -> int:
        async def connect() -> Streams:
            self.inside.send(b"+")
            _, (descriptor,), _, _ = socket.recv_fds(self.inside, 1, 1)
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", of_the_pod))
                return await asyncio.open_connection(sock=connection)
            except BaseException:
                connection.close()
                raise

        return await self.stack.enter_async_context(forwarding(connect))

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        kinds = [kind for kind in namespaces() if kind != "--map-root-user"]
        same = ["--preserve-credentials"] if "--user" in kinds else []
        variables = [f"{name}={value}" for name, value in self.container.environment.items()]
        entered = ["nsenter", "--target", str(self.process.pid), *kinds, *same]
        words = [*entered, "env", "-i", "-C", "/", *variables, *CAPABLE_OF_NOTHING, *command]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S)


async def _sandboxed(
    container: Container, folder: Path, around: Surroundings, stack: contextlib.AsyncExitStack
) -> Running:
    # Not in `folder`, whose path is too long for a socket's.
    place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pod-")))
    control = stack.enter_context(_listening(place / "control"))
    spec = _specified(container, place, around, control)
    process = PodProcess(_started(namespaces(), spec), folder / "log")
    process.name = container.command[0]
    process.start()
    stack.callback(process.terminate)
    control.settimeout(0)

    async def came() -> bool:
        with contextlib.suppress(BlockingIOError):
            inside.append(control.accept()[0])
        return bool(inside)

    inside: list[socket.socket] = []
    await process.ready(came, LIMIT_S)
    inside[0].settimeout(LIMIT_S)
    stack.enter_context(inside[0])
    _, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, inside[0], 1, len(around.ports))
    for descriptor, port in zip(descriptors, around.ports.values(), strict=True):
        connect = functools.partial(asyncio.open_connection, "127.0.0.1", port)
        await stack.enter_async_context(forwarding(connect, listener=socket.socket(fileno=descriptor)))
    return _Sandboxed(process, container, inside[0], stack)


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def _specified(container: Container, place: Path, around: Surroundings, control: socket.socket) -> Path:
    (place / "aside").mkdir()
    (place / "hosts").write_text(f"127.0.0.1 localhost {' '.join(around.names)}\n")  # the cluster's DNS
    mounts = {
        **{path: str(source) for path, source in container.mounts.items()},
        IMAGE: str(Path(sys.executable).parent.parent),
        "/etc/hosts": str(place / "hosts"),
    }
    spec = place / "spec.json"
    spec.write_text(json.dumps({
        "control": control.getsockname(), "listen": list(around.ports), "aside": str(place / "aside"), "mounts": mounts,
        "command": list(container.command), "environment": dict(container.environment),
    }))  # fmt: skip
    return spec


def _started(kinds: Sequence[str], spec: Path) -> list[str | Path]:
    return ["unshare", *kinds, sys.executable, "-I", SANDBOX, spec]


# --------------------------------------------------------------------------------------------------------- beside us


@dataclass(frozen=True, slots=True)
class _Beside:
    """All "pods" share this machine's network and files: each has ports of its own, told by variables, which win over
    the file; what is mounted lies in a folder, and texts name that; the API server is found by a kubeconfig.
    """

    process: PodProcess
    ports: Mapping[int, int]
    here: Callable[[str], str]
    environment: Mapping[str, str]

    async def port(self, of_the_pod: int) -> int:
        return self.ports[of_the_pod]

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        words = [self.here(word) for word in command]
        return subprocess.run(
            words, env=dict(self.environment), capture_output=True, text=True, check=False, timeout=LIMIT_S
        )


async def _beside(
    container: Container, folder: Path, around: Surroundings, plane: ControlPlane, stack: contextlib.AsyncExitStack
) -> Running:
    own = folder / "root"
    moved = {f"{name}:{port}": f"127.0.0.1:{to}" for name in around.names for port, to in around.ports.items()}
    moved |= {MOUNTED: str(own) + MOUNTED, ACCOUNT: str(own) + ACCOUNT}

    def here(text: str) -> str:
        return functools.reduce(lambda said, change: said.replace(*change), moved.items(), text)

    for path, source in container.mounts.items():
        place = Path(here(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            place.write_text(here(source.read_text()))
        else:
            shutil.copytree(source, place)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(kubeconfig_with(plane, Path(here(f"{ACCOUNT}/token")).read_text()))
    port, metrics_port = free_ports(2)
    environment = {
        **{name: here(value) for name, value in container.environment.items()},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "BINNACLE_SERVER__PORT": str(port),
        "BINNACLE_SERVER__HOST": "127.0.0.1",
        "BINNACLE_TELEMETRY__METRICS_PORT": str(metrics_port),
        "BINNACLE_TELEMETRY__METRICS_HOST": "127.0.0.1",
        "BINNACLE_KUBERNETES__KUBECONFIG": str(kubeconfig),
    }
    variables = [f"{name}={value}" for name, value in environment.items()]
    process = PodProcess(["env", "-i", *variables, *map(here, container.command)], folder / "log")
    process.name = container.command[0]
    process.start()
    stack.callback(process.terminate)
    return _Beside(process, {8080: port, 8081: metrics_port}, here, environment)


def kubeconfig_with(plane: ControlPlane, token: str) -> str:
    cluster = {"server": plane.server, "certificate-authority": str(plane.ca_file)}
    content = {
        "clusters": [{"name": "own", "cluster": cluster}],
        "users": [{"name": "own", "user": {"token": token}}],
        "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
        "current-context": "own",
    }
    return json.dumps(content)


# --------------------------------------------------------------------------------------------------------- connections


@contextlib.asynccontextmanager
async def forwarding(
    connect: Callable[[], Awaitable[Streams]], port: int = 0, listener: socket.socket | None = None
) -> AsyncIterator[int]:
    """Carry what connects to this port (0: any) or listener to one of `connect`'s; yields the port.

    A connection that is refused there is closed; in the end all are.
    """
    carried: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(carry(reader, writer), name="forward")
        carried.add(task)
        task.add_done_callback(carried.discard)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_there, to_there = await connect()
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, to_there), pump(from_there, writer), return_exceptions=True)

    listener = listener or socket.create_server(("127.0.0.1", port))
    server = await asyncio.start_server(take, sock=listener)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carry all bytes from the one to the other, until there are no more or nobody takes them."""
    try:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()
