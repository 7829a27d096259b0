"""What a request may want of versions, as its extensions say it."""

from typing import Any

import pytest

from auth.errors import BadRequest
from schema.execution.versions import VersionsAsked
from schema.sources.kubernetes.kinds import NODES, PODS, REPLICA_SET_OWNERS, REPLICA_SETS


@pytest.mark.parametrize("extensions", [None, {}, {"persistedQuery": {}}, {"minResourceVersions": {}}])
def test_by_default_nothing_is_told_and_nothing_waited_for(extensions: Any):
    """Other extensions are nobody's business here."""
    asked = VersionsAsked.of(extensions)

    assert not asked.told
    assert asked.wanted([PODS]) == {}


@pytest.mark.parametrize("version", ["0", "7", "18446744073709551615"])
def test_a_version_is_a_number_in_a_string(version: str):
    """As Kubernetes writes it."""
    asked = VersionsAsked.of({"resourceVersions": True, "minResourceVersions": {"pods": version}})

    assert asked.told
    assert asked.wanted([NODES, PODS]) == {PODS: version}


@pytest.mark.parametrize(
    "version", ["", "007", "-1", "+1", "1.0", " 1", "1\n", "٣", "1" * 21, 7, None, True, ["7"], {}]
)
def test_nothing_else_is_a_version(version: Any):
    """A client that sends it has made a mistake, and is told."""
    with pytest.raises(BadRequest, match="must be a map from kinds to resourceVersions"):
        VersionsAsked.of({"minResourceVersions": {"pods": version}})


@pytest.mark.parametrize(
    "extensions", [{"minResourceVersions": ["pods"]}, {"minResourceVersions": "7"}, {"resourceVersions": "true"}]
)
def test_what_is_no_map_or_no_answer_is_refused(extensions: Any):
    """By name of the extension."""
    with pytest.raises(BadRequest, match=next(iter(extensions))):
        VersionsAsked.of(extensions)


def test_a_kind_that_the_operation_does_not_read_is_refused():
    """With those that it reads; misspelt ones the same."""
    asked = VersionsAsked.of({"minResourceVersions": {"pod": "7"}})

    with pytest.raises(BadRequest, match="has 'pod', and the operation reads nodes, pods"):
        asked.wanted([PODS, NODES])
    with pytest.raises(BadRequest, match="reads no kind"):
        asked.wanted([])


def test_two_kinds_of_one_resource_are_meant_together():
    """Whole replica sets, and who owns them."""
    asked = VersionsAsked.of({"minResourceVersions": {"replicasets": "7"}})

    assert asked.wanted([REPLICA_SETS, REPLICA_SET_OWNERS]) == {REPLICA_SETS: "7", REPLICA_SET_OWNERS: "7"}
