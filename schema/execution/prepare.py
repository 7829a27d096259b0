"""Documents, prepared once per text: parsed, validated, their operations found by name.

The result depends on the text and on the schema only, never on who asks: it is shared by all requests. Refused
documents are kept too, so that sending one again costs no second validation.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, final

import strawberry
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
)
from strawberry.schema.schema import validate_document
from strawberry.types.execution import ExecutionContext

from auth.errors import BadRequest

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
    """The prepared documents of one schema, by their text; the least recently used ones are dropped."""

    def __init__(self, *, kept: int = DOCUMENTS_KEPT, text_bytes: int = TEXT_KEPT_BYTES) -> None:
        self._kept = kept
        self._text_limit = text_bytes
        self._text = 0
        self._prepared: OrderedDict[str, PreparedDocument] = OrderedDict()

    def prepare(self, schema: strawberry.Schema, text: str) -> PreparedDocument:
        """The prepared document of `text`. Raises GraphQLSyntaxError, which is not kept: it fails early and cheaply."""
        prepared = self._prepared.get(text)
        if prepared is not None:
            self._prepared.move_to_end(text)
            return prepared
        prepared = _prepared(schema, text)
        self._keep(text, prepared)
        return prepared

    def _keep(self, text: str, prepared: PreparedDocument) -> None:
        self._prepared[text] = prepared
        self._text += len(text)
        while len(self._prepared) > self._kept or (self._text > self._text_limit and len(self._prepared) > 1):
            dropped, _ = self._prepared.popitem(last=False)
            self._text -= len(dropped)


def _prepared(schema: strawberry.Schema, text: str) -> PreparedDocument:
    document = parse(text)
    operations = tuple(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    rules = ExecutionContext(query=text, schema=schema, allowed_operations=()).validation_rules
    errors = validate_document(schema._schema, document, rules)  # noqa: SLF001
    return PreparedDocument(document, operations, fragments, tuple(errors))
