"""The operations in use: what each needs, and its plan, found by the document and the variables that came with it.

What is new is worked out once: for a small operation at once, for one of many fields in a thread, as its document was
prepared: each field takes some 40 µs.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final, final

import orjson
import strawberry
from graphql import GraphQLError, OperationDefinitionNode
from graphql.execution.values import get_variable_values
from msgspec.structs import replace

from auth.lru import LruCache
from schema.asking.indexes import Indexes
from schema.execution.context import GraphContext
from schema.execution.needs import Needs, collect_needs
from schema.execution.plan.encoded import EncodedData
from schema.execution.plan.keeping import Answer, Keeper, Kept, answer_of
from schema.execution.plan.kinds import Selection
from schema.execution.plan.reads import Reads
from schema.execution.plan.run import PlanContext, Run
from schema.execution.plan.shape import Nodes, Shape, Unplannable, shape_of
from schema.execution.prepare import PreparedDocument
from schema.execution.reading import Reading
from schema.execution.settings import ExecutionSettings
from schema.execution.view import View
from schema.sources.kubernetes.kinds import Kind as KubernetesKind

OPERATIONS_KEPT: Final = 1_024
PLANS_KEPT: Final = 256
# Operations with larger variables are rare, rarely repeated, and would fill the cache with what one client sends.
VARIABLES_KEPT_BYTES: Final = 4_096
# Of more fields it would hold up others for more than 2 ms.
FIELDS_AT_ONCE: Final = 50


@final
@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A shape ready to run; shared by all operations of that shape, and compared by identity."""

    selection: Selection
    keeper: Keeper

    def kept(self, view: View, nodes: Nodes) -> Answer | None:
        """The whole answer, if nothing that it depends on has changed; costs next to nothing."""
        kept = self.keeper.get(self, view.visibility)
        answer = None if kept is None else kept.answer
        return answer if answer is not None and answer.answers(view, nodes) else None

    def execute(
        self, context: GraphContext, nodes: Nodes, at_most: int | None = None, *, by_look_ups: bool = False
    ) -> tuple[EncodedData | None, tuple[GraphQLError, ...]]:
        """The data and the errors of its places; those that places share are the context's. Safe in a thread.

        Raises TooManyObjects when its lists have more than `at_most` in all. What is made `by_look_ups` is kept with
        them, if they are all that was read.
        """
        view = context.view
        before = self.keeper.get(self, view.visibility)
        asked = PlanContext(context)
        reads = Reads() if by_look_ups else None
        if reads is not None:
            asked.view = replace(view, snapshot=reads.of(view.snapshot), indexes=Indexes())
        kept = ({}, {}, None) if before is None else (before.lists, before.read, before.data)
        run = Run(asked, nodes, *kept, at_most=at_most)
        data = run.execute(self.selection)
        errors = (*run.errors, *context.problems.errors())
        look_ups = None if reads is None else reads.look_ups
        answer = None if data is None or asked.personal else answer_of(view, data, errors, nodes, look_ups)
        if run.lists or answer is not None:
            lists = {site: tuple(each) for site, each in run.lists.items()}
            self.keeper.put(self, view.visibility, Kept(lists, answer, run.read))
        return data, errors


