"""What was asked before, while nothing has changed: the answer that is kept, found without Strawberry.

A dashboard asks the same every few seconds. Its answer is there (plan/keeping.py); what is left to do is to find out
that it is still the answer: the same operation, rights that are known and the same to see, the same moment of what it
shows. That takes a tenth of what Strawberry's own steps and extensions take to come to the same.

Only whoever has verified who asks can look here: the lock of the schema itself, its first extension, is before the
execution of operations, and nothing is executed here. Whatever is out of the ordinary is left to the extensions, also
what is to be refused: they say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from auth.errors import ClientError
from auth.identity import Identity
from schema.execution.gather import Gatherer
from schema.execution.observer import Observer, Phase
from schema.execution.plan.keeping import Answer
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents


@final
@dataclass(frozen=True, slots=True)
class Repeated:
    """An answer that is kept, and the operation that it answers."""

    answer: Answer
    name: str | None

    def tell(self, observer: Observer) -> None:
        """It is given as the answer: only queries are kept."""
        observer.operation("query", self.name)
        observer.cost(self.answer.view.cost)
        observer.answered(kept=True)


@final
@dataclass(frozen=True, slots=True)
class Again:
    """Finds answers that are kept, and waits for nothing."""

    documents: Documents
    operations: Operations
    gatherer: Gatherer

    def find(
        self,
        identity: Identity,
        text: str,
        name: str | None,
        variables: Mapping[str, Any] | None,
        observer: Observer,
    ) -> Repeated | None:
        """The answer to this operation of this document for this caller; None: it must be executed, or refused."""
        prepared = self.documents.known(text)
        if prepared is None or prepared.errors:
            return None
        try:
            definition = prepared.operation(name)
        except ClientError:
            return None
        operation = self.operations.known(prepared, definition, variables or {})
        if operation is None or operation.plan is None:
            return None
        with observer.phase(Phase.GATHER):
            view = self.gatherer.at_once(identity, operation.needs)
            answer = None if view is None else operation.plan.kept(view, operation.nodes)
        if answer is None:
            return None
        return Repeated(answer, definition.name.value if definition.name else None)
