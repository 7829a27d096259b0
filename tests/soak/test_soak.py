"""A minute of the soak in every run of the suite; `make soak` is five and more."""

from pathlib import Path

import pytest

from tests.cluster import programs
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import provide
from tests.soak.run import soak

MINUTE_S = 60.0


@pytest.mark.cluster
@pytest.mark.thorough
async def test_a_minute_of_faults_under_load_gives_no_wrong_answer_and_leaves_nothing_behind(
    tmp_path: Path, pytestconfig: pytest.Config
):
    """Every answer is a moment that there was, errors are the design's, and memory, files and tasks come back."""
    provide(pytestconfig, [*ControlPlane().needed_programs(), programs.PROMETHEUS])

    report = await soak(tmp_path, seconds=MINUTE_S, seed=1)

    assert not report.mistakes, report.table()
    assert len(report.struck) >= 5
    assert report.answers > 1_000
