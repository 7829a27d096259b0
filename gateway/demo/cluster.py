"""The simulated cluster as one thing: its data, its two HTTP servers, and the handles that tests turn."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from aiohttp import web

from gateway.demo.accounts import GATEWAY_TOKEN, Account, Accounts, Right
from gateway.demo.churn import Churn
from gateway.demo.kubernetes_api import Features, KubernetesApi
from gateway.demo.objects import Namespace, Verbatim
from gateway.demo.pods import Pod, Situation
from gateway.demo.prometheus_api import PrometheusApi
from gateway.demo.server import Server
from gateway.demo.statuses import Refusal
from gateway.demo.workloads import Blueprint, Container, Controller
from gateway.demo.world import Progress, World, build, make_workload

DEFAULT_NODES = 6  # enough for one that is NotReady and one that is cordoned
DEFAULT_PODS_PER_NODE = 15
DEFAULT_SEED = 20

_ORDINARY = (Container("app", "registry.example.com/app:1.0.0", 100, 128, 500, 256, port=8080),)


class SimulatedCluster:
    """What `simulated_cluster` yields: addresses for the gateway, handles for tests.

    `kubernetes` and `prometheus` are the two servers: stop, start, pause, resume, cut, fail_with, recover.
    """

    def __init__(self, world: World, token_file: Path) -> None:
        self.accounts = Accounts()
        self.kubernetes = Server()
        self.prometheus = Server()
        self.gateway_token = GATEWAY_TOKEN
        self.gateway_token_file = token_file
        self._world = world
        self._churn = Churn(world)
        self._api = KubernetesApi(world.storage, self.accounts, self.kubernetes.gate, world.now)
        self._metrics = PrometheusApi(world.storage, world.now)

    @property
    def kubernetes_url(self) -> str:
        return self.kubernetes.url

    @property
    def prometheus_url(self) -> str:
        return self.prometheus.url

    @property
    def prometheus_service(self) -> str:
        """What stands for it in rights, as `prometheus.service` names it. (No Service of that name is simulated.)"""
        return "monitoring/prometheus-server:80"

    @property
    def features(self) -> Features:
        """What the API server can do; may be changed while it runs."""
        return self._api.features

    @property
    def requests(self) -> Counter[tuple[str, str]]:
        """Requests to the API server so far, such as `("GET", "list pods")` or `("POST", "create tokenreviews")`."""
        return self._api.requests

    @property
    def revision(self) -> int:
        """The resourceVersion of the last write."""
        return self._world.storage.revision

    @property
    def api(self) -> KubernetesApi:
        """Its logs: `token_reviews`, `access_reviews`, `user_agents`."""
        return self._api

    @property
    def metrics(self) -> PrometheusApi:
        """Its logs: `requests`, and `questions` by metric, level and selector."""
        return self._metrics

    async def start(self) -> None:
        await self.kubernetes.serve(self._api.application)
        await self.prometheus.serve(self._metrics.application)

    async def stop(self) -> None:
        await self.prometheus.stop()
        await self.kubernetes.stop()

    def add_user(self, name: str, *rights: Right, groups: tuple[str, ...] = (), token: str = "", uid: str = "") -> str:
        """Another user, or the same with other rights; returns their token."""
        token = token or f"token-of-{name}"
        self.accounts.add(token, Account(name, uid or f"uid-of-{name}", groups, rights=rights))
        return token

    def forget_history(self) -> int:
        """From here on every version seen so far is too old: 410, also in the streams that are open.

        Returns the oldest version that can still be asked for.
        """
        self._world.storage.forget()
        return self.revision

    def refuse(self, refusal: Refusal) -> None:
        """Answer every new request to the API server with this, until `self.kubernetes.recover()`."""
        headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
        self.kubernetes.fail_with(
            lambda: web.Response(
                status=refusal.code, body=refusal.body, content_type="application/json", headers=headers
            )
        )

    def pods(self) -> list[Pod]:
        return [pod for pod in self._world.storage.all("pods") if isinstance(pod, Pod)]

    def nodes(self) -> list[str]:
        return [node.name for node in self._world.storage.all("nodes")]

    def create_namespace(self, name: str, *, labels: Mapping[str, str] | None = None) -> None:
        now = int(self._world.now())
        labels = {"kubernetes.io/metadata.name": name, **(labels or {})}
        self._world.storage.put("namespaces", Namespace(name, self._world.uid(), now, labels))

    def create_pod(  # noqa: PLR0913
        self,
        namespace: str,
        name: str,
        *,
        node: str | None = None,
        situation: Situation = Situation.RUNNING,
        labels: Mapping[str, str] | None = None,
        containers: tuple[Container, ...] = _ORDINARY,
        age: int = 0,
    ) -> Pod:
        """A pod of nobody's, on a ready worker unless told; its namespace is made where it is missing.

        `age` in seconds: younger than half a minute, it has no rates in Prometheus yet.
        """
        world = self._world
        if world.storage.get("namespaces", "", namespace) is None:
            self.create_namespace(namespace)
        workload = make_workload(world.random, Blueprint(namespace, name, Controller.DEPLOYMENT, containers))
        workload = msgspec.structs.replace(workload, owner_uid="", labels=dict(labels or {"app": name}))
        created = int(world.now()) - age
        pod = Pod(workload, name, world.uid(), created, situation, created, (0,) * len(containers))
        if situation is not Situation.UNSCHEDULABLE:
            pod = world.placed(pod, node or world.workers[0], situation)
        world.storage.put("pods", pod)
        return pod

    def update_pod(self, namespace: str, name: str, **changes: Any) -> Pod:
        """Change fields of `pods.Pod`; KeyError where there is no such pod."""
        pod = msgspec.structs.replace(self._pod(namespace, name), **changes)
        self._world.storage.put("pods", pod)
        return pod

    def label_pod(self, namespace: str, name: str, labels: Mapping[str, str]) -> Pod:
        """Give one pod other labels than its workload's."""
        workload = msgspec.structs.replace(self._pod(namespace, name).workload, labels=dict(labels))
        return self.update_pod(namespace, name, workload=workload)

    def delete_pod(self, namespace: str, name: str) -> None:
        self._world.storage.delete("pods", namespace, name)

    def update_node(self, name: str, **changes: Any) -> None:
        """Change fields of `nodes.Node`."""
        self._world.storage.put("nodes", msgspec.structs.replace(self._world.node(name), **changes))

    def put(self, kind: str, document: Mapping[str, Any]) -> None:
        """Store any object as it is written, such as `put("pods", {"metadata": …})`."""
        self._world.storage.put(kind, Verbatim(document))

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self._world.storage.delete(kind, namespace, name)

    def _pod(self, namespace: str, name: str) -> Pod:
        stored = self._world.storage.get("pods", namespace, name)
        if stored is None or not isinstance(stored.object, Pod):
            raise KeyError((namespace, name))
        return stored.object

    def churn(self, changes: int) -> None:
        """That many writes at once, such as a living cluster makes."""
        for _ in range(changes):
            self._churn.step()

    async def live(self, changes_per_second: float) -> None:
        """Make such writes at that rate, until cancelled."""
        await self._churn.run(changes_per_second)


