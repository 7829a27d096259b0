"""What one request carries from the HTTP layer to its resolvers and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import strawberry
from graphql import FieldNode

from auth.access import Everywhere, Resource, Scope
from auth.context import RequestContext
from auth.errors import ClientError, Code, Forbidden, InvalidArgument, Unavailable
from schema.execution.observer import UNOBSERVED, Observer
from schema.execution.patience import Patience
from schema.execution.problems import Problems
from schema.execution.versions import NO_VERSIONS, VersionsAsked
from schema.execution.view import View
from schema.sources.kubernetes.kinds import Kind
from schema.sources.prometheus.raw import RawOutcome, RawQuery


@dataclass
class GraphContext(RequestContext):
    """A request's context: auth's part, and the view its resolvers read."""

    problems: Problems = field(default_factory=Problems)
    large: bool = False  # executed, and to be encoded, in the worker thread
    observer: Observer = UNOBSERVED
    patience: Patience = field(default_factory=Patience)
    versions: VersionsAsked = NO_VERSIONS
    _view: View | None = None

    @property
    def view(self) -> View:
        """The view; a resolver that runs before gather has made one is a mistake of ours.

        Every list is read from it: in graphql-core's execution this is where it looks whether anybody still waits.
        """
        self.patience.check()
        if self._view is None:
            raise AssertionError("resolvers run over a view, and none was gathered")
        return self._view

    @view.setter
    def view(self, view: View) -> None:
        self._view = view

    @property
    def raw(self) -> Mapping[RawQuery, RawOutcome]:
        """What became of PromQL of the caller's own. An answer that reads it is this request's own: none is kept."""
        return self.view.raw


class GraphInfo(strawberry.Info[GraphContext, None]):
    """What a resolver is told beside its object and arguments: the context, and where in the answer it stands.

    Nothing else of Strawberry's Info may be used: a plan tells no more (`plan.run.FieldInfo`).
    """

    @property
    def field_node(self) -> FieldNode:
        return self._raw_info.field_nodes[0]

    @property
    def response_path(self) -> list[str | int]:
        return self._raw_info.path.as_list()


class SourceRefused(Unavailable):
    """The gateway's own account may not watch a kind: that kind alone cannot be shown."""

    status = 200


class SourcePending(Unavailable):
    """The first list of a kind that nobody asked for before is still on its way: its fields alone cannot be shown."""

    code = Code.NOT_SYNCED
    status = 200


def watched(info: GraphInfo, kind: Kind[Any]) -> bool:
    """Whether the kind can be read at all; if not, it is told once per field of the document.

    For kinds that are not behind `listable`, such as those of which only the metadata is watched.
    """
    return _watched(info, kind.key)


def _watched(info: GraphInfo, key: str) -> bool:
    problem = _problem(info.context.view, key)
    if problem is not None:
        _refuse(info, problem)
    return problem is None


def _problem(view: View, key: str) -> ClientError | None:
    if key in view.refused:
        return SourceRefused(view.refused[key], resource=key)
    if key in view.pending:
        because = f": {view.pending[key]}" if view.pending[key] else ""
        return SourcePending(f"The first list of {key} is still on its way{because}", resource=key)
    return None


def listable(info: GraphInfo, resource: Resource, *namespaces: str) -> Scope | None:
    """Where the caller may list `resource`; with namespaces: if they may in one of these.

    None when nowhere (not there), which is then told once per field of the document. Whether the namespace or any
    object exists plays no part in it.
    """
    if _beyond(info, resource) or not _watched(info, resource.name):
        return None
    scope = info.context.view.visibility.scope(resource)
    if isinstance(scope, Everywhere) or (scope.intersection(namespaces) if namespaces else scope):
        return scope
    _refuse(info, missing_right(resource))
    return None


def listable_everywhere(info: GraphInfo, resource: Resource) -> bool:
    """Whether the caller may list `resource` in all namespaces; if not, it is told once per field of the document."""
    scope = listable(info, resource)
    if scope is not None and not isinstance(scope, Everywhere):
        _refuse(info, missing_right(resource, where=" in all namespaces"))
    return isinstance(scope, Everywhere)


def refuse_look_up(info: GraphInfo, resource: Resource, namespace: str, name: str) -> bool:
    """Whether a look-up by name must stay unanswered, which is then told; the answer does not depend on the object.

    Raises InvalidArgument for no name at all: the right to get it would be the right to get any.
    """
    if not name:
        raise InvalidArgument("`name` is empty, and nothing has an empty name", argument="name")
    if _beyond(info, resource) or not _watched(info, resource.name):
        return True
    if info.context.view.visibility.reads(resource, namespace, name):
        return False
    _refuse(info, missing_right(resource, "get"))
    return True


def _beyond(info: GraphInfo, resource: Resource) -> bool:
    """Whether the kind is the whole cluster's and the gateway knows of some namespaces alone, which is then told."""
    if not info.context.view.visibility.beyond(resource):
        return False
    because = f"{resource.name} belong to the whole cluster, and this gateway is confined to namespaces"
    _refuse(info, missing_right(resource, where=f" here: {because}"))
    return True


def missing_right(resource: Resource, verb: str = "list", where: str = "") -> Forbidden:
    """Names the right in Kubernetes' own words, so that a person can ask for it."""
    return Forbidden(
        f"You may not {verb} {resource.name}{where}", verb=verb, group=resource.group, resource=resource.name
    )


def _refuse(info: GraphInfo, error: ClientError) -> None:
    key = id(info.field_node)  # the document outlives the request: one error per field of the document
    if not info.context.problems.met(key):
        info.context.problems.report(key, error, info)
