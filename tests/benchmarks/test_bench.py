"""The suite itself, on the smallest cluster: its rows run, its answers are checked, its results are written."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest

from tests.benchmarks.__main__ import EVERY_ROW, main
from tests.benchmarks.objects import Recipe, stamped
from tests.benchmarks.rows.fair import PAUSES
from tests.benchmarks.stage import WrongAnswer, same
from tests.cluster.process import Process, free_ports

LIMIT_S = 240
SHORT = ("nested", "pages")


def command(rows: Sequence[str], out: Path, *more: str) -> list[str]:
    """As `make bench` does it, but for the sizes: in a process of its own, which keeps to one core."""
    flags = ("--sizes", "3/30", "--runs", "1", "--seconds", "0.1", "--rows", ",".join(rows), "--out", str(out))
    return [sys.executable, "-m", "tests.benchmarks", *flags, *more]


@pytest.mark.cluster
@pytest.mark.parametrize("rows", [SHORT, pytest.param(EVERY_ROW, marks=pytest.mark.long)])
def test_the_rows_are_measured_and_written(rows: Sequence[str], tmp_path: Path):
    """Each row leaves its goals, and the folder has figures, a table and plots."""
    ran = subprocess.run(command(rows, tmp_path), capture_output=True, text=True, timeout=LIMIT_S, check=False)

    assert ran.returncode == 0, ran.stderr[-4_000:]
    results = json.loads((tmp_path / "results.json").read_text())
    assert {goal["row"] for goal in results["goals"]} == set(rows)
    nothing = {bar["chart"] for bar in results["bars"] if bar["median"] <= 0}
    assert nothing <= {f"{PAUSES}: share of the time"}  # so short a time may have no pause above a millisecond
    assert "| nested, again (identity) | 3 nodes, 30 pods |" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "nested-again-nothing-changed.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--sizes", "15000"),
        ("--sizes", "3/30,3/x"),
        ("--sizes", "0/0"),
        ("--rows", "nested,nestled"),
        ("--runs", "0"),
        ("--seconds", "soon"),
        ("--peer", "theirs=http://127.0.0.1:4000"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_starts(
    wrong: Sequence[str], capsys: pytest.CaptureFixture[str]
):
    """In one line, with the flag and what it should be."""
    with pytest.raises(SystemExit) as ended:
        main(wrong)

    *_, said = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 2
    assert f"error: argument {wrong[0]}: " in said


@pytest.mark.cluster
@pytest.mark.long
def test_another_gateway_is_measured_beside_by_its_url_and_a_document(tmp_path: Path):
    """One that somebody else runs, on the cluster that is measured: its kubeconfig is there before it is asked."""
    (port,) = free_ports(1)
    kubeconfig, document, log = tmp_path / "kubeconfig", tmp_path / "theirs.graphql", tmp_path / "theirs.log"
    document.write_text("{ nodes { name pods { name } } }")
    asked = f"theirs=http://127.0.0.1:{port}/graphql/,-,{document}"
    flags = ("--peer", asked, "--kubeconfig", str(kubeconfig))

    with subprocess.Popen(command(("beside",), tmp_path, *flags), stderr=subprocess.PIPE, text=True) as measuring:
        until(kubeconfig.exists, measuring)
        theirs = Process([sys.executable, "-m", "tests.benchmarks.naive", kubeconfig, str(port), "--cached"], log)
        theirs.start()
        try:
            _, said = measuring.communicate(timeout=LIMIT_S)
        finally:
            theirs.terminate()
            measuring.kill()

    assert measuring.returncode == 0, said[-4_000:]
    bars = json.loads((tmp_path / "results.json").read_text())["bars"]
    (bar,) = [bar for bar in bars if bar["who"] == "theirs"]
    assert bar["chart"] == "nested, beside others"
    assert bar["median"] > 0
    assert bar["bytes"] == len(names_of(Recipe(3, 30)))
    assert "| 3 nodes, 30 pods | theirs |" in (tmp_path / "results.md").read_text()


def until(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    while not there():
        assert process.poll() is None, process.communicate()[1][-4_000:]
        assert time.monotonic() - began < LIMIT_S
        time.sleep(0.05)


def names_of(recipe: Recipe) -> bytes:
    """The other gateway's answer, but for the order of its pods."""
    pods = {node: [{"name": plan.name} for plan in plans] for node, plans in recipe.by_node.items()}
    return orjson.dumps({"data": {"nodes": [{"name": node, "pods": pods[node]} for node in recipe.node_names]}})


def test_an_answer_that_lacks_a_pod_does_not_count():
    """What is timed is compared with what the recipe says, to the byte."""
    right, short = Recipe(3, 30).nested(), Recipe(3, 29).nested()

    same(right, right, "the answer")
    same(
        right.replace(b'"pods":[{"name"', b'"pods":[{"v001"').replace(b'{"name":"web', b'{"v001":"web'),
        right,
        "a variant",
    )
    same(right[:-1] + b',"extensions":{"stale":[{"kind":"pods","seconds":5}]}}', right, "while a watch is cut")
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
