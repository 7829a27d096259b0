"""The chart as each set of values renders it, kept to be looked at: `python -m tests.deploy.golden` writes it anew."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.cluster import programs
from tests.deploy.helm import GOLDEN, Helm, value_sets, values


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(programs.provide(programs.HELM, lambda line: print(line, file=sys.stderr)), Path(home))
        for name in value_sets():
            (GOLDEN / f"{name}.yaml").write_text(helm.template(*values(name)))


if __name__ == "__main__":
    main()
