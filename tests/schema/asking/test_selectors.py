"""Selectors by themselves; tests/schema/asking/test_against_api_server.py compares them with the API server's."""

import pytest

from schema.asking.selectors import FieldTerm, InvalidSelector, Operator, Requirement, field_selector, label_selector


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" ", ()),
        ("a", (Requirement("a", Operator.EXISTS),)),
        ("!a", (Requirement("a", Operator.ABSENT),)),
        ("a=b", (Requirement("a", Operator.IN, frozenset({"b"})),)),
        ("a == b", (Requirement("a", Operator.IN, frozenset({"b"})),)),
        ("a!=b", (Requirement("a", Operator.NOT_IN, frozenset({"b"})),)),
        ("a=", (Requirement("a", Operator.IN, frozenset({""})),)),
        ("a in (b,c)", (Requirement("a", Operator.IN, frozenset({"b", "c"})),)),
        ("a in ()", (Requirement("a", Operator.IN, frozenset({""})),)),
        ("a in (,b,)", (Requirement("a", Operator.IN, frozenset({"", "b"})),)),
        ("a notin(b)", (Requirement("a", Operator.NOT_IN, frozenset({"b"})),)),
        ("in in (in)", (Requirement("in", Operator.IN, frozenset({"in"})),)),
        ("a>5", (Requirement("a", Operator.GREATER, frozenset({"5"})),)),
        ("x.io/a,b=c", (Requirement("x.io/a", Operator.EXISTS), Requirement("b", Operator.IN, frozenset({"c"})))),
    ],
)
def test_label_selectors_are_read_as_kubernetes_reads_them(text, expected):
    """Odd ones included."""
    assert label_selector(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a,",
        ",a",
        "a b",
        "a=b=c",
        "!a=b",
        "a in b",
        "a in (b",
        "a in (b c)",
        "a>b",
        "=a",
        "a!",
        "-a",
        "a=-",
        "X.io/a",
        "a<",
        "a/b/c",
        "/a",
        "a" * 64,
        "a=" + "b" * 64,
        "a in (b))",
        "a => b",
        "ä",
        "a=ä",
        "a>9223372036854775808",
    ],
)
def test_what_is_no_label_selector_is_refused(text):
    """With the selector in the message, and what was expected."""
    with pytest.raises(InvalidSelector, match="cannot be read"):
        label_selector(text)


def test_unequal_also_means_without_the_label():
    """That is how Kubernetes reads `!=` and `notin`."""
    (unequal,) = label_selector("a!=b")

    assert unequal.allows(None)
    assert unequal.allows("c")
    assert not unequal.allows("b")


@pytest.mark.parametrize(("value", "holds"), [("6", True), ("5", False), ("-7", False), ("six", False), (None, False)])
def test_only_numbers_compare(value, holds):
    """Greater is a matter of whole numbers; a label that is none is neither greater nor less."""
    (greater,) = label_selector("a>5")

    assert greater.allows(value) is holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (",", ()),
        ("=", ()),
        ("!=,a=b", (FieldTerm("a", "b"),)),
        ("a=b", (FieldTerm("a", "b"),)),
        ("a==b,c!=d", (FieldTerm("a", "b"), FieldTerm("c", "d", negated=True))),
        (r"a=b\,c\=d\\", (FieldTerm("a", r"b,c=d" + "\\"),)),
        ("a= b ", (FieldTerm("a", " b "),)),
        ("a=", (FieldTerm("a", ""),)),
    ],
)
def test_field_selectors_are_read_as_kubernetes_reads_them(text, expected):
    """Escapes included; nothing is trimmed."""
    assert field_selector(text) == expected


@pytest.mark.parametrize("text", ["a", "a=b=c", r"a=b\n", "a=b\\", "a in (b)"])
def test_what_is_no_field_selector_is_refused(text):
    """An unescaped sign in a value is a mistake, as it is to the API server."""
    with pytest.raises(InvalidSelector, match="cannot be read"):
        field_selector(text)
