"""What was released stays: a client that works with one release works with the next.

`released.graphql` is the schema of the last release. A release moves it on (`cp schema/schema.graphql
tests/schema/released.graphql`, in the commit that gives the changelog's Unreleased its number). Until the first one it
is the schema that the first release may not fall behind, moved on in the same way.

What has to go is deprecated first, for one minor release at least; a change that breaks clients all the same stands in
the changelog's Unreleased, under `### Breaking`, word for word as this test calls it.
"""

from pathlib import Path

import pytest
from graphql import build_schema
from graphql.utilities import find_breaking_changes

from schema.schema import print_sdl

ROOT = Path(__file__).parents[2]
RELEASED = Path(__file__).parent / "released.graphql"


def breaking(before: str, after: str) -> list[str]:
    return [change.description for change in find_breaking_changes(build_schema(before), build_schema(after))]


def named(changelog: str) -> set[str]:
    """The breaking changes that the changelog's Unreleased names."""
    _, _, unreleased = changelog.partition("\n## Unreleased\n")
    _, _, section = unreleased.partition("\n## ")[0].partition("\n### Breaking\n")
    lines = section.partition("\n### ")[0].splitlines()
    return {line.removeprefix("- ") for line in lines if line.startswith("- ")}


def test_no_client_breaks_unless_the_changelog_says_how():
    """Types, fields, arguments and enum values that were released are there, and mean what they meant."""
    changes = breaking(RELEASED.read_text(), print_sdl())

    assert set(changes) <= named((ROOT / "CHANGELOG.md").read_text()), (
        "these break clients: deprecate instead, or name them in CHANGELOG.md under `### Breaking`"
    )


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("name: String! old: String", "name: String!", "Field Query.old was removed."),
        ("name: String!", "name: String", "Field Query.name changed type from String! to String."),
        ("pods: Int", "pods(only: Int!): Int", "A required argument Query.pods(only:) was added."),
    ],
)
def test_what_breaks_is_found(before: str, after: str, change: str):
    """A field that goes, a null that was none, an argument that must be given; more is no harm."""
    before, after = (f"type Query {{ {fields} }}" for fields in (before, after))

    assert breaking(before, after) == [change]
    assert breaking(before, before.replace("}", "more: String }")) == []


def test_the_changelog_names_what_breaks_now():
    """Only what is unreleased counts: an old release's breaking changes excuse no new one."""
    changelog = (
        "# Changelog\n\n## Unreleased\n\n### Added\n- More.\n\n### Breaking\n- Field Query.old was removed.\n\n"
        "## 0.1.0\n\n### Breaking\n- Query.name was removed.\n"
    )

    assert named(changelog) == {"Field Query.old was removed."}
    assert named("# Changelog\n\n## Unreleased\n\n### Added\n- More.\n") == set()
