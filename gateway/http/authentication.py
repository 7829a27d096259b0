"""The first lock: whose token it is, before anything else is done with a request."""

from starlette.types import ASGIApp, Receive, Scope, Send

from auth.authenticator import Authenticator
from auth.credentials import refuse_tokens_in
from auth.errors import ClientError, Unauthenticated
from gateway import logs
from gateway.http.answers import refuse
from gateway.http.media import MediaType, header, negotiate
from gateway.telemetry.request import of
from schema.execution.observer import Phase


class Authenticated:
    """Passes on requests whose token an authenticator knows; answers all others itself, without reading their body.

    A refused upload's connection is closed by the server, which has nothing to wait for.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = of(scope)
        try:
            with request.phase(Phase.AUTH):
                refuse_tokens_in(scope["query_string"])
                identity = await self._authenticator.verify(scope["headers"])
        except ClientError as error:
            request.verdict(verdict(error))
            request.refused(error.code, error.refused_for)
            media_type = negotiate(header(scope, b"accept")) or MediaType.JSON
            await refuse(error, media_type)(scope, receive, send)
            return
        request.verdict("accepted")
        logs.bind(user=identity.username)
        scope["identity"] = identity
        scope["user"] = identity.username
        await self._app(scope, receive, send)


def verdict(error: ClientError) -> str:
    """What became of a token that was not accepted, as metrics have it: `missing`, `expired`, `unavailable`, …"""
    if isinstance(error, Unauthenticated):
        return str((error.extensions or {}).get("reason", "rejected")).lower()
    return error.code.lower()
