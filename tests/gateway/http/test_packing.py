"""Answers on their way out: compressed as the client likes, tagged for whoever asked, readable by configured sites."""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import brotli
import pytest
import zstandard
from pydantic import ValidationError

from gateway.config import Config, ServerSettings
from gateway.http import answers, packing
from gateway.http.packing import matches, negotiate_encoding
from gateway.http.shared_secret import SharedSecret
from schema.execution.plan import encoded
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.front_door import ADMIN, SHOP, FrontDoor, free_port, open_front_door, simulated_door

LONG = "{ nodes { name pods { namespace name phase labels { key value } } } }"
SHORT = "{ cluster { version } }"
DECODERS: Mapping[str, Any] = {
    "gzip": lambda body: zlib.decompress(body, wbits=31),
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
}


async def wire(door: FrontDoor, query: str, accepted: str) -> tuple[Mapping[str, str], bytes]:
    """Headers and body of an answer, as they came over the wire."""
    headers = {"Authorization": f"Bearer {ADMIN}", "Accept-Encoding": accepted}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(f"{door.url}/graphql", json={"query": query}, headers=headers) as response,
    ):
        return response.headers, await response.read()


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, None),
        ("", None),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5, br;q=0.4", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *", "br"),
        ("identity", None),
        ("gzip;q=0.3, identity", None),
        ("gzip;q=0", None),
        ("gzip;q=nonsense", None),
        ("deflate, compress", None),
    ],
)
def test_the_client_chooses_the_coding(accepted, expected):
    """The best liked of those that we speak; with none of them liked, or `identity` more, as it is."""
    assert negotiate_encoding(accepted) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [('W/"a"', True), ('"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("", False), ("a", False)],
)
def test_a_tag_is_found_in_whatever_the_client_knows(known, expected):
    """Lists, weak and strong, and the star."""
    assert matches(known, 'W/"a"') is expected


@pytest.mark.parametrize("encoding", DECODERS)
@pytest.mark.parametrize("pods_per_node", [10, 400])
async def test_a_long_answer_is_compressed_and_the_same(encoding, pods_per_node):
    """Small enough to be packed at once, and large enough for the worker thread."""
    async with simulated_door(pods_per_node=pods_per_node) as door:
        plain_headers, plain = await wire(door, LONG, "identity")
        headers, packed = await wire(door, LONG, encoding)

    assert "Content-Encoding" not in plain_headers
    assert headers["Content-Encoding"] == encoding
    assert len(packed) < len(plain) / 3
    assert int(headers["Content-Length"]) == len(packed)
    assert DECODERS[encoding](packed) == plain
    assert "Accept-Encoding" in headers["Vary"]
    assert headers["Content-Type"] == plain_headers["Content-Type"]


@pytest.mark.parametrize("encoding", DECODERS)
async def test_a_packed_answer_of_many_slices_arrives_whole(encoding, monkeypatch: pytest.MonkeyPatch):
    """Made now, and kept: slices of one long piece are views of it."""
    for module in (answers, encoded):
        monkeypatch.setattr(module, "SLICE_BYTES", 2_048)
    async with simulated_door(pods_per_node=400) as door:
        _, plain = await wire(door, LONG, "identity")
        _, packed = await wire(door, LONG, encoding)
        _, again = await wire(door, LONG, encoding)

    assert len(packed) > 3 * 2_048
    assert again == packed
    assert DECODERS[encoding](packed) == plain


async def test_a_short_answer_is_sent_as_it_is(front_door: FrontDoor):
    """Headers and packets outweigh what compression would save."""
    headers, body = await wire(front_door, SHORT, "gzip, br, zstd")

    assert "Content-Encoding" not in headers
    assert body.startswith(b'{"data"')


async def test_what_a_client_has_already_is_not_sent_again(front_door: FrontDoor):
    """GET with the tag of the last answer: 304 without a body until something changes or somebody else asks."""

    async def get(token: str, **headers: str):
        return await front_door.request("GET", "/graphql", token, params={"query": LONG}, headers=headers)

    first = await get(ADMIN)
    tag = first.headers["ETag"]
    again = await get(ADMIN, **{"If-None-Match": tag})
    other = await get(ADMIN, **{"If-None-Match": '"something else"'})
    somebody = await get(SHOP, **{"If-None-Match": tag})

    assert (again.status, again.text) == (304, "")
    assert again.headers["ETag"] == tag
    assert again.headers["Cache-Control"].startswith("private")
    assert {"Authorization", "Accept", "Accept-Encoding"} <= set(again.headers["Vary"].split(", "))
    assert (other.status, other.headers["ETag"]) == (200, tag)
    assert somebody.status == 200
    assert somebody.headers["ETag"] != tag


async def test_equal_answers_of_two_people_have_different_tags(front_door: FrontDoor):
    """A tag is keyed by who asks: it cannot be compared across people."""
    tags = [
        (await front_door.request("GET", "/graphql", token, params={"query": SHORT})).headers["ETag"]
        for token in (ADMIN, SHOP)
    ]

    assert tags[0] != tags[1]


@pytest.mark.parametrize("shared", [True, False])
async def test_replicas_with_a_common_secret_give_the_same_tags(shared, tmp_path: Path):
    """A client that asks another replica has the answer already. Without the file each process has its own secret."""
    (tmp_path / "secret").write_text("f00d" * 16 + "\n")
    settings = {"shared_secret_file": tmp_path / "secret" if shared else None}
    async with simulated_door(server=settings, prometheus=False) as one:
        config = Config(
            server=free_port().model_copy(update=settings),
            kubernetes=KubernetesSettings(
                server=one.simulated.kubernetes_url, token_file=one.simulated.gateway_token_file
            ),
        )
        async with open_front_door(config) as other:
            tag = (await one.request("GET", "/graphql", ADMIN, params={"query": LONG})).headers["ETag"]
            known = {"If-None-Match": tag}
            again = await other.request("GET", "/graphql", ADMIN, params={"query": LONG}, headers=known)

    assert again.status == (304 if shared else 200)


def test_the_shared_secret_itself_is_never_used_nor_shown(tmp_path: Path):
    """Each purpose has a key of its own; space around the secret is no part of it."""
    (tmp_path / "plain").write_text("f00d" * 16)
    (tmp_path / "with-a-line-end").write_text("f00d" * 16 + "\n")
    secret = SharedSecret.read(tmp_path / "plain")

    assert secret.key("entity tags") == SharedSecret.read(tmp_path / "with-a-line-end").key("entity tags")
    assert secret.key("entity tags") != secret.key("something else")
    assert "f00d" not in repr(secret)


async def test_posts_and_refusals_have_no_tag(front_door: FrontDoor):
    """Only what can be asked for again by GET is worth remembering."""
    posted = await front_door.ask(SHORT)
    refused = await front_door.request("GET", "/graphql", "nobody", params={"query": SHORT})

    assert "ETag" not in posted.headers
    assert (refused.status, "ETag" in refused.headers) == (401, False)


async def test_only_configured_sites_may_ask():
    """A preflight needs no token; the answer itself does. Other sites hear nothing that a browser would accept."""
    site = "https://dashboard.example"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    async with simulated_door(server={"cors_origins": (site,)}) as door:
        allowed = await door.request("OPTIONS", "/graphql", headers={"Origin": site, **asked})
        answered = await door.ask(SHORT, headers={"Origin": site})
        nobody = await door.ask(SHORT, None, headers={"Origin": site})
        foreign = await door.request("OPTIONS", "/graphql", headers={"Origin": "https://evil.example", **asked})
        foreign_answer = await door.ask(SHORT, headers={"Origin": "https://evil.example"})

    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, site)
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert (answered.status, answered.headers["Access-Control-Allow-Origin"]) == (200, site)
    assert "Origin" in answered.headers["Vary"]
    assert (nobody.status, nobody.headers["Access-Control-Allow-Origin"]) == (401, site)
    assert foreign.status == 400
    for refused in (foreign, foreign_answer):
        assert "Access-Control-Allow-Origin" not in refused.headers


