"""Recognises the gateway's own queries, and nothing else.

A query is recognised by undoing the catalogue's rendering: each template is a pattern whose placeholders hold matchers
and a window; what they held is a question; and only if rendering that question gives the query back, character for
character, is it that one. So the catalogue may change without this module knowing PromQL.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pydantic import ValidationError

from schema.sources.prometheus.catalogue import CATALOGUE, Level, MetricName, render
from schema.sources.prometheus.frames import Question, Selector
from schema.sources.prometheus.settings import PrometheusSettings

_PLACEHOLDER = re.compile(r"(?:,\s*)?\$(selector|instances|window)\b")
_MATCHER = r'[a-z]+=~?"(?:[^"\\]|\\.)*"'
_PATTERNS = {
    "selector": rf"(?:,\s*)?(?:{_MATCHER}(?:,{_MATCHER})*)?",
    "instances": rf"(?:,\s*)?(?:{_MATCHER})?",
    "window": r"[0-9a-z]+",
}
_ONE_MATCHER = re.compile(r'(?P<label>[a-z]+)(?P<operator>=~?)"(?P<value>(?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:x(?P<code>[0-9a-f]{2})|(?P<character>.))")
_ALTERNATIVE = re.compile(r"(?:[^|\\]|\\.)+")


@dataclass(frozen=True, slots=True)
class Template:
    metric: MetricName
    level: Level
    pattern: re.Pattern[str]


def recognise(query: str) -> Question | None:
    """The question that the catalogue renders as `query`, or None."""
    for template in _templates():
        if (found := template.pattern.fullmatch(query)) is None:
            continue
        question = Question(template.metric, template.level, _selector(found["selector"], template.level))
        if _renders_as(question, found.groupdict().get("window"), query):
            return question
    return None


def _renders_as(question: Question, window: str | None, query: str) -> bool:
    try:
        # Any window will do here: how many scrapes it must hold is the asking side's business.
        settings = PrometheusSettings(rate_window=window or "5m", scrape_interval_seconds=0.1)
    except ValidationError:
        return False
    return render(question, settings) == query


@cache
def _templates() -> tuple[Template, ...]:
    return tuple(
        Template(metric, level, re.compile(_pattern(template))) for (metric, level), template in CATALOGUE.items()
    )


def _pattern(template: str) -> str:
    """The first of each placeholder is captured under its name; rendering again compares the rest."""
    captured: set[str] = set()
    parts: list[str] = []
    position = 0
    for found in _PLACEHOLDER.finditer(template):
        name = found[1]
        parts.append(re.escape(template[position : found.start()]))
        parts.append(f"(?:{_PATTERNS[name]})" if name in captured else f"(?P<{name}>{_PATTERNS[name]})")
        captured.add(name)
        position = found.end()
    return "".join((*parts, re.escape(template[position:])))


def _selector(matchers: str, level: Level) -> Selector:
    wanted = {label: frozenset(values) for label, values in _matchers(matchers)}
    return Selector(
        namespaces=wanted.get("namespace") if "namespace" in level.key_labels else None,
        names=wanted.get("node" if level is Level.NODE else "pod"),
    )


def _matchers(text: str) -> Iterator[tuple[str, list[str]]]:
    for found in _ONE_MATCHER.finditer(text):
        value = _ESCAPE.sub(
            lambda escape: chr(int(escape["code"], 16)) if escape["code"] else escape["character"], found["value"]
        )
        if found["operator"] == "=":
            yield found["label"], [value]
        else:
            yield found["label"], [re.sub(r"\\(.)", r"\1", one) for one in _ALTERNATIVE.findall(value)]
