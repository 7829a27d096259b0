"""The config file as plain data: JSON or YAML, with the mistakes that parsers let pass made loud.

Both formats' parsers take the last of two equal keys in silence; here that stops the start.
"""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from gateway.config_mistakes import ConfigError, one_line, unreadable

_YAML_SUFFIXES = (".yaml", ".yml")

# No setting comes near it, and Python itself refuses to print numbers of more than 4,300 digits.
_LONGEST_NUMBER = 10**100


def read(path: Path, named_by: str) -> dict[str, object]:
    """The file's top level; an empty file has none. `named_by` is who named the file: --config or BINNACLE_CONFIG."""
    if path.suffix not in (*_YAML_SUFFIXES, ".json"):
        raise ConfigError(one_line(f'{named_by} is "{path}": must be a .json, .yaml or .yml file'))
    if reason := unreadable(path):
        raise ConfigError(one_line(f'{named_by} is "{path}": {reason}'))
    try:
        text = path.read_bytes().decode("utf-8-sig")
        data = _parsed(text, path)
    except UnicodeDecodeError:
        raise ConfigError(one_line(f"{path} is not UTF-8 text")) from None
    except OSError as error:
        raise ConfigError(one_line(f'{named_by} is "{path}": it cannot be read ({error.strerror})')) from None
    except RecursionError:
        raise ConfigError(one_line(f"{path} is nested too deeply")) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(one_line(f"{path} holds {_kind(data)}: must hold keys and values"))
    return {str(key): value for key, value in data.items()}


def _parsed(text: str, path: Path) -> object:
    if path.suffix in _YAML_SUFFIXES:
        return _parsed_yaml(text, path)
    return _parsed_json(text, path) if text.strip() else None


def _kind(data: object) -> str:
    return "a list" if isinstance(data, list) else "a single value"


def _parsed_json(text: str, path: Path) -> object:
    def once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(one_line(f"{twice} in {path} is written twice: keep one of them"))
        return found

    try:
        return json.loads(text, object_pairs_hook=once_each, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ConfigError(
            one_line(f"{path} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}")
        ) from None
    except ValueError:  # of `_integer`; a JSONDecodeError is one too
        raise ConfigError(one_line(f"{path} is no JSON: it holds a number that nothing here could be")) from None


def _integer(text: str) -> int:
    """Raises ValueError for a number that is too long to be worked with."""
    return _bounded(int(text))


def _bounded(number: int) -> int:
    if abs(number) >= _LONGEST_NUMBER:
        raise ValueError
    return number


def _parsed_yaml(text: str, path: Path) -> object:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except _Twice as twice:
        raise ConfigError(
            one_line(f"{twice.key} in {path} is written twice, {twice.where}: keep one of them")
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        # Names in quotes are the file's own words (an alias, a tag): a password that begins with `*` or `!` is one.
        problem = re.sub(r" '[^'<]{2,}'", "", error.problem or "syntax error")
        raise ConfigError(one_line(f"{path} is no YAML: {problem}{where}")) from None
    except yaml.YAMLError:
        raise ConfigError(one_line(f"{path} is no YAML: it holds characters that no text has")) from None
    except ValueError:  # `2026-13-45` and its like, from the constructors of dates and numbers
        raise ConfigError(one_line(f"{path} is no YAML: it holds a date or number that does not exist")) from None


class _Twice(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, key: str, first: int, second: int) -> None:
        super().__init__(key)
        self.key = key
        self.where = f"in lines {first} and {second}" if first != second else f"in line {first}"


class _Loader(yaml.SafeLoader):
    """The safe loader, for which a key written twice in one mapping is a mistake. `<<` may still be overridden."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise _Twice(key.value, lines[key.value], line)
            lines[key.value] = line
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return _bounded(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
