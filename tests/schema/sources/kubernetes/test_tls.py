"""Certificates on the way to the API server that are replaced while we run."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from auth.api import Unreachable
from schema.sources.kubernetes.client import KubernetesApi, open_api
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.kubernetes.tls import LOOK_AGAIN_S
from tests.auth.fake_api import Clock
from tests.cluster.keys import Authority


class Server:
    """An https server that wants client certificates, and remembers who came with which token."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = self.new_authority("first")
        self.seen: list[tuple[str | None, str | None]] = []
        self._runner: web.AppRunner | None = None
        self._port = 0

    def new_authority(self, name: str) -> Authority:
        (self.folder / name).mkdir()
        return Authority(self.folder / name)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    async def start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.authority.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL  # as kube-apiserver's: whoever has none may bring a token
        context.load_cert_chain(*self.authority.server("server"))
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=context, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        shown = request.transport.get_extra_info("peercert")
        names = dict(part[0] for part in shown["subject"]) if shown else {}
        self.seen.append((names.get("commonName"), request.headers.get("Authorization")))
        return web.json_response({})


class World:
    """A server, and the gateway's way to it, whose files are copies that a test replaces."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.clock = Clock()
        self.ca, self.certificate, self.key = (folder / name for name in ("ca.pem", "client.pem", "client.key"))
        self.token = folder / "token"
        self.token.write_text("gateway-token")
        self.trust(server.authority)
        self.show("gateway-1")

    def trust(self, authority: Authority) -> None:
        self.ca.write_bytes(authority.certificate.read_bytes())

    def show(self, name: str, *, key_of: str = "") -> None:
        certificate, key = self.server.authority.client(name, ())
        if key_of:
            key = self.server.authority.client(key_of, ())[1]
        for old, new in ((self.certificate, certificate), (self.key, key)):
            other = old.with_suffix(".new")
            other.write_bytes(new.read_bytes())
            other.replace(old)

    @property
    def settings(self) -> KubernetesSettings:
        return KubernetesSettings(
            server=self.server.address,
            ca_file=self.ca,
            token_file=self.token,
            client_certificate_file=self.certificate,
            client_key_file=self.key,
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    server = Server(tmp_path)
    await server.start()
    yield World(server, tmp_path)
    await server.stop()


@pytest.fixture
async def api(world: World) -> AsyncIterator[KubernetesApi]:
    async with open_api(world.settings, "binnacle/test") as api:
        api._tls._clock = world.clock
        api._tls._looked_at = world.clock()
        yield api


async def ask(api: KubernetesApi) -> int:
    return (await api.get("/version", {}, timeout=5)).status


async def test_a_client_certificate_that_was_replaced_is_shown(world: World, api: KubernetesApi):
    """By connections that are made after the next look; those that stand are used up."""
    await ask(api)
    world.show("gateway-2")
    await ask(api)
    world.clock.advance(LOOK_AGAIN_S)
    await ask(api)

    assert [name for name, _ in world.server.seen] == ["gateway-1", "gateway-1", "gateway-2"]


async def test_half_of_a_new_pair_leaves_the_old_one(world: World, api: KubernetesApi, caplog):
    """A key that does not belong to the certificate: the log says so, and the whole pair counts when it is there."""
    world.show("gateway-2", key_of="somebody")
    world.clock.advance(LOOK_AGAIN_S)
    await ask(api)
    assert [record.message for record in caplog.records] == ["tls.kept"]

    world.show("gateway-2")
    world.clock.advance(LOOK_AGAIN_S)
    await ask(api)

    assert [name for name, _ in world.server.seen] == ["gateway-1", "gateway-2"]


async def test_files_that_are_gone_leave_what_was_there(world: World, api: KubernetesApi, caplog):
    """A volume that is unmounted for a moment cuts nobody off."""
    for file in (world.ca, world.certificate, world.key):
        file.unlink()
    world.clock.advance(LOOK_AGAIN_S)

    assert await ask(api) == 200
    assert [record.message for record in caplog.records] == ["tls.kept"]


async def test_a_new_authority_is_looked_for_as_soon_as_a_connection_fails(world: World, api: KubernetesApi):
    """The API server is back with a certificate of another authority: one failure, not ten seconds of them."""
    await ask(api)
    await world.server.stop()
    world.server.authority = world.server.new_authority("second")
    await world.server.start()
    with pytest.raises(Unreachable):
        await ask(api)

    world.trust(world.server.authority)
    world.show("gateway-2")

    assert await ask(api) == 200


async def test_with_the_callers_token_goes_nothing_of_the_gateways(world: World, api: KubernetesApi):
    """To the API server the gateway's certificate would come first, and its rights would be taken for theirs."""
    await ask(api)
    await asyncio.gather(*(api.post("/review", b"{}", timeout=5, token="callers-token") for _ in range(3)))
    await ask(api)

    gateway, caller = ("gateway-1", "Bearer gateway-token"), (None, "Bearer callers-token")
    assert world.server.seen == [gateway, caller, caller, caller, gateway]


async def test_a_refused_token_of_the_callers_is_not_sent_again_as_the_gateway(world: World, api: KubernetesApi):
    """The second try after 401 is for the gateway's own credentials."""

    async def refuse(request: web.Request) -> web.Response:
        world.server.seen.append((None, request.headers.get("Authorization")))
        return web.Response(status=401)

    runner = web.AppRunner(web.Application(), access_log=None)
    runner.app.router.add_route("*", "/{path:.*}", refuse)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with open_api(KubernetesSettings(server=address, token_file=world.token), "binnacle/test") as plain:
        reply = await plain.post("/review", b"{}", timeout=5, token="callers-token")
    await runner.cleanup()

    assert reply.status == 401
    assert world.server.seen == [(None, "Bearer callers-token")]
