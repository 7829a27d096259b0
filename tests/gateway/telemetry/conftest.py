"""The log, as tests of telemetry read it."""

import io
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway import logs


class Lines:
    """The log as it is written, line by line."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def __call__(self, event: str) -> list[Mapping[str, Any]]:
        return [line for line in map(json.loads, self.text.splitlines()) if line["event"] == event]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    caplog.set_level(logging.INFO)
    yield Lines(stream)
    root.removeHandler(handler)
