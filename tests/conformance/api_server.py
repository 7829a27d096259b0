"""An API server as the conformance tests see it: asked over plain HTTP, changed through a few verbs.

Two of them exist: the simulated one that `binnacle demo` serves, and a real kube-apiserver with etcd.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp

from gateway.demo import ADMIN_TOKEN, Right, SimulatedCluster, Situation
from tests.cluster import objects
from tests.cluster.control_plane import ADMIN, ControlPlane, Refused

WAIT_S = 10.0
"""For one event or answer; a real API server answers in milliseconds."""

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
SELF_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SELF_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def items(self) -> list[Any]:
        return self.body["items"] or []

    @property
    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.items]

    @property
    def version(self) -> str:
        version: str = self.body["metadata"]["resourceVersion"]
        return version


class Events:
    """The lines of one open watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> Any:
        """The next event; None when the server has ended the watch."""
        async with asyncio.timeout(WAIT_S):
            line = await self.response.content.readline()
        return json.loads(line) if line else None

    async def rest(self) -> AsyncIterator[Any]:
        """All further events, until the server ends the watch."""
        while (event := await self.next()) is not None:
            yield event

    async def until(self, kind: str, name: str) -> Any:
        """The next event of that type about that object; others before it are passed over."""
        while (event := await self.next()) is not None:
            if event["type"] == kind and event["object"]["metadata"]["name"] == name:
                return event
        raise AssertionError(f"the watch ended without {kind} of {name}")


@dataclass(frozen=True, slots=True)
class User:
    name: str
    token: str


class Implementation(Protocol):
    """What differs between the two."""

    async def create_namespace(self, name: str) -> None: ...

    async def create_pod(self, namespace: str, name: str, labels: Mapping[str, str], node: str | None) -> None: ...

    async def label_pod(self, namespace: str, name: str, labels: Mapping[str, str]) -> None: ...

    async def delete_pod(self, namespace: str, name: str) -> None: ...

    async def write(self, plural: str, manifest: Mapping[str, Any]) -> None:
        """Create an object of the core group, or replace it, status included."""
        ...

    async def user(self, name: str) -> User:
        """Somebody without any right."""
        ...

    async def allow(self, user: User, verbs: list[str], resource: str, namespace: str | None) -> None: ...

    async def forget_history(self) -> None:
        """Every version seen so far becomes too old."""
        ...


class ApiServer:
    """Requests to either implementation, as its administrator unless a token is given."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, admin_token: str, implementation: Implementation
    ) -> None:
        self._session = session
        self._url = url
        self._admin_token = admin_token
        self.make = implementation

    async def get(self, path: str, *, token: str | None = None, accept: str = "", **params: str) -> Reply:
        return await self._ask("GET", path, token=token, accept=accept, params=params)

    async def post(self, path: str, body: object, *, token: str | None = None) -> Reply:
        return await self._ask("POST", path, token=token, json=body)

    async def ask(self, method: str, path: str) -> Reply:
        return await self._ask(method, path, token=None)

    @contextlib.asynccontextmanager
    async def watch(
        self, path: str, *, token: str | None = None, accept: str = "", **params: str
    ) -> AsyncIterator[Events]:
        params, headers = {"watch": "true", **params}, self._headers(token, accept)
        async with self._session.get(self._url + path, params=params, headers=headers) as response:
            yield Events(response)
            if response.connection and response.connection.transport:
                # An open stream over TLS would be closed in turns with the server, longer than the test's loop lives.
                response.connection.transport.abort()

    async def review_token(self, token: str, **spec: Any) -> Reply:
        return await self.post(TOKEN_REVIEWS, _review("authentication", "TokenReview", {"token": token, **spec}))

    async def review_access(self, **spec: Any) -> Reply:
        return await self.post(ACCESS_REVIEWS, _review("authorization", "SubjectAccessReview", spec))

    async def review_self(self, token: str) -> Reply:
        """Who the holder of the token is, asked by themselves."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        return await self.post(SELF_REVIEWS, review, token=token)

    async def review_own_access(self, token: str, **spec: Any) -> Reply:
        """What the holder of the token may do, asked by themselves."""
        review = _review("authorization", "SelfSubjectAccessReview", spec)
        return await self.post(SELF_ACCESS_REVIEWS, review, token=token)

    async def allowed(self, user: User, verb: str, resource: str, namespace: str = "", name: str = "") -> bool:
        attributes = {"verb": verb, "resource": resource, "namespace": namespace, "name": name}
        reply = await self.review_access(user=user.name, groups=["system:authenticated"], resourceAttributes=attributes)
        assert reply.status == 201, reply.body
        return bool(reply.body["status"]["allowed"])

    async def _ask(self, method: str, path: str, *, token: str | None, accept: str = "", **options: Any) -> Reply:
        async with asyncio.timeout(WAIT_S):
            url = self._url + path
            async with self._session.request(method, url, headers=self._headers(token, accept), **options) as response:
                text = await response.text()
        is_json = response.content_type == "application/json"
        return Reply(response.status, response.headers, json.loads(text) if is_json else text)

    def _headers(self, token: str | None, accept: str) -> dict[str, str]:
        token = self._admin_token if token is None else token
        return {
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **({"Accept": accept} if accept else {}),
        }


