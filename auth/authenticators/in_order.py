"""Several authenticators as one: the first that knows a token says whose it is."""

import asyncio
from collections.abc import Sequence
from typing import Final, final

from auth.errors import ReviewsUnavailable, TokenRejected
from auth.identity import Identity
from auth.reviewers import TokenAuthenticator

# An authenticator that keeps silent is not waited for before the next one is asked as well: those who are known to
# another would otherwise hear of the first one's trouble. A review of a working API server takes some milliseconds.
PATIENCE_S: Final = 0.3


@final
class InOrder:
    """Asks in order.

    Promised: accepted only by one of them; a failure to ask never accepts, and only matters if no other accepts.
    Promised: an earlier one that accepts wins over a later one, if it answers while that one is still asked.
    Tests: tests/auth/authenticators/test_in_order.py.
    """

    def __init__(self, authenticators: Sequence[TokenAuthenticator]) -> None:
        self._authenticators = tuple(authenticators)

    async def authenticate(self, token: str) -> Identity:
        """See TokenAuthenticator."""
        asked: list[asyncio.Task[Identity]] = []
        try:
            for each in self._authenticators:
                asked.append(asyncio.create_task(each.authenticate(token), name="auth/authenticator"))
                await asyncio.wait(asked[-1:], timeout=PATIENCE_S)
                if (identity := _accepted(asked)) is not None:
                    return identity
            while pending := [task for task in asked if not task.done()]:
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if (identity := _accepted(asked)) is not None:
                    return identity
            raise _refusal(asked)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


def _accepted(asked: Sequence[asyncio.Task[Identity]]) -> Identity | None:
    """Whose token it is, by the first of those who know; mistakes of ours are raised, not passed over."""
    for task in asked:
        if not task.done():
            continue
        match task.exception():
            case None:
                return task.result()
            case TokenRejected() | ReviewsUnavailable():
                pass
            case mistake:
                raise mistake
    return None


def _refusal(asked: Sequence[asyncio.Task[Identity]]) -> BaseException:
    """The reason when nobody accepted: somebody could not be asked, else nobody knows it."""
    failures = [task.exception() for task in asked]
    return next((each for each in failures if isinstance(each, ReviewsUnavailable)), None) or TokenRejected()
