"""Which rows an answer will have, found before it is made: where they are few, metrics are asked for those alone.

Each list says how its rows are found from those around it (`Rows`), by the very resolvers that will show them. The
answer is then made from the same picture of the cluster: nothing is shown that was not asked about, and nothing hidden
is asked for.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar, final

from auth.errors import ClientError
from schema.execution.problems import Place
from schema.execution.view import View

T = TypeVar("T")

# With more rows than this nobody looks further: what they are in is asked for instead, or everything.
ROWS_AT_MOST: Final = 1_024

# The rows that a place of the answer will have; None where these are too many, or everything there is.
Rows: TypeAlias = Callable[["Foresight"], Sequence[Any] | None]


@final
class _Unheard:
    """In the place of an answer's problems: whoever finds rows has nobody to tell them; the answer will."""

    def met(self, _key: object, _places: int = 1) -> bool:
        return True

    def report(self, _key: object, _error: ClientError, _place: Place, _places: int = 1) -> None:
        """Never called: all has been met."""


@dataclass(frozen=True, slots=True)
class _Context:
    view: View
    problems: _Unheard


@final
class Foresight:
    """What resolvers are told in the place of `info` where rows are found; each place's once."""

    field_node: Final = None

    def __init__(self, view: View) -> None:
        self.context = _Context(view, _Unheard())
        self._found: dict[Rows, Sequence[Any] | None] = {}

    @property
    def used(self) -> bool:
        """Whether questions depend on what was found, and with them the answer."""
        return any(found is not None for found in self._found.values())

    def of(self, rows: Rows | None) -> Sequence[Any] | None:
        if rows is None:
            return None
        if rows not in self._found:
            self._found[rows] = rows(self)
        return self._found[rows]


@dataclass(frozen=True, slots=True, eq=False)
class Through:
    """What each row around leads to, each once."""

    around: Rows | None
    step: Callable[[Any, Any], Iterable[Any]]  # from a row and what stands for `info`

    def __call__(self, foresight: Foresight) -> Sequence[Any] | None:
        around = foresight.of(self.around)
        if around is None:
            return None
        found: dict[int, Any] = {}
        for row in around:
            found |= {id(each): each for each in self.step(row, foresight)}
            if len(found) > ROWS_AT_MOST:
                return None
        return list(found.values())


def unless_refused(find: Callable[[], T | None]) -> T | None:
    """What is found; nothing where the question makes a mistake, which the answer will tell."""
    try:
        return find()
    except ClientError:
        return None
