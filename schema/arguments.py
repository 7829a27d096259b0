"""The limits of arguments: nothing longer than what it could match is ever looked for."""

from collections.abc import Sequence
from typing import Final

from auth.errors import ArgumentTooLong, InvalidArgument

UID_BYTES: Final = 40  # a Kubernetes UID has 36
NAME_BYTES: Final = 255  # Kubernetes' names end at 253 bytes, the replaced dashboard's keys at 255
VALUES: Final = 256  # several values of one key; longer lists are better said by a selector
LABEL_KEY_BYTES: Final = 317  # Kubernetes: a prefix of 253 bytes, a slash, a name of 63


def check_length(argument: str, value: str | None, limit: int) -> None:
    """Raise ArgumentTooLong when `value` has more than `limit` bytes in UTF-8. `argument` is its name in the query."""
    if value is not None and (got := len(value.encode())) > limit:
        raise ArgumentTooLong(argument, got=got, limit=limit)


def check_values(argument: str, values: Sequence[str] | None, limit: int) -> None:
    """Raise InvalidArgument for no values or too many, and ArgumentTooLong for one that is too long."""
    if values is None:
        return
    check_count(argument, values)
    for number, value in enumerate(values):
        check_length(f"{argument}[{number}]", value, limit)


def check_count(argument: str, values: Sequence[object]) -> None:
    """Raise InvalidArgument for no values or too many."""
    if not 0 < len(values) <= VALUES:
        raise InvalidArgument(
            f"`{argument}` has {len(values)} values; it must have from 1 to {VALUES}", argument=argument, limit=VALUES
        )
