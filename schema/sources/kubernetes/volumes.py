"""Volumes of pods: where what their containers mount comes from. Names alone, never what a ConfigMap or Secret has."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct, field

from schema.sources.kubernetes.quantities import whole


class _Named(Struct, frozen=True, gc=False):
    name: str = ""


class _Projection(Struct, frozen=True, gc=False):
    config_map: _Named | None = field(name="configMap", default=None)
    secret: _Named | None = None


class _Source(Struct, frozen=True, gc=False):
    """The fields of all kinds of volumes, as far as they are shown. Each is of one kind or means the same in all."""

    name: str | None = None  # of a ConfigMap
    secret_name: str | None = field(name="secretName", default=None)
    claim_name: str | None = field(name="claimName", default=None)
    sources: list[_Projection] | None = None  # of a projected volume
    path: str | None = None
    medium: str | None = None
    size_limit: str | None = field(name="sizeLimit", default=None)
    driver: str | None = None
    reference: str | None = None  # of an image
    read_only: bool | None = field(name="readOnly", default=None)


class Volume(Struct, frozen=True, gc=False):
    """`kind` is Kubernetes' own word, such as `configMap`; what its kind does not have, or nobody said, is None."""

    name: str
    kind: str
    claim_name: str | None
    config_maps: tuple[str, ...]
    secrets: tuple[str, ...]
    path: str | None
    medium: str | None
    size_limit: int | None
    driver: str | None
    image: str | None
    read_only: bool


_WITH_PATHS: Final = frozenset({"hostPath", "nfs", "glusterfs", "cephfs"})
_source: Final = msgspec.json.Decoder(_Source)
_name: Final = msgspec.json.Decoder(str)
_NOTHING_SAID: Final = _Source()


def volumes(said: list[dict[str, Raw]] | None, pod: str) -> tuple[Volume, ...]:
    """Those of a pod of this name, in its order."""
    return tuple(_volume(one, pod) for one in said or ())


def _volume(said: dict[str, Raw], pod: str) -> Volume:
    name = _name.decode(said["name"])
    # A volume has its name, and what it is under the name of its kind; without that it is an empty directory.
    kind = next((key for key in said if key != "name"), "emptyDir")
    source = _source.decode(said[kind]) if kind in said else _NOTHING_SAID
    return Volume(
        name=name,
        kind=kind,
        # the claim that Kubernetes makes for an ephemeral volume has this name, always
        claim_name=f"{pod}-{name}" if kind == "ephemeral" else source.claim_name,
        config_maps=tuple(_config_maps(kind, source)),
        secrets=tuple(_secrets(kind, source)),
        path=source.path if kind in _WITH_PATHS else None,
        medium=source.medium or None,
        size_limit=None if source.size_limit is None else whole(source.size_limit),
        driver=source.driver,
        image=source.reference,
        read_only=bool(source.read_only),
    )


def _config_maps(kind: str, source: _Source) -> Iterator[str]:
    if kind == "configMap" and source.name:
        yield source.name
    for one in source.sources or ():
        if one.config_map and one.config_map.name:
            yield one.config_map.name


def _secrets(kind: str, source: _Source) -> Iterator[str]:
    if kind == "secret" and source.secret_name:
        yield source.secret_name
    for one in source.sources or ():
        if one.secret and one.secret.name:
            yield one.secret.name
