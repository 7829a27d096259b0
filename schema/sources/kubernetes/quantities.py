"""Kubernetes' quantities ("100m", "1Gi", "1e3"), read exactly.

The grammar is that of k8s.io/apimachinery/pkg/api/resource/quantity.go: a signed decimal number and one suffix, binary
(Ki to Ei), decimal (n, u, m, none, k, M to E) or an exponent (e3, E-3). "1E" is an exa, "1E3" is a thousand.
"""

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

_GRAMMAR: Final = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?\d+))?", re.ASCII
)
_SUFFIXES: Final = {
    **{
        suffix: Fraction(10) ** power
        for suffix, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
    },
    **{f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_EXPONENT_LIMIT: Final = 100  # the API server caps values at 2**63 - 1; 10**(10**9) must not be computed to learn that


@lru_cache(maxsize=4096)  # a cluster's nodes repeat a handful of sizes
def quantity(text: str) -> Fraction:
    """The exact value; raises ValueError for what is not a quantity."""
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text[:64]}` is not a quantity")
    number, suffix, exponent = Fraction(match["number"].rstrip(".")), match["suffix"], int(match["exponent"] or 0)
    if abs(exponent) > _EXPONENT_LIMIT:
        raise ValueError(f"`{text[:64]}` is beyond any quantity")
    return number * _SUFFIXES[suffix] if suffix else number * Fraction(10) ** exponent


def cores(text: str) -> float:
    """Processors, in cores: "100m" is 0.1."""
    return float(quantity(text))


def whole(text: str) -> int:
    """Bytes, or a count: a fraction is rounded away from zero, as `Quantity.Value()` rounds it."""
    exact = quantity(text)
    return math.ceil(exact) if exact >= 0 else math.floor(exact)
