"""Label and field selectors, in Kubernetes' own grammar, as predicates over one object."""

import re
from collections.abc import Callable, Mapping

from gateway.demo.statuses import Refusal, bad_request

Predicate = Callable[[Mapping[str, str]], bool]
"""Says whether an object with these labels (or these fields) is wanted."""

# A comma ends a requirement unless it stands within the parentheses of `in (…)`.
_REQUIREMENT = re.compile(r"(?:[^,(]|\([^)]*\))+")
_SET = re.compile(r"^(?P<key>\S+)\s+(?P<operator>in|notin)\s+\((?P<values>[^)]*)\)$")
_EQUALITY = re.compile(r"^(?P<key>[^=!\s]+)\s*(?P<operator>==|=|!=)\s*(?P<value>\S*)$")
_EXISTENCE = re.compile(r"^(?P<absent>!?)\s*(?P<key>[A-Za-z0-9][A-Za-z0-9._/-]*)$")


def label_predicate(selector: str) -> Predicate:
    """All of `a=b, c!=d, e in (f,g), h notin (i), j, !k`; an empty selector wants everything."""
    requirements = [_label_requirement(part.strip()) for part in _REQUIREMENT.findall(selector)]
    return lambda labels: all(wanted(labels) for wanted in requirements)


def field_predicate(selector: str, supported: frozenset[str]) -> Predicate:
    """All of `metadata.name=a,spec.nodeName!=b`; a field that is not `supported` is refused with 400."""
    requirements = [_field_requirement(part.strip(), supported) for part in selector.split(",") if part.strip()]
    return lambda fields: all(wanted(fields) for wanted in requirements)


def _label_requirement(text: str) -> Predicate:
    if match := _SET.match(text):
        values = frozenset(value.strip() for value in match["values"].split(","))
        return _in(match["key"], values) if match["operator"] == "in" else _not_in(match["key"], values)
    if match := _EQUALITY.match(text):
        value = frozenset({match["value"]})
        return _not_in(match["key"], value) if match["operator"] == "!=" else _in(match["key"], value)
    if match := _EXISTENCE.match(text):
        return _absent(match["key"]) if match["absent"] else _present(match["key"])
    raise _unparsable(text)


def _field_requirement(text: str, supported: frozenset[str]) -> Predicate:
    match = _EQUALITY.match(text)
    if match is None:
        raise bad_request(
            f"invalid selector: '{text}'; can't understand '{text}'",
        )
    key = match["key"]
    if key not in supported:
        raise bad_request(f"field label not supported: {key}")
    negated, value = match["operator"] == "!=", match["value"]
    return lambda fields: (fields.get(key, "") == value) is not negated


def _in(key: str, values: frozenset[str]) -> Predicate:
    return lambda labels: labels.get(key) in values


def _not_in(key: str, values: frozenset[str]) -> Predicate:
    # An object without the label is wanted too: that is how Kubernetes reads != and notin.
    return lambda labels: labels.get(key) not in values


def _present(key: str) -> Predicate:
    return lambda labels: key in labels


def _absent(key: str) -> Predicate:
    return lambda labels: key not in labels


def _unparsable(text: str) -> Refusal:
    return bad_request(f"unable to parse requirement: {text}")
