"""The versions that an answer saw, and those that it must show: in the `extensions` of requests and answers.

    {"resourceVersions": true}                the answer tells, of each kind that it is about, the version that it saw
    {"minResourceVersions": {"pods": "812"}}  the answer shows of pods all that happened up to there, or is an error

Each is a map from a kind, by its plural name, to a resourceVersion of the API server: what one answer, or a write, told
can be asked of the next one, whichever replica gives it. Versions compare only within a kind, and so does what is
promised.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from auth.access import Everywhere, Visibility
from auth.errors import BadRequest
from schema.execution.view import View
from schema.sources.kubernetes.kinds import Kind
from schema.sources.kubernetes.store import age

RESOURCE_VERSIONS: Final = "resourceVersions"
MIN_RESOURCE_VERSIONS: Final = "minResourceVersions"

# Kubernetes' are numbers of 64 bits.
_VERSION: Final = re.compile("0|[1-9][0-9]{0,19}")


@dataclass(frozen=True, slots=True)
class VersionsAsked:
    """What a request wants of versions; the smallest ones are by kind's name, and of kinds that may not even exist."""

    told: bool = False
    smallest: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, extensions: Mapping[str, Any] | None) -> "VersionsAsked":
        """What the request's `extensions` say. Raises BadRequest for what cannot be meant."""
        if not extensions:
            return NO_VERSIONS
        told, smallest = extensions.get(RESOURCE_VERSIONS), extensions.get(MIN_RESOURCE_VERSIONS)
        if not isinstance(told, bool | None):
            raise BadRequest(f"`extensions.{RESOURCE_VERSIONS}` must be true or false")
        if smallest is not None and not (isinstance(smallest, dict) and all(map(_is_version, smallest.values()))):
            raise BadRequest(
                f"`extensions.{MIN_RESOURCE_VERSIONS}` must be a map from kinds to resourceVersions, strings of "
                'digits, such as {"pods": "812"}'
            )
        return cls(bool(told), smallest or {})

    def wanted(self, kinds: Sequence[Kind[Any]]) -> Mapping[Kind[Any], str]:
        """The smallest version of each kind that the operation reads. Raises BadRequest for one that it does not.

        Such a one is refused, not passed over: whoever sends it believes that the answer shows it.
        """
        names = {kind.name for kind in kinds}
        for name in self.smallest:
            if name not in names:
                read = f"reads {', '.join(sorted(names))}" if names else "reads no kind"
                raise BadRequest(f"`extensions.{MIN_RESOURCE_VERSIONS}` has {name[:64]!r}, and the operation {read}")
        return {kind: self.smallest[kind.name] for kind in kinds if kind.name in self.smallest}


def versions_seen(view: View, kinds: Iterable[Kind[Any]]) -> dict[str, str]:
    """What the answer shows of these kinds, as far as the caller may list them: the API server tells who lists a kind
    its version, wherever the list is of.

    Kinds without bookmarks are left out: no replica could tell whether it has all up to there.
    """
    # Two kinds of one resource, whole objects and their metadata, have their versions from the same counter.
    seen: dict[str, str] = {}
    for kind in kinds:
        version = view.snapshot.versions.get(kind.key)
        if version and kind.bookmarks and _may_list(view.visibility, kind):
            seen[kind.name] = max(seen.get(kind.name, ""), version, key=age)
    return seen


def _may_list(visibility: Visibility, kind: Kind[Any]) -> bool:
    scope = visibility.scope(kind.resource)
    return isinstance(scope, Everywhere) or bool(kind.namespaced and scope)


NO_VERSIONS: Final = VersionsAsked()


def _is_version(value: object) -> bool:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None
