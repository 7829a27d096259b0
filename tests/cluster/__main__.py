"""`python -m tests.cluster`: prepare the test cluster's programs, or start it by hand."""

from __future__ import annotations

import argparse
import signal
import sys

from tests.cluster import build, programs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("build", help="find the programs, and build those that are nowhere to be found")
    preparing.add_argument(
        "--check", action="store_true", help="only say what is found where; exit 1 if one is missing"
    )
    running = commands.add_parser("up", help="start a cluster and keep it until Ctrl-C")
    running.add_argument("--nodes", type=int, default=3, help="the first is the control plane (default: %(default)s)")
    running.add_argument("--pods", type=int, default=12, help="spread over namespaces (default: %(default)s)")
    running.add_argument("--prometheus", action="store_true", help="a Prometheus too, scraping nodes and pods")
    arguments = parser.parse_args()
    if arguments.command == "up":
        from tests.cluster.up import up  # needs the project's environment; the rest of this command needs only Python

        return up(nodes=arguments.nodes, pods=arguments.pods, prometheus=arguments.prometheus)
    return check() if arguments.check else prepare()


def prepare() -> int:
    """Build what is missing, in the order of need; a reason in one line when that cannot be done."""
    for program in programs.ALL:
        try:
            programs.provide(program, say)
        except build.CannotBuild as error:
            say(f"cannot prepare the test cluster: {error}")
            return 1
    say(f"all {len(programs.ALL)} programs of the test cluster are ready")
    return 0


def check() -> int:
    """Print a line per program: what it is, which version, and where it comes from."""
    go = build.toolchain()
    found = [(program, programs.find(program)) for program in programs.ALL]
    for program, place in found:
        where = (
            f"{place.version:10} {place.origin}: {place.path}"
            if place
            else f"{'missing':10} would be built with {go.version}"
        )
        print(f"{program.name:24} {where}")
    print(f"{'go':24} {go.version.removeprefix('go'):10} {go.origin}{'' if go.command else ' (not installed yet)'}")
    return 0 if all(place for _, place in found) else 1


def say(line: str) -> None:
    print(f"test cluster: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of `finally`: no compiler is left behind
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
