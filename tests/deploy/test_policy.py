"""A policy scanner looks at all that the chart renders; each exception is explained, and is still one."""

import os

import pytest

from tests.cluster import build
from tests.deploy.policy import Found, explanations, scan

pytestmark = pytest.mark.cluster  # checkov may have to be installed


@pytest.fixture(scope="module")
def found() -> list[Found]:
    try:
        return scan(print)
    except build.CannotBuild as error:
        if os.environ.get("CI"):
            pytest.fail(f"checkov is not to be had here: {error}", pytrace=False)
        pytest.skip(f"checkov is not to be had here: {error}")


def test_the_scanner_finds_nothing_that_is_not_explained_and_every_explanation_is_needed(found: list[Found]):
    """deploy/chart/.checkov.yaml names exactly the checks that fail: a new finding and a stale exception both show."""
    assert {finding.check for finding in found if not finding.because} == explanations()


def test_what_is_said_of_one_object_says_why(found: list[Found]):
    """Of the pod of `helm test`, which ends, and of the Dockerfile's base image: of nothing that serves."""
    excused = {
        (finding.check, finding.resource.rpartition(".")[2] or finding.file) for finding in found if finding.because
    }
    assert excused == {
        ("CKV_K8S_8", "binnacle-answers"), ("CKV_K8S_9", "binnacle-answers"), ("CKV2_K8S_6", "binnacle-answers"),
        ("CKV_DOCKER_7", "Dockerfile"),
    }  # fmt: skip
