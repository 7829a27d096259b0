"""Whether anybody still waits for an answer: a thread cannot be cancelled, it has to look.

The event loop says when nobody does, since the time is over or the client is gone. Whoever executes looks once a list
and once a block of objects, never once a field.
"""


class GivenUp(BaseException):
    """Nobody waits any more. No error of the answer: what catches `Exception`, to put it into one, lets this pass."""


class Patience:
    """Of whoever asked; ended by the event loop, looked at by the thread that executes."""

    __slots__ = ("_over",)

    def __init__(self) -> None:
        self._over = False

    def end(self) -> None:
        self._over = True

    def check(self) -> None:
        """Raises GivenUp once nobody waits."""
        if self._over:
            raise GivenUp
