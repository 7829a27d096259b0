"""Lengths of time in kubectl's words ("90s", "5m30s", "3h", "12d"), which say two or three figures and no more."""

from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY
_MOST_SKEW: Final = 1  # two machines' clocks may differ by a second without anybody being in the future


def human_duration(seconds: float) -> str:
    """As `HumanDuration` in k8s.io/apimachinery/pkg/util/duration writes it; "<invalid>" for what is to come."""
    whole = int(seconds)
    if whole < -_MOST_SKEW:
        return "<invalid>"
    for limit, larger, large, smaller, small in _STEPS:
        if whole < limit:
            return _in_units(max(whole, 0), larger, large, smaller, small)
    return f"{whole // _YEAR}y"


# Up to which length, in which unit, and in which smaller one beside it (0: in none).
_STEPS: Final = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def _in_units(seconds: int, larger: int, large: str, smaller: int, small: str) -> str:
    rest = seconds % larger // smaller if smaller else 0
    return f"{seconds // larger}{large}{rest}{small}" if rest else f"{seconds // larger}{large}"
