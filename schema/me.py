"""Who asks: whom the gateway takes the caller for, what they may list, and what they may do."""

from typing import Annotated, Any, Final

import strawberry

from auth.access import AccessNeed, Everywhere
from auth.errors import InvalidArgument
from auth.reviewers import Attributes
from schema.arguments import NAME_BYTES, check_length, check_values
from schema.execution.context import GraphInfo
from schema.execution.needs import FieldNeeds, Reach, needing
from schema.sources.kubernetes.kinds import KINDS, Kind

_KINDS: Final = {kind.kind: kind for kind in sorted(KINDS.values(), key=lambda kind: kind.kind)}


@strawberry.type(description="One thing that an authenticator says of a user beside their groups.")
class UserExtra:
    key: str = strawberry.field(description="What is said, such as `authentication.kubernetes.io/credential-id`.")
    values: list[str] = strawberry.field(description="What it is.")


@strawberry.type(description="Whether the caller may do something.")
class Permission:
    allowed: bool = strawberry.field(description="Whether the API server would let them.")
    reason: str = strawberry.field(
        description=(
            "Why, in the API server's own words; where it has none, that nothing allows it. Good for a tooltip: it "
            "tells nothing that the caller could not ask the API server."
        )
    )


def _namespaces_needs(reach: Reach) -> FieldNeeds:
    return FieldNeeds(rights=tuple(AccessNeed(_KINDS[kind].resource) for kind in reach.kinds or ()))


def _namespaces(root: strawberry.Parent["KindRights"], info: GraphInfo) -> list[str]:
    scope = info.context.view.rights.scope(_KINDS[root.kind].resource)
    return [] if isinstance(scope, Everywhere) else sorted(scope)


@strawberry.type(description="Where the caller may list objects of one kind.")
class KindRights:
    kind: str = strawberry.field(description="The kind, such as `Pod`.")
    group: str = strawberry.field(description="Its API group; empty for the core group.")
    resource: str = strawberry.field(description="Its name in rules of RBAC, such as `pods`.")
    namespaced: bool = strawberry.field(description="Whether its objects are in namespaces.")
    everywhere: bool = strawberry.field(description="Whether they may list all of them, in every namespace.")
    namespaces: list[str] = strawberry.field(
        resolver=_namespaces,
        metadata=needing(_namespaces_needs),
        description=(
            "The namespaces in which they may list them, by name; empty where that is `everywhere`, or nowhere. "
            "For namespaces themselves: those that they may see. Costs one review per kind and namespace for whoever "
            "may not list everywhere, kept as those of lists are: name the kinds that are needed."
        ),
    )


KindNames = Annotated[
    list[str] | None,
    strawberry.argument(description="These kinds, such as `Pod`, in this order; left out: all that the graph shows."),
]


def _named(kinds: list[str] | None) -> list[Kind[Any]]:
    """The kinds of these names. Raises InvalidArgument."""
    check_values("kinds", kinds, NAME_BYTES)
    names = list(_KINDS) if kinds is None else list(dict.fromkeys(kinds))
    for name in names:
        if name not in _KINDS:
            known = ", ".join(_KINDS)
            raise InvalidArgument(f"`kinds` has {name!r}, which the graph does not show; it shows {known}")
    return [_KINDS[name] for name in names]


def _lists_needs(_reach: Reach, kinds: list[str] | None = None) -> FieldNeeds:
    wanted = _named(kinds)
    return FieldNeeds(
        rights=tuple(AccessNeed(kind.resource, frozenset()) for kind in wanted),
        reach=Reach(kinds=frozenset(kind.kind for kind in wanted)),
    )


def _lists(info: GraphInfo, kinds: KindNames = None) -> list[KindRights]:
    rights = info.context.view.rights
    return [
        KindRights(
            kind=kind.kind,
            group=kind.resource.group,
            resource=kind.resource.name,
            namespaced=kind.resource.namespaced,
            everywhere=isinstance(rights.scope(kind.resource), Everywhere),
        )
        for kind in _named(kinds)
    ]


