"""What was found of one thing, and how all of it is told: a line each, or JSON."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TextIO

import orjson


class Outcome(StrEnum):
    WORKS = "works"
    FAILS = "fails"  # something that the gateway cannot do without
    WARNS = "warns"  # it serves, and somebody will miss something
    NOT_ASKED = "not asked"  # what it would need is missing already, or it is not configured


_SIGNS: Final = {Outcome.WORKS: "✓", Outcome.FAILS: "✗", Outcome.WARNS: "!", Outcome.NOT_ASKED: "·"}
_COLOURS: Final = {Outcome.WORKS: "32", Outcome.FAILS: "31", Outcome.WARNS: "33", Outcome.NOT_ASKED: "2"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is a few words, `said` one line, `advice` what to do, `rule` the YAML that grants what is missing."""

    subject: str
    outcome: Outcome
    said: str
    advice: str = ""
    rule: str = ""


def fails(findings: Iterable[Finding]) -> bool:
    return any(finding.outcome is Outcome.FAILS for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """`ok`, and each finding with its outcome in words."""
    return orjson.dumps({"ok": not fails(findings), "findings": findings}, option=orjson.OPT_INDENT_2).decode()


def as_text(findings: Iterable[Finding], *, colours: bool) -> Iterator[str]:
    """A line each; below it, indented, what to do."""
    for finding in findings:
        sign = _SIGNS[finding.outcome]
        if colours:
            sign = f"\x1b[{_COLOURS[finding.outcome]}m{sign}\x1b[0m"
        yield f"{sign} {finding.subject:<20} {finding.said}"
        for line in (*finding.advice.splitlines(), *finding.rule.splitlines()):
            yield f"{'':<22} {line}"


def summary(findings: Sequence[Finding]) -> str:
    """The last line."""
    failed = sum(finding.outcome is Outcome.FAILS for finding in findings)
    warned = sum(finding.outcome is Outcome.WARNS for finding in findings)
    if failed:
        return f"{failed} of {len(findings)} failed: ✗ is what the gateway needs."
    return f"The gateway can serve; ! marks what would be missed ({warned})." if warned else "Everything works."


def coloured(stream: TextIO, environ: Iterable[str]) -> bool:
    """At a terminal, unless its person wants none (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in environ
