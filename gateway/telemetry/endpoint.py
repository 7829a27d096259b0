"""`/metrics`, in Prometheus' text format or OpenMetrics, as the scraper asks for.

Twice the same: on a port of its own for whoever can connect there, and on the main port for whoever brings a token
whose owner may `get` the non-resource URL `/metrics`, as the API server's own metrics are read. Nothing of it is open
on the port that the Service carries.
"""

from typing import Final, final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.access import Access
from auth.authenticator import Authenticator
from auth.credentials import refuse_tokens_in
from auth.errors import ClientError, Forbidden
from auth.reviewers import Attributes
from gateway import logs
from gateway.http.answers import refuse
from gateway.http.media import MediaType

PATH: Final = "/metrics"
READING: Final = Attributes("get", "", "", path=PATH)


class MetricsNotAllowed(Forbidden):
    """Somebody we know, who may not read the process' metrics."""

    status = 403


def metrics_app(registry: CollectorRegistry) -> Starlette:
    """The whole of what is served on the port of its own."""
    return Starlette(routes=[Route(PATH, MetricsPage(registry), methods=["GET"])])


@final
class MetricsPage:
    """Shows all metrics as of now."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        encode, content_type = choose_encoder(Headers(scope=scope).get("accept", ""))
        response = Response(encode(self._registry), headers={"Content-Type": content_type})
        await response(scope, receive, send)


@final
class AllowedMetrics:
    """Lets through who may `get` /metrics, by a review; answers all others itself."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, access: Access) -> None:
        self._app = app
        self._authenticator = authenticator
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            refuse_tokens_in(scope["query_string"])
            identity = await self._authenticator.verify(scope["headers"])
            logs.bind(user=identity.username)
            if not (await self._access.decisions(identity, [READING]))[READING].allowed:
                raise MetricsNotAllowed(f"You may not get the non-resource URL {PATH}", verb="get", path=PATH)
        except ClientError as error:
            await refuse(error, MediaType.JSON)(scope, receive, send)
            return
        await self._app(scope, receive, send)