@final
@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation with its variables: everything about it that depends on nothing else."""

    needs: Needs
    plan: Plan | None  # None: graphql-core executes it
    nodes: Nodes


@final
class Operations:
    """The operations of one schema, the plans they share, and what those keep. Used by the event loop alone."""

    def __init__(self, settings: ExecutionSettings, worker: Executor | None = None) -> None:
        self._compiled = settings.compiled
        self._worker = worker  # None: asyncio's own
        self._keeper = Keeper(settings.cache_bytes)
        self._operations: LruCache[Any, Operation] = LruCache(OPERATIONS_KEPT)
        self._plans: OrderedDict[Shape, Plan] = OrderedDict()

    def known(
        self, prepared: PreparedDocument, definition: OperationDefinitionNode, given: Mapping[str, Any]
    ) -> Operation | None:
        """What `find` would return, if it is kept."""
        key = _key(prepared, definition, given)
        return None if key is None else self._operations.get(key)

    def find(
        self,
        schema: strawberry.Schema,
        prepared: PreparedDocument,
        definition: OperationDefinitionNode,
        given: Mapping[str, Any],
    ) -> Operation | list[GraphQLError]:
        """What to execute; or why the variables that were given cannot be its variables."""
        known = self.known(prepared, definition, given)
        if known is not None:
            return known
        return self._keep(_worked_out(schema, prepared, definition, given, self._compiled), prepared, definition, given)

    async def find_in_turn(
        self,
        schema: strawberry.Schema,
        prepared: PreparedDocument,
        definition: OperationDefinitionNode,
        given: Mapping[str, Any],
    ) -> Operation | list[GraphQLError]:
        """What `find` returns, worked out in the thread if it is new and takes long."""
        if prepared.fields <= FIELDS_AT_ONCE or self.known(prepared, definition, given) is not None:
            return self.find(schema, prepared, definition, given)
        loop = asyncio.get_running_loop()
        worked_out = await loop.run_in_executor(
            self._worker, _worked_out, schema, prepared, definition, given, self._compiled
        )
        return self._keep(worked_out, prepared, definition, given)

    def _keep(
        self,
        worked_out: "_WorkedOut | list[GraphQLError]",
        prepared: PreparedDocument,
        definition: OperationDefinitionNode,
        given: Mapping[str, Any],
    ) -> Operation | list[GraphQLError]:
        if isinstance(worked_out, list):
            return worked_out
        plan = None if worked_out.shape is None else self._plan(worked_out.shape)
        operation = Operation(worked_out.needs, plan, worked_out.nodes)
        key = _key(prepared, definition, given)
        if key is not None:
            self._operations.put(key, operation)
        return operation

    @property
    def kept_bytes(self) -> int:
        """An estimate of the memory that kept answers and parts of them take."""
        return self._keeper.size

    @property
    def plans(self) -> int:
        return len(self._plans)

    def forget(self) -> None:
        """Forget the plans and all that they have kept, as after a start."""
        self._operations = LruCache(OPERATIONS_KEPT)
        for plan in self._plans.values():
            self._keeper.drop(plan)
        self._plans.clear()

    def forget_kind(self, kind: KubernetesKind[Any]) -> None:
        """Let go of what is kept of a kind that is no longer watched."""
        self._keeper.forget(kind.resource)

    def _plan(self, shape: Shape) -> Plan:
        """The plan of this shape; the least recently used one is dropped, with all that it has kept."""
        plan = self._plans.get(shape)
        if plan is None:
            plan = self._plans[shape] = Plan(Selection(shape), self._keeper)
            if len(self._plans) > PLANS_KEPT:
                _, dropped = self._plans.popitem(last=False)
                self._keeper.drop(dropped)
        self._plans.move_to_end(shape)
        return plan


@dataclass(frozen=True, slots=True)
class _WorkedOut:
    """What an operation comes to, whatever is kept; a shape if it can have a plan."""

    needs: Needs
    shape: Shape | None
    nodes: Nodes


def _worked_out(
    schema: strawberry.Schema,
    prepared: PreparedDocument,
    definition: OperationDefinitionNode,
    given: Mapping[str, Any],
    compiled: bool,  # noqa: FBT001 - called by position, in a thread
) -> _WorkedOut | list[GraphQLError]:
    """Pure, and so safe in a thread."""
    core = schema._schema  # noqa: SLF001 - Strawberry has no public name for its graphql-core schema
    variables = get_variable_values(core, definition.variable_definitions or (), dict(given))
    if isinstance(variables, list):
        return variables
    reading = Reading(schema, definition, prepared.fragments, variables, prepared.constants)
    needs = collect_needs(reading)
    if not compiled:
        return _WorkedOut(needs, None, ())
    try:
        return _WorkedOut(needs, *shape_of(reading))
    except (Unplannable, GraphQLError, TypeError, ValueError):  # bad arguments: graphql-core tells them in place
        return _WorkedOut(needs, None, ())


def _key(prepared: PreparedDocument, definition: OperationDefinitionNode, given: Mapping[str, Any]) -> Any:
    """Equal for the same operation of the same text with equal variables; None: not worth keeping, or not JSON."""
    try:
        variables = orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # called from Python with something that no client can send
        return None
    return (
        None if len(variables) > VARIABLES_KEPT_BYTES else (prepared, prepared.operations.index(definition), variables)
    )
