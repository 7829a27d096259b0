"""`make bench`: the whole cluster in one answer, beside bare Starlette, the API server, and what one writes first.

On etcd and kube-apiserver alone, over HTTP, for clusters of four sizes, in turns in one run. Prints every figure as it
is measured and at the end the table of goals; with `--out docs/benchmarks` the table, the plots and all figures are
written there. What each row and bar means: docs/benchmarks/README.md.

    make bench                                              all sizes, 9 runs
    make bench ARGS="--quick"                               the two small sizes, 3 short runs: a minute or two
    make bench ARGS="--sizes 500/15000 --rows nested,small --runs 3"
    make bench ARGS="--peer theirs=http://127.0.0.1:4000/graphql,-,query.graphql --kubeconfig /tmp/bench.kubeconfig"

A peer is asked its document (a file's name or the text itself) with its token; `-` stands for an administrator's token
of the cluster that is measured, whose kubeconfig `--kubeconfig` writes before anything is asked: point the peer at it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import math
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import uvloop

from tests.benchmarks import report
from tests.benchmarks.clusters import filled, recorded
from tests.benchmarks.figures import Results
from tests.benchmarks.objects import Recipe
from tests.benchmarks.rows import beside, churn, fair, metrics, nested, pages, rights, small
from tests.benchmarks.servers import CLIENTS, OTHERS, Servers, place
from tests.benchmarks.stage import Options, Peer, Stage

SIZES: Final = ("3/30", "100/1000", "500/15000", "5000/150000")
ROWS: Final = {
    "beside": beside.measure,
    "small": small.measure,
    "pages": pages.measure,
    "rights": rights.measure,
    "metrics": metrics.measure,
    "fair": fair.measure,
    "churn": churn.measure,
}
"""Beside `nested`, which is measured at each start of the gateway."""
EVERY_ROW: Final = ("nested", *ROWS)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=sizes, help="nodes/pods, separated by commas", default=",".join(SIZES))
    parser.add_argument("--rows", type=row_names, help=f"of {', '.join(EVERY_ROW)}", default=",".join(EVERY_ROW))
    parser.add_argument("--runs", type=at_least_one, default=9, help="counted runs of each measurement (default: 9)")
    parser.add_argument(
        "--seconds", type=above_zero, default=1.5, help="of each run that counts requests (default: 1.5)"
    )
    parser.add_argument("--quick", action="store_true", help="the two small sizes, 3 runs of half a second")
    parser.add_argument("--peer", type=peer, action="append", default=[], metavar="NAME=URL,TOKEN,DOCUMENT")
    parser.add_argument("--kubeconfig", type=Path, help="where to write the measured cluster's, for peers")
    parser.add_argument("--out", type=Path, help="folder for results.json, results.md and plots")
    options = parser.parse_args(arguments)
    if options.quick:
        options.sizes, options.runs, options.seconds = sizes(",".join(SIZES[:2])), min(options.runs, 3), 0.5
    asked = Options(options.runs, options.seconds, tuple(options.peer))
    work = bench(options.sizes, options.rows, asked, quick=options.quick, kubeconfig=options.kubeconfig)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(work)
    print(report.table(results))
    if options.out:
        report.write(results, options.out)
        say(f"written to {options.out}")
    return 1 if results.failed else 0


def sizes(text: str) -> list[Recipe]:
    """What `--sizes` was given; this and the others raise ArgumentTypeError with the words that argparse shows."""
    return [recipe(size) for size in text.split(",")]


def recipe(size: str) -> Recipe:
    nodes, _, pods = size.partition("/")
    if not (nodes.isdecimal() and pods.isdecimal() and int(nodes) and int(pods)):
        raise argparse.ArgumentTypeError(f"`{size}` is no size: NODES/PODS, such as {SIZES[1]}")
    return Recipe(int(nodes), int(pods))


def row_names(text: str) -> list[str]:
    rows = text.split(",")
    if unknown := set(rows) - set(EVERY_ROW):
        raise argparse.ArgumentTypeError(
            f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(EVERY_ROW)}"
        )
    return rows


def at_least_one(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 1 on")
    return int(text)


def above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"`{text}` is no number above zero")
    return number


def peer(text: str) -> Peer:
    name, _, rest = text.partition("=")
    url, _, token_and_document = rest.partition(",")
    token, _, document = token_and_document.partition(",")
    if not (name and url and token and document):
        raise argparse.ArgumentTypeError(f"`{text}` is no NAME=URL,TOKEN,DOCUMENT")
    file = Path(document)
    return Peer(name, url, token, file.read_text() if file.is_file() else document)


async def bench(
    recipes: Sequence[Recipe],
    rows: Sequence[str],
    options: Options,
    *,
    quick: bool = False,
    kubeconfig: Path | None = None,
) -> Results:
    began = time.monotonic()
    os.sched_setaffinity(0, OTHERS)
    gc.disable()  # the client's own collector would show in the server's slowest answers
    results = Results(report.about(options.runs, quick=quick))
    for each in recipes:
        with told(results, each.title):
            await at_size(each, rows, options, results, kubeconfig)
        say(f"{each.title}: done, {(time.monotonic() - began) / 60:.1f} minutes after the start")
    results.about["minutes"] = round((time.monotonic() - began) / 60, 1)
    return results


async def at_size(
    size: Recipe, rows: Sequence[str], options: Options, results: Results, kubeconfig: Path | None
) -> None:
    """Start everything that this size needs, and measure its rows. The last of the starts is the one that serves."""
    if "churn" in rows:
        await recorded(size, say)  # now, as it may need an API server of its own
    say(f"{size.title}: starting etcd and kube-apiserver")
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="binnacle-bench-")))
        plane = await stack.enter_async_context(filled(size, say))
        if kubeconfig:
            kubeconfig.write_bytes(plane.kubeconfig.read_bytes())
        place(plane, OTHERS)
        servers = Servers(folder)
        bare = await stack.enter_async_context(servers.bare(plane.kubeconfig))
        starts = nested.Starts()
        stage: Stage | None = None
        runs = options.runs if "nested" in rows else 1
        for run in range(1, runs + 1):
            last = run == runs
            say(f"{size.title}: start {run} of {runs}")
            start = servers.gateway({"kubeconfig": str(plane.kubeconfig_of("gateway"))})
            async with contextlib.AsyncExitStack() as this_run:
                gateway = await (stack if last else this_run).enter_async_context(start)
                stage = stage or Stage(size, options, servers, results, say, plane, bare, gateway)
                os.sched_setaffinity(0, CLIENTS)
                if "nested" in rows:
                    await nested.first(stage, gateway, starts)
                    await nested.raw_stream(stage, starts)
                stage.gateway = gateway
        assert stage
        if "nested" in rows:
            await nested.conclude(stage, starts)
        for row, measure in ROWS.items():
            if row in rows:
                say(f"{size.title}: {row}")
                with told(results, f"{size.title}: {row}"):
                    await measure(stage)


@contextlib.contextmanager
def told(results: Results, what: str) -> Iterator[None]:
    """A row that cannot be measured costs only itself, and the exit code."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a server under test may do
        traceback.print_exception(error)
        results.failed.append(f"{what}: {error}")


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
