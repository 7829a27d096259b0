"""Where one object ends in a stream of bytes: the lines of a watch, the items of a list.

Nothing here looks inside an object, and nothing waits for a whole list: 15,000 pods are 56 MB in one piece.
"""

import json
import re
from typing import Final

import msgspec

# etcd refuses objects of more than 1.5 MiB unless told otherwise: what is longer than this is no object.
LONGEST: Final = 16 * 1024 * 1024

_raw: Final = msgspec.json.Decoder(msgspec.Raw)


class Malformed(Exception):  # noqa: N818 - said of the stream
    """The stream is not what a Kubernetes API server sends; `str()` is one line with the reason."""


class Lines:
    """Cuts a watch's bytes into its lines. A last line without an end is not one: it was cut off, and comes again."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes."""
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._begun, lines[0]])
            self._begun, self._length = [], 0
        if rest:
            self._begun.append(rest)
            self._length += len(rest)
        if self._length > LONGEST:
            raise Malformed(f"a line of more than {LONGEST} bytes")
        return [line for line in lines if line]


class ListMeta(msgspec.Struct, frozen=True, gc=False):
    resource_version: str = msgspec.field(name="resourceVersion", default="")
    more: str = msgspec.field(name="continue", default="")


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    metadata: ListMeta


_envelope: Final = msgspec.json.Decoder(_Envelope)


class Items:
    """Cuts a List's bytes into its items as they arrive, and reads what stands around them.

    The end of an item is found by a guess and a proof. The guess is the next place that looks like a border between two
    items: a brace, a comma, and the opening and the key with which the first item began. The proof is that the bytes up
    to there are one JSON value: since a value that begins somewhere ends at one place only, a proven guess is right.
    What no guess finds (the last item; items that begin differently) is cut exactly, and more slowly, at the end.
    """

    _OPENING = re.compile(rb'"items"\s*:\s*(?:\[\s*|null)')
    _FIRST_KEY = re.compile(rb'\{\s*("(?:[^"\\]|\\.)*"\s*:\s*\{?)')

    def __init__(self) -> None:
        self._head: bytes | None = None  # up to and with the opening bracket
        self._border: re.Pattern[bytes] | None = None
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The items that this chunk completes."""
        self._pending += chunk
        if self._head is None and not self._opened():
            return []
        if self._border is None and (first := self._FIRST_KEY.match(self._pending)):
            self._border = re.compile(rb"\}(\s*,\s*)\{\s*" + re.escape(first[1]))
        return self._proven(self._border) if self._border else []

    def end(self) -> tuple[list[bytes], ListMeta]:
        """The items that are left, and the list's metadata, which may stand before or behind them."""
        items, behind = self._left() if self._head is not None else ([], bytes(self._pending))
        try:
            meta = _envelope.decode((self._head or b"") + behind).metadata
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Malformed(f"the list is cut off, or is none: {error}") from None
        return items, meta

    def _opened(self) -> bool:
        opening = self._OPENING.search(self._pending)
        if opening is None:
            self._refuse_if_too_long(len(self._pending))
            return False
        self._head = bytes(self._pending[: opening.end()])
        del self._pending[: opening.end()]
        return True

    def _proven(self, borders: re.Pattern[bytes]) -> list[bytes]:
        items, start = [], 0
        for border in borders.finditer(self._pending):
            guess = bytes(self._pending[start : border.start(1)])
            if _is_one_value(guess):
                items.append(guess)
                start = border.end(1)
        del self._pending[:start]
        self._refuse_if_too_long(len(self._pending))
        return items

    def _left(self) -> tuple[list[bytes], bytes]:
        """The items up to the closing bracket, and the bytes from it on."""
        items = []
        text = self._pending.decode(errors="replace")
        at = _skip_space(text, 0)
        while text.startswith("{", at):
            try:
                _, end = _decoder.raw_decode(text, at)
            except json.JSONDecodeError as error:
                raise Malformed(f"the list is cut off: {error.msg}") from None
            except RecursionError:
                raise Malformed("an item is nested too deeply") from None
            items.append(text[at:end].encode())
            at = _skip_space(text, end)
            if text.startswith(",", at):
                at = _skip_space(text, at + 1)
        return items, text[at:].encode()

    def _refuse_if_too_long(self, length: int) -> None:
        if length > LONGEST:
            raise Malformed(f"an item of more than {LONGEST} bytes")


_decoder: Final = json.JSONDecoder()


def _is_one_value(text: bytes) -> bool:
    try:
        _raw.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
