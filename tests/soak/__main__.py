"""`python -m tests.soak --minutes 5 --seed 7`; exit code 1 when anything was wrong."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak.run import soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Faults under load of 50 clients.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which order of faults (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="binnacle-soak-") as folder:
        report = asyncio.run(soak(Path(folder), seconds=arguments.minutes * 60, seed=arguments.seed))
    return 1 if report.mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
