"""One operation, executed by its plan and by graphql-core, over one view."""

from typing import Any

import orjson
import strawberry
from graphql import GraphQLError, execute_sync

from auth.identity import Identity
from schema.execution.context import GraphContext
from schema.execution.plan.operations import Operation, Operations
from schema.execution.plan.reads import looks_up_only
from schema.execution.prepare import Documents, PreparedDocument
from schema.execution.view import View

SOMEBODY = Identity("somebody", "7", ("dev", "system:authenticated"), (("scopes", ("a", "b")),))

Errors = list[tuple[Any, ...]]
Outcome = tuple[bytes, Errors]


def prepared(documents: Documents, schema: strawberry.Schema, text: str) -> PreparedDocument:
    document = documents.prepare(schema, text)
    assert document.errors == (), (text, document.errors)
    return document


def found(
    operations: Operations, schema: strawberry.Schema, document: PreparedDocument, variables: dict[str, Any]
) -> Operation:
    operation = operations.find(schema, document, document.operation(None), variables)
    assert isinstance(operation, Operation), operation
    return operation


def by_plan(operation: Operation, view: View) -> Outcome:
    """What the extension does: what is kept if it still holds, else executed."""
    assert operation.plan is not None
    kept = operation.plan.kept(view, operation.nodes)
    if kept is not None:
        return kept.data.encoded, told(kept.errors)
    by_look_ups = looks_up_only(operation.needs)
    data, errors = operation.plan.execute(context_of(view), operation.nodes, by_look_ups=by_look_ups)
    return b"null" if data is None else data.encoded, told(errors)


def by_graphql_core(
    schema: strawberry.Schema, document: PreparedDocument, variables: dict[str, Any], view: View
) -> Outcome:
    context = context_of(view)
    result = execute_sync(
        schema._schema,
        document.document,
        context_value=context,
        variable_values=variables,
        executor_class=schema.execution_context_class,
    )
    return orjson.dumps(result.data), told([*(result.errors or ()), *context.problems.errors()])


def context_of(view: View) -> GraphContext:
    context = GraphContext(headers=(), identity=SOMEBODY)
    context.view = view
    return context


def told(errors: Any) -> Errors:
    """What errors say, in the order of their paths."""
    return sorted(map(_told, errors), key=repr)


def _told(error: GraphQLError) -> tuple[Any, ...]:
    return (error.path, error.message, error.locations, error.extensions)
