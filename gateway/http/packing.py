"""What a finished answer passes on its way out: an entity tag if it was asked for by GET, and compression.

An answer is a function of who asks and of what they may see of one moment. Its tag is a hash of the answer and of the
user under the replicas' common key: it tells nothing of what it stands for, and nobody can make the tag of another.
What is told aside, such as the versions that the answer saw, is no part of it.

What is made of an answer that is kept is kept with it: whoever asks the same again, before anything has changed, gets
bytes that were compressed and hashed before.
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

from gateway.http.answers import HEADERS, Answer, Aside, answer

# Below this, headers and packets outweigh what is saved.
COMPRESS_FROM_BYTES: Final = 1_400
# What takes longer than a small answer should wait for is done in the worker thread: a millisecond, about.
LARGE_BYTES: Final = 16_384


# Of an answer with 150,000 pods level 4 makes 13 % less and takes five times as long: 230 ms in the place of 48.
GZIP_LEVEL: Final = 1
ZSTD_LEVEL: Final = 3


def _gzip(pieces: Iterable[bytes]) -> bytes:
    compressor = zlib.compressobj(GZIP_LEVEL, wbits=31)
    return b"".join((*map(compressor.compress, pieces), compressor.flush()))


def _zstd(pieces: Iterable[bytes]) -> bytes:
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    return b"".join((*map(compressor.compress, pieces), compressor.flush()))


def _brotli(pieces: Iterable[bytes]) -> bytes:
    compressor = brotli.Compressor(quality=4)
    return b"".join((*map(compressor.process, pieces), compressor.finish()))


# Best first, where a client likes several equally: zstd takes a third of the others' time for half the size.
ENCODERS: Final[Mapping[str, Callable[[Iterable[bytes]], bytes]]] = {"zstd": _zstd, "br": _brotli, "gzip": _gzip}


@final
class Packing:
    """Tags and compresses answers. Whoever has the same key gives the same answer the same tag."""

    def __init__(self, worker: Executor, key: bytes) -> None:
        self._worker = worker
        self._key = key

    async def pack(self, request: Request, given: Answer) -> Response:
        """The answer as it is sent; 304 without a body for a GET whose client has it already."""
        encoding = None
        if given.size >= COMPRESS_FROM_BYTES:
            encoding = negotiate_encoding(request.headers.get("accept-encoding"))
        taggable = request.method == "GET" and given.status == 200
        headers = dict(given.headers)
        if taggable:
            digest = await self._made(given, "digest", digest_of)
            headers["ETag"] = tag = self._tag(request.scope["user"], digest)
            if matches(request.headers.get("if-none-match", ""), tag):
                return Response(status_code=304, headers={**HEADERS, **headers})
        if encoding is None:
            return answer(given.body, given.media_type, given.status, headers)
        packed = await self._made(given, encoding, ENCODERS[encoding])
        headers["Content-Encoding"] = encoding
        return answer((packed,), given.media_type, given.status, headers)

    async def _made(self, given: Answer, sort: str, make: Callable[[Iterable[bytes]], bytes]) -> bytes:
        """What is kept of this sort; else it is made now, and kept if the answer's data is."""
        data = given.data
        kept = None if data is None else data.made(sort, given.around)
        if kept is not None:
            return kept
        if given.size <= LARGE_BYTES:
            made = make(given.body)
        else:
            made = await asyncio.get_running_loop().run_in_executor(self._worker, make, given.body)
        if data is not None:
            data.keep(sort, given.around, made)
        return made

    def _tag(self, user: str, digest: bytes) -> str:
        """Weak (RFC 9110, 8.8.1): the same answer compressed differently is as good."""
        tagged = hashlib.blake2b(user.encode() + b"\0" + digest, key=self._key, digest_size=16)
        return f'W/"{tagged.hexdigest()}"'


def digest_of(pieces: Iterable[bytes]) -> bytes:
    """Of all but what is told aside. Never shown: a tag is made of it under a key."""
    digest = hashlib.blake2b(digest_size=32)
    for piece in pieces:
        if not isinstance(piece, Aside):
            digest.update(piece)
    return digest.digest()


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
    best = max(ENCODERS, key=lambda name: qualities.get(name, qualities.get("*", 0.0)))
    liking = qualities.get(best, qualities.get("*", 0.0))
    return best if liking > 0 and liking >= qualities.get("identity", 0.0) else None


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
