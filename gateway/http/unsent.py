"""How much of large answers may wait for their readers: what a client does not read stays in memory until it does.

An answer that several read at once is the same bytes, and counted once. Nobody waits here: an answer for which there is
no room is refused like a request that finds no place. One user takes a quarter of the room at most, so that whoever
reads nothing has no room left for their own answers, and everybody else has.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, final

from auth.errors import ClientError, TooManyRequests, Unavailable
from gateway.http.answers import Piece, size_of

USERS_SHARE: Final = 4


class Unread(Unavailable):
    """Too much waits to be read by everybody."""

    refused_for = "unread"

    def __init__(self) -> None:
        super().__init__("Too many large answers wait for their readers; ask again, or for less")


class OwnUnread(TooManyRequests):
    """Too much waits to be read by one user."""

    refused_for = "unread"

    def __init__(self, limit: int) -> None:
        ClientError.__init__(
            self,
            f"Your earlier answers are not read yet; at most {limit} bytes of them may wait",
            limit=limit,
            retryAfter=1,
        )
        self.retry_after = 1


@final
class Unsent:
    """Promised: never more than `bound` bytes of distinct pieces are held, of one user never more than a quarter."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._of_all = _Held()
        self._of_user: dict[str, _Held] = {}

    @contextmanager
    def hold(self, user: str, pieces: Sequence[Piece]) -> Iterator[None]:
        """Until the block ends the pieces count. Raises Unread or OwnUnread."""
        own = self._of_user.setdefault(user, _Held())
        try:
            share = self._bound // USERS_SHARE
            if own and own.size_with(pieces) > share:
                raise OwnUnread(share)
            if self._of_all and self._of_all.size_with(pieces) > self._bound:
                raise Unread
            with own.holding(pieces), self._of_all.holding(pieces):
                yield
        finally:
            if not own:
                self._of_user.pop(user, None)


@final
class _Held:
    """Pieces by identity, and how many hold each. An answer larger than the room may go alone."""

    def __init__(self) -> None:
        self._holders: Counter[int] = Counter()
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._holders)

    def size_with(self, pieces: Sequence[Piece]) -> int:
        return self._size + size_of(piece for piece in pieces if id(piece) not in self._holders)

    @contextmanager
    def holding(self, pieces: Sequence[Piece]) -> Iterator[None]:
        self._size = self.size_with(pieces)
        self._holders.update(map(id, pieces))
        try:
            yield
        finally:
            for piece in pieces:
                self._holders[id(piece)] -= 1
                if not self._holders[id(piece)]:
                    del self._holders[id(piece)]
                    self._size -= size_of((piece,))
