"""Label and field selectors in Kubernetes' own syntax, read as the API server reads them.

The rules are those of `labels.Parse` and `fields.ParseSelector` in k8s.io/apimachinery, odd ones included: `in` and
`notin` may be keys, `x in ()` means the empty value, `!=` and `notin` also match objects without the label. Whatever
the API server answers with 400 raises InvalidSelector. Tests compare both with a real API server.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial
from operator import gt, lt
from typing import Final, Protocol

from auth.errors import InvalidArgument

SELECTOR_BYTES: Final = 4_096  # a URL, in which the API server takes them, seldom carries more


class InvalidSelector(InvalidArgument):
    """A selector that the API server would answer with 400."""


class Operator(Enum):
    """What a requirement asks of one label."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "!"
    GREATER = ">"
    LESS = "<"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a label selector; all of them must hold."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    @property
    def allows(self) -> Callable[[str | None], bool]:
        """Whether an object whose label has this value is selected; None: one without that label."""
        return _ALLOWS[self.operator](self.values)


def _than(compare: Callable[[int, int], bool], values: frozenset[str]) -> Callable[[str | None], bool]:
    """Only whole numbers compare; every other value is neither greater nor less."""
    (limit,) = map(_integer, values)

    def allows(value: str | None) -> bool:
        number = None if value is None else _integer(value)
        return number is not None and limit is not None and compare(number, limit)

    return allows


_ALLOWS: Final[Mapping[Operator, Callable[[frozenset[str]], Callable[[str | None], bool]]]] = {
    Operator.IN: lambda values: values.__contains__,
    Operator.NOT_IN: lambda values: lambda value: value not in values,
    Operator.EXISTS: lambda _: lambda value: value is not None,
    Operator.ABSENT: lambda _: lambda value: value is None,
    Operator.GREATER: partial(_than, gt),
    Operator.LESS: partial(_than, lt),
}


class Labelled(Protocol):
    """One label of an object."""

    @property
    def key(self) -> str: ...
    @property
    def value(self) -> str: ...


