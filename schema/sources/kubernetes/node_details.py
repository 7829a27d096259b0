"""Details of nodes: conditions, taints, what they run, and, read only for those who ask for them, their images."""

from typing import Final

from msgspec import Struct, field

from schema.sources.kubernetes.conditions import ReportedCondition, WireCondition, reported
from schema.sources.kubernetes.details import Details
from schema.sources.kubernetes.placement import Taint, WireTaint, taints

# ------------------------------------------------------------------------------------------------ what the wire says


class _Spec(Struct, frozen=True, gc=False):
    pod_cidr: str | None = field(name="podCIDR", default=None)
    pod_cidrs: list[str] | None = field(name="podCIDRs", default=None)
    provider_id: str | None = field(name="providerID", default=None)
    taints: list[WireTaint] | None = None


class _Swap(Struct, frozen=True, gc=False):
    capacity: int | None = None


class _Info(Struct, frozen=True, gc=False):
    machine_id: str = field(name="machineID", default="")
    system_uuid: str = field(name="systemUUID", default="")
    boot_id: str = field(name="bootID", default="")
    kernel_version: str = field(name="kernelVersion", default="")
    os_image: str = field(name="osImage", default="")
    container_runtime_version: str = field(name="containerRuntimeVersion", default="")
    kubelet_version: str = field(name="kubeletVersion", default="")
    kube_proxy_version: str = field(name="kubeProxyVersion", default="")
    operating_system: str = field(name="operatingSystem", default="")
    architecture: str = ""
    swap: _Swap | None = None


class _Attached(Struct, frozen=True, gc=False):
    name: str
    device_path: str = field(name="devicePath", default="")


class _Status(Struct, frozen=True, gc=False):
    conditions: list[WireCondition] | None = None
    node_info: _Info | None = field(name="nodeInfo", default=None)
    volumes_in_use: list[str] | None = field(name="volumesInUse", default=None)
    volumes_attached: list[_Attached] | None = field(name="volumesAttached", default=None)


class WireNodeDetails(Struct, frozen=True, gc=False):
    spec: _Spec | None = None
    status: _Status | None = None


# ---------------------------------------------------------------------------------------------- what is made of that


class NodeSystem(Struct, frozen=True, gc=False):
    """What its kubelet says of the machine; "" until it has reported, None for what not every kubelet reports."""

    kubelet_version: str
    kube_proxy_version: str | None
    container_runtime: str
    os_image: str
    kernel_version: str
    operating_system: str
    architecture: str
    machine_id: str
    system_uuid: str
    boot_id: str
    swap: int | None


class AttachedVolume(Struct, frozen=True, gc=False):
    name: str
    device_path: str | None
    in_use: bool


class NodeDetails(Struct, frozen=True, gc=False):
    conditions: tuple[ReportedCondition, ...]
    taints: tuple[Taint, ...]
    system: NodeSystem
    pod_cidrs: tuple[str, ...]
    provider_id: str | None
    volumes: tuple[AttachedVolume, ...]


def _node_details(node: WireNodeDetails) -> NodeDetails:
    spec, status = node.spec or _Spec(), node.status or _Status()
    cidrs = spec.pod_cidrs or ([spec.pod_cidr] if spec.pod_cidr else [])
    return NodeDetails(
        conditions=reported(status.conditions),
        taints=taints(spec.taints),
        system=_system(status.node_info or _Info()),
        pod_cidrs=tuple(cidrs),
        provider_id=spec.provider_id or None,
        volumes=_volumes(status),
    )


def _system(info: _Info) -> NodeSystem:
    return NodeSystem(
        kubelet_version=info.kubelet_version,
        kube_proxy_version=info.kube_proxy_version or None,
        container_runtime=info.container_runtime_version,
        os_image=info.os_image,
        kernel_version=info.kernel_version,
        operating_system=info.operating_system,
        architecture=info.architecture,
        machine_id=info.machine_id,
        system_uuid=info.system_uuid,
        boot_id=info.boot_id,
        swap=None if info.swap is None else info.swap.capacity,
    )


def _volumes(status: _Status) -> tuple[AttachedVolume, ...]:
    """Those attached, by name; a volume in use that is not attached (yet) has no device."""
    used = frozenset(status.volumes_in_use or ())
    devices = {one.name: one.device_path for one in status.volumes_attached or ()}
    return tuple(
        AttachedVolume(name, devices.get(name) or None, name in used) for name in sorted(used | devices.keys())
    )


node_details: Final = Details(WireNodeDetails, _node_details)


# ---------------------------------------------------------------------------------------------------------- images


class NodeImage(Struct, frozen=True, gc=False):
    names: tuple[str, ...]
    size: int


class _Image(Struct, frozen=True, gc=False):
    names: tuple[str, ...] | None = None
    size_bytes: int | None = field(name="sizeBytes", default=None)


class _ImagesStatus(Struct, frozen=True, gc=False):
    images: list[_Image] | None = None


class WireNodeImages(Struct, frozen=True, gc=False):
    status: _ImagesStatus | None = None


def _node_images(node: WireNodeImages) -> tuple[NodeImage, ...]:
    status = node.status or _ImagesStatus()
    return tuple(NodeImage(one.names or (), one.size_bytes or 0) for one in status.images or ())


node_images: Final = Details(WireNodeImages, _node_images)
