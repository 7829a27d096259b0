"""Lengths of time in arguments, written as Kubernetes and Prometheus write them: `90s`, `2h30m`, `7d`."""

import re
from typing import Final

from auth.errors import InvalidArgument

_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_GRAMMAR: Final = re.compile(r"(?=.)(?:(\d{1,6})d)?(?:(\d{1,7})h)?(?:(\d{1,8})m)?(?:(\d{1,9})s)?", re.ASCII)


def duration(argument: str, text: str) -> int:
    """Seconds. Raises InvalidArgument, which names the argument."""
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise InvalidArgument(
            f"`{argument}` is not a duration: days, hours, minutes and seconds, such as `90s`, `2h30m` or `7d`",
            argument=argument,
        )
    return sum(int(count or 0) * seconds for count, seconds in zip(match.groups(), _SECONDS.values(), strict=True))
