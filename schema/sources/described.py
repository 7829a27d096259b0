"""Enums of the sources that the schema shows: they bring their own words."""

from enum import StrEnum
from typing import Self


class Described(StrEnum):
    """An enum whose every value says what it means; the schema shows the same sentence."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member
