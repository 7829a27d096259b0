"""What the simulated Prometheus knows beside the gateway's own queries: `up`, numbers and texts, to try PromQL on.

`up` has a series for each kubelet, by the job and the labels of Prometheus' usual installations, and takes matchers of
labels for being equal.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from gateway.demo.nodes import Node

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\["\\nt])*"')
_UP: Final = re.compile(r"up(?:\s*\{\s*(?P<matchers>[^{}]*?)\s*,?\s*\})?")
_MATCHER: Final = re.compile(r'([a-zA-Z_]\w*)\s*=\s*("(?:[^"\\\n]|\\["\\])*")')


@dataclass(frozen=True, slots=True)
class Number:
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Up:
    """Series that have these labels."""

    wanted: Mapping[str, str]


Plain: TypeAlias = Number | Text | Up


def plain(query: str) -> Plain | None:
    """What the query asks for, if it is one of these."""
    query = query.strip()
    if _NUMBER.fullmatch(query):
        return Number(written(float(query)))
    if _TEXT.fullmatch(query):
        return Text(json.loads(query))
    found = _UP.fullmatch(query)
    if found is None:
        return None
    parts = [part for part in re.split(r"\s*,\s*(?=[a-zA-Z_])", found["matchers"] or "") if part]
    matchers = [_MATCHER.fullmatch(part) for part in parts]
    wanted = {match[1]: json.loads(match[2]) for match in matchers if match is not None}
    return Up(wanted) if len(wanted) == len(parts) else None


def now(asked: Plain, nodes: Iterable[Node], moment: float) -> dict[str, Any]:
    """The `data` of an instant query."""
    match asked:
        case Number(text):
            return {"resultType": "scalar", "result": [moment, text]}
        case Text(text):
            return {"resultType": "string", "result": [moment, text]}
        case Up():
            rows = [{"metric": labels, "value": [moment, text]} for labels, text in _up(asked, nodes)]
            return {"resultType": "vector", "result": rows}


def over_time(asked: Number | Up, nodes: Iterable[Node], moments: Sequence[float]) -> dict[str, Any]:
    """The `data` of a query over a range. (The simulated cluster has no past: what is up now has always been.)"""
    series = [({}, asked.text)] if isinstance(asked, Number) else _up(asked, nodes)
    rows = [{"metric": labels, "values": [[moment, text] for moment in moments]} for labels, text in series]
    return {"resultType": "matrix", "result": rows}


def written(number: float) -> str:
    """As Go writes a float: no .0, no exponent."""
    return str(int(number)) if number.is_integer() else repr(number)


def _up(asked: Up, nodes: Iterable[Node]) -> list[tuple[dict[str, str], str]]:
    every = [
        ({"__name__": "up", "instance": node.name, "job": "kubelet", "node": node.name}, str(int(node.ready)))
        for node in nodes
    ]
    return [
        (labels, text)
        for labels, text in every
        if all(labels.get(name, "") == value for name, value in asked.wanted.items())
    ]
