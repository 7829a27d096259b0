"""Whoever wants to know how an operation is answered: told as it goes, and never asked for anything."""

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Final, Protocol


class Phase(StrEnum):
    """The parts that the time of a request is made of, in their order; the first two and the last are HTTP's."""

    AUTH = "auth"
    READ = "read"  # the body
    WAIT = "wait"  # for a place among the requests at work
    PREPARE = "prepare"
    GATHER = "gather"
    EXECUTE = "execute"
    ENCODE = "encode"


class Observer(Protocol):
    def phase(self, phase: Phase) -> AbstractContextManager[object]:
        """Wraps a phase."""
        ...

    def operation(self, kind: str, name: str | None) -> None:
        """The document is valid, and this of its operations is executed: `query`, and its name if it has one."""
        ...

    def cost(self, cost: int) -> None:
        """What the answer was estimated to cost."""
        ...

    def answered(self, *, kept: bool) -> None:
        """There is an answer; `kept`: it is one that was made before."""
        ...


_NOTHING: Final = nullcontext()


class Unobserved:
    """Nobody wants to know."""

    def phase(self, phase: Phase) -> AbstractContextManager[object]:  # noqa: ARG002
        return _NOTHING

    def operation(self, kind: str, name: str | None) -> None: ...
    def cost(self, cost: int) -> None: ...
    def answered(self, *, kept: bool) -> None: ...


UNOBSERVED: Final = Unobserved()
