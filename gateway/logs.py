"""Structured logs on the standard library: an event's name and key-values, as text or as lines of JSON.

    logs.event("request", status=200, milliseconds=3.1)              in gateway
    log = logging.getLogger(__name__)                                in schema and auth, which know no gateway
    log.warning("watch.failed", extra={"kind": "pods", "reason": "connection refused"})

Both become one line. What a request has `bound` (its id, user, operation) stands in every line written meanwhile.

Promised, by tests/gateway/test_logs.py:
- one event is one line: control characters and line breaks in names and values are escaped, and the lines of a
  traceback are indented, so that no value can pass for a line of its own;
- what looks like a credential leaves nowhere: `redact` is the last resort, applied to the finished line, tracebacks
  included. The rule before it is that no token is ever handed to a log call;
- libraries speak from WARNING up, whatever our level is: kubernetes-asyncio logs whole response bodies at DEBUG, and
  those hold Secrets and tokens;
- a line that cannot be written costs that line, and prints none of its values.
"""

import json
import logging
import math
import re
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TextIO

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

# The packages whose DEBUG and INFO lines are shown; everybody else is a library.
OUR_PACKAGES = ("gateway", "schema", "auth")

# What every record has: whatever else stands on one came through `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "fields"}

_NOTHING_BOUND: Mapping[str, object] = {}
_bound: ContextVar[Mapping[str, object]] = ContextVar("binnacle_log_fields")

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A JSON Web Token, or its beginning: every one opens with a base64url `{"`.
    (re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"), "***"),
    # `Authorization: …` as a header, in the text of a dict or in a tuple of bytes, up to the end of the value. Runs of
    # backslashes are bounded: an unbounded one is quadratic on a path made of nothing else.
    (
        re.compile(r"""(\bauthorization\\{0,4}["']?\s*[:=,]\s*b?\\{0,4}["']?)[^\n"'\\,}\])]+""", re.IGNORECASE),
        r"\1***",
    ),
    # The bar is what an exception group draws before each line of an exception's text.
    (re.compile(r"\b(bearer)(?:[\s|]|%20|\\+[nrt]|\\u00[0-9a-f]{2})+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), r"\1 ***"),
    # "token": "…" of a TokenReview or an exec plugin's answer.
    (
        re.compile(
            r"""(["'](?:\w*token|password|client_?secret)\\{0,4}["']\s*:\s*b?\\{0,4}["'])[^"'\\]+""",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
    (re.compile(r"\b((?:\w+_)?token|password|client_secret)=[^&\s\"']+", re.IGNORECASE), r"\1=***"),
    # https://user:password@host, bounded for the same reason.
    (re.compile(r"(://)[^\s\"']{0,256}@"), r"\1***@"),
)


# In lower case, of what every one of these shapes has one: nearly all lines have none, and are not looked at further.
_MARKS = ("eyj", "authorization", "bearer", "token", "password", "secret", "://")


def redact(text: str) -> str:
    """The text without anything shaped like a credential: rather too much hidden than too little."""
    # Outside of ASCII there are letters that `re.IGNORECASE` takes for some in these words, and `lower` does not.
    if text.isascii():
        lowered = text.lower()
        for mark in _MARKS:
            if mark in lowered:
                return _searched(text)
        return text
    return _searched(text)


def _searched(text: str) -> str:
    for shape, instead in _SECRETS:
        text = shape.sub(instead, text)
    return text


def event(
    name: str,
    /,
    *,
    level: int = logging.INFO,
    error: BaseException | None = None,
    logger: str = "gateway",
    **fields: object,
) -> None:
    """Write one event, with its key-values and those that the request has bound; `error` adds its traceback."""
    teller = _logger(logger)
    if not teller.isEnabledFor(level):
        return
    if error is None and (handler := _only_handler(teller)) is not None:
        handler.tell(level, name, logger, fields)
        return
    # As `teller.log` would, which searches the stack for its caller: of a line per request that is the dearest part.
    caller = sys._getframe(1)  # noqa: SLF001 - inspect has no public way to one frame that costs as little
    trace = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(logger, level, caller.f_code.co_filename, caller.f_lineno, "%s", (name,), trace)
    record.fields = fields
    teller.handle(record)


_logger = lru_cache(maxsize=64)(logging.getLogger)  # which takes a lock each time


def _only_handler(teller: logging.Logger) -> "_Handler | None":
    """Ours, if nobody else listens to this logger: then a line needs no record of what it is made of."""
    handlers = logging.root.handlers
    alone = len(handlers) == 1 and not teller.handlers and teller.parent is logging.root and teller.propagate
    return handlers[0] if alone and not teller.filters and isinstance(handlers[0], _Handler) else None


class bound:  # noqa: N801 - it is called like a function
    """Add these key-values to every line written inside, by this task and by those it starts."""

    __slots__ = ("_fields", "_outer")

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._outer = _bound.set({**_bound.get(_NOTHING_BOUND), **self._fields})

    def __exit__(self, *_how: object) -> None:
        _bound.reset(self._outer)


def bind(**fields: object) -> None:
    """Add key-values to what is `bound`, until the innermost `bound` ends: what a request learns on its way."""
    _bound.set({**_bound.get(_NOTHING_BOUND), **fields})


def configure(level: Level, format: Format, stream: TextIO | None = None) -> None:  # noqa: A002 - the setting's name
    """Send all logging of the process to `stream` (standard error), in one format; a second call replaces the first.

    uvicorn must be started with `log_config=None, access_log=False`: then its own loggers end here too, and the one
    line per request is the gateway's own.
    """
    handler = _Handler(sys.stderr if stream is None else stream)
    handler.setFormatter(TextLines() if format == "text" else JsonLines())
    handler.addFilter(_libraries_speak_from_warning_up)
    # Nothing of this stands in our lines, and finding it out takes as long as writing them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for package in OUR_PACKAGES:
        logging.getLogger(package).setLevel(level.upper())


def _libraries_speak_from_warning_up(record: logging.LogRecord) -> bool:
    """A filter of the handler, not a level of some logger: libraries move their loggers' levels as they like."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in OUR_PACKAGES


class _Handler(logging.StreamHandler[TextIO]):
    """Our one handler, which `configure` can find again."""

    formatter: "JsonLines | TextLines"

    def tell(self, level: int, event: str, logger: str, fields: Mapping[str, object]) -> None:
        """Write an event of ours, which passes every filter: in half the time that it takes through a record."""
        try:
            line = self.formatter.line(time.time(), logging.getLevelName(level), event, logger, _with_bound(fields))
            with self.lock or nullcontext():
                self.stream.write(f"{line}\n")
                self.flush()
        except Exception:  # noqa: BLE001 - as of every handler's
            self.handleError(logging.LogRecord(logger, level, __file__, 0, "", (), None))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say that a line was lost. The standard library would print its arguments here, unredacted."""
        kind = sys.exc_info()[0]
        reason = kind.__name__ if kind is not None else "unknown"
        try:
            self.stream.write(f"log.failed logger={_quoted(record.name)} line={record.lineno} reason={reason}\n")
        except (OSError, ValueError):  # the stream itself is gone: there is nobody left to tell
            return


class JsonLines(logging.Formatter):
    """`{"time": …, "level": …, "event": …, "logger": …, key: value, …}`: one object a line, ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        event, fields = record.getMessage(), _fields(record)
        return self.line(record.created, record.levelname, event, record.name, fields, _trace(record))

    def line(  # noqa: PLR0913, PLR0917 - what a line says
        self, at: float, level: str, event: str, logger: str, fields: Mapping[str, object], trace: str = ""
    ) -> str:
        line: dict[str, object] = {"time": _time(at), "level": level.lower(), "event": event, "logger": logger}
        for key, value in fields.items():
            line[f"{key}_" if key in _RESERVED else key] = _jsonable(value)
        if trace:
            line["exception"] = trace
        return redact(json.dumps(line))


_RESERVED = frozenset({"time", "level", "event", "logger", "exception"})


class TextLines(logging.Formatter):
    """`time LEVEL event key=value …  (logger)`: for people; values that are not one plain word are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        event, fields = record.getMessage(), _fields(record)
        return self.line(record.created, record.levelname, event, record.name, fields, _trace(record))

    def line(  # noqa: PLR0913, PLR0917 - what a line says
        self, at: float, level: str, event: str, logger: str, fields: Mapping[str, object], trace: str = ""
    ) -> str:
        words = [_time(at), f"{level:<7}", printable(event)]
        words += [f"{_printable_key(key)}={_quoted(value)}" for key, value in fields.items()]
        line = f"{' '.join(words)}  ({printable(logger)})"
        # Indented, so that no line of an exception's text can pass for a line of the log.
        return redact("\n  | ".join([line, *(printable(part) for part in trace.splitlines())]))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What was bound, then what the call itself said: through `event`, or through the standard `extra=`."""
    told: Mapping[str, object] | None = getattr(record, "fields", None)
    if told is None:
        told = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return _with_bound(told)


def _with_bound(told: Mapping[str, object]) -> dict[str, object]:
    return {**_bound.get(_NOTHING_BOUND), **told}


def _time(at: float) -> str:
    seconds = math.floor(at)
    return f"{_second(seconds)}.{int((at - seconds) * 1000):03}Z"


@lru_cache(maxsize=2)  # there are thousands of lines in one
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    # Redacted here as well, while it is one text: a credential may stand on two of its lines.
    return redact("".join(traceback.format_exception(record.exc_info[1])).rstrip())


def _jsonable(value: object) -> object:
    """Numbers, booleans and null as they are (JSON knows no NaN); everything else as text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


# As nearly all are: of ASCII.
_ONE_WORD = re.compile(r"""[!#-&(-<>-\[\]-~]+""").fullmatch


def _quoted(value: object) -> str:
    """One word as it is, everything else in quotes: two key-values can always be told apart."""
    text = str(value)
    if _ONE_WORD(text) or (text and text.isprintable() and not any(mark in text for mark in " \"'=\\")):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def printable(text: str) -> str:
    r"""Line breaks, terminal escapes and invisible characters written out: `\n`, `\x1b`, `\u202e`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


_printable_key = lru_cache(maxsize=1_024)(printable)  # they are words of the code
