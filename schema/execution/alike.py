"""Lists of records as columns, for resolvers that answer for many objects at once (for_all.py).

Whoever wants the records gets them, made one by one. A plan takes the columns as they are, and makes rows of them
without a record between: a metric differs from pod to pod in its value alone.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, final, overload

from msgspec import Struct
from msgspec.structs import replace

R = TypeVar("R", bound=Struct)
T = TypeVar("T")


class _Made(Sequence[T]):
    """A sequence whose items are made when they are asked for."""

    def _item(self, index: int) -> T:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self._item(each) for each in range(len(self))[index]]
        return self._item(range(len(self))[index])


@final
class Alike(_Made[R]):
    """Records like `record` in all but one attribute, of which each has its own."""

    def __init__(self, record: R, attribute: str, values: Sequence[Any]) -> None:
        self.record = record
        self.attribute = attribute
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[R]:
        return map(self._with, self.values)

    def _item(self, index: int) -> R:
        return self._with(self.values[index])

    def _with(self, value: Any) -> R:
        return replace(self.record, **{self.attribute: value})


@final
class SideBySide(_Made[tuple[T, ...]]):
    """Of each object as many items as there are columns, one of each."""

    def __init__(self, columns: Sequence[Sequence[T]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[tuple[T, ...]]:
        return zip(*self.columns, strict=True)

    def _item(self, index: int) -> tuple[T, ...]:
        return tuple(column[index] for column in self.columns)