async def test_by_default_no_other_site_may_ask(front_door: FrontDoor):
    """Without the setting there is no preflight to answer."""
    preflight = await front_door.request(
        "OPTIONS", "/graphql", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    )

    assert preflight.status == 401
    assert "Access-Control-Allow-Origin" not in preflight.headers


@pytest.mark.parametrize("origin", ["*", "https://*.example", "dashboard.example", "https://a.example/path", "null"])
def test_an_origin_is_a_scheme_and_a_host(origin):
    """No wildcard: every site that may ask is written down."""
    with pytest.raises(ValidationError):
        ServerSettings(cors_origins=(origin,))


@pytest.mark.parametrize("pods_per_node", [10, 400])
@pytest.mark.parametrize("encoding", DECODERS)
async def test_an_answer_that_is_kept_is_compressed_once(encoding, pods_per_node, monkeypatch: pytest.MonkeyPatch):
    """Whoever sees the same gets the same bytes, however often; one coding does not stand for another."""
    compress, calls = packing.MAKERS[encoding], list[str]()

    def counted(pieces: Iterable[bytes]) -> bytes:
        calls.append(encoding)
        return compress(pieces)

    monkeypatch.setitem(packing.MAKERS, encoding, counted)
    async with simulated_door(pods_per_node=pods_per_node) as door:
        bodies = [(await wire(door, LONG, encoding))[1] for _ in range(3)]
        plain = (await wire(door, LONG, "identity"))[1]

    assert calls == [encoding]
    assert {DECODERS[encoding](body) for body in bodies} == {plain}


