"""Owners: what made an object and keeps it as it should be."""

import strawberry


@strawberry.type(
    description="The controller of an object, whatever its kind: the one of its owner references that says so."
)
class Owner:
    api_version: str = strawberry.field(description="Its API group and version, such as `apps/v1`.")
    kind: str = strawberry.field(
        description="Its kind, such as `ReplicaSet`; any, also of kinds the gateway knows nothing of."
    )
    name: str = strawberry.field(description="Its name, in the object's own namespace (a Node has none).")
    uid: strawberry.ID = strawberry.field(description="Its Kubernetes UID.")
