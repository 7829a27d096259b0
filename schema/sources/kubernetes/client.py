"""The one door to the API server: bytes out, bytes in, every wait bounded, every response released.

kubernetes-asyncio brings configuration and credentials; its typed models and its own `Watch` are not used (they
cost 700 µs a pod, set no timeouts, and hide statuses). Nobody here raises for a status: whoever asked looks at it. What
raises is `Unreachable`, when there was no answer at all, or one that was cut.
"""

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import aiohttp
from yarl import URL

from auth.api import Reply, Unreachable
from schema.sources.kubernetes.api import JSON, Incoming
from schema.sources.kubernetes.connection import Connection, CredentialsUnavailable, connect, one_line
from schema.sources.kubernetes.pools import Call, Pools, noting_kept_connections
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.kubernetes.tls import Tls

# A connection inside one data centre is made in a millisecond; in 5 s a lost SYN packet was sent again after 1 and 3 s.
CONNECT_TIMEOUT_S: Final = 5.0

# Bookmarks come about once a minute and the API server forgets events after 75 s: at 70 s of silence the socket is
# dead, and what was missed can still be replayed without a LIST. A LIST may take as long before its first byte.
SILENCE_LIMIT_S: Final = 70.0

# The kernel asks after 15 s of silence, and then every 5 s, whether a connection still stands; it is dead when nothing
# was heard for some 20 s, or what was sent was not acknowledged for as long. Linux's own limits are two hours and a
# quarter of one: so long a watch without bookmarks would stand still.
KEEPALIVE_S: Final = 15
KEEPALIVE_AGAIN_S: Final = 5
UNACKNOWLEDGED_S: Final = 20

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
    """One API server, asked as the gateway. Implements `auth.api.ReviewApi` and `ObjectsApi`.

    What is asked with `get` and `post` may be sent twice (pools.py): it changes nothing there.
    """

    def __init__(self, connection: Connection, pools: Pools, streams: aiohttp.ClientSession, user_agent: str) -> None:
        self._connection = connection
        self._pools = pools
        self._streams = streams
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
            response = await self._send(self._streams, Call(), _Request("GET", path, params, limits, accept=accept))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(
                error, f"not connected in {CONNECT_TIMEOUT_S:g} s, or silent for {silent:g} s"
            ) from error
        try:
            yield Incoming(response.status, _lowered(response), _chunks(response, silent))
        finally:
            response.close()  # not released: the rest of an endless answer cannot be read up to reuse its connection

    async def _ask(self, request: _Request, limit: float) -> Reply:
        async def whole(session: aiohttp.ClientSession, call: Call) -> Reply:
            async with await self._send(session, call, request) as response:
                return Reply(response.status, _lowered(response), await response.read())

        try:
            return await self._pools.ask(whole, limit)  # credentials and a second try after 401 are part of the wait
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(error, f"no answer within {limit:g} s") from error

    async def _send(self, session: aiohttp.ClientSession, call: Call, request: _Request) -> aiohttp.ClientResponse:
        """Send once, and after a 401 once more with credentials read again, if those are any different."""

        async def sent_with(authorization: Mapping[str, str]) -> aiohttp.ClientResponse:
            return await self._request(session, call, request, authorization)

        if request.token is not None:
            return await sent_with({"Authorization": f"Bearer {request.token}"})
        sent = await self._authorization(rejected=False)
        response = await sent_with(sent)
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
        return await sent_with(fresh)

    async def _authorization(self, *, rejected: bool) -> Mapping[str, str]:
        try:
            return await self._connection.credentials.headers(rejected=rejected)
        except CredentialsUnavailable as error:
            raise Unreachable(str(error)) from error

    async def _request(
        self, session: aiohttp.ClientSession, call: Call, request: _Request, authorization: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        content = {} if request.body is None else {"Content-Type": "application/json"}
        contexts = await self._tls.contexts()
        try:
            response = await session.request(
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
                trace_request_ctx=call,
            )
        except aiohttp.ClientConnectionError:
            self._tls.suspect()
            raise
        call.heard = True
        return response


@asynccontextmanager
async def open_api(
    settings: KubernetesSettings, user_agent: str, watched_by: Sequence[aiohttp.TraceConfig] = ()
) -> AsyncIterator[KubernetesApi]:
    """Open the way to the API server; raises KubernetesConfigError if the settings lead nowhere. Sends nothing yet.

    `watched_by` is told of every request.
    """
    connection = await connect(settings)
    traces = [noting_kept_connections(), *watched_by]

    def session(*, limit: int, reuse: bool = True) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, force_close=not reuse, socket_factory=_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            trace_configs=traces,
        )

    # A stream never begins on a connection that others used before: should that one be dead, it would be silent for a
    # minute before anybody knew. And there may be more of them, one a kind and namespace, than any pool is large.
    async with session(limit=0, reuse=False) as streams:
        pools = Pools(partial(session, limit=connection.configuration.connection_pool_maxsize))
        try:
            yield KubernetesApi(connection, pools, streams, user_agent)
        finally:
            await pools.aclose()


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _OPTIONS.items():
        if hasattr(socket, option):  # not every system has each of them
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


_OPTIONS: Final = {
    "TCP_KEEPIDLE": KEEPALIVE_S,
    "TCP_KEEPINTVL": KEEPALIVE_AGAIN_S,
    "TCP_USER_TIMEOUT": UNACKNOWLEDGED_S * 1000,
}


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
