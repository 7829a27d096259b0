"""Helm, for the tests of deploy/."""

import pytest

from tests.cluster import programs
from tests.cluster.fixtures import provide
from tests.deploy.helm import Helm


@pytest.fixture(scope="session")
def helm(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The real Helm; tests that use it carry the mark `cluster`, because it may have to be built first."""
    provide(pytestconfig, [programs.HELM])
    return Helm(programs.provide(programs.HELM, print), tmp_path_factory.mktemp("helm"))
