"""What a finished answer passes on its way out: an entity tag if it was asked for by GET, and compression.

An answer is a function of who asks and of what they may see of one moment. Its tag is a hash of the answer and of the
user under the replicas' common key: it tells nothing of what it stands for, and nobody can make the tag of another.
What is told aside, such as the versions that the answer saw, is no part of it.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Final, final

import brotli
import zstandard
from starlette.requests import Request
from starlette.responses import Response

from gateway.http.answers import SLICE_BYTES, Aside, SlicedResponse

# Below this, headers and packets outweigh what is saved.
COMPRESS_FROM_BYTES: Final = 1_400
# What takes longer than a small answer should wait for is done in the worker thread: a millisecond, about.
LARGE_BYTES: Final = 16_384


def _gzip(pieces: Iterable[bytes]) -> bytes:
    compressor = zlib.compressobj(4, wbits=31)
    return b"".join((*map(compressor.compress, pieces), compressor.flush()))


def _zstd(pieces: Iterable[bytes]) -> bytes:
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    return b"".join((*map(compressor.compress, pieces), compressor.flush()))


def _brotli(pieces: Iterable[bytes]) -> bytes:
    compressor = brotli.Compressor(quality=4)
    return b"".join((*map(compressor.process, pieces), compressor.finish()))


# Best first, where a client likes several equally: zstd takes a third of the others' time for the same size.
_ENCODERS: Final[Mapping[str, Callable[[Iterable[bytes]], bytes]]] = {"zstd": _zstd, "br": _brotli, "gzip": _gzip}


@final
class Packing:
    """Tags and compresses answers. Whoever has the same key gives the same answer the same tag."""

    def __init__(self, worker: Executor, key: bytes) -> None:
        self._worker = worker
        self._key = key

    async def pack(self, request: Request, response: Response) -> Response:
        """The response as it is sent; 304 without a body for a GET whose client has it already."""
        pieces = response.pieces if isinstance(response, SlicedResponse) else (bytes(response.body),)
        taggable = request.method == "GET" and response.status_code == 200
        encoding = None
        if (size := sum(map(len, pieces))) >= COMPRESS_FROM_BYTES:
            encoding = negotiate_encoding(request.headers.get("accept-encoding"))
        if not taggable and encoding is None:
            return response
        tagged_for = request.scope["user"] if taggable else None
        work = (pieces, encoding, tagged_for, request.headers.get("if-none-match", ""))
        if size <= LARGE_BYTES:
            tag, packed = self._packed(*work)
        else:
            tag, packed = await asyncio.get_running_loop().run_in_executor(self._worker, self._packed, *work)
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        if tag:
            headers["ETag"] = tag
        if packed is None:
            del headers["content-type"]
            return Response(status_code=304, headers=headers)
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        if sum(map(len, packed)) <= SLICE_BYTES:
            return Response(b"".join(packed), response.status_code, headers)
        return SlicedResponse(packed, status_code=response.status_code, headers=headers)

    def _packed(
        self, pieces: tuple[bytes, ...], encoding: str | None, tagged_for: str | None, known: str
    ) -> tuple[str, tuple[bytes, ...] | None]:
        """The tag, if one is wanted, and the body; None for the body when the client has it already."""
        tag = "" if tagged_for is None else self._tag(tagged_for, pieces)
        if tag and known and matches(known, tag):
            return tag, None
        return tag, pieces if encoding is None else (_ENCODERS[encoding](pieces),)

    def _tag(self, user: str, pieces: Iterable[bytes]) -> str:
        """Weak (RFC 9110, 8.8.1): the same answer compressed differently is as good."""
        digest = hashlib.blake2b(user.encode() + b"\0", key=self._key, digest_size=16)
        for piece in pieces:
            if not isinstance(piece, Aside):
                digest.update(piece)
        return f'W/"{digest.hexdigest()}"'


def matches(known: str, tag: str) -> bool:
    """Whether an If-None-Match (RFC 9110, 13.1.2) names this tag, weakly compared."""
    candidates = [candidate.strip() for candidate in known.split(",")]
    return "*" in candidates or tag.removeprefix("W/") in {candidate.removeprefix("W/") for candidate in candidates}


def negotiate_encoding(accepted: str | None) -> str | None:
    """The content coding that the client likes best (RFC 9110, 12.5.3); None: as it is."""
    qualities: dict[str, float] = {}
    for part in (accepted or "").lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        qualities[name] = next((_number(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
    best = max(_ENCODERS, key=lambda name: qualities.get(name, qualities.get("*", 0.0)))
    liking = qualities.get(best, qualities.get("*", 0.0))
    return best if liking > 0 and liking >= qualities.get("identity", 0.0) else None


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
