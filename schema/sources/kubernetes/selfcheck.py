"""A self-check: a snapshot against a fresh LIST of the same version. Costs the API server one LIST from etcd.

A snapshot says exactly which version it shows and never changes, so the two must be equal, whatever happens meanwhile.
"""

from typing import TypeVar

from auth.api import Unreachable
from schema.sources.kubernetes.api import ObjectsApi
from schema.sources.kubernetes.framing import Items
from schema.sources.kubernetes.kinds import Kind, Record, identity
from schema.sources.kubernetes.store import Snapshot

T = TypeVar("T", bound=Record)

LIST_TIMEOUT_S = 60.0


class CacheDiverged(Exception):  # noqa: N818 - what happened
    """A snapshot is not what the API server says it should be."""


async def differences(api: ObjectsApi, kind: Kind[T], snapshot: Snapshot[T], namespace: str = "") -> list[str]:
    """What a snapshot shows otherwise than the API server did at that version; raises Unreachable if it cannot say."""
    exactly = {"resourceVersion": snapshot.version, "resourceVersionMatch": "Exact"}
    reply = await api.get(kind.path(namespace), exactly, timeout=LIST_TIMEOUT_S)
    if reply.status != 200:
        raise Unreachable(f"a list of {kind.name} at {snapshot.version} is answered with {reply.status}")
    items = Items()
    bodies = items.feed(reply.body)
    bodies += items.end()[0]
    listed = {(found.namespace, found.name): found.resource_version for found in map(identity, bodies)}
    shown = {(record.namespace, record.name): record.resource_version for record in snapshot}
    return [
        f"{kind.name} {place}: the cache has {shown.get(place)}, the API server has {listed.get(place)}"
        for place in sorted(listed.keys() | shown.keys())
        if listed.get(place) != shown.get(place)
    ]
