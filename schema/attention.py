"""Why a person should look at a pod or a node: enums of the schema, for fields and filters alike."""

from schema.enums import graphql_enum
from schema.sources.kubernetes.attention import NodeAttention, PodAttention

__all__ = ["NodeAttention", "PodAttention"]

graphql_enum(PodAttention, "PodAttention", "A reason why a person should look at a pod.")
graphql_enum(NodeAttention, "NodeAttention", "A reason why a person should look at a node.")