@asynccontextmanager
async def simulated_cluster(  # noqa: PLR0913
    *,
    nodes: int = DEFAULT_NODES,
    pods_per_node: int = DEFAULT_PODS_PER_NODE,
    churn: float = 0.0,
    seed: int = DEFAULT_SEED,
    now: Callable[[], float] = time.time,
    progress: Progress | None = None,
    resource_metrics: bool = False,
) -> AsyncIterator[SimulatedCluster]:
    """A cluster on two ports of 127.0.0.1: a control-plane node and `nodes - 1` workers, `churn` writes a second.

    `now` is its clock, in seconds since 1970. `resource_metrics`: it has `metrics.k8s.io` too, from the start.
    """
    world = build(nodes=nodes, pods_per_node=pods_per_node, seed=seed, now=now, progress=progress)
    with TemporaryDirectory(prefix="binnacle-demo-") as folder:
        token_file = Path(folder) / "token"
        token_file.write_text(GATEWAY_TOKEN)
        cluster = SimulatedCluster(world, token_file)
        cluster.features.resource_metrics = resource_metrics
        await cluster.start()
        try:
            if not churn:
                yield cluster
                return
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(cluster.live(churn), name="demo/churn")
                yield cluster
                task.cancel()
        finally:
            await cluster.stop()
