"""Work ends when nobody waits for it any more: at the time limit, or when the client is gone."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from starlette.requests import Request

from auth.errors import ClientError, Code

T = TypeVar("T")

# Most answers are made before this, also where Prometheus was asked: watching for the client costs a task, which they
# need not pay for.
WATCH_AFTER_S: Final = 0.05


class TimedOut(ClientError):  # noqa: N818 - as TimeoutError is taken
    """The answer was not ready in time; what was still waited for is cancelled."""

    code = Code.TIMED_OUT
    status = 504

    def __init__(self, seconds: float) -> None:
        super().__init__(f"No answer within {seconds:g} s; ask for less at a time", limit=seconds)


class ClientGone(Exception):  # noqa: N818
    """Nobody is there to read an answer."""


async def watched(request: Request, work: Awaitable[T], seconds: float) -> T:
    """The outcome of `work`. Raises TimedOut after so many seconds, ClientGone when the connection was closed.

    The request's body must have been read: whatever comes after it is the end of the connection.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    gone = False
    watching: asyncio.Task[None] | None = None

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    def begin() -> None:
        nonlocal watching
        watching = asyncio.create_task(watch(), name="http/client-watch")

    timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, begin)
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise TimedOut(seconds) from None
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
        raise ClientGone from None
    finally:
        timer.cancel()
        if watching is not None:
            watching.cancel()
