"""What a finished answer passes on its way out: an entity tag if it was asked for by GET, and compression.

An answer is a function of who asks and of what they may see of one moment. Its tag is a hash of the answer and of the
user under the replicas' common key: it tells nothing of what it stands for, and nobody can make the tag of another.
What is told aside, such as the versions that the answer saw, is no part of it.

What is made of an answer that is kept is kept with it: whoever asks the same again, before anything has changed, gets
bytes that were compressed and hashed before.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Final, TypeAlias, final

import brotli
import zstandard
from isal import isal_zlib
from starlette.requests import Request

from gateway.http.answers import Answer, AnswerResponse, Aside, answer, nothing_new, slices
from gateway.http.media import header, once_per_header

Slices: TypeAlias = Iterable[bytes | memoryview]
# What makes something of a whole body.
Make: TypeAlias = Callable[[Slices], bytes]

# Below this, headers and packets outweigh what is saved.
COMPRESS_FROM_BYTES: Final = 1_400
# What takes longer than a small answer should wait for is done in the worker thread: a millisecond, about.
LARGE_BYTES: Final = 16_384


# ISA-L's levels are its own: this one makes what zlib's fourth makes, in a fifth of the time of zlib's first.
GZIP_LEVEL: Final = 1
# Of JSON, whose names return in every object, zstd's third level makes no less, and takes up to twice as long.
ZSTD_LEVEL: Final = 1


def _gzip(slices: Slices) -> bytes:
    """ISA-L decides by the first of them how it compresses: a few bytes would seem not to be worth it."""
    compressor = isal_zlib.compressobj(GZIP_LEVEL, wbits=31)
    return b"".join((*map(compressor.compress, slices), compressor.flush()))


def _zstd(slices: Slices) -> bytes:
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    return b"".join((*map(compressor.compress, slices), compressor.flush()))


def _brotli(slices: Slices) -> bytes:
    compressor = brotli.Compressor(quality=4)
    return b"".join((*map(compressor.process, slices), compressor.finish()))


# Best first, where a client likes several equally: zstd takes the least time for the least size.
ENCODERS: Final[Mapping[str, Make]] = {"zstd": _zstd, "br": _brotli, "gzip": _gzip}


def _digest(slices: Slices) -> bytes:
    """Never shown: a tag is made of it under a key."""
    digest = hashlib.blake2b(digest_size=32)
    for each in slices:
        digest.update(each)
    return digest.digest()


# The sort of what is made for entity tags.
_DIGEST: Final = "digest"
MAKERS: Final[Mapping[str, Make]] = {**ENCODERS, _DIGEST: _digest}


def _made(given: Answer, sort: str, *, make: bool) -> bytes | None:
    """What is kept of this sort; if there is nothing, it is made, if it may be, and kept if the answer's data is."""
    data = given.data
    kept = None if data is None else data.made(sort, given.around)
    if kept is not None or not make:
        return kept
    made = MAKERS[sort](slices(each for each in given.body if sort != _DIGEST or not isinstance(each, Aside)))
    if data is not None:
        data.keep(sort, given.around, made)
    return made


@final
class Packing:
    """Tags and compresses answers. Whoever has the same key gives the same answer the same tag."""

    def __init__(self, worker: Executor, key: bytes) -> None:
        self._worker = worker
        self._key = key

    async def pack(self, request: Request, given: Answer) -> AnswerResponse:
        """The answer as it is sent; 304 without a body for a GET whose client has it already."""
        packed = self.at_once(request, given)
        if packed is None:
            packed = await asyncio.get_running_loop().run_in_executor(self._worker, self._packed, request, given, True)
        assert packed is not None  # noqa: S101 - what was not there has been made
        return packed

    def at_once(self, request: Request, given: Answer) -> AnswerResponse | None:
        """As `pack`; None if something must be made of a large answer, which other requests should not wait for."""
        return self._packed(request, given, given.size <= LARGE_BYTES)

    def _packed(self, request: Request, given: Answer, make: bool) -> AnswerResponse | None:  # noqa: FBT001 - positional, for the worker
        headers = dict(given.headers)
        if request.method == "GET" and given.status == 200:
            digest = _made(given, _DIGEST, make=make)
            if digest is None:
                return None
            headers["ETag"] = tag = self._tag(request.scope["user"], digest)
            if matches(header(request.scope, b"if-none-match") or "", tag):
                return nothing_new(headers)
        encoding = None
        if given.size >= COMPRESS_FROM_BYTES:
            encoding = negotiate_encoding(header(request.scope, b"accept-encoding"))
        if encoding is None:
            return given.plain(headers)
        packed = _made(given, encoding, make=make)
        if packed is None:
            return None
        headers["Content-Encoding"] = encoding
        return answer((packed,), given.media_type, given.status, headers)

    def _tag(self, user: str, digest: bytes) -> str:
        """Weak (RFC 9110, 8.8.1): the same answer compressed differently is as good."""
        tagged = hashlib.blake2b(user.encode() + b"\0" + digest, key=self._key, digest_size=16)
        return f'W/"{tagged.hexdigest()}"'


def matches(known: str, tag: str) -> bool:
    """Whether an If-None-Match (RFC 9110, 13.1.2) names this tag, weakly compared."""
    candidates = [candidate.strip() for candidate in known.split(",")]
    return "*" in candidates or tag.removeprefix("W/") in {candidate.removeprefix("W/") for candidate in candidates}


@once_per_header
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
