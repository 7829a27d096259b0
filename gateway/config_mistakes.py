"""What is wrong with a configuration, as one line: who wrote what where, and what is allowed instead.

    server.prot in binnacle.yaml is 80: no such key; did you mean server.port? server has host, port, …
    BINNACLE_SERVER__PORT is "http": must be a whole number from 0 to 65535
    --log-level is "loud": must be debug, info, warning or error

A value is shown only where it can be no secret: not under a name that speaks of one, not under a name that we do not
know, and never a URL's user and password. The path of a token's file is shown when it looks like a path: somebody will
put the token itself there one day.
"""

import difflib
import enum
import json
import os
import re
import stat
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway import logs

Known = Mapping[tuple[str, str], FieldInfo]  # (section, name): every key that can be set

_SPEAKS_OF_A_SECRET = re.compile(r"token|pass|pwd|secret|cred|auth|bearer|api_?key|private", re.IGNORECASE)
_LOOKS_LIKE_A_PATH = re.compile(r"(?:/|\./|\.\./|~/)\S*")
_SHOWN_CHARACTERS = 80
_ALIKE = 0.7  # `prot` for `port` is 0.75


class ConfigError(Exception):
    """The configuration cannot be used; `str()` is the one line that says why."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody wrote down for a key, and the words to call that place by."""

    section: str
    name: str
    value: object
    words: str  # "server.port in binnacle.yaml", "BINNACLE_SERVER__PORT", "--port"


def mistake(given: Given, field: FieldInfo, problem: str) -> ConfigError:
    """`words is value: problem`, the value left out where it may be a secret."""
    return ConfigError(one_line(f"{given.words}{shown(given.value, given.name, field)}: {problem}"))


def unreadable(path: Path) -> str | None:
    """Why this file cannot be read, or None if it can. Not opened: that could wait for ever for a pipe's other end."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except ValueError:
        return "that is no file's name"  # it holds a NUL
    if stat.S_ISDIR(mode):
        return "that is a directory; must be a file"
    return None if os.access(path, os.R_OK) else "this process may not read it"


def one_line(text: str) -> str:
    """Without line breaks, terminal escapes and anything shaped like a credential."""
    return logs.redact(logs.printable(text))


def wrong_value(error: ErrorDetails, layers: Sequence[Sequence[Given]], known: Known) -> ConfigError:
    """One of pydantic's complaints in our words. Its own text shows the value, whatever that is."""
    if not error["loc"]:
        return _sections_do_not_go_together(layers, known, _problem(error))
    section, *rest = [str(part) for part in error["loc"]]
    written = winners(layers, section)
    if not rest or rest[0] not in written:
        return _do_not_go_together(section, written, known, _problem(error))
    given, field = written[rest[0]], known[section, rest[0]]
    if inner := _descended(given.value, rest[1:]):
        key, separator, file = given.words.partition(" in ")
        words = ".".join([key, *inner]) + separator + file
        if rest[-1] == "[key]":
            return ConfigError(one_line(f"{words}: no such key; {_problem(error)}"))
        return mistake(Given(section, given.name, error["input"], words), field, _problem(error))
    if isinstance(given.value, list | tuple) and len(rest) > 1:
        words = f"entry {int(rest[1]) + 1} of {given.words}"
        return mistake(Given(section, given.name, error["input"], words), field, _problem(error))
    return mistake(given, field, _about(given, field, error))


def _about(given: Given, field: FieldInfo, error: ErrorDetails) -> str:
    if error["type"] == "path_not_file":
        return unreadable(Path(str(given.value))) or "that is no ordinary file"
    return allowed(field) if error["type"] in _ABOUT_THE_TYPE else _problem(error)


def _do_not_go_together(section: str, written: Mapping[str, Given], known: Known, problem: str) -> ConfigError:
    """Several keys of a section, the complaint naming them in backticks: who wrote those of them that were written."""
    named = [given for name, given in written.items() if f"`{name}`" in problem] or list(written.values())
    places = [given.words + shown(given.value, given.name, known[section, given.name]) for given in named]
    return ConfigError(one_line(f"{', '.join(places)}: {problem}"))


def _sections_do_not_go_together(layers: Sequence[Sequence[Given]], known: Known, problem: str) -> ConfigError:
    """Keys of several sections, the complaint naming them as `section.key`: who wrote those that were written."""
    named = [
        given
        for section in dict.fromkeys(section for section, _ in known)
        for name, given in winners(layers, section).items()
        if f"`{section}.{name}`" in problem
    ]
    places = [given.words + shown(given.value, given.name, known[given.section, given.name]) for given in named]
    return ConfigError(one_line(f"{', '.join(places)}: {problem}"))


def winners(layers: Sequence[Sequence[Given]], section: str) -> dict[str, Given]:
    """By name, who said the value that counts: the first layer that said any."""
    return {given.name: given for layer in reversed(layers) for given in layer if given.section == section}


