"""The schema: the graph, with auth first and execution second on every operation."""

from functools import partial
from typing import Final

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from auth.authenticator import Authenticator
from auth.extension import AuthExtension
from schema.execution.again import Again
from schema.execution.context import GraphInfo
from schema.execution.extension import ExecutionExtension, Pipeline
from schema.query import Query
from schema.scalars import SCALARS

_CONFIG: Final = StrawberryConfig(scalar_map=SCALARS, info_class=GraphInfo)


class GatewaySchema(strawberry.Schema):
    """Strawberry's schema without its logging, which prints the whole document once per error.

    `again` has the answers to what was asked before.
    """

    again: Again

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Errors are logged where the answer leaves, with the request's id and without the document."""


def build_schema(authenticator: Authenticator, pipeline: Pipeline) -> GatewaySchema:
    """The executable schema: `execute` with a GraphContext answers a verified request, and nothing else."""
    schema = GatewaySchema(
        query=Query,
        config=_CONFIG,
        extensions=[partial(AuthExtension, authenticator), partial(ExecutionExtension, pipeline)],
    )
    schema.again = Again(pipeline.documents, pipeline.operations, pipeline.gatherer)
    return schema


def describe() -> strawberry.Schema:
    """The graph alone, without what answers it: for its description, for code generators and tests."""
    return strawberry.Schema(query=Query, config=_CONFIG)


def print_sdl() -> str:
    """The schema in GraphQL's schema definition language, as committed in schema.graphql."""
    return describe().as_str().rstrip() + "\n"
