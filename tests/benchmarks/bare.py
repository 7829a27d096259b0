"""`python -m tests.benchmarks.bare FOLDER PORT [KUBECONFIG]`: bare Starlette sending bytes that somebody put there.

`/NAME` answers with FOLDER/NAME, in the slices in which the gateway sends its own answers and with their headers;
NAME.gz and NAME.zst are sent as compressed. `/checked/NAME` is behind the gateway's own token check, made with the
account of KUBECONFIG, its verdicts cached as there. What comes with a request is read, and not looked at. A form for
`/passed/HOST:PORT/PATH` is posted on to there, and answered as it is there.

All of it by Starlette's own means: its router, its Request and its Response, where the gateway has shorter ways.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.authenticator import Authenticator
from auth.authenticators.chosen import open_chosen
from auth.settings import AuthSettings, OidcSettings
from schema.execution.plan.encoded import SLICE_BYTES
from schema.sources.kubernetes.client import open_api
from schema.sources.kubernetes.settings import KubernetesSettings

HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "Vary": "Authorization, Accept, Accept-Encoding",
    "Content-Type": "application/json; charset=utf-8",
    "X-Request-Id": "0123456789abcdef",
}
CODINGS: Final = {".gz": "gzip", ".zst": "zstd"}


class Bytes:
    """What the folder has, read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, bytes] = {}

    async def send(self, request: Request) -> Response:
        await request.body()
        name = request.path_params["name"]
        if name not in self._read:
            self._read[name] = (self._folder / name).read_bytes()
        coding = CODINGS.get(Path(name).suffix)
        return Sliced(self._read[name], headers=HEADERS | ({"Content-Encoding": coding} if coding else {}))


class Sliced(Response):
    """Starlette's response, which sends a long body in slices."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self.body) <= SLICE_BYTES:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(self.body), SLICE_BYTES):
            body = self.body[start : start + SLICE_BYTES]
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Checked:
    """Verifies the token of every request; raises what the authenticator raises, as nobody here sends a bad one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.authenticator: Authenticator | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.authenticator is None:
            raise RuntimeError("started without an account to verify tokens with")
        scope["user"] = (await self.authenticator.verify(scope["headers"])).username
        await self._app(scope, receive, send)


class Passing:
    """Posts on what it is posted."""

    def __init__(self) -> None:
        self.session: aiohttp.ClientSession | None = None

    async def post(self, request: Request) -> Response:
        if self.session is None:
            raise RuntimeError("asked before it was started")
        url = f"http://{request.path_params['where']}"
        headers = {"Content-Type": request.headers["Content-Type"], "Accept-Encoding": "identity"}
        async with self.session.post(url, data=await request.body(), headers=headers) as answer:
            return Response(await answer.read(), answer.status, HEADERS)


def app(folder: Path, kubeconfig: Path | None) -> Starlette:
    files = Bytes(folder)
    route = Route("/{name}", files.send, methods=["GET", "POST"])
    checked, passing = Checked(Starlette(routes=[route])), Passing()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as passing.session, verifying():
            yield

    @asynccontextmanager
    async def verifying() -> AsyncIterator[None]:
        if kubeconfig is None:
            yield
            return
        settings = AuthSettings()
        async with (
            open_api(KubernetesSettings(kubeconfig=kubeconfig), "bench") as api,
            open_chosen(settings, OidcSettings(), api, "bench") as chosen,
        ):
            checked.authenticator = Authenticator(chosen.authenticator, settings)
            yield
            await checked.authenticator.aclose()

    passed = Route("/passed/{where:path}", passing.post, methods=["POST"])
    return Starlette(routes=[Mount("/checked", checked), passed, route], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        app(Path(sys.argv[1]), Path(sys.argv[3]) if len(sys.argv) > 3 else None),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=600,  # the client's connections wait their turn
    )
