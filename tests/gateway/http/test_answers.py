"""Answers as bytes: encoded data is sent as it is, long bodies in slices."""

import json
from typing import Any

import pytest

from gateway.http.answers import Piece, answer, pieces, slices
from gateway.http.media import MediaType
from schema.execution.plan.encoded import SLICE_BYTES, EncodedData


async def sent(body: tuple[Piece, ...]) -> list[Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await answer(body, MediaType.JSON)({"type": "http"}, None, send)  # type: ignore[arg-type]
    return messages


def test_encoded_data_is_neither_decoded_nor_copied():
    """It stands between what surrounds it, with and without errors and extensions."""
    data = EncodedData([b'{"nodes":null}'])
    alone = pieces({"data": data})
    with_more = pieces({"data": data, "errors": [{"message": "no"}], "extensions": {"stale": []}})

    assert alone[1] is data
    assert b"".join(slices(alone)) == b'{"data":{"nodes":null}}'
    assert json.loads(b"".join(slices(with_more))) == {
        "data": {"nodes": None},
        "errors": [{"message": "no"}],
        "extensions": {"stale": []},
    }
    assert b"".join(slices(pieces({"data": None, "errors": []}))) == b'{"data":null,"errors":[]}'


def test_a_long_piece_leaves_in_parts_and_is_not_copied():
    """As what is kept compressed."""
    piece = bytes(range(256)) * (3 * SLICE_BYTES // 256) + b"the end"

    parts = list(slices((piece,)))

    assert [len(part) for part in parts] == [SLICE_BYTES] * 3 + [7]
    assert all(isinstance(part, memoryview) and part.obj is piece for part in parts)
    assert b"".join(parts) == piece


@pytest.mark.parametrize(
    "texts",
    [
        [b"x" * (3 * SLICE_BYTES)],
        [b"x"] * 7 + [b"y" * (SLICE_BYTES - 1)] * 3 + [b"z" * (2 * SLICE_BYTES)] + [b"x"] * 7,
        [b"x" * 5_000] * 300,
    ],
    ids=["one long piece", "pieces of all lengths", "blocks"],
)
async def test_a_long_body_leaves_in_slices_of_one_answer(texts: list[bytes]):
    """No message is much longer than a slice, their sum is what Content-Length says, and the last one ends it."""
    data = EncodedData([b'{"text":"', *texts, b'"}'])

    start, *bodies = await sent(pieces({"data": data}))

    whole = b"".join(message["body"] for message in bodies)
    assert json.loads(whole)["data"] == data
    assert data["text"] == b"".join(texts).decode()
    assert dict(start["headers"])[b"content-length"] == str(len(whole)).encode()
    *most, last, end = [len(message["body"]) for message in bodies]
    assert all(SLICE_BYTES <= each <= 2 * SLICE_BYTES for each in most)
    assert (0 < last <= 2 * SLICE_BYTES, end) == (True, 0)
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]


async def test_a_short_body_is_one_message():
    """Small answers do not pay for large ones."""
    _, body = await sent(pieces({"data": EncodedData([b"{", b"}"])}))

    assert body["body"] == b'{"data":{}}'
