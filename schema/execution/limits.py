"""What a document may ask for: one linear rule, applied before graphql-core validates it.

Every definition is walked once; a fragment's sums are then added wherever it is spread, in the order in which fragments
use each other. So a document that unfolds to millions of fields is measured exactly and at the price of its length,
where rules that follow each spread take time that doubles with each fragment. A second rule, for what only the request
knows, is the cost of its lists (`cost.py`).

Circular spreads count for nothing here: graphql-core's validation, which comes next, refuses them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, final

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    Lexer,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Source,
    Token,
    parse,
)
from graphql.language.parser import Parser
from graphql.validation import OverlappingFieldsCanBeMergedRule, ValidationContext
from graphql.validation.validate import ValidationAbortedError

from auth.errors import ClientError, Code
from schema.execution.settings import LimitSettings
from schema.execution.turns import Turns

_INTROSPECTION: Final = frozenset({"__schema", "__type"})
# A sum can have hundreds of digits; clients read numbers up to here exactly.
_LARGEST_TOLD: Final = 2**53 - 1


class LimitExceeded(ClientError):  # noqa: N818 - reads as what is the case
    """The document asks for more than this gateway answers; `extensions.exceeded` is the key of the limit."""

    code = Code.LIMIT_EXCEEDED
    status = 400

    def __init__(self, exceeded: str, what: str, *, got: int, limit: int, **details: object) -> None:
        told = f"{got:,}" if got <= _LARGEST_TOLD else f"more than {_LARGEST_TOLD:,}"
        super().__init__(
            f"{what.format(got=told)}; the limit is {limit:,} (limits.{exceeded})",
            exceeded=exceeded,
            got=min(got, _LARGEST_TOLD),
            limit=limit,
            **details,
        )


class IntrospectionDisabled(ClientError):  # noqa: N818
    """The schema is not shown here; it is written down in schema.graphql."""

    code = Code.INTROSPECTION_DISABLED
    status = 400

    def __init__(self) -> None:
        super().__init__("This gateway does not answer introspection (limits.introspection)")


@dataclass(slots=True)
class _Sums:
    """What a selection set comes to. Depths have the field that reaches them, to say where."""

    roots: int = 0
    fields: int = 0
    selections: int = 0
    aliases: int = 0
    depth: int = 0
    deepest: Node | None = None
    introspection_fields: int = 0
    introspection_depth: int = 0
    introspection_deepest: Node | None = None

    def reach(self, depth: int, introspecting: int, node: Node | None) -> None:
        if introspecting:
            if depth > self.introspection_depth:
                self.introspection_depth, self.introspection_deepest = depth, node
        elif depth > self.depth:
            self.depth, self.deepest = depth, node

    def add(self, spread: "_Spread", of: "_Sums") -> None:
        """Unfold a fragment that comes to `of`, at the place of its spread."""
        self.selections += of.selections
        self.aliases += of.aliases
        if spread.depth == 0:
            self.roots += of.roots
        if spread.introspecting:
            self.introspection_fields += of.fields + of.introspection_fields
        else:
            self.fields += of.fields
            self.introspection_fields += of.introspection_fields
            if of.introspection_depth:
                self.reach(of.introspection_depth, 1, of.introspection_deepest)
        if of.depth:
            self.reach(of.depth + spread.depth, spread.introspecting, of.deepest)


@dataclass(frozen=True, slots=True)
class _Spread:
    name: str
    depth: int  # within the introspection, if it is inside one
    introspecting: bool
    node: FragmentSpreadNode


@dataclass(slots=True)
class _Outline:
    """One operation or fragment: its own sums, and where it spreads which fragments."""

    sums: _Sums = field(default_factory=_Sums)
    spreads: list[_Spread] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measured:
    """A parsed document within its limits, and the most fields that one of its operations comes to."""

    document: DocumentNode
    fields: int


@final
class Limits:
    """The limits of documents. Pure: the same text always has the same outcome."""

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self._merging = _merging_within(settings.validation_budget)

    def parse(self, text: str, turns: Turns | None = None) -> Measured:
        """The document of `text`, read in turns. Raises GraphQLSyntaxError, or a GraphQLError that stands for a
        LimitExceeded.
        """
        length = len(text.encode(errors="surrogatepass"))
        if length > self._settings.document_bytes:
            raise LimitExceeded(
                "document_bytes",
                "The document is {got} bytes long",
                got=length,
                limit=self._settings.document_bytes,
            )
        document = self._parsed(text, turns)
        return Measured(document, self._check(document))

    def rules(
        self, rules: Iterable[type[ASTValidationRule]], turns: Turns | None = None
    ) -> tuple[type[ASTValidationRule], ...]:
        """These validation rules, with the one whose work is not linear within its budget, and in turns."""
        bounded = tuple(self._merging if rule is OverlappingFieldsCanBeMergedRule else rule for rule in rules)
        return bounded if turns is None else (*bounded, _taking(turns))

    def _parsed(self, text: str, turns: Turns | None) -> DocumentNode:
        limit = self._settings.tokens
        try:
            return _read(text, limit, turns)
        except GraphQLSyntaxError as error:
            if f"more than {limit} tokens" not in error.message:
                raise
            # Reading stopped there: how many there are is not known.
            refusal = LimitExceeded("tokens", "The document has {got} tokens or more", got=limit + 1, limit=limit)
            raise GraphQLError(
                refusal.message, source=error.source, positions=error.positions, original_error=refusal
            ) from None

    def _check(self, document: DocumentNode) -> int:
        """The most fields that an operation of the document comes to. Raises what `parse` does."""
        self._at_most("definitions", "The document has {got} definitions", document.definitions)
        self._check_directives(document)
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        outlines = {name: _outline(node) for name, node in fragments.items()}
        _unfold(outlines)
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        return max((self._check_operation(operation, outlines) for operation in operations), default=0)

    def _check_operation(self, operation: OperationDefinitionNode, fragments: Mapping[str, _Outline]) -> int:
        outline = _outline(operation)
        heaviest: Node = operation
        most = 0
        for spread in outline.spreads:
            if spread.name in fragments:
                unfolded = fragments[spread.name].sums
                outline.sums.add(spread, unfolded)
                if unfolded.selections > most:
                    heaviest, most = spread.node, unfolded.selections
        sums = outline.sums
        if sums.introspection_fields and not self._settings.introspection:
            raise IntrospectionDisabled
        for name, what, got, node in (
            ("depth", "The document is {got} fields deep", sums.depth, sums.deepest),
            ("root_fields", "The operation has {got} fields at its root", sums.roots, heaviest),
            ("fields", "The operation has {got} fields with its fragments unfolded", sums.fields, heaviest),
            ("aliases", "The operation has {got} aliases with its fragments unfolded", sums.aliases, heaviest),
            (
                "introspection_depth",
                "The introspection is {got} fields deep",
                sums.introspection_depth,
                sums.introspection_deepest,
            ),
            (
                "introspection_fields",
                "The introspection has {got} fields with its fragments unfolded",
                sums.introspection_fields,
                heaviest,
            ),
            ("selections", "The operation has {got} selections with its fragments unfolded", sums.selections, heaviest),
        ):
            self._refuse_above(name, what, got, node)
        return sums.fields + sums.introspection_fields

    def _check_directives(self, document: DocumentNode) -> None:
        total: list[Node] = []
        for node in _nodes(document):
            directives = node.directives or ()
            self._at_most("directives_per_field", "One field or fragment has {got} directives", directives)
            total += directives
        self._at_most("directives", "The document has {got} directives", total)

    def _at_most(self, name: str, what: str, nodes: "list[Node] | tuple[Node, ...]") -> None:
        limit: int = getattr(self._settings, name)
        if len(nodes) > limit:
            self._refuse_above(name, what, len(nodes), nodes[limit])

    def _refuse_above(self, name: str, what: str, got: int, node: Node | None) -> None:
        limit: int = getattr(self._settings, name)
        if got > limit:
            raise located(LimitExceeded(name, what, got=got, limit=limit), node)


def located(error: ClientError, node: Node | None) -> GraphQLError:
    """The error at the place of `node` in its document."""
    return GraphQLError(error.message, nodes=node, original_error=error)


def _outline(definition: OperationDefinitionNode | FragmentDefinitionNode) -> _Outline:
    """Walk one definition, not the fragments that it spreads. A stack of its own: the document chooses the depth."""
    outline = _Outline()
    sums = outline.sums
    stack: list[tuple[SelectionSetNode, int, bool]] = [(definition.selection_set, 0, False)]
    while stack:
        selection_set, depth, introspecting = stack.pop()
        sums.selections += len(selection_set.selections)
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                begins = not introspecting and node.name.value in _INTROSPECTION
                inside, below = introspecting or begins, 1 if begins else depth + 1
                sums.roots += depth == 0 and not introspecting
                sums.aliases += node.alias is not None
                if inside:
                    sums.introspection_fields += 1
                else:
                    sums.fields += 1
                sums.reach(below, inside, node)
                if node.selection_set is not None:
                    stack.append((node.selection_set, below, inside))
            elif isinstance(node, InlineFragmentNode):
                stack.append((node.selection_set, depth, introspecting))
            elif isinstance(node, FragmentSpreadNode):
                outline.spreads.append(_Spread(node.name.value, depth, introspecting, node))
    return outline


def _unfold(outlines: Mapping[str, _Outline]) -> None:
    """Add to each fragment's sums those of the fragments that it spreads; what they spread first."""
    done: set[str] = set()
    under_way: set[str] = set()
    for start in outlines:
        stack = [start]
        while stack:
            name = stack[-1]
            outline = outlines[name]
            if name in done:
                stack.pop()
            elif name in under_way:  # everything that it spreads is done, or circular
                stack.pop()
                for spread in outline.spreads:
                    if spread.name in done:
                        outline.sums.add(spread, outlines[spread.name].sums)
                done.add(name)
            else:
                under_way.add(name)
                stack += [
                    spread.name
                    for spread in outline.spreads
                    if spread.name in outlines and spread.name not in done and spread.name not in under_way
                ]


