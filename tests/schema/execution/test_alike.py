"""Records alike and columns side by side are read as the lists that they stand for."""

import msgspec
import pytest

from schema.execution.alike import Alike, SideBySide


class Measured(msgspec.Struct, frozen=True):
    name: str
    value: float | None


RECORDS = [Measured("CPU", 0.5), Measured("CPU", None), Measured("CPU", 2.0)]
ALIKE = Alike(Measured("CPU", 7.0), "value", [0.5, None, 2.0])


def test_records_alike_are_read_as_a_list_of_them():
    assert list(ALIKE) == RECORDS
    assert len(ALIKE) == 3
    assert (ALIKE[0], ALIKE[-1]) == (RECORDS[0], RECORDS[2])
    assert ALIKE[1:] == RECORDS[1:]
    with pytest.raises(IndexError):
        ALIKE[3]


def test_columns_side_by_side_are_read_as_a_list_of_rows():
    others = [Measured("MEMORY", float(number)) for number in range(3)]
    rows = list(zip(RECORDS, others, strict=True))

    side_by_side = SideBySide([ALIKE, others])

    assert list(side_by_side) == rows
    assert len(side_by_side) == 3
    assert (side_by_side[0], side_by_side[-1]) == (rows[0], rows[2])
    assert side_by_side[:2] == rows[:2]
    with pytest.raises(IndexError):
        side_by_side[3]