Verb = Annotated[
    str, strawberry.argument(description="Such as `get`, `list`, `delete` or `patch`; `*` is all of them.")
]
Group = Annotated[str, strawberry.argument(description="The API group, such as `apps`; empty for the core group.")]
ResourceName = Annotated[str, strawberry.argument(description="The kind in the plural, such as `deployments`.")]
Subresource = Annotated[str, strawberry.argument(description="Such as `log`, `exec`, `scale` or `eviction`.")]
InNamespace = Annotated[
    str, strawberry.argument(description="In this namespace; empty: in all of them, or of a kind that is in none.")
]
ObjectName = Annotated[str, strawberry.argument(description="To the object of this name; empty: to all of them.")]


def _attributes(  # noqa: PLR0913, PLR0917 - the schema's arguments
    verb: str, resource: str, group: str, subresource: str, namespace: str, name: str
) -> Attributes:
    """The question, as the API server is asked it. Raises InvalidArgument."""
    wanted = Attributes(
        verb=verb, group=group, resource=resource, namespace=namespace, name=name, subresource=subresource
    )
    for argument in wanted.__struct_fields__:
        check_length(argument, getattr(wanted, argument), NAME_BYTES)
    for argument, value in (("verb", verb), ("resource", resource)):
        if not value:
            raise InvalidArgument(f"`{argument}` is empty; say what is to be done to what", argument=argument)
    return wanted


def _can_needs(  # noqa: PLR0913, PLR0917 - the schema's arguments
    _reach: Reach,
    verb: str,
    resource: str,
    group: str = "",
    subresource: str = "",
    namespace: str = "",
    name: str = "",
) -> FieldNeeds:
    return FieldNeeds(decisions=(_attributes(verb, resource, group, subresource, namespace, name),))


def _can(  # noqa: PLR0913, PLR0917 - the schema's arguments
    info: GraphInfo,
    verb: Verb,
    resource: ResourceName,
    group: Group = "",
    subresource: Subresource = "",
    namespace: InNamespace = "",
    name: ObjectName = "",
) -> Permission:
    wanted = _attributes(verb, resource, group, subresource, namespace, name)
    decision = info.context.view.decisions[wanted]
    return Permission(allowed=decision.allowed, reason=decision.reason or _unsaid(wanted, allowed=decision.allowed))


def _unsaid(wanted: Attributes, *, allowed: bool) -> str:
    """RBAC gives no reason for a no."""
    what = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    group = f" in API group {wanted.group!r}" if wanted.group else ""
    name = f" {wanted.name!r}" if wanted.name else ""
    where = f" in namespace {wanted.namespace!r}" if wanted.namespace else ""
    said = "The API server allows you to" if allowed else "Nothing allows you to"
    return f"{said} {wanted.verb} {what}{name}{group}{where}"


@strawberry.type(
    description=(
        "Whom the gateway takes the caller for, by their token, and what they may do by the API server's own reviews."
    )
)
class Me:
    username: str = strawberry.field(description="The name that RBAC knows them by.")
    uid: str | None = strawberry.field(description="What their authenticator identifies them by, if it says so.")
    groups: list[str] = strawberry.field(description="The groups that RBAC knows them by, sorted.")
    extra: list[UserExtra] = strawberry.field(description="What else their authenticator says of them.")
    lists: list[KindRights] = strawberry.field(
        resolver=_lists,
        metadata=needing(_lists_needs),
        description=(
            "What they may list, kind by kind. Starts the watch of no kind. Costs one review per kind, kept as those "
            "of lists are (a yes for 10 s), and more for `namespaces`."
        ),
    )
    can: Permission = strawberry.field(
        resolver=_can,
        metadata=needing(_can_needs),
        description=(
            "Whether they may do this, as the API server answers a SubjectAccessReview: to disable a button and say "
            "why. Costs a call to the API server for each different question that was not asked in the last seconds "
            "(a yes counts for 10 s, a no for 2 s); an operation may ask 50 of them (`limits.calls`)."
        ),
    )


def who_asks(info: GraphInfo) -> Me:
    identity = info.context.identity
    if identity is None:
        raise AssertionError("nobody has verified who asks")
    return Me(
        username=identity.username,
        uid=identity.uid or None,
        groups=list(identity.groups),
        extra=[UserExtra(key=key, values=list(values)) for key, values in identity.extra],
    )
