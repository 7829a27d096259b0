"""The hot paths do no more than the recorded baseline says; and the guard barks where they do."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.guard import Cost, heavier

ROOT = Path(__file__).parent.parent.parent
LIMIT_S = 120


def test_no_hot_path_is_heavier_than_its_baseline():
    """Counted, so that it shows on a busy machine too; in a process in which nothing else has run."""
    command = [sys.executable, "-m", "tests.benchmarks.guard", "--check"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr[-2_000:]}"


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Cost(1_000, 50_000), []),
        (Cost(1_049, 58_000), []),
        (Cost(10, 10), []),
        (Cost(1_100, 50_000), ["`a page` executes 10% more instructions than before: 1,000 then, 1,100 now"]),
        (Cost(1_000, 60_000), ["`a page` takes 20% more bytes at its peak than before: 50,000 then, 60,000 now"]),
    ],
)
def test_what_is_heavier_is_said_with_how_much(now: Cost, said: list[str]):
    """A few percent are no news, and less is none to fail for."""
    assert heavier({"a page": now}, {"a page": Cost(1_000, 50_000)}) == said


def test_a_path_without_a_baseline_is_said():
    """Else a new path would never be guarded."""
    assert heavier({"a page": Cost(1, 1)}, {}) == ["`a page` has no baseline"]