async def test_an_answer_that_is_kept_is_hashed_once(monkeypatch: pytest.MonkeyPatch):
    """Its tag is asked for by everybody who polls; each has one of their own."""
    hashed: list[int] = []
    digest = packing.MAKERS["digest"]

    def counted(pieces: Iterable[bytes]) -> bytes:
        hashed.append(1)
        return digest(pieces)

    monkeypatch.setitem(packing.MAKERS, "digest", counted)
    async with simulated_door() as door:
        answers = [await door.request("GET", "/graphql", ADMIN, params={"query": LONG}) for _ in range(3)]

    assert len(hashed) == 1
    assert len({answer.headers["ETag"] for answer in answers}) == 1


async def test_what_changes_is_compressed_anew():
    """The bytes that were kept leave with the answer that they were made of."""
    async with simulated_door(churn=1) as door:
        before = DECODERS["zstd"]((await wire(door, LONG, "zstd"))[1])

        async def changed() -> bool:
            return bool(DECODERS["zstd"]((await wire(door, LONG, "zstd"))[1]) != before)

        await door.eventually(changed, True)


@pytest.mark.parametrize("pods_per_node", [10, 200])  # of lists that are not cut: where, may change with an object
async def test_a_change_that_is_not_shown_leaves_all_as_it_was(pods_per_node, monkeypatch: pytest.MonkeyPatch):
    """Whoever polls is told 304, and nothing is compressed or hashed again: most changes are not what was asked for."""
    made: list[str] = []

    def counted(sort: str) -> packing.Make:
        make = packing.MAKERS[sort]

        def noting(pieces: packing.Slices) -> bytes:
            made.append(sort)
            return make(pieces)

        return noting

    for sort in ("zstd", "digest"):
        monkeypatch.setitem(packing.MAKERS, sort, counted(sort))
    async with simulated_door(pods_per_node=pods_per_node) as door:
        asked = {"params": {"query": LONG}}
        tag = (await door.request("GET", "/graphql", ADMIN, **asked)).headers["ETag"]
        packed = (await wire(door, LONG, "zstd"))[1]
        pod = door.simulated.pods()[-1]
        seen = f'{{ pods(filter: {{namespace: "{pod.namespace}", name: "{pod.name}"}}) {{ restarts }} }}'
        before = (await door.ask(seen)).data
        door.simulated.update_pod(pod.namespace, pod.name, restarts=tuple(count + 7 for count in pod.restarts))

        async def changed() -> bool:
            return bool((await door.ask(seen)).data != before)

        await door.eventually(changed, True)
        again = await door.request("GET", "/graphql", ADMIN, headers={"If-None-Match": tag}, **asked)
        packed_again = (await wire(door, LONG, "zstd"))[1]

    assert again.status == 304
    assert packed_again == packed
    assert sorted(made) == ["digest", "zstd"]


async def test_what_stands_around_the_data_is_part_of_what_is_compressed():
    """The same data beside other extensions is another body."""
    versions = {"extensions": {"resourceVersions": True}}
    async with simulated_door() as door:
        await wire(door, LONG, "gzip")
        headers = {"Authorization": f"Bearer {ADMIN}", "Accept-Encoding": "gzip"}
        asked = {"query": LONG, **versions}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{door.url}/graphql", json=asked, headers=headers) as response,
        ):
            told = await response.json()
        plain = DECODERS["gzip"]((await wire(door, LONG, "gzip"))[1])

    assert told["extensions"]["resourceVersions"]["pods"]
    assert b"resourceVersions" not in plain