class Simulated:
    def __init__(self, cluster: SimulatedCluster) -> None:
        self._cluster = cluster
        self._rights: dict[User, list[Right]] = {}

    async def create_namespace(self, name: str) -> None:
        self._cluster.create_namespace(name)

    async def create_pod(self, namespace: str, name: str, labels: Mapping[str, str], node: str | None) -> None:
        situation = Situation.RUNNING if node else Situation.UNSCHEDULABLE
        self._cluster.create_pod(namespace, name, labels=labels, node=node, situation=situation)

    async def label_pod(self, namespace: str, name: str, labels: Mapping[str, str]) -> None:
        self._cluster.label_pod(namespace, name, labels)

    async def delete_pod(self, namespace: str, name: str) -> None:
        self._cluster.delete_pod(namespace, name)

    async def write(self, plural: str, manifest: Mapping[str, Any]) -> None:
        metadata = {"uid": f"uid-of-{manifest['metadata']['name']}", **manifest["metadata"]}
        self._cluster.put(plural, {**manifest, "metadata": metadata})

    async def user(self, name: str) -> User:
        return User(name, self._cluster.add_user(name))

    async def allow(self, user: User, verbs: list[str], resource: str, namespace: str | None) -> None:
        rights = self._rights.setdefault(user, [])
        rights.append(Right(frozenset(verbs), frozenset({resource}), namespace))
        self._cluster.add_user(user.name, *rights, token=user.token)

    async def forget_history(self) -> None:
        self._cluster.forget_history()


class Real:
    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def create_namespace(self, name: str) -> None:
        await self._plane.create_namespace(name)

    async def create_pod(self, namespace: str, name: str, labels: Mapping[str, str], node: str | None) -> None:
        pod = objects.pod(name, node=node)
        pod["metadata"]["labels"] = dict(labels)
        if node:
            pod["status"] = objects.running_status(pod, "10.64.0.1", "10.100.0.1")
        await self._plane.create([pod], namespace)

    async def label_pod(self, namespace: str, name: str, labels: Mapping[str, str]) -> None:
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        pod = await self._plane.request("GET", path)
        pod["metadata"]["labels"] = dict(labels)
        await self._plane.request("PUT", path, pod)

    async def delete_pod(self, namespace: str, name: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        await self._plane.request("DELETE", path, params={"gracePeriodSeconds": "0"})

    async def write(self, plural: str, manifest: Mapping[str, Any]) -> None:
        path = f"/api/v1/namespaces/{manifest['metadata']['namespace']}/{plural}"
        one = f"{path}/{manifest['metadata']['name']}"
        try:
            await self._plane.request("POST", path, dict(manifest))
        except Refused as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise
            await self._plane.request("PUT", one, dict(manifest))
        if "status" in manifest:
            await self._plane.request("PUT", f"{one}/status", dict(manifest))

    async def user(self, name: str) -> User:
        username = await self._plane.create_service_account(name)
        return User(username, await self._plane.create_token(name))

    async def allow(self, user: User, verbs: list[str], resource: str, namespace: str | None) -> None:
        await self._plane.allow(user.name, verbs, [resource], namespace=namespace)

    async def forget_history(self) -> None:
        """etcd compacted, and the API server's own memory gone, after one more write."""
        await self._plane.create_namespace(f"written-{secrets.token_hex(4)}")
        revision = (await self._plane.request("GET", "/api/v1/namespaces"))["metadata"]["resourceVersion"]
        self._plane.stop_api_server()
        compaction = {"revision": revision, "physical": True}
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{self._plane._etcd_port}") as etcd,
            etcd.post("/v3/kv/compaction", json=compaction) as answer,
        ):
            assert answer.status == 200, await answer.text()
        await self._plane.start_api_server()


@contextlib.asynccontextmanager
async def simulated(cluster: SimulatedCluster) -> AsyncIterator[ApiServer]:
    async with aiohttp.ClientSession() as session:
        yield ApiServer(session, cluster.kubernetes_url, ADMIN_TOKEN, Simulated(cluster))


@contextlib.asynccontextmanager
async def real(plane: ControlPlane) -> AsyncIterator[ApiServer]:
    async with plane.api() as session:
        del session.headers["Authorization"]
        yield ApiServer(session, plane.server, plane.token(ADMIN), Real(plane))


MOMENT = "2026-11-24T09:00:00.000000Z"


def event(namespace: str, name: str, *, pod: str = "web-1", **more: Any) -> dict[str, Any]:
    """What a kubelet tells of a pod; None leaves something out."""
    concerned = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": pod, "uid": f"uid-of-{pod}"}
    whole = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": concerned,
        "type": "Normal",
        "reason": "Pulled",
        "message": f"{name} happened",
        "source": {"component": "kubelet"},
        "reportingComponent": "kubelet",
        "reportingInstance": "worker-1",
        "action": "Pulling",
        "count": 1,
    } | more
    return {key: value for key, value in whole.items() if value is not None}


def _review(group: str, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": f"{group}.k8s.io/v1", "kind": kind, "spec": dict(spec)}
