"""`python -m tests.benchmarks.bare FOLDER PORT [KUBECONFIG]`: bare Starlette sending bytes that somebody put there.

`/NAME` answers with FOLDER/NAME, in the slices in which the gateway sends its own answers; NAME.gz and NAME.zst are
sent as compressed. `/checked/NAME` is behind the gateway's own token check, made with the account of KUBECONFIG.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.authenticator import Authenticator
from auth.authenticators.chosen import open_chosen
from auth.settings import AuthSettings, OidcSettings
from gateway.http.answers import answer
from gateway.http.media import MediaType
from schema.sources.kubernetes.client import open_api
from schema.sources.kubernetes.settings import KubernetesSettings

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
        return answer((self._read[name],), MediaType.JSON, headers={"Content-Encoding": coding} if coding else {})


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


def app(folder: Path, kubeconfig: Path | None) -> Starlette:
    files = Bytes(folder)
    route = Route("/{name}", files.send, methods=["GET", "POST"])
    checked = Checked(Starlette(routes=[route]))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
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

    return Starlette(routes=[Mount("/checked", checked), route], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        app(Path(sys.argv[1]), Path(sys.argv[3]) if len(sys.argv) > 3 else None),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=600,  # the client's connections wait their turn
    )
