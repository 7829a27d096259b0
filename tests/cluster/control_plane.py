"""A Kubernetes control plane of real parts on 127.0.0.1: etcd and kube-apiserver, and the rest when asked for.

    async with ControlPlane(with_controllers=True, with_kwok=True) as plane:
        await plane.create_nodes(3)
        print(await plane.kubectl("get", "nodes"))

Nothing in it is bound to an event loop, so one cluster of a whole test run serves tests that have a loop each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import yaml

from tests.cluster import objects, programs
from tests.cluster.keys import Authority, TokenSigner
from tests.cluster.objects import Manifest
from tests.cluster.process import Process, ProgramFailed, free_ports

FOLDER = Path(__file__).parent
ISSUER = "https://kubernetes.default.svc"

ADMIN = "admin"
GATEWAY = "gateway"
VIEWER = "viewer"
USERS: Mapping[str, tuple[str, ...]] = {
    ADMIN: ("system:masters",),
    GATEWAY: (),
    VIEWER: (),
    **dict.fromkeys(("alice", "bob", "carol", "dave"), ()),
}
"""Who can log in with a static token, and their groups. `rbac.yaml` binds the gateway and the viewer, who may read
everything that the gateway shows; the others have no rights until a test gives them some (`allow`)."""

CHARTS_RIGHTS = FOLDER.parent.parent / "deploy" / "manifests" / "rights.yaml"
GATEWAYS_ROLE = "binnacle-gateway"

START_LIMIT_S = 60.0
"""Ready takes 3 s on an idle machine; during a build on the same cores it can be ten times that."""
REQUEST_LIMIT_S = 30.0
AT_ONCE = 64
"""Requests of a bulk creator in flight: more gained nothing on two cores."""


def first_rights() -> str:
    """rbac.yaml, the gateway's role filled with the chart's rules: its tests run with the rights it will have."""
    documents = list(yaml.safe_load_all((FOLDER / "rbac.yaml").read_text()))
    (chart,) = (role for role in yaml.safe_load_all(CHARTS_RIGHTS.read_text()) if role["kind"] == "ClusterRole")
    (own,) = (role for role in documents if (role["kind"], role["metadata"]["name"]) == ("ClusterRole", GATEWAYS_ROLE))
    own["rules"] = [*chart["rules"], *own["rules"]]
    return yaml.safe_dump_all(documents)


class Refused(Exception):  # noqa: N818 - an answer that tests ask for on purpose
    """The API server answered with an error; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Grant:
    """A role and the binding that gives it to one user; revoke it by deleting the binding."""

    plane: ControlPlane
    binding: str
    """The binding's path at the API server."""

    async def revoke(self) -> None:
        await self.plane.request("DELETE", self.binding)


