"""Containers of pods: what their spec asks for, with what the kubelet says of each.

Left out on purpose: commands, arguments and environment variables. They often hold secrets, and nothing that a
dashboard shows needs them.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from msgspec import Raw, Struct, field

from schema.sources.described import Described
from schema.sources.kubernetes.details import Details
from schema.sources.kubernetes.requests import Amounts, requirements
from schema.sources.kubernetes.wire import CLUSTER_SCOPED, NOTHING


class ContainerPhase(Described):
    """What a container does."""

    WAITING = "WAITING", "It does not run yet, or not again yet: `reason` says what it waits for."
    RUNNING = "RUNNING", "It runs."
    TERMINATED = "TERMINATED", "It has ended, or could not be started; `exitCode` and `reason` say how."


# ------------------------------------------------------------------------------------------------ what the wire says


class _Port(Struct, frozen=True, gc=False):
    container_port: int = field(name="containerPort")
    name: str | None = None
    protocol: str | None = None
    host_port: int | None = field(name="hostPort", default=None)
    host_ip: str | None = field(name="hostIP", default=None)


class _Mount(Struct, frozen=True, gc=False):
    name: str
    mount_path: str = field(name="mountPath")
    sub_path: str | None = field(name="subPath", default=None)
    read_only: bool | None = field(name="readOnly", default=None)


class _Container(Struct, frozen=True, gc=False):
    name: str
    image: str = ""
    image_pull_policy: str | None = field(name="imagePullPolicy", default=None)
    restart_policy: str | None = field(name="restartPolicy", default=None)
    ports: list[_Port] | None = None
    resources: Raw = NOTHING
    volume_mounts: list[_Mount] | None = field(name="volumeMounts", default=None)
    target: str | None = field(name="targetContainerName", default=None)


class _Waiting(Struct, frozen=True, gc=False):
    reason: str | None = None
    message: str | None = None


class _Running(Struct, frozen=True, gc=False):
    started_at: str | None = field(name="startedAt", default=None)


class _Terminated(Struct, frozen=True, gc=False):
    exit_code: int = field(name="exitCode", default=0)
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    started_at: str | None = field(name="startedAt", default=None)
    finished_at: str | None = field(name="finishedAt", default=None)


class _State(Struct, frozen=True, gc=False):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: _Terminated | None = None


class _Status(Struct, frozen=True, gc=False):
    name: str
    ready: bool = False
    started: bool | None = None
    restart_count: int = field(name="restartCount", default=0)
    image_id: str | None = field(name="imageID", default=None)
    container_id: str | None = field(name="containerID", default=None)
    state: _State | None = None
    last_state: _State | None = field(name="lastState", default=None)


class _Meta(Struct, frozen=True, gc=False):
    name: str
    namespace: str = CLUSTER_SCOPED
    creation_timestamp: str | None = field(name="creationTimestamp", default=None)


class _Spec(Struct, frozen=True, gc=False):
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = field(name="initContainers", default=None)
    ephemeral_containers: list[_Container] | None = field(name="ephemeralContainers", default=None)


class _PodStatus(Struct, frozen=True, gc=False):
    container_statuses: list[_Status] | None = field(name="containerStatuses", default=None)
    init_container_statuses: list[_Status] | None = field(name="initContainerStatuses", default=None)
    ephemeral_container_statuses: list[_Status] | None = field(name="ephemeralContainerStatuses", default=None)


class WireContainers(Struct, frozen=True, gc=False):
    metadata: _Meta
    spec: _Spec | None = None
    status: _PodStatus | None = None


# ---------------------------------------------------------------------------------------------- what is made of that


class ContainerState(Struct, frozen=True, gc=False):
    """Moments are RFC 3339, as Kubernetes sent them; what was not said is None."""

    phase: ContainerPhase
    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    started_at: str | None = None
    finished_at: str | None = None


class ContainerPort(Struct, frozen=True, gc=False):
    port: int
    name: str | None
    protocol: str
    host_port: int | None
    host_address: str | None


class VolumeMount(Struct, frozen=True, gc=False):
    volume: str
    path: str
    sub_path: str | None
    read_only: bool


class Container(Struct, frozen=True, gc=False):
    """One container of a pod; `namespace`, `pod_name` and `pod_created_at` say of which.

    `state` and all else that the kubelet reports is as for one that never started until it does: None, False or 0.
    """

    namespace: str
    pod_name: str
    pod_created_at: str
    name: str
    image: str
    image_pull_policy: str | None
    sidecar: bool
    ports: tuple[ContainerPort, ...]
    requests: Amounts
    limits: Amounts
    volume_mounts: tuple[VolumeMount, ...]
    target: str | None
    image_id: str | None
    container_id: str | None
    ready: bool
    started: bool | None
    restarts: int
    state: ContainerState | None
    last_state: ContainerState | None

    @property
    def started_at(self) -> str | None:
        """When the one that runs began, or the one that ended last."""
        return self.state.started_at if self.state else None

    @property
    def phase(self) -> ContainerPhase | None:
        return self.state.phase if self.state else None

    @property
    def reason(self) -> str | None:
        """Why it is in its state."""
        return self.state.reason if self.state else None

    @property
    def last_reason(self) -> str | None:
        """Why it ended the last time before it was restarted."""
        return self.last_state.reason if self.last_state else None


class PodContainers(Struct, frozen=True, gc=False):
    """In the order of the spec."""

    containers: tuple[Container, ...]
    inits: tuple[Container, ...]
    ephemeral: tuple[Container, ...]


def _pod_containers(pod: WireContainers) -> PodContainers:
    spec, status = pod.spec or _Spec(), pod.status or _PodStatus()
    return PodContainers(
        _containers(pod.metadata, spec.containers, status.container_statuses),
        _containers(pod.metadata, spec.init_containers, status.init_container_statuses),
        _containers(pod.metadata, spec.ephemeral_containers, status.ephemeral_container_statuses),
    )


pod_containers: Final = Details(WireContainers, _pod_containers)


def _containers(
    pod: _Meta, specs: Sequence[_Container] | None, statuses: Sequence[_Status] | None
) -> tuple[Container, ...]:
    reported = {one.name: one for one in statuses or ()}
    return tuple(_container(pod, spec, reported.get(spec.name) or _Status(spec.name)) for spec in specs or ())


def _container(pod: _Meta, spec: _Container, status: _Status) -> Container:
    claimed = _claimed(bytes(spec.resources))
    return Container(
        namespace=pod.namespace,
        pod_name=pod.name,
        pod_created_at=pod.creation_timestamp or "",
        name=spec.name,
        image=spec.image,
        image_pull_policy=spec.image_pull_policy,
        sidecar=spec.restart_policy == "Always",
        ports=tuple(_port(one) for one in spec.ports or ()),
        requests=claimed[0],
        limits=claimed[1],
        volume_mounts=tuple(
            VolumeMount(one.name, one.mount_path, one.sub_path or None, bool(one.read_only))
            for one in spec.volume_mounts or ()
        ),
        target=spec.target or None,
        image_id=status.image_id or None,
        container_id=status.container_id or None,
        ready=status.ready,
        started=status.started,
        restarts=status.restart_count,
        state=None if status.state is None else _state(status.state) or ContainerState(ContainerPhase.WAITING),
        last_state=_state(status.last_state) if status.last_state else None,
    )


@lru_cache(maxsize=1024)  # the containers of a cluster repeat some hundred
def _claimed(resources: bytes) -> tuple[Amounts, Amounts]:
    return requirements(resources)


def _port(said: _Port) -> ContainerPort:
    return ContainerPort(
        said.container_port, said.name or None, said.protocol or "TCP", said.host_port or None, said.host_ip or None
    )


def _state(said: _State) -> ContainerState | None:
    """None if it says nothing: of the present that means waiting, of the past that there was none."""
    if (ended := said.terminated) is not None:
        return ContainerState(
            ContainerPhase.TERMINATED,
            ended.reason or None,
            ended.message or None,
            ended.exit_code,
            ended.signal or None,
            ended.started_at,
            ended.finished_at,
        )
    if said.running is not None:
        return ContainerState(ContainerPhase.RUNNING, started_at=said.running.started_at)
    if said.waiting is not None:
        return ContainerState(ContainerPhase.WAITING, said.waiting.reason or None, said.waiting.message or None)
    return None
