"""Quantities, exactly as k8s.io/apimachinery reads them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.sources.kubernetes.quantities import cores, quantity, whole


@pytest.mark.parametrize(
    ("text", "exactly"),
    [
        ("0", 0),
        ("100m", Fraction(1, 10)),
        ("1", 1),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("+1", 1),
        ("-1", -1),
        ("1500u", Fraction(3, 2000)),
        ("1n", Fraction(1, 10**9)),
        ("250k", 250_000),
        ("1M", 10**6),
        ("1G", 10**9),
        ("1T", 10**12),
        ("1P", 10**15),
        ("1E", 10**18),
        ("1Ki", 1024),
        ("1Mi", 1024**2),
        ("1Gi", 1024**3),
        ("1.5Gi", 1_610_612_736),
        ("1Ti", 1024**4),
        ("1Pi", 1024**5),
        ("8Ei", 8 * 1024**6),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1e+3", 1000),
        ("12e-1", Fraction(6, 5)),
        ("128974848", 128_974_848),
        ("0.1m", Fraction(1, 10_000)),
        ("3.141592653", Fraction(3_141_592_653, 10**9)),
    ],
)
def test_a_quantity_is_read_exactly(text: str, exactly: Fraction | int):
    """No float stands between the text and the value."""
    assert quantity(text) == exactly


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1K", "1ki", "1gi", "Ki", "1.2.3", "1mm", "1e", "1e3Ki", "0x10", "٣", "1e999999999", "NaN", "-"],
)
def test_what_is_no_quantity_is_refused(text: str):
    """Rather than guessed."""
    with pytest.raises(ValueError, match="quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("text", "rounded"), [("1500m", 2), ("1", 1), ("0.1Ki", 103), ("-1500m", -2), ("1n", 1), ("16Gi", 17_179_869_184)]
)
def test_whole_numbers_are_rounded_away_from_zero(text: str, rounded: int):
    """As `Quantity.Value()` rounds."""
    assert whole(text) == rounded


def test_cores_are_a_float():
    """The nearest one."""
    assert [cores(text) for text in ("100m", "3", "1500u")] == [0.1, 3.0, 0.0015]


@given(st.decimals(min_value=0, max_value=10**9, places=6, allow_nan=False), st.sampled_from(["", "m", "Ki", "G"]))
def test_a_suffix_is_a_factor(number: object, suffix: str):
    """Whatever the number before it."""
    factor = {"": Fraction(1), "m": Fraction(1, 1000), "Ki": Fraction(1024), "G": Fraction(10**9)}[suffix]
    assert quantity(f"{number:f}{suffix}") == Fraction(str(number)) * factor
