"""Persistent volume claims, as `printPersistentVolumeClaim` of Kubernetes 1.37 shows them."""

from typing import Final

from msgspec import Struct, field

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.objects import Label, Owner, Sharing
from schema.sources.kubernetes.quantities import whole
from schema.sources.kubernetes.wire import Meta

_STORAGE: Final = "storage"
_CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"  # older than the field, and still before it
_ABBREVIATIONS: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


class VolumeClaimRecord(Struct, frozen=True, gc=False, eq=False):
    """A claim. `status` is STATUS: its phase, or Terminating. `capacity` and `requested` in bytes.

    Until it is bound to a volume it has neither `volume_name` nor `capacity`; its `access_modes` are then those that it
    asks for.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    owner: Owner | None
    status: str
    phase: str
    volume_name: str | None
    capacity: int | None
    requested: int | None
    access_modes: tuple[str, ...]
    storage_class: str | None
    volume_attributes_class: str | None
    volume_mode: str | None
    rest: Rest

    @property
    def access_modes_text(self) -> str:
        """ACCESS MODES, which kubectl leaves empty until there is a volume."""
        if self.volume_name is None:
            return ""
        return ",".join(short for mode, short in _ABBREVIATIONS.items() if mode in self.access_modes)


class _ClaimMeta(Meta, frozen=True, gc=False):
    annotations: dict[str, str] | None = None


class _Requests(Struct, frozen=True, gc=False):
    requests: dict[str, str] | None = None


class _Spec(Struct, frozen=True, gc=False):
    volume_name: str | None = field(name="volumeName", default=None)
    access_modes: list[str] | None = field(name="accessModes", default=None)
    storage_class: str | None = field(name="storageClassName", default=None)
    volume_attributes_class: str | None = field(name="volumeAttributesClassName", default=None)
    volume_mode: str | None = field(name="volumeMode", default=None)
    resources: _Requests | None = None


class _Status(Struct, frozen=True, gc=False):
    phase: str | None = None
    capacity: dict[str, str] | None = None
    access_modes: list[str] | None = field(name="accessModes", default=None)


class WireVolumeClaim(Struct, frozen=True, gc=False):
    metadata: _ClaimMeta
    spec: _Spec | None = None
    status: _Status | None = None


def volume_claim_record(wire: WireVolumeClaim, rest: Rest, sharing: Sharing) -> VolumeClaimRecord:
    meta, spec, status = wire.metadata, wire.spec or _Spec(), wire.status or _Status()
    strings, phase, bound = sharing.strings, status.phase or "", bool(spec.volume_name)
    modes = (status.access_modes if bound else spec.access_modes) or ()
    return VolumeClaimRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        owner=sharing.owner(meta.owner_references),
        status=strings["Terminating" if meta.deletion_timestamp else phase],
        phase=strings[phase],
        volume_name=spec.volume_name or None,
        capacity=_bytes(status.capacity) if bound else None,
        requested=_bytes((spec.resources or _Requests()).requests),
        access_modes=tuple(strings[mode] for mode in modes),
        storage_class=_storage_class(meta, spec, sharing),
        volume_attributes_class=_shared(spec.volume_attributes_class, sharing),
        volume_mode=_shared(spec.volume_mode, sharing),
        rest=rest,
    )


def _bytes(quantities: dict[str, str] | None) -> int | None:
    said = (quantities or {}).get(_STORAGE)
    return None if said is None else whole(said)


def _storage_class(meta: _ClaimMeta, spec: _Spec, sharing: Sharing) -> str | None:
    """None for the default class, "" for none at all."""
    return _shared((meta.annotations or {}).get(_CLASS_ANNOTATION, spec.storage_class), sharing)


def _shared(text: str | None, sharing: Sharing) -> str | None:
    return None if text is None else sharing.strings[text]
