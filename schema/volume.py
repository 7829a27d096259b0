"""Volumes of pods, and what nodes have attached."""

import strawberry

from schema.scalars import Bytes


@strawberry.type(
    description=(
        "A volume of a pod: storage that its containers mount. From its spec: the names of what is in it, "
        "never the contents."
    )
)
class Volume:
    name: str = strawberry.field(description="Its name, unique in the pod.")
    kind: str = strawberry.field(
        description=(
            "What it is, in Kubernetes' own word: `configMap`, `secret`, `projected`, `downwardAPI`, `emptyDir`, "
            "`persistentVolumeClaim`, `ephemeral`, `hostPath`, `csi`, `image`, `nfs` and others."
        )
    )
    claim_name: str | None = strawberry.field(
        description=(
            "The PersistentVolumeClaim behind it, in the pod's namespace: the one it names, or the one that is made "
            "for an `ephemeral` volume; null for other kinds."
        )
    )
    config_maps: list[str] = strawberry.field(
        description="The names of the ConfigMaps in it: one of `configMap`, any number of `projected`."
    )
    secrets: list[str] = strawberry.field(
        description="The names of the Secrets in it: one of `secret`, any number of `projected`. Never what is in them."
    )
    path: str | None = strawberry.field(
        description="The path on the node of a `hostPath`, on the server of network file systems; else null."
    )
    medium: str | None = strawberry.field(
        description="Of an `emptyDir`: `Memory` or a kind of huge pages; null for the node's disk."
    )
    size_limit: Bytes | None = strawberry.field(description="Of an `emptyDir`: the most it may hold, in bytes.")
    driver: str | None = strawberry.field(description="Of a `csi` or `flexVolume`: its driver.")
    image: str | None = strawberry.field(description="Of an `image`: which one is mounted.")
    read_only: bool = strawberry.field(description="Whether it is read-only as a whole; mounts may be by themselves.")


@strawberry.type(description="A volume that is attached to a node or in use on it. From the node's status.")
class AttachedVolume:
    name: str = strawberry.field(description="Its name on the node: the driver's, and the volume's own.")
    device_path: str | None = strawberry.field(description="The device it is attached as; null where nobody says.")
    in_use: bool = strawberry.field(description="Whether the kubelet has it mounted, so that it must stay attached.")
