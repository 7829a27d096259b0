"""Equal values become one object: 150,000 pods have some hundred distinct label sets."""

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# A large cluster has some ten thousand distinct labels; an entry costs about 200 bytes.
LIMIT: Final = 65_536


class Shared(dict[K, V], Generic[K, V]):
    """`shared[key]` is the value made for that key before, or a new one. It is a dict so that a hit costs no call.

    It never holds more than twice `limit` entries: when it is full, it begins anew, and takes from the entries before
    only what is asked for again. What is forgotten stays correct, and is merely no longer the same object.
    """

    def __init__(self, make: Callable[[K], V], limit: int = LIMIT) -> None:
        super().__init__()
        self._make = make
        self._limit = limit
        self._before: dict[K, V] = {}

    def __missing__(self, key: K) -> V:
        if len(self) >= self._limit:
            self._before = dict(self)
            self.clear()
        value = self._before[key] if key in self._before else self._make(key)
        self[key] = value
        return value