def selects(requirements: Iterable[Requirement]) -> Callable[[Iterable[Labelled]], bool]:
    """Whether an object with these labels meets all requirements: asked of each of very many, and so without a copy."""
    wanted = [(each.key, each.allows) for each in requirements]

    def selected(labels: Iterable[Labelled]) -> bool:
        for key, allows in wanted:
            for label in labels:
                if label.key == key:
                    if not allows(label.value):
                        return False
                    break
            else:
                if not allows(None):
                    return False
        return True

    return selected


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term of a field selector: the field has this value, or (`negated`) any other."""

    field: str
    value: str
    negated: bool = False


# ---------------------------------------------------------------------------------------------------------- labels

_WORD_LIMIT: Final = 63
_PREFIX_LIMIT: Final = 253
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_TOKENS: Final = re.compile(r"[ \t\r\n]*(?:(?P<symbol>!=|==|[=!(),<>])|(?P<word>[^ \t\r\n=!(),<>]+)|$)")
_END: Final = ""
_COMMA: Final = ","
_OPERATORS: Final = {"=": Operator.IN, "==": Operator.IN, "in": Operator.IN, "!=": Operator.NOT_IN}
_SETS: Final = frozenset({"in", "notin"})


@lru_cache(maxsize=1024)
def label_selector(text: str) -> tuple[Requirement, ...]:
    """The requirements of `a=b, c!=d, e in (f,g), h notin (i), j, !k, l>5`; none at all select everything.

    Raises InvalidSelector.
    """
    return _LabelParser(text).requirements()


class _LabelParser:
    """Kubernetes' own recursive descent over the tokens of one selector."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = list(_words(text))
        self._at = 0

    def requirements(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        while self._next != _END:
            found.append(self._requirement())
            separator = self._take()
            if separator == _END:
                break
            if separator != _COMMA:
                raise self._unexpected(separator, "`,` or the end")
            if self._next == _END:
                raise self._unexpected(_END, "a key after `,`")
        return tuple(found)

    def _requirement(self) -> Requirement:
        absent = self._next == "!"
        if absent:
            self._take()
        key = self._take()
        if not _is_word(key):
            raise self._unexpected(key, "a label's key")
        self._check_key(key)
        if absent:
            return Requirement(key, Operator.ABSENT)
        if self._next in (_END, _COMMA):
            return Requirement(key, Operator.EXISTS)
        return self._compared(key, self._take())

    def _compared(self, key: str, operator: str) -> Requirement:
        if operator in _SETS:
            values = self._set()
        elif operator in _OPERATORS or operator in ("<", ">"):
            values = frozenset({self._exact()})
        else:
            raise self._unexpected(operator, "an operator (`=`, `==`, `!=`, `in`, `notin`, `<`, `>`)")
        for value in values:
            self._check_value(value)
        if operator in ("<", ">"):
            return Requirement(key, self._ordering(operator, *values), values)
        return Requirement(key, _OPERATORS.get(operator, Operator.NOT_IN), values)

    def _ordering(self, operator: str, limit: str) -> Operator:
        if _integer(limit) is None:
            raise self._invalid(f"`{limit}` beside `{operator}` is not a whole number of 64 bits")
        return Operator.GREATER if operator == ">" else Operator.LESS

    def _exact(self) -> str:
        if self._next in (_END, _COMMA):
            return ""
        value = self._take()
        if not _is_word(value):
            raise self._unexpected(value, "a value")
        return value

    def _set(self) -> frozenset[str]:
        """The values between parentheses; nothing before, between or behind commas is the empty value."""
        if (opening := self._take()) != "(":
            raise self._unexpected(opening, "`(`")
        values: set[str] = set()
        value = ""
        while (token := self._take()) != ")":
            if token == _COMMA:
                values.add(value)
                value = ""
            elif _is_word(token) and not value:
                value = token
            else:
                raise self._unexpected(token, "`,` or `)`")
        return frozenset(values | {value})

    def _check_key(self, key: str) -> None:
        prefix, slash, name = key.rpartition("/")
        if slash and not (len(prefix) <= _PREFIX_LIMIT and _SUBDOMAIN.fullmatch(prefix)):
            raise self._invalid(f"`{key}` is not a label's key: its prefix must be a DNS name")
        if len(name) > _WORD_LIMIT or not _QUALIFIED.fullmatch(name):
            raise self._invalid(f"`{key}` is not a label's key")

    def _check_value(self, value: str) -> None:
        if value and (len(value) > _WORD_LIMIT or not _QUALIFIED.fullmatch(value)):
            raise self._invalid(f"`{value}` is not a label's value")

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _unexpected(self, token: str, expected: str) -> InvalidSelector:
        found = f"`{token}`" if token else "the end"
        return self._invalid(f"found {found}, expected {expected}")

    def _invalid(self, reason: str) -> InvalidSelector:
        return InvalidSelector(f"The label selector `{self._text}` cannot be read: {reason}")


def _words(text: str) -> Iterator[str]:
    """Symbols and words; then the end, which is the empty string."""
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise AssertionError("every character is a space, a symbol or part of a word")
        at = match.end()
        token = match["symbol"] or match["word"]
        if token:
            yield token
        elif at == len(text):
            break
    yield _END


def _is_word(token: str) -> bool:
    return token != _END and token[0] not in "=!(),<>"


def _integer(text: str) -> int | None:
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text) if len(text) <= 20 else 2**63
    return number if -(2**63) <= number < 2**63 else None


# ---------------------------------------------------------------------------------------------------------- fields

_TERMS: Final = re.compile(r"(?:\\.|[^\\,]|\\\Z)+", re.DOTALL)
_TERM: Final = re.compile(r"(?P<field>.*?)(?P<operator>!=|==|=)(?P<value>.*)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([\\,=])")
_ILLEGAL: Final = re.compile(r"[,=\\]")


@lru_cache(maxsize=1024)
def field_selector(text: str) -> tuple[FieldTerm, ...]:
    r"""The terms of `metadata.name=a,spec.nodeName!=b`; none at all select everything.

    `\`, `,` and `=` in values are escaped with `\`. Nothing is trimmed. Raises InvalidSelector.
    """
    terms = (_field_term(text, term) for term in _terms(text))
    return tuple(term for term in terms if term.field or term.value)  # `=` selects everything, and so does `!=`


def _terms(text: str) -> list[str]:
    """What stands between commas that no backslash escapes."""
    return _TERMS.findall(text)


def _field_term(text: str, term: str) -> FieldTerm:
    match = _TERM.fullmatch(term)
    if match is None:
        raise InvalidSelector(f"The field selector `{text}` cannot be read: `{term}` is not `field=value`")
    value = match["value"]
    if _ILLEGAL.search(_ESCAPED.sub("", value)):
        raise InvalidSelector(f"The field selector `{text}` cannot be read: `{value}` needs `\\` before `\\`, `,`, `=`")
    return FieldTerm(match["field"], _ESCAPED.sub(r"\1", value), negated=match["operator"] == "!=")