def _nodes(document: DocumentNode) -> Iterator[OperationDefinitionNode | FragmentDefinitionNode | SelectionNode]:
    """Every place of the document where directives do something."""
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            continue  # a type definition: validation refuses it
        yield definition
        stack = [definition.selection_set]
        while stack:
            for node in stack.pop().selections:
                yield node
                inner = getattr(node, "selection_set", None)
                if inner is not None:
                    stack.append(inner)


def _read(text: str, limit: int, turns: Turns | None) -> DocumentNode:
    if turns is None:
        return parse(text, max_lexical_tokens=limit)
    source = Source(text)
    try:
        return Parser(source, lexer=_LexerInTurns(source, turns), max_lexical_tokens=limit).parse_document()
    except RecursionError:
        return parse(text, max_lexical_tokens=limit)  # which has a sentence for it


class _LexerInTurns(Lexer):
    def __init__(self, source: Source, turns: Turns) -> None:
        super().__init__(source)
        self._turns = turns

    def advance(self) -> Token:
        self._turns.check()
        return super().advance()


def _taking(turns: Turns) -> type[ASTValidationRule]:
    class InTurns(ASTValidationRule):
        """Finds nothing wrong: it comes by at each field, and pauses for all rules."""

        def enter_field(self, *_: object) -> None:
            turns.check()

    return InTurns


def _merging_within(budget: int) -> type[ASTValidationRule]:
    class WithinBudget(OverlappingFieldsCanBeMergedRule):
        """graphql-core's rule, which compares fields of one name pair by pair, with less patience than its own."""

        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = budget

        def enter_selection_set(self, selection_set: SelectionSetNode, *arguments: object) -> None:
            try:
                super().enter_selection_set(selection_set, *arguments)
            except ValidationAbortedError:
                refusal = LimitExceeded(
                    "validation_budget",
                    "Fields of one name are selected so often that {got} or more comparisons are needed",
                    got=budget + 1,
                    limit=budget,
                )
                self.report_error(located(refusal, selection_set))
                raise

    return WithinBudget