class ControlPlane:
    """One control plane in a temporary folder of its own.

    Promised: `start` returns when the API server is ready, the users' rights are in force and what was asked for runs;
    `stop` leaves neither a process nor a file. A failed start says which program it was, with the end of its log.
    The API server keeps its address and its data over `stop_api_server` and `start_api_server`.
    """

    def __init__(
        self,
        *,
        server: Literal["newest", "oldest"] = "newest",
        feature_gates: Mapping[str, bool] | None = None,
        watch_cache: bool = True,
        with_controllers: bool = False,
        with_kwok: bool = False,
        api_server_flags: Sequence[str] = (),
        kept: Path | None = None,
        start_limit_s: float = START_LIMIT_S,
        say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    ) -> None:
        """Without controllers there are no service accounts by default, and pods may be created without one.

        `api_server_flags` come last, so they win; `say` is told when a program has to be built first. `kept` is what
        `keep` wrote: the cluster begins with a copy of it.
        """
        self._api_server_program = programs.API_SERVER if server == "newest" else programs.OLDEST_API_SERVER
        self._feature_gates = feature_gates or {}
        self._watch_cache = watch_cache
        self._with_controllers = with_controllers
        self._with_kwok = with_kwok
        self._api_server_flags = api_server_flags
        self._kept = kept
        self._start_limit_s = start_limit_s
        self._say = say
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._processes: list[Process] = []
        self._tokens = {user: f"{user}-{secrets.token_urlsafe(24)}" for user in USERS}
        self._etcd_port, self._peer_port, self._port, self._kwok_port = free_ports(4)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    async def start(self) -> None:
        needed = self.needed_programs()
        await asyncio.to_thread(programs.provide_all, needed, self._say)
        self._temporary = tempfile.TemporaryDirectory(prefix="binnacle-cluster-")
        try:
            await asyncio.to_thread(self._make_files)
            if self._kept:
                await asyncio.to_thread(shutil.copytree, self._kept, self.folder / "etcd")
            await self._start_etcd()
            await self.start_api_server()
            await self._wait_for_namespace("default")
            if not self._kept:
                await self.kubectl("create", "-f", "-", stdin=first_rights())
            await self.wait_allowed(GATEWAY, "list", "pods")
            if self._with_controllers:
                await self.start_controllers()
            if self._with_kwok:
                await self.start_kwok()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything at once (nothing here is worth saving) and remove the folder."""
        for process in reversed(self._processes):
            process.kill()
        self._processes.clear()
        if self._temporary:
            self._temporary.cleanup()
            self._temporary = None

    def needed_programs(self) -> list[programs.Program]:
        """What `start` finds or builds."""
        needed = [programs.ETCD, self._api_server_program, programs.KUBECTL]
        if self._with_controllers:
            needed += [programs.CONTROLLER_MANAGER, programs.SCHEDULER]
        if self._with_kwok:
            needed += [programs.KWOK]
        return needed

    # --- where it is, and who may come in ---

    @property
    def folder(self) -> Path:
        assert self._temporary, "the control plane was not started"
        return Path(self._temporary.name)

    @property
    def server(self) -> str:
        """The API server's address, `https://127.0.0.1:PORT`."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def etcd(self) -> str:
        """etcd's address, `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._etcd_port}"

    @property
    def ca_file(self) -> Path:
        return self._authority.certificate

    @property
    def kubeconfig(self) -> Path:
        """Has a context for each of USERS; the current one is the admin's."""
        return self.kubeconfig_of(ADMIN)

    def kubeconfig_of(self, user: str) -> Path:
        """A kubeconfig whose current context is this user's."""
        file = self.folder / f"{user}.kubeconfig"
        if not file.exists():
            cluster = {"server": self.server, "certificate-authority": str(self.ca_file)}
            content = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "binnacle-test", "cluster": cluster}],
                "users": [{"name": name, "user": {"token": token}} for name, token in self._tokens.items()],
                "contexts": [
                    {"name": name, "context": {"cluster": "binnacle-test", "user": name}} for name in self._tokens
                ],
                "current-context": user,
            }
            file.write_text(json.dumps(content, indent=2))
        return file

    def token(self, user: str) -> str:
        """The static bearer token of one of USERS; another in every control plane."""
        return self._tokens[user]

    def client_certificate(self, user: str, groups: Sequence[str] = ()) -> tuple[Path, Path]:
        """A certificate and its key that log in as this user."""
        return self._authority.client(user, groups)

    async def create_service_account(self, name: str, namespace: str = "default") -> str:
        """Create the account; answers the user name that it has for RBAC."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        await self.request("POST", path, {"metadata": {"name": name}})
        return f"system:serviceaccount:{namespace}:{name}"

    async def create_token(self, service_account: str, namespace: str = "default") -> str:
        """A token for the service account, valid for an hour, from the API server itself."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        answer = await self.request("POST", path, {"spec": {"expirationSeconds": 3600}})
        return str(answer["status"]["token"])

    async def expired_token(self, service_account: str, namespace: str = "default", *, for_s: float = 60.0) -> str:
        """A token of the service account that was valid once, and has not been for `for_s` seconds.

        The API server issues none that ends sooner than in 10 minutes, so this one is signed here with its key.
        """
        account = await self.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}")
        expired_at = int(time.time() - for_s)
        issued_at = expired_at - 3600
        return self._signer.signed(
            {
                "iss": ISSUER,
                "aud": [ISSUER],
                "sub": f"system:serviceaccount:{namespace}:{service_account}",
                "iat": issued_at,
                "nbf": issued_at,
                "exp": expired_at,
                "jti": str(uuid.uuid4()),
                "kubernetes.io": {
                    "namespace": namespace,
                    "serviceaccount": {"name": service_account, "uid": account["metadata"]["uid"]},
                },
            }
        )

    async def allow(
        self,
        user: str,
        verbs: Collection[str],
        resources: Collection[str],
        *,
        namespace: str | None = None,
        names: Collection[str] = (),
        group: str = "",
    ) -> Grant:
        """Give the user these rights in one namespace or, without one, in the whole cluster; returns when in force.

        The user may be a service account (`system:serviceaccount:NAMESPACE:NAME`); resources are of one API group.
        """
        name = f"{user.replace(':', '-')}-{secrets.token_hex(4)}"
        kind = "Role" if namespace else "ClusterRole"
        base = "/apis/rbac.authorization.k8s.io/v1"
        base += f"/namespaces/{namespace}" if namespace else ""
        rule = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs), "resourceNames": list(names)}
        await self.request("POST", f"{base}/{kind.lower()}s", {"metadata": {"name": name}, "rules": [rule]})
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        await self.request("POST", f"{base}/{kind.lower()}bindings", binding)
        object_name = next(iter(names), "")
        for resource in resources:
            for verb in verbs:
                about = {"namespace": namespace or "", "name": object_name, "group": group}
                await self.wait_allowed(user, verb, resource, **about)
        return Grant(self, f"{base}/{kind.lower()}bindings/{name}")

    async def is_allowed(self, user: str, verb: str, resource: str, **about: str) -> bool:
        """What the API server's own SubjectAccessReview answers, for a user without groups.

        `about`: `group`, `namespace` and `name`, where they are not empty.
        """
        attributes = {"verb": verb, "resource": resource, **about}
        review = {"spec": {"user": user, "resourceAttributes": attributes}}
        answer = await self.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    async def wait_allowed(self, user: str, verb: str, resource: str, **about: str) -> None:
        """Wait until the right is in force: the API server hears of new bindings by a watch of its own."""
        await eventually(lambda: self.is_allowed(user, verb, resource, **about))

    # --- asking the API server ---

    @contextlib.asynccontextmanager
    async def api(self, user: str = ADMIN, *, token: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
        """An HTTP session with the API server as one of USERS, or as whoever a token belongs to."""
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=self.ca_file), limit=AT_ONCE)
        async with aiohttp.ClientSession(
            self.server,
            connector=connector,
            headers={"Authorization": f"Bearer {token or self._tokens[user]}"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_LIMIT_S),
        ) as session:
            yield session

    async def request(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        *,
        user: str = ADMIN,
        token: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Manifest:
        """One request, answered with the decoded object; raises Refused for an error's status."""
        async with self.api(user, token=token) as session:
            return await _ask(session, method, path, body, params)

    async def kubectl(self, *arguments: str, stdin: str | None = None, user: str = ADMIN) -> str:
        """What kubectl prints; raises with its words when it fails."""
        command: list[str | Path] = [
            programs.provide(programs.KUBECTL, self._say),
            "--kubeconfig",
            self.kubeconfig_of(user),
            *arguments,
        ]

        def run() -> str:
            answer = subprocess.run(
                command, input=stdin, capture_output=True, text=True, timeout=START_LIMIT_S, check=False
            )
            if answer.returncode:
                raise ProgramFailed(f"kubectl {' '.join(arguments)}: {answer.stderr.strip()}")
            return answer.stdout

        return await asyncio.to_thread(run)

    # --- objects ---

    async def create_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Create it; with controllers, return when its default service account exists and pods can be created."""
        await self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})
        if self._with_controllers:
            await self._wait_for_service_account(name)

    async def create(self, manifests: Iterable[Manifest], namespace: str = "default") -> list[Manifest]:
        """Create nodes or pods as they stand, many at a time; the created objects in the same order.

        A pod's `status` is written too (by a second request, as a kubelet does); a node's is part of its creation.
        """
        async with self.api() as session:

            async def create_one(manifest: Manifest) -> Manifest:
                if manifest["kind"] == "Node":
                    return await _ask(session, "POST", "/api/v1/nodes", manifest)
                path = f"/api/v1/namespaces/{namespace}/pods"
                created = await _ask(session, "POST", path, manifest)
                if status := manifest.get("status"):
                    path = f"{path}/{manifest['metadata']['name']}/status"
                    created = await _ask(session, "PATCH", path, {"status": status})
                return created

            return await _side_by_side(create_one, manifests)

    async def create_nodes(self, count: int, *, prefix: str = "node", **options: Any) -> list[str]:
        """Create Ready nodes `PREFIX-0000` and so on (`options`: see `objects.node`); their names."""
        names = [f"{prefix}-{index:04}" for index in range(count)]
        await self.create(objects.node(name, index, **options) for index, name in enumerate(names))
        return names

    async def create_pods(
        self, count: int, nodes: Sequence[str], *, namespace: str = "default", prefix: str = "pod", **options: Any
    ) -> list[str]:
        """Create Running pods `PREFIX-00000` and so on, dealt to the nodes in turn (`options`: see `objects.pod`).

        For control planes without KWOK: their status is written here, with addresses from 10.64.0.1 up.
        """
        names = [f"{prefix}-{index:05}" for index in range(count)]

        def running(index: int, name: str) -> Manifest:
            manifest = objects.pod(name, node=nodes[index % len(nodes)], **options)
            number = index + 1
            address = f"10.{64 + number // 65_536}.{number // 256 % 256}.{number % 256}"
            return manifest | {"status": objects.running_status(manifest, address, "10.100.0.1")}

        await self.create((running(index, name) for index, name in enumerate(names)), namespace)
        return names

    # --- the parts ---

    def stop_api_server(self) -> None:
        """Kill it (SIGKILL): connections break, etcd keeps the data."""
        self._api_server.kill()
        self._processes.remove(self._api_server)

    async def start_api_server(self) -> None:
        """Start it, or start it again where it was; what it had in its watch cache is gone, so old versions are too."""
        gates = ",".join(f"{gate}={str(on).lower()}" for gate, on in self._feature_gates.items())
        self._api_server = self._start(
            self._api_server_program,
            f"--etcd-servers={self.etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder}",
            f"--tls-cert-file={self._certificate[0]}",
            f"--tls-private-key-file={self._certificate[1]}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={self._signer.public}",
            f"--service-account-signing-key-file={self._signer.private}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            "--allow-privileged",
            "--max-requests-inflight=2000",
            "--max-mutating-requests-inflight=1000",
            f"--watch-cache={str(self._watch_cache).lower()}",
            *([] if self._with_controllers else ["--disable-admission-plugins=ServiceAccount"]),
            *([f"--feature-gates={gates}"] if gates else []),
            *self._api_server_flags,
        )

        async def ready() -> bool:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self.api() as session, session.get("/readyz") as answer:
                    return answer.status == 200
            return False

        await self._api_server.ready(ready, self._start_limit_s)

    def keep(self, folder: Path) -> None:
        """Stop everything, and write all objects to a folder from which another cluster can begin (`kept`)."""
        for process in reversed(self._processes):
            process.terminate()
        self._processes.clear()
        shutil.copytree(self.folder / "etcd", folder)

    def freeze_api_server(self) -> None:
        """Stop it in mid-step (SIGSTOP): connections stay open and nothing answers."""
        self._api_server.freeze()

    def thaw_api_server(self) -> None:
        self._api_server.thaw()

    async def start_controllers(self) -> None:
        """The controller manager and the scheduler; returns when the former works."""
        self._start(
            programs.CONTROLLER_MANAGER,
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self._signer.private}",
            f"--root-ca-file={self.ca_file}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        )
        self._start(programs.SCHEDULER, f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0")
        await self._wait_for_service_account("default")

    async def start_kwok(self) -> None:
        """KWOK as the kubelet of every node: nodes stay Ready; pods start, complete and end; metrics are served."""
        process = self._start(
            programs.KWOK,
            f"--kubeconfig={self.kubeconfig}",
            f"--config={FOLDER / 'kwok.yaml'}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            "--cidr=10.64.0.0/12",
            f"--server-address={self.kwok_address}",
        )
        await process.ready(lambda: answers(f"http://{self.kwok_address}/healthz"), START_LIMIT_S)

    @property
    def kwok_address(self) -> str:
        """HOST:PORT where KWOK serves `/metrics/nodes/NODE/metrics/resource` and `/discovery/prometheus`."""
        return f"127.0.0.1:{self._kwok_port}"

    @property
    def logs(self) -> Mapping[str, Path]:
        """Program to the file with its output."""
        return {process.name: process.log for process in self._processes}

    def check(self) -> None:
        """Raise ProgramFailed if one of the programs has ended by itself."""
        for process in self._processes:
            if not process.running:
                raise process.failure("ended")

    @property
    def pids(self) -> Mapping[str, int]:
        """Program to its process."""
        return {process.name: process.pid for process in self._processes}

    def memory(self) -> Mapping[str, int]:
        """Program to resident bytes (Linux)."""
        return {process.name: process.memory() for process in self._processes}

    # --- inside ---

    def _make_files(self) -> None:
        self._authority = Authority(self.folder)
        self._certificate = self._authority.server("kube-apiserver")
        self._signer = TokenSigner(self.folder)
        lines = (f'{self._tokens[user]},{user},{user}-uid,"{",".join(groups)}"\n' for user, groups in USERS.items())
        (self.folder / "tokens.csv").write_text("".join(lines))

    def _start(self, program: programs.Program, *arguments: str) -> Process:
        command: list[str | Path] = [programs.provide(program, self._say), *arguments]
        process = Process(command, self.folder / f"{program.name}.log")
        process.start()
        self._processes.append(process)
        return process

    async def _start_etcd(self) -> None:
        address = self.etcd
        peer = f"http://127.0.0.1:{self._peer_port}"
        etcd = self._start(
            programs.ETCD,
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={address}",
            f"--advertise-client-urls={address}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--quota-backend-bytes=8589934592",  # its default, 2 GiB, is full at about 30,000 pods
            "--log-level=error",
        )
        await etcd.ready(lambda: answers(f"{address}/health"), self._start_limit_s)

    async def _wait_for_namespace(self, name: str) -> None:
        """The API server makes its own namespaces a moment after it says that it is ready."""
        await self._wait_for(f"/api/v1/namespaces/{name}")

    async def _wait_for_service_account(self, namespace: str) -> None:
        await self._wait_for(f"/api/v1/namespaces/{namespace}/serviceaccounts/default")

    async def _wait_for(self, path: str) -> None:
        async def exists() -> bool:
            try:
                await self.request("GET", path)
            except Refused as refusal:
                if refusal.status != 404:
                    raise
                return False
            return True

        await eventually(exists)


async def eventually(
    condition: Callable[[], Coroutine[Any, Any, bool]], *, limit_s: float = START_LIMIT_S, every_s: float = 0.05
) -> None:
    """Wait until the real system has come to it; raises TimeoutError if it has not within the limit."""
    async with asyncio.timeout(limit_s):
        while not await condition():
            await asyncio.sleep(every_s)


async def answers(url: str) -> bool:
    """Whether something answers there with 200."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        limit = aiohttp.ClientTimeout(total=REQUEST_LIMIT_S)
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as answer:
            return answer.status == 200
    return False


async def _ask(
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Manifest | None = None,
    params: Mapping[str, str] | None = None,
) -> Manifest:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    async with session.request(method, path, json=body, params=params, headers={"Content-Type": kind}) as answer:
        content: Manifest = await answer.json(content_type=None)
        if answer.status >= 400:
            raise Refused(answer.status, str(content.get("message", content)))
        return content


async def _side_by_side(
    create: Callable[[Manifest], Coroutine[Any, Any, Manifest]], manifests: Iterable[Manifest]
) -> list[Manifest]:
    """Create them, AT_ONCE of them at a time; the results in the same order."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(manifest: Manifest) -> Manifest:
        async with turns:
            return await create(manifest)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(in_turn(manifest), name="create") for manifest in manifests]
    return [task.result() for task in running]
