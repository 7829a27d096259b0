"""`python -m tests.benchmarks.replay RECORDING PORT`: an API server that repeats, byte for byte, what a real one said.

Lists come as streams and continue as watches, which bring the recorded changes of pods again and again at the pace that
`POST /bench/rate?per_second=N` sets, each with a resourceVersion of its own. `POST /bench/mark` sends one change more
at once, whose pod has a number of restarts that no other has; the answer says which pod, how many, and when it was
sent. Every token is an administrator's, and may do everything.
"""

import asyncio
import itertools
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

SLICE: Final = 256 * 1024
EVERY_S: Final = 0.005
PARTS: Final = re.compile(rb'^(.*?"resourceVersion":")\d+(".*?"restartCount":)\d+(.*\n)$', re.DOTALL)
FIRST_MARK: Final = 10_000
"""More restarts than a recorded pod has."""


class Change(NamedTuple):
    """A recorded event, in pieces: what stands between them is new each time."""

    namespace: str
    name: str
    before: bytes
    between: bytes
    after: bytes
    restarts: int

    def line(self, version: int, restarts: int) -> bytes:
        return b"%b%d%b%d%b" % (self.before, version, self.between, restarts, self.after)


class Recorded:
    """The lists and changes of a recording, and who listens to the latter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        changes = [_change(line) for line in (folder / "changes.jsonl").open("rb")]
        self._changes: Iterator[Change] = itertools.cycle(changes)
        self._version = 1_000_000_000
        self._marks = itertools.count(FIRST_MARK)
        self._marked: dict[tuple[str, str], int] = {}
        self._listeners: set[asyncio.Queue[bytes]] = set()
        self.per_second = 0.0

    async def stream(self, kind: str, *, from_start: bool) -> AsyncIterator[bytes]:
        if from_start:
            with (self._folder / f"{kind}.jsonl").open("rb") as file:
                while piece := file.read(SLICE):
                    yield piece
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        if kind == "pods":
            self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def mark(self) -> dict[str, object]:
        change, restarts = next(self._changes), next(self._marks)
        self._marked[change.namespace, change.name] = restarts
        self._tell([change.line(self._next_version(), restarts)])
        return {
            "namespace": change.namespace,
            "name": change.name,
            "restarts": restarts,
            "at": time.monotonic(),
        }

    async def churn(self) -> None:
        due, looked = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.monotonic()
            due += (now - looked) * self.per_second
            looked = now
            count = int(due)
            due -= count
            if count:
                self._tell([self._next_line() for _ in range(count)])

    def _next_line(self) -> bytes:
        change = next(self._changes)
        restarts = self._marked.get((change.namespace, change.name), change.restarts)  # they never become less
        return change.line(self._next_version(), restarts)

    def _next_version(self) -> int:
        self._version += 1
        return self._version

    def _tell(self, lines: list[bytes]) -> None:
        for listener in self._listeners:
            listener.put_nowait(b"".join(lines))


def _change(line: bytes) -> Change:
    found = PARTS.match(line)
    if found is None:
        raise ValueError(f"a change without version or restarts: {line[:200]!r}")
    pod = orjson.loads(line)["object"]
    restarts = pod["status"]["containerStatuses"][0]["restartCount"]
    return Change(pod["metadata"]["namespace"], pod["metadata"]["name"], found[1], found[2], found[3], restarts)


def app(recorded: Recorded) -> Starlette:
    async def objects(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in {"nodes", "pods", "namespaces", "services"}:
            return JSONResponse({"kind": "Status", "code": 404, "reason": "NotFound"}, 404)
        from_start = request.query_params.get("sendInitialEvents") == "true"
        return StreamingResponse(recorded.stream(kind, from_start=from_start), media_type="application/json")

    async def token(request: Request) -> Response:
        review = await request.json()
        user = {"username": "admin", "uid": "admin", "groups": ["system:masters"]}
        return JSONResponse({**review, "status": {"authenticated": True, "user": user}}, 201)

    async def access(request: Request) -> Response:
        return JSONResponse({**(await request.json()), "status": {"allowed": True}}, 201)

    async def rate(request: Request) -> Response:
        recorded.per_second = float(request.query_params["per_second"])
        return JSONResponse({})

    async def mark(_request: Request) -> Response:
        return JSONResponse(recorded.mark())

    async def unknown(_request: Request) -> Response:
        return JSONResponse({"kind": "Status", "code": 404, "reason": "NotFound"}, 404)

    return Starlette(
        routes=[
            Route("/api/v1/{kind}", objects),
            Route("/apis/authentication.k8s.io/v1/tokenreviews", token, methods=["POST"]),
            Route("/apis/authorization.k8s.io/v1/subjectaccessreviews", access, methods=["POST"]),
            Route("/bench/rate", rate, methods=["POST"]),
            Route("/bench/mark", mark, methods=["POST"]),
            Route("/{path:path}", unknown),
        ]
    )


async def serve(folder: Path, port: int) -> None:
    recorded = Recorded(folder)
    config = uvicorn.Config(
        app(recorded),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=600,  # the client's connections wait their turn
    )
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as tasks:
        churning = tasks.create_task(recorded.churn(), name="churn")
        await server.serve()
        churning.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        runner.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
