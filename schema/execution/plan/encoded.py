"""An answer's `data` as the bytes that leave, and as plain data for whoever reads it in Python."""

from collections.abc import Iterator, Mapping
from typing import Any, final

import orjson


@final
class EncodedData(Mapping[str, Any]):
    """The data of one answer. The HTTP layer sends `encoded` as it is; reading it as a mapping decodes it once."""

    __slots__ = ("_decoded", "encoded")

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        self._decoded: dict[str, Any] | None = None

    @property
    def plain(self) -> dict[str, Any]:
        if self._decoded is None:
            self._decoded = orjson.loads(self.encoded)
        return self._decoded

    def __getitem__(self, key: str) -> Any:
        return self.plain[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.plain)

    def __len__(self) -> int:
        return len(self.plain)

    def __repr__(self) -> str:
        return f"EncodedData({len(self.encoded)} bytes)"
