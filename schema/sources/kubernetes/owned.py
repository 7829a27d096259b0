"""Objects of any kind of which nothing but the metadata is asked for: who owns what, at a tenth of the price."""

from msgspec import Struct

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.objects import Label, Owner, Sharing
from schema.sources.kubernetes.wire import Meta


class OwnedRecord(Struct, frozen=True, gc=False, eq=False):
    """The place of an object, and what made it."""

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    owner: Owner | None
    rest: Rest


class WireOwned(Struct, frozen=True, gc=False):
    metadata: Meta


def owned_record(wire: WireOwned, rest: Rest, sharing: Sharing) -> OwnedRecord:
    meta = wire.metadata
    return OwnedRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        owner=sharing.owner(meta.owner_references),
        rest=rest,
    )
