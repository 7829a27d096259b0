"""Whatever stands in the simulated cluster is such as a real API server takes and gives."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.demo.churn import Churn
from gateway.demo.world import World, build
from schema.sources.kubernetes.kinds import KINDS, Kind
from tests.cluster.control_plane import ControlPlane

NOW = 1_795_521_600.0


@pytest.fixture(scope="module")
def world() -> World:
    """One that has lived for a while."""
    made = build(nodes=5, pods_per_node=15, seed=3, now=lambda: NOW)
    churn = Churn(made)
    for _ in range(300):
        churn.step()
    return made


def different(world: World, kind: Kind[Any]) -> Iterator[dict[str, Any]]:
    """Its objects, one of each shape: same keys, same meaning."""
    shapes: set[str] = set()
    for stored in world.storage.at(kind.name, world.storage.revision):
        manifest = json.loads(stored.object.manifest(stored.revision))
        shape = json.dumps(shape_of(manifest))
        if shape not in shapes:
            shapes.add(shape)
            yield manifest


def shape_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape_of(each) for key, each in value.items() if key not in ("labels", "annotations")}
    return sorted({json.dumps(shape_of(each)) for each in value}) if isinstance(value, list) else None


def within(part: Any, whole: Any) -> bool:
    """Whether the server has kept all that was written; what it adds is its own."""
    if part in ({}, [], None):
        return True
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(within(value, whole.get(key)) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) <= len(whole) and all(map(within, part, whole))
    return bool(part == whole)


def as_new(manifest: dict[str, Any], kind: Kind[Any], namespace: str) -> None:
    """Without what a server writes itself, and where nothing of the name is yet."""
    metadata = manifest["metadata"]
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation"):
        metadata.pop(key, None)
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        metadata.pop(key, None)
    match kind.kind:
        case "Node" | "Namespace":
            metadata["name"] = f"{metadata['name']}-anew"
            metadata["labels"].pop("kubernetes.io/metadata.name", None)
            return
        case "Event":
            manifest["involvedObject"]["namespace"] = namespace
        case "Job":  # else it must carry the uid that this server gives it
            manifest["spec"]["manualSelector"] = True
    metadata["namespace"] = namespace


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.key)
async def test_a_real_api_server_takes_it(bare_plane: ControlPlane, world: World, kind: Kind[Any], namespace: str):
    """With strict validation, so that no field is misspelt, and nothing of it is dropped but who wrote it."""
    await bare_plane.create_namespace(namespace)
    for manifest in different(world, kind):
        as_new(manifest, kind, namespace)
        path = kind.path(namespace if kind.namespaced else "")
        taken = await bare_plane.request("POST", path, manifest, params={"dryRun": "All", "fieldValidation": "Strict"})

        manifest.pop("status", None)  # is written apart, by controllers
        assert within(manifest, taken), (manifest, taken)
