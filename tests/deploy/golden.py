"""The chart as each set of values renders it, kept to be looked at: `python -m tests.deploy.golden` writes it anew."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from tests.cluster import programs
from tests.deploy.helm import GOLDEN, Helm, value_sets, values

_MADE_NOW = re.compile(r"^(  secret: )\S+$", re.MULTILINE)


def stable(rendered: str) -> str:
    """Without the secret, which Helm makes anew each time it only renders."""
    return _MADE_NOW.sub(r"\1bWFkZSBub3c=", rendered)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(programs.provide(programs.HELM, lambda line: print(line, file=sys.stderr)), Path(home))
        for name in value_sets():
            (GOLDEN / f"{name}.yaml").write_text(stable(helm.template(*values(name))))


if __name__ == "__main__":
    main()
