"""Answers as bytes: encoded data is sent as it is, long bodies in slices."""

import json
from typing import Any

from gateway.http.answers import SLICE_BYTES, answer, pieces
from gateway.http.media import MediaType
from schema.execution.plan.encoded import EncodedData


async def sent(body: tuple[bytes, ...]) -> list[Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await answer(body, MediaType.JSON)({"type": "http"}, None, send)  # type: ignore[arg-type]
    return messages


def test_encoded_data_is_neither_decoded_nor_copied():
    """It stands between what surrounds it, with and without errors and extensions."""
    data = EncodedData(b'{"nodes":null}')
    alone = pieces({"data": data})
    with_more = pieces({"data": data, "errors": [{"message": "no"}], "extensions": {"stale": []}})

    assert alone[1] is data.encoded
    assert b"".join(alone) == b'{"data":{"nodes":null}}'
    assert json.loads(b"".join(with_more)) == {
        "data": {"nodes": None},
        "errors": [{"message": "no"}],
        "extensions": {"stale": []},
    }
    assert b"".join(pieces({"data": None, "errors": []})) == b'{"data":null,"errors":[]}'


async def test_a_long_body_leaves_in_slices_of_one_answer():
    """No message is longer than a slice, their sum is what Content-Length says, and the last one ends it."""
    data = EncodedData(b'{"text":"' + b"x" * (3 * SLICE_BYTES) + b'"}')

    start, *bodies = await sent(pieces({"data": data}))

    whole = b"".join(message["body"] for message in bodies)
    assert json.loads(whole)["data"] == data
    assert dict(start["headers"])[b"content-length"] == str(len(whole)).encode()
    assert max(len(message["body"]) for message in bodies) == SLICE_BYTES
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]


async def test_a_short_body_is_one_message():
    """Small answers do not pay for large ones."""
    _, body = await sent(pieces({"data": EncodedData(b"{}")}))

    assert body["body"] == b'{"data":{}}'
