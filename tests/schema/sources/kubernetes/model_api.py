"""An API server of several kinds in memory: a model server for each, behind the cache's one seam."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from auth.api import Reply, Unreachable
from schema.sources.kubernetes.api import JSON, Incoming
from schema.sources.kubernetes.kinds import Kind
from tests.schema.sources.kubernetes.model_server import ModelServer

KINDS = ("nodes", "pods", "namespaces", "services")


class ModelApi:
    """A model server for each kind, and a version. What no server stands for is not found."""

    def __init__(self, *others: Kind[Any] | str) -> None:
        more = (each if isinstance(each, str) else each.path() for each in others)
        paths = [*(f"/api/v1/{kind}" for kind in KINDS), *more]
        self.kinds = {path: ModelServer(path) for path in paths}
        self.git_version = "v1.37.2"
        self.version_failures = 0
        self.versions_asked = 0

    def __getitem__(self, kind: str) -> ModelServer:
        return self.kinds[f"/api/v1/{kind}"]

    def stream(
        self, path: str, params: Mapping[str, str], *, accept: str = JSON, silence: float | None = None
    ) -> AbstractAsyncContextManager[Incoming]:
        if path not in self.kinds:
            return _not_found()
        return self.kinds[path].stream(path, params, accept=accept, silence=silence)

    async def get(self, path: str, params: Mapping[str, str], *, timeout: float) -> Reply:
        if path != "/version":
            return await self.kinds[path].get(path, params, timeout=timeout)
        self.versions_asked += 1
        if self.version_failures:
            self.version_failures -= 1
            raise Unreachable("connection refused")
        return Reply(200, {}, json.dumps({"gitVersion": self.git_version}).encode())


@asynccontextmanager
async def _not_found() -> AsyncIterator[Incoming]:
    async def page() -> AsyncIterator[bytes]:
        yield b"404 page not found\n"

    yield Incoming(404, {}, page())