def _descended(value: object, places: list[str]) -> list[str]:
    """The part of pydantic's location that the user wrote; the rest names its own branches."""
    written = []
    for place in places:
        if not isinstance(value, Mapping) or place not in value:
            break
        written.append(place)
        value = value[place]
    return written


# Complaints that the field's own description of what is allowed answers best.
_ABOUT_THE_TYPE = frozenset(
    {
        *("int_type", "int_parsing", "int_parsing_size", "int_from_float"),
        *("float_type", "float_parsing", "finite_number", "bool_type", "bool_parsing", "literal_error", "enum"),
        *("greater_than", "greater_than_equal", "less_than", "less_than_equal"),
        *("string_type", "path_type", "dict_type", "list_type", "tuple_type"),
    }
)


def _problem(error: ErrorDetails) -> str:
    """What a validator of ours says as it stands; pydantic's messages as the end of a sentence."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "extra_forbidden":
        return "no such key"
    return re.sub(r"^\w+ should", "must", error["msg"])


def allowed(field: FieldInfo) -> str:
    """What may stand there, as the end of a sentence: "must be a whole number from 0 to 65535"."""
    return f"must be {_either([_described(kind, limits) for kind, limits in kinds(field.annotation, field.metadata)])}"


def kinds(annotation: Any, metadata: Iterable[object]) -> Iterator[tuple[Any, Sequence[object]]]:
    """Every kind of value that a type stands for, null apart: types with their limits, literals as text."""
    match get_origin(annotation):
        case origin if origin is Annotated:
            yield from kinds(annotation.__origin__, (*annotation.__metadata__, *metadata))
        case origin if origin is Union or origin is types.UnionType:
            for member in get_args(annotation):
                if member is not type(None):
                    yield from kinds(member, metadata)
        case origin if origin is Literal:
            yield from ((str(value), ()) for value in get_args(annotation))
        case None if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            yield from ((str(member.value), ()) for member in annotation)
        case origin:
            yield origin or annotation, tuple(metadata)


def holds(field: FieldInfo, *wanted: type) -> bool:
    """Whether a value of the key may be of one of these types."""
    return any(isinstance(kind, type) and issubclass(kind, wanted) for kind, _ in kinds(field.annotation, ()))


# In this order: a bool is an int to Python.
_IN_WORDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (Path, "the path of a file"),
    (Mapping, "keys and values"),
    (BaseModel, "keys and values"),
    (str, "text"),
    (Sequence, "a list"),
)


def _described(kind: Any, limits: Sequence[object]) -> str:
    if not isinstance(kind, type):
        return str(kind)
    words = next((words for wide, words in _IN_WORDS if issubclass(kind, wide)), kind.__name__)
    return words + _range(limits)


def _range(metadata: Iterable[object]) -> str:
    words = ""
    for limit in _limits(metadata):
        match limit:
            case annotated_types.Ge(ge=least):
                words += f" from {least}"
            case annotated_types.Gt(gt=below):
                words += f" above {below}"
            case annotated_types.Le(le=most):
                words += f" to {most}" if " from " in words else f" up to {most}"
            case annotated_types.Lt(lt=above):
                words += f" below {above}"
            case _:
                pass
    return words


def _limits(metadata: Iterable[object]) -> Iterator[object]:
    """The limits, also those that a `Field(…)` inside `Annotated[…]` holds."""
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value: object, name: str, field: FieldInfo | None) -> str:
    """` is VALUE`, or nothing where the value may be a secret or has no short form."""
    match value:
        case bool() | int() | float():
            text = json.dumps(value) if field is not None or isinstance(value, bool) else None
        case str() if field is not None and not _may_hold_a_secret(value, name, field):
            text = _without_user(value)
        case Mapping():
            text = "keys and values"
        case list() | tuple():
            text = "a list"
        case _:
            text = None
    return f" is {text}" if text is not None else " (value not shown)"


def _may_hold_a_secret(value: str, name: str, field: FieldInfo) -> bool:
    if not _SPEAKS_OF_A_SECRET.search(name):
        return False
    if holds(field, Path):
        return not _LOOKS_LIKE_A_PATH.fullmatch(value)
    return not holds(field, int, float)


def _without_user(value: str) -> str:
    """In quotes and short, without what may be the user and password of a URL, written with or without its scheme."""
    scheme, separator, rest = value.rpartition("://") if "://" in value else ("", "", value)
    if "@" in rest:
        rest = "***@" + rest.rpartition("@")[2]
    text = scheme + separator + rest
    return json.dumps(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…", ensure_ascii=False)


def closest(written: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant, if any is spelt alike."""
    alike = max(candidates, key=lambda candidate: similarity(written, candidate), default=None)
    return alike if alike is not None and similarity(written, alike) >= _ALIKE else None


def similarity(written: str, meant: str) -> float:
    """1 for the same letters and digits, whatever the case and the marks between them; 0 for nothing in common."""
    first, second = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (written, meant))
    return difflib.SequenceMatcher(None, first, second).ratio()
