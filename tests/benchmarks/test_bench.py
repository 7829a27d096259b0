"""The suite itself, on the smallest cluster: its rows run, its answers are checked, its results are written."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import EVERY_ROW
from tests.benchmarks.objects import Recipe, stamped
from tests.benchmarks.stage import WrongAnswer, same

LIMIT_S = 240
SHORT = ("nested", "pages")


def bench(rows: Sequence[str], out: Path) -> subprocess.CompletedProcess[str]:
    """Run it as `make bench` does, but for the sizes: in a process of its own, which keeps to one core."""
    flags = ("--sizes", "3/30", "--runs", "1", "--seconds", "0.1", "--rows", ",".join(rows), "--out", str(out))
    command = [sys.executable, "-m", "tests.benchmarks", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.mark.cluster
@pytest.mark.parametrize("rows", [SHORT, pytest.param(EVERY_ROW, marks=pytest.mark.long)])
def test_the_rows_are_measured_and_written(rows: Sequence[str], tmp_path: Path):
    """Each row leaves its goals, and the folder has figures, a table and plots."""
    ran = bench(rows, tmp_path)

    assert ran.returncode == 0, ran.stderr[-4_000:]
    results = json.loads((tmp_path / "results.json").read_text())
    assert {goal["row"] for goal in results["goals"]} == set(rows)
    assert all(bar["median"] > 0 for bar in results["bars"])
    assert "| nested, again (identity) | 3 nodes, 30 pods |" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "nested-again-nothing-changed.svg").read_text().startswith("<svg")


def test_an_answer_that_lacks_a_pod_does_not_count():
    """What is timed is compared with what the recipe says, to the byte."""
    right, short = Recipe(3, 30).nested(), Recipe(3, 29).nested()

    same(right, right, "the answer")
    same(
        right.replace(b'"pods":[{"name"', b'"pods":[{"v001"').replace(b'{"name":"web', b'{"v001":"web'),
        right,
        "a variant",
    )
    with pytest.raises(WrongAnswer, match="the answer"):
        same(short, right, "the answer")


def test_pods_are_stamped_with_names_of_equal_length():
    """A stored pod's lengths stay right in every pod that is made from it, to the last of 150,000."""
    recipe = Recipe(5_000, 150_000)
    first, last = recipe.plans[0], recipe.plans[-1]
    stored = f"{first.name} {first.namespace} {first.node} {first.address}".encode()

    made = stamped(stored, "0" * 36, first, last)

    assert made.decode().split() == [last.name, last.namespace, last.node, last.address]
    assert len(made) == len(stored)
