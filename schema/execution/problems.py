"""Errors that many places of one answer share, told once.

A missing right is one error per field of the document, a failed source one per (metric, level): both stand at the
first place that met them and say how many places are affected. Raising at each place instead would cost an answer of
15,000 pods seconds, and tell the reader nothing more.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, final

from graphql import FieldNode, GraphQLError

from auth.errors import ClientError


class Place(Protocol):
    """Where in an answer a resolver stands; `info` is one."""

    @property
    def field_node(self) -> FieldNode:
        """The first node of the field in the document."""

    @property
    def response_path(self) -> list[str | int]:
        """Names and indexes from the root of the answer on."""


@dataclass(slots=True)
class _Problem:
    error: ClientError
    path: list[str | int]
    node: FieldNode
    affected: int = 1


@final
class Problems:
    """The shared errors of one request, in the order in which they were met. Not shared between threads."""

    def __init__(self) -> None:
        self._problems: dict[Hashable, _Problem] = {}

    def met(self, key: Hashable, places: int = 1) -> bool:
        """Count more places for `key`; False when nobody has reported it yet."""
        problem = self._problems.get(key)
        if problem is None:
            return False
        problem.affected += places
        return True

    def report(self, key: Hashable, error: ClientError, place: Place, places: int = 1) -> None:
        """Tell `error` once for `key`, at this place, which is the first of so many."""
        self._problems[key] = _Problem(error, place.response_path, place.field_node, places)

    def errors(self) -> list[GraphQLError]:
        """One located error per problem, with `extensions.affected`: the number of places that share it."""
        return [_located(problem) for problem in self._problems.values()]


def _located(problem: _Problem) -> GraphQLError:
    return GraphQLError(
        problem.error.message,
        nodes=[problem.node],
        path=problem.path,
        original_error=problem.error,
        extensions={**(problem.error.extensions or {}), "affected": problem.affected},
    )
