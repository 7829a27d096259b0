"""Prepare, gather, execute: the extension behind auth's that turns a verified request into its answer.

It sets the document, the outcome of validation and the result on Strawberry's execution context, so that Strawberry's
own steps find their work done: nothing private of graphql-core is overridden. An operation is executed by its plan if
it has one (schema/execution/plan), and by graphql-core's `execute_sync` if not; both read the same View.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final, cast

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType, execute_sync
from strawberry.extensions import SchemaExtension

from auth.errors import BadRequest, InvalidArgument, Unauthenticated
from schema.execution.context import GraphContext
from schema.execution.cost import visible
from schema.execution.gather import Gatherer
from schema.execution.needs import Needs
from schema.execution.observer import Observer, Phase
from schema.execution.plan.operations import Operation, Operations
from schema.execution.plan.reads import looks_up_only
from schema.execution.plan.run import TooManyObjects
from schema.execution.prepare import Documents, PreparedDocument
from schema.execution.problems import Problems
from schema.execution.versions import RESOURCE_VERSIONS, versions_seen
from schema.execution.view import View
from schema.sources.prometheus.raw import RawAnswer

# An answer of more objects takes longer than a small answer should wait for: about 3 ms in stock execution.
LARGE_ANSWER_OBJECTS: Final = 300
# By its estimated cost, where it is of what an index finds; the estimate may be wrong: then so many objects are enough.
LARGE_ANSWER_VALUES: Final = 3_000
OBJECTS_AT_ONCE: Final = 1_000


class OperationNotAllowed(BadRequest):
    """The transport does not carry operations of this type."""

    status = 405


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What execution needs beyond one request; made once, beside the schema it belongs to."""

    documents: Documents
    operations: Operations
    gatherer: Gatherer
    worker: Executor  # one thread, for large answers


class ExecutionExtension(SchemaExtension):
    """Answers one operation. Runs after auth's extension; without an identity it refuses by itself."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def on_operation(self) -> AsyncIterator[None]:
        execution = self.execution_context
        observer: Observer = execution.context.observer
        with observer.phase(Phase.PREPARE):
            prepared = await self._pipeline.documents.find(self._schema, execution.query or "")
        operation = prepared.operation(execution._provided_operation_name)  # noqa: SLF001 - as sent, not derived
        if operation.operation not in {OperationType(kind.value) for kind in execution.allowed_operations}:
            raise OperationNotAllowed(f"A {operation.operation.value} cannot be sent by GET; use POST")
        execution.graphql_document = prepared.document
        execution.pre_execution_errors = list(prepared.errors)
        if not prepared.errors:
            found = await self._pipeline.operations.find_in_turn(
                self._schema, prepared, operation, execution.variables or {}
            )
            if isinstance(found, list):
                execution.pre_execution_errors = [_bad_variable(error) for error in found]
            else:
                observer.operation(operation.operation.value, operation.name.value if operation.name else None)
                execution.result = await self._answer(prepared, found)
        yield

    @property
    def _schema(self) -> strawberry.Schema:
        return self.execution_context.schema

    async def _answer(self, prepared: PreparedDocument, operation: Operation) -> ExecutionResult:
        context: GraphContext = self.execution_context.context
        if context.identity is None:
            raise Unauthenticated("Nobody has verified who asks")
        observer = context.observer
        with observer.phase(Phase.GATHER):
            context.view = await self._pipeline.gatherer.view(context.identity, operation.needs, context.versions)
        observer.cost(context.view.cost)
        self._tell_staleness(context.view)
        if context.versions.told:
            seen = versions_seen(context.view, operation.needs.kinds)
            self.execution_context.extensions_results[RESOURCE_VERSIONS] = seen
        kept = operation.plan and operation.plan.kept(context.view, operation.nodes)
        observer.answered(kept=kept is not None)
        if kept is not None:
            return _result(kept.data, kept.errors)
        with observer.phase(Phase.EXECUTE):
            return await self._executed(prepared, operation, context)

    async def _executed(
        self, prepared: PreparedDocument, operation: Operation, context: GraphContext
    ) -> ExecutionResult:
        """At once if it is small, in the worker thread if not."""
        # Without a plan it is introspection, which asks for no objects and takes some tens of milliseconds.
        if operation.plan is not None and is_small(operation.needs, context.view):
            try:
                made = operation.plan.execute(
                    context, operation.nodes, OBJECTS_AT_ONCE, by_look_ups=looks_up_only(operation.needs)
                )
                return _result(*made)
            except TooManyObjects:
                context.problems = Problems()  # what was met until then is met again
        context.large = True
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pipeline.worker, self._execute, prepared, operation, context)
        except asyncio.CancelledError:
            context.patience.end()  # the thread is others' as soon as it looks
            raise

    def _tell_staleness(self, view: View) -> None:
        """A broken watch does not stop answers; they say since when they show an old picture."""
        if view.stale:
            stale = [{"kind": kind, "seconds": seconds} for kind, seconds in view.stale.items()]
            self.execution_context.extensions_results["stale"] = stale

    def _execute(self, prepared: PreparedDocument, operation: Operation, context: GraphContext) -> ExecutionResult:
        """The answer over the view, without waiting for anything; safe in a thread, since the view never changes."""
        if operation.plan is not None:
            return _result(*operation.plan.execute(context, operation.nodes))
        execution = self.execution_context
        result = execute_sync(
            self._schema._schema,  # noqa: SLF001
            prepared.document,
            context_value=context,
            variable_values=execution.variables,
            operation_name=execution._provided_operation_name,  # noqa: SLF001
            executor_class=self._schema.execution_context_class,
        )
        return _result(result.data, [*(result.errors or ()), *context.problems.errors()])


def _result(data: Mapping[str, Any] | None, errors: Sequence[GraphQLError]) -> ExecutionResult:
    return ExecutionResult(cast("dict[str, Any] | None", data), list(errors) or None)


def _bad_variable(error: GraphQLError) -> GraphQLError:
    """graphql-core's own sentence, with a code of its own: the document is right, what was sent with it is not."""
    return GraphQLError(error.message, nodes=error.nodes, original_error=InvalidArgument(error.message))


def is_small(needs: Needs, view: View) -> bool:
    """Whether few objects are looked through, and few are shown, if what an index finds is as much as usual."""
    indexed = needs.access != needs.looked_through
    return objects_looked_through(needs, view) <= LARGE_ANSWER_OBJECTS and not (
        indexed and view.cost > LARGE_ANSWER_VALUES
    )


def objects_looked_through(needs: Needs, view: View) -> int:
    """An upper bound, by what the caller may see, of the objects that the operation's lists are made from.

    Without those that an index finds for each object around them.
    """
    samples = sum(outcome.size for outcome in view.raw.values() if isinstance(outcome, RawAnswer))
    read = {kind.resource for kind in needs.kinds if not kind.metadata_only}
    return samples + sum(
        1 if need.name else visible(view.snapshot, view.visibility, need.resource, need.namespaces)
        for need in needs.looked_through
        if need.resource in read
    )
