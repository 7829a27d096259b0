"""The one door to the API server: bytes out, bytes in, every wait bounded, every response released.

kubernetes-asyncio brings configuration and credentials; its typed models and its own `Watch` are not used (they
cost 700 µs a pod, set no timeouts, and hide statuses). Nobody here raises for a status: whoever asked looks at it. What
raises is `Unreachable`, when there was no answer at all, or one that was cut.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from yarl import URL

from auth.api import Reply, Unreachable
from schema.sources.kubernetes.api import JSON, Incoming
from schema.sources.kubernetes.connection import Connection, CredentialsUnavailable, connect, one_line
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.kubernetes.tls import Tls

# A connection inside one data centre is made in a millisecond; in 5 s a lost SYN packet was sent again after 1 and 3 s.
CONNECT_TIMEOUT_S: Final = 5.0

# Bookmarks come about once a minute and the API server forgets events after 75 s: at 70 s of silence the socket is
# dead, and what was missed can still be replayed without a LIST. A LIST may take as long before its first byte.
SILENCE_LIMIT_S: Final = 70.0

UNAUTHORIZED: Final = 401

# On a data centre's network compressing a list costs the API server more than sending it: 2.0 s instead of 0.65 s for
# 15,000 pods.
HEADERS: Final = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    params: Mapping[str, str]
    limits: aiohttp.ClientTimeout
    body: bytes | None = None
    token: str | None = field(default=None, repr=False)  # the caller's own: nothing of the gateway's goes along
    accept: str = JSON


class KubernetesApi:
    """One API server, asked as the gateway. Implements `auth.api.ReviewApi` and `ObjectsApi`."""

    def __init__(self, connection: Connection, session: aiohttp.ClientSession, user_agent: str) -> None:
        self._connection = connection
        self._session = session
        self._tls = Tls(connection.configuration)
        self._headers = {**HEADERS, "User-Agent": user_agent}

    async def get(self, path: str, params: Mapping[str, str], *, timeout: float) -> Reply:  # noqa: ASYNC109
        """GET a whole answer within `timeout` seconds, connecting included."""
        return await self._ask(_Request("GET", path, params, _within(timeout)), timeout)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        timeout: float,  # noqa: ASYNC109
        token: str | None = None,
    ) -> Reply:
        """POST a JSON body and read the whole answer within `timeout` seconds, connecting included.

        As the gateway; with `token` as its holder, whose answer is returned whatever its status.
        """
        return await self._ask(_Request("POST", path, {}, _within(timeout), body, token), timeout)

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], *, accept: str = JSON, silence: float | None = None
    ) -> AsyncIterator[Incoming]:
        """GET an answer that may be long or never end; leaving the block closes its connection."""
        silent = SILENCE_LIMIT_S if silence is None else silence
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=silent)
        try:
            response = await self._send(_Request("GET", path, params, limits, accept=accept))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(
                error, f"not connected in {CONNECT_TIMEOUT_S:g} s, or silent for {silent:g} s"
            ) from error
        try:
            yield Incoming(response.status, _lowered(response), _chunks(response, silent))
        finally:
            response.close()  # not released: the rest of an endless answer cannot be read up to reuse its connection

    async def _ask(self, request: _Request, limit: float) -> Reply:
        try:
            async with asyncio.timeout(limit):  # credentials and a second try after 401 are part of the wait
                async with await self._send(request) as response:
                    return Reply(response.status, _lowered(response), await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(error, f"no answer within {limit:g} s") from error

    async def _send(self, request: _Request) -> aiohttp.ClientResponse:
        """Send once, and after a 401 once more with credentials read again, if those are any different."""
        if request.token is not None:
            return await self._request(request, {"Authorization": f"Bearer {request.token}"})
        sent = await self._authorization(rejected=False)
        response = await self._request(request, sent)
        if response.status != UNAUTHORIZED:
            return response
        try:
            fresh = await self._authorization(rejected=True)
        except BaseException:
            response.close()
            raise
        if fresh == sent:
            return response
        response.close()
        return await self._request(request, fresh)

    async def _authorization(self, *, rejected: bool) -> Mapping[str, str]:
        try:
            return await self._connection.credentials.headers(rejected=rejected)
        except CredentialsUnavailable as error:
            raise Unreachable(str(error)) from error

    async def _request(self, request: _Request, authorization: Mapping[str, str]) -> aiohttp.ClientResponse:
        content = {} if request.body is None else {"Content-Type": "application/json"}
        contexts = await self._tls.contexts()
        try:
            return await self._session.request(
                request.method,
                URL(self._connection.server + request.path, encoded=True),
                params=request.params,
                data=request.body,
                headers={**self._headers, "Accept": request.accept, **content, **authorization},
                timeout=request.limits,
                proxy=self._connection.proxy,
                ssl=contexts.own if request.token is None else contexts.bare,  # a pool of connections for each
                server_hostname=self._connection.configuration.tls_server_name,
                allow_redirects=False,  # the API server never redirects, and nobody else is to get our token
            )
        except aiohttp.ClientConnectionError:
            self._tls.suspect()
            raise


@asynccontextmanager
async def open_api(
    settings: KubernetesSettings, user_agent: str, watched_by: Sequence[aiohttp.TraceConfig] = ()
) -> AsyncIterator[KubernetesApi]:
    """Open the way to the API server; raises KubernetesConfigError if the settings lead nowhere. Sends nothing yet.

    `watched_by` is told of every request.
    """
    connection = await connect(settings)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connection.configuration.connection_pool_maxsize),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        trace_configs=list(watched_by),
    ) as session:
        yield KubernetesApi(connection, session, user_agent)


async def _chunks(response: aiohttp.ClientResponse, silent: float) -> AsyncIterator[bytes]:
    """The body as the socket gives it: no line limit of aiohttp's, and no call per line."""
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise _unreachable(error, f"silent for {silent:g} s") from error


def _within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_TIMEOUT_S))


def _lowered(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _unreachable(error: BaseException, timed_out: str) -> Unreachable:
    """One line for people; aiohttp's timeouts carry none of their own."""
    return Unreachable(timed_out if isinstance(error, TimeoutError) else one_line(error))
