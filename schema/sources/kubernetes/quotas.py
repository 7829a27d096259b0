"""Resource quotas: what a namespace may have in all, and has."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.objects import Label, Sharing
from schema.sources.kubernetes.quantities import quantity
from schema.sources.kubernetes.wire import Meta


class QuotaAmount(Struct, frozen=True, gc=False, eq=False):
    """One resource of a quota ("requests.cpu", "pods"), in base units: cores, bytes, or a count.

    `used` is None until the quota's controller has counted.
    """

    resource: str
    hard: float
    used: float | None


class ResourceQuotaRecord(Struct, frozen=True, gc=False, eq=False):
    """A quota; `amounts` by resource name, as its controller enforces them. `scopes`: which pods it counts."""

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    amounts: tuple[QuotaAmount, ...]
    scopes: tuple[str, ...]
    rest: Rest


class _Spec(Struct, frozen=True, gc=False):
    hard: dict[str, str] | None = None
    scopes: list[str] | None = None


class _Status(Struct, frozen=True, gc=False):
    hard: dict[str, str] | None = None
    used: dict[str, str] | None = None


class WireResourceQuota(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _Spec | None = None
    status: _Status | None = None


_NOT_COUNTED: Final = _Status()


def resource_quota_record(wire: WireResourceQuota, rest: Rest, sharing: Sharing) -> ResourceQuotaRecord:
    meta, spec = wire.metadata, wire.spec or _Spec()
    return ResourceQuotaRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        amounts=tuple(_amounts(spec, wire.status or _NOT_COUNTED, sharing)),
        scopes=tuple(sharing.strings[scope] for scope in spec.scopes or ()),
        rest=rest,
    )


def _amounts(spec: _Spec, status: _Status, sharing: Sharing) -> Iterator[QuotaAmount]:
    """What its status says, as kubectl prints it; before there is one, what it is to be."""
    used = status.used or {}
    for resource, hard in sorted((status.hard or spec.hard or {}).items()):
        counted = None if status.hard is None else float(quantity(used.get(resource, "0")))
        yield QuotaAmount(sharing.strings[resource], float(quantity(hard)), counted)
