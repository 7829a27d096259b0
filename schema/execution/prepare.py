"""Documents, prepared once per text: parsed, measured, validated, their operations found by name.

The result depends on the text and on the schema only, never on who asks: it is shared by all requests. Refused
documents are kept too, so that sending one again costs no second validation.

The documents of a client are few and seen again and again, those of an attacker are all new: what was not seen before
is prepared in a thread, one at a time and in turns with the event loop, so that this is not held by what it costs.
"""

import asyncio
from collections import OrderedDict
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Final, final

import strawberry
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
)
from strawberry.schema.schema import validate_document
from strawberry.types.execution import ExecutionContext

from auth.errors import BadRequest, ClientError
from schema.execution.limits import Limits
from schema.execution.reading import Constants
from schema.execution.settings import LimitSettings
from schema.execution.turns import Turns

DOCUMENTS_KEPT: Final = 512
# Their syntax trees are about 30 times as large: this bounds the memory of the cache to some 100 MB.
TEXT_KEPT_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class PreparedDocument:
    """A parsed document: its operations and fragments by name, and why it cannot be executed, if it cannot."""

    document: DocumentNode
    operations: tuple[OperationDefinitionNode, ...]
    fragments: dict[str, FragmentDefinitionNode]
    errors: tuple[GraphQLError, ...]
    constants: Constants
    fields: int = 0  # the most that one of its operations comes to, fragments unfolded

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to execute (GraphQL specification, GetOperation).

        Raises BadRequest when there is none of that name, or several and no name.
        """
        if not name:
            if len(self.operations) == 1:
                return self.operations[0]
            raise BadRequest(
                f"The document has {len(self.operations)} operations; `operationName` must say which one to execute"
            )
        for operation in self.operations:
            if operation.name and operation.name.value == name:
                return operation
        raise BadRequest(f"The document has no operation named {name!r}", operationName=name)


@final
class Documents:
    """The prepared documents of one schema, by their text; the least recently used ones are dropped.

    What cannot even be parsed, or is above a limit, is not kept: it fails early and cheaply. Not shared between
    threads: the worker thread prepares, the event loop keeps.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        worker: Executor | None = None,
        *,
        kept: int = DOCUMENTS_KEPT,
        text_bytes: int = TEXT_KEPT_BYTES,
    ) -> None:
        self._limits = limits or Limits(LimitSettings())
        self._worker = worker  # None: asyncio's own
        self._kept = kept
        self._text_limit = text_bytes
        self._text = 0
        self._prepared: OrderedDict[str, PreparedDocument] = OrderedDict()
        self._under_way: dict[str, asyncio.Future[PreparedDocument | GraphQLError]] = {}

    async def find(self, schema: strawberry.Schema, text: str) -> PreparedDocument:
        """The prepared document of `text`, prepared by the worker if it is new; raises what `prepare` raises."""
        known = self.known(text)
        if known is not None:
            return known
        future = self._under_way.get(text)
        if future is None:
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._worker, _attempted, schema, text, self._limits)
            self._under_way[text] = future
            future.add_done_callback(partial(self._finish, text))
        outcome = await asyncio.shield(future)  # others may wait for it too
        if isinstance(outcome, GraphQLError):
            raise outcome
        return outcome

    def prepare(self, schema: strawberry.Schema, text: str) -> PreparedDocument:
        """The prepared document of `text`. Raises GraphQLSyntaxError, and ClientError above a limit."""
        prepared = self.known(text)
        if prepared is None:
            prepared = _prepared(schema, text, self._limits)
            self._keep(text, prepared)
        return prepared

    def known(self, text: str) -> PreparedDocument | None:
        """The prepared document of `text`, if it is kept."""
        prepared = self._prepared.get(text)
        if prepared is not None:
            self._prepared.move_to_end(text)
        return prepared

    def _finish(self, text: str, future: asyncio.Future[PreparedDocument | GraphQLError]) -> None:
        del self._under_way[text]
        outcome = None if future.cancelled() else future.result()
        if isinstance(outcome, PreparedDocument):
            self._keep(text, outcome)

    def _keep(self, text: str, prepared: PreparedDocument) -> None:
        self._prepared[text] = prepared
        self._text += len(text)
        while len(self._prepared) > self._kept or (self._text > self._text_limit and len(self._prepared) > 1):
            dropped, _ = self._prepared.popitem(last=False)
            self._text -= len(dropped)


def _attempted(schema: strawberry.Schema, text: str, limits: Limits) -> PreparedDocument | GraphQLError:
    """The outcome as a value: several may wait for it, or nobody any more."""
    try:
        return _prepared(schema, text, limits, Turns())
    except GraphQLError as error:
        return error.with_traceback(None)


def _prepared(schema: strawberry.Schema, text: str, limits: Limits, turns: Turns | None = None) -> PreparedDocument:
    measured = limits.parse(text, turns)
    document = measured.document
    operations = tuple(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    rules = ExecutionContext(query=text, schema=schema, allowed_operations=()).validation_rules
    errors = validate_document(schema._schema, document, limits.rules(rules, turns))  # noqa: SLF001
    # Above a limit validation has stopped: what it found until then is not the answer.
    refusals = [error for error in errors if isinstance(error.original_error, ClientError)]
    return PreparedDocument(
        document, operations, fragments, tuple(refusals or errors), Constants(text), measured.fields
    )
