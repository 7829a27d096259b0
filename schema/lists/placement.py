"""Lists of what nodes and pods say of each other: addresses, images, volumes, taints and tolerations."""

from typing import Final, Optional

import strawberry

from schema.asking.filters import Expression
from schema.enums import graphql_enum
from schema.lists.elements import Elements
from schema.lists.filter import (
    Filter,
    NamedFilter,
    begins,
    element_of,
    exactly,
    filter_of,
    negated,
    older_than,
    one_of,
    text,
    whether,
    younger_than,
)
from schema.lists.order import Key
from schema.sources.kubernetes.node_details import AttachedVolume, NodeImage
from schema.sources.kubernetes.objects import Address
from schema.sources.kubernetes.placement import Taint, TaintEffect, Toleration
from schema.sources.kubernetes.volumes import Volume

graphql_enum(TaintEffect, "TaintEffect", "What a taint does to pods that do not tolerate it.")


@strawberry.input(description=filter_of("Addresses"))
class NodeAddressFilter(Filter):
    type: str | None = exactly("type", "Of exactly this type, such as `InternalIP`.")
    types: list[str] | None = one_of("type", "Of one of these types.")
    address: str | None = exactly("address", "Exactly this address; 255 bytes at most.")
    addresses: list[str] | None = one_of("address", "One of these addresses.")
    address_prefix: str | None = begins("address", "It begins with this.")
    not_: Optional["NodeAddressFilter"] = negated()


@strawberry.input(description=filter_of("Images"))
class NodeImageFilter(Filter):
    name: str | None = element_of("names", "One of its names is exactly this; 255 bytes at most.")
    name_contains: str | None = text(
        "One of its names contains this.", lambda part: Expression("any({} in name for name in r.names)", (part,))
    )
    name_prefix: str | None = text(
        "One of its names begins with this.",
        lambda start: Expression("any(name[:{}] == {} for name in r.names)", (len(start), start)),
    )
    not_: Optional["NodeImageFilter"] = negated()


@strawberry.input(description=filter_of("Volumes"))
class AttachedVolumeFilter(NamedFilter):
    in_use: bool | None = whether("in_use", "Whether the kubelet has it mounted.")
    not_: Optional["AttachedVolumeFilter"] = negated()


@strawberry.input(description=filter_of("Taints"))
class TaintFilter(Filter):
    key: str | None = exactly("key", "Exactly this key; 255 bytes at most.")
    keys: list[str] | None = one_of("key", "One of these keys.")
    key_prefix: str | None = begins("key", "Its key begins with this.")
    value: str | None = exactly("value", "Exactly this value.")
    values: list[str] | None = one_of("value", "One of these values.")
    effect: TaintEffect | None = exactly("effect", "Of exactly this effect.")
    effects: list[TaintEffect] | None = one_of("effect", "Of one of these effects.")
    older_than: str | None = older_than("It was put on the node longer ago than this", "since")
    younger_than: str | None = younger_than("It was put on the node at most so long ago", "since")
    not_: Optional["TaintFilter"] = negated()


@strawberry.input(description=filter_of("Tolerations"))
class TolerationFilter(Filter):
    key: str | None = exactly("key", "Exactly this key; 255 bytes at most.")
    keys: list[str] | None = one_of("key", "One of these keys.")
    effect: TaintEffect | None = exactly("effect", "Of exactly this effect.")
    effects: list[TaintEffect] | None = one_of("effect", "Of one of these effects.")
    not_: Optional["TolerationFilter"] = negated()


@strawberry.input(description=filter_of("Volumes"))
class VolumeFilter(NamedFilter):
    kind: str | None = exactly("kind", "Of exactly this kind, such as `configMap`.")
    kinds: list[str] | None = one_of("kind", "Of one of these kinds.")
    claim_name: str | None = exactly("claim_name", "Behind it is the PersistentVolumeClaim of exactly this name.")
    claim_names: list[str] | None = one_of("claim_name", "Behind it is one of these PersistentVolumeClaims.")
    config_map: str | None = element_of("config_maps", "The ConfigMap of this name is in it.")
    secret: str | None = element_of("secrets", "The Secret of this name is in it.")
    read_only: bool | None = whether("read_only", "Whether it is read-only as a whole.")
    not_: Optional["VolumeFilter"] = negated()


_NAME: Final = {"NAME": Key("name", "Its name.")}
_EFFECT: Final = {"EFFECT": Key("effect", "Its effect, by the alphabet; none: last.", nullable=True)}

NODE_ADDRESSES: Final[Elements[Address]] = Elements(
    "NodeAddress",
    NodeAddressFilter,
    {"TYPE": Key("type", "Its type, by the alphabet."), "ADDRESS": Key("address", "The address itself, as text.")},
    "addresses",
)
NODE_IMAGES: Final[Elements[NodeImage]] = Elements(
    "NodeImage", NodeImageFilter, {"SIZE": Key("size", "Its size on disk.")}, "images"
)
ATTACHED_VOLUMES: Final[Elements[AttachedVolume]] = Elements(
    "AttachedVolume", AttachedVolumeFilter, _NAME | {"IN_USE": Key("in_use", "Whether it is mounted.")}, "volumes"
)
TAINTS: Final[Elements[Taint]] = Elements(
    "Taint",
    TaintFilter,
    {"KEY": Key("key", "Its key.")}
    | _EFFECT
    | {"SINCE": Key("since", "When it was put on the node; where nobody noted it: last.", nullable=True)},
    "taints",
)
TOLERATIONS: Final[Elements[Toleration]] = Elements(
    "Toleration",
    TolerationFilter,
    {"KEY": Key("key", "Its key; of all keys: last.", nullable=True)} | _EFFECT,
    "tolerations",
)
VOLUMES: Final[Elements[Volume]] = Elements(
    "Volume",
    VolumeFilter,
    _NAME
    | {
        "KIND": Key("kind", "What it is, by the alphabet."),
        "SIZE_LIMIT": Key("size_limit", "The most that it may hold; without such a limit: last.", nullable=True),
    },
    "volumes",
)
