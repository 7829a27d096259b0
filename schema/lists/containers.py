"""Lists of containers, in the pods that they stand in, and of what stands in containers."""

from typing import Final, Optional

import strawberry

from schema.enums import graphql_enum
from schema.lists.by_metric import OfContainers
from schema.lists.elements import Elements
from schema.lists.filter import (
    Filter,
    NamedFilter,
    at_least,
    begins,
    contains,
    exactly,
    filter_of,
    negated,
    number,
    older_than,
    one_of,
    one_of_numbers,
    whether,
    younger_than,
)
from schema.lists.order import Key
from schema.sources.kubernetes.containers import Container, ContainerPhase, ContainerPort, VolumeMount

graphql_enum(ContainerPhase, "ContainerPhase", "What a container does.")

IMAGE_BYTES: Final = 512  # a registry, a path, a tag and a digest


@strawberry.input(description=filter_of("Containers"))
class ContainerFilter(NamedFilter):
    image: str | None = exactly("image", "It asks for exactly this image; 512 bytes at most.", IMAGE_BYTES)
    images: list[str] | None = one_of("image", "It asks for one of these images.", IMAGE_BYTES)
    image_contains: str | None = contains("image", "The image that it asks for contains this, such as `nginx`.")
    image_prefix: str | None = begins("image", "The image that it asks for begins with this, such as a registry.")
    ready: bool | None = whether("ready", "Whether it is ready.")
    started: bool | None = whether("started", "Whether its startup probe has succeeded.")
    state: ContainerPhase | None = exactly("phase", "It does exactly this.")
    states: list[ContainerPhase] | None = one_of("phase", "It does one of these.")
    reason: str | None = exactly("reason", "For exactly this reason, such as `CrashLoopBackOff`.")
    reasons: list[str] | None = one_of("reason", "For one of these reasons.")
    last_reason: str | None = exactly("last_reason", "It ended for this reason the last time, such as `OOMKilled`.")
    last_reasons: list[str] | None = one_of("last_reason", "It ended for one of these reasons the last time.")
    sidecar: bool | None = whether("sidecar", "Whether it keeps running beside the others, of init containers.")
    min_restarts: int | None = at_least("restarts", "Restarted at least so often.")
    older_than: str | None = older_than("It began to run longer ago than this", "started_at")
    younger_than: str | None = younger_than("It began to run at most so long ago", "started_at")
    not_: Optional["ContainerFilter"] = negated()


@strawberry.input(description=filter_of("Ports"))
class ContainerPortFilter(Filter):
    name: str | None = exactly("name", "Exactly this name; 255 bytes at most.")
    names: list[str] | None = one_of("name", "One of these names.")
    port: int | None = number("port", "Exactly this number.")
    ports: list[int] | None = one_of_numbers("port", "One of these numbers.")
    protocol: str | None = exactly("protocol", "`TCP`, `UDP` or `SCTP`.")
    protocols: list[str] | None = one_of("protocol", "One of these protocols.")
    not_: Optional["ContainerPortFilter"] = negated()


@strawberry.input(description=filter_of("Mounts"))
class VolumeMountFilter(Filter):
    volume: str | None = exactly("volume", "Of the volume of exactly this name; 255 bytes at most.")
    volumes: list[str] | None = one_of("volume", "Of one of these volumes.")
    path: str | None = exactly("path", "At exactly this path; 255 bytes at most.")
    path_prefix: str | None = begins("path", "Its path begins with this.")
    read_only: bool | None = whether("read_only", "Whether the container may only read it.")
    not_: Optional["VolumeMountFilter"] = negated()


CONTAINERS: Final[Elements[Container]] = Elements(
    "Container",
    ContainerFilter,
    {
        "NAME": Key("name", "Its name."),
        "IMAGE": Key("image", "The image that it asks for."),
        "READY": Key("ready", "Whether it is ready."),
        "STATE": Key("phase", "What it does, by the alphabet; not reported: last.", nullable=True),
        "RESTARTS": Key("restarts", "How often it was restarted."),
        "STARTED_AT": Key("started_at", "When it began to run; those that wait stand last.", nullable=True),
        "AGE": Key("started_at", "How long ago that was; those that wait stand last.", nullable=True, inverted=True),
        "CPU_REQUESTS": Key("requests.cpu", "The processor time that it requests; none: last.", nullable=True),
        "MEMORY_REQUESTS": Key("requests.memory", "The memory that it requests; none: last.", nullable=True),
    },
    "containers",
    OfContainers(),
)
CONTAINER_PORTS: Final[Elements[ContainerPort]] = Elements(
    "ContainerPort",
    ContainerPortFilter,
    {
        "PORT": Key("port", "Its number."),
        "NAME": Key("name", "Its name; those without one stand last.", nullable=True),
        "PROTOCOL": Key("protocol", "Its protocol, by the alphabet."),
    },
    "ports",
)
VOLUME_MOUNTS: Final[Elements[VolumeMount]] = Elements(
    "VolumeMount",
    VolumeMountFilter,
    {"VOLUME": Key("volume", "The name of the volume."), "PATH": Key("path", "Where it is in the container.")},
    "mounts",
)
