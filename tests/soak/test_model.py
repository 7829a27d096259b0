"""The checker barks: each kind of wrong answer is found, and each right one passes."""

import pytest

from tests.soak.model import AGE_SLACK_S, EVERYWHERE, FRESH_S, Asked, Log, Row, Wrong

A1: Row = ("shop", "a", "1")
A2: Row = ("shop", "a", "2")
B1: Row = ("search", "b", "3")
C1: Row = ("shop", "c", "4")


def asked(at: float, floor: int = 0) -> Asked:
    return Asked(at, {"pods": floor})


@pytest.fixture
def log() -> Log:
    """Four writes, a second apart, each known to have happened half a second later: a, a changed, b, c; then a goes."""
    log = Log("pods")
    steps = [("shop", None, A1), ("shop", A1, A2), ("search", None, B1), ("shop", None, C1), ("shop", A2, None)]
    for at, (namespace, before, after) in enumerate(steps):
        log.begin(namespace, before, after, float(at))
        log.happened(at + 0.5)
    return log


@pytest.mark.parametrize("rows", [[], [A1], [A2], [A2, B1], [B1, A2, C1], [B1, C1]], ids=len)
def test_every_moment_that_there_was_is_right(log: Log, rows: list[Row]):
    """In whatever order its rows stand."""
    log.check(rows, EVERYWHERE, asked(5.0), None)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("shop", "a", "9")], "never written"),
        ([A1, B1], "of no single moment"),
        ([A1, A2], "of no single moment"),
        ([A2, C1], "of no single moment"),
        ([A2, A2], "1 of them twice"),
        ([C1], "of no single moment"),
    ],
)
def test_what_no_moment_had_is_wrong(log: Log, rows: list[Row], why: str):
    """Made up, of two moments, with one missing, or one twice."""
    with pytest.raises(Wrong, match=why):
        log.check(rows, EVERYWHERE, asked(5.0), None)


def test_a_write_may_show_from_its_beginning_on_and_not_before():
    """It may be there before the API server's answer has come."""
    log = Log("pods")
    with pytest.raises(Wrong):
        log.check([A1], EVERYWHERE, asked(0.0), None)
    log.begin("shop", None, A1, 1.0)

    log.check([A1], EVERYWHERE, asked(1.0), None)


def test_nothing_is_shown_again_that_was_over_for_somebody(log: Log):
    """What one client has seen before another one asks, both have."""
    log.check([A2, B1], EVERYWHERE, asked(5.0), None)
    assert log.shown == 3

    log.check([A2], EVERYWHERE, asked(5.0, floor=0), None)  # was on its way already
    with pytest.raises(Wrong, match="after those of moment 3"):
        log.check([A2], EVERYWHERE, asked(5.0, floor=log.shown), None)


def test_an_object_that_came_and_went_leaves_the_same_state_at_a_later_moment():
    """Two moments look the same; the later one is meant where the earlier one is over."""
    log = Log("pods")
    for before, after in ((None, A1), (A1, None), (None, A1)):
        log.begin("shop", before, after, 0.0)
        log.happened(0.0)

    log.check([A1], EVERYWHERE, asked(1.0, floor=2), None)
    assert log.shown == 3


def test_a_namespace_has_moments_of_its_own(log: Log):
    """Writes elsewhere change nothing there, and what is elsewhere does not show."""
    log.check([A2, C1], "shop", asked(5.0, floor=4), None)
    with pytest.raises(Wrong):
        log.check([A2, B1], "shop", asked(5.0), None)


def test_an_old_picture_must_say_how_old_it_is(log: Log):
    """Older than FRESH_S it is wrong without a word, and with one that is too low."""
    late = 4.5 + FRESH_S + 1  # a was gone at 4.5
    with pytest.raises(Wrong, match="does not say so"):
        log.check([A2, B1, C1], EVERYWHERE, asked(late), None)
    with pytest.raises(Wrong, match="says 1 s"):
        log.check([A2, B1, C1], EVERYWHERE, asked(late), 1.0)

    assert log.check([A2, B1, C1], EVERYWHERE, asked(late), late - 4.5 - AGE_SLACK_S) == late - 4.5
