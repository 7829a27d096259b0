"""The schema as a whole: what is committed, what is described, what must never be."""

import inspect
from collections.abc import Iterator
from importlib.metadata import distribution, distributions
from pathlib import Path

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLNonNull, GraphQLObjectType, build_schema
from strawberry.types.field import StrawberryField

from schema.schema import describe, print_sdl
from schema.sources.kubernetes.kinds import KINDS, STANDING
from schema.sources.prometheus.catalogue import MetricName

ROOT = Path(__file__).parents[2]
SDL = ROOT / "schema" / "schema.graphql"


def types() -> Iterator[GraphQLObjectType | GraphQLInputObjectType | GraphQLEnumType]:
    for kind in build_schema(print_sdl()).type_map.values():
        if not kind.name.startswith("__") and isinstance(
            kind, GraphQLObjectType | GraphQLInputObjectType | GraphQLEnumType
        ):
            yield kind


def test_the_committed_schema_is_the_one_that_is_served():
    """Frontend teams generate code from schema.graphql; `make schema` writes it."""
    assert SDL.read_text() == print_sdl()


def test_everything_is_described():
    """Every type, field, argument and enum value says what it is."""
    silent = [kind.name for kind in types() if not kind.description]
    for kind in types():
        members = kind.values if isinstance(kind, GraphQLEnumType) else kind.fields
        silent += [f"{kind.name}.{name}" for name, member in members.items() if not member.description]
        if isinstance(kind, GraphQLObjectType):
            silent += [
                f"{kind.name}.{name}({argument}:)"
                for name, field in kind.fields.items()
                for argument, value in field.args.items()
                if not value.description
            ]
    assert silent == []


def test_no_resolver_waits():
    """Everything that waits does so in gather: an async resolver would cost every row, and could see half a change."""
    waiting = []
    for kind in describe()._schema.type_map.values():
        for name, field in getattr(kind, "fields", {}).items():
            definition = field.extensions.get("strawberry-definition")
            if isinstance(definition, StrawberryField) and definition.base_resolver is not None:
                function = definition.base_resolver.wrapped_func
                if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                    waiting.append(f"{kind.name}.{name}")
    assert waiting == []


def test_what_is_behind_a_right_or_another_system_can_be_null():
    """A missing right or a failing source costs its field, never the answer."""
    fields = {
        f"{kind.name}.{name}": field
        for kind in types()
        if isinstance(kind, GraphQLObjectType)
        for name, field in kind.fields.items()
    }
    behind = ["Query.nodes", "Query.node", "Query.pods", "Query.pod", "Node.pods", "Node.podCount", "Pod.node"]
    behind += ["Node.requested", "Node.limits", "Node.available"]
    behind += ["Cluster.version", "Cluster.nodeCount", "Cluster.podCount", "Metric.value"]

    assert [name for name in behind if isinstance(fields[name].type, GraphQLNonNull)] == []


def test_bytes_are_never_int():
    """GraphQL's Int ends at 2 GiB."""
    (resources,) = [kind for kind in types() if kind.name == "NodeResources"]
    assert isinstance(resources, GraphQLObjectType)

    assert str(resources.fields["memory"].type) == "Bytes!"
    assert str(resources.fields["ephemeralStorage"].type) == "Bytes"


def test_every_metric_has_one_unit():
    """A value without its unit says nothing."""
    assert all(name.unit for name in MetricName)


def test_no_dependency_takes_a_name_of_ours():
    """The packages' names are general: a distribution with a top-level `schema`, say, would shadow ours."""
    ours = {"gateway", "schema", "auth", "deploy", "tests"}
    clashes = {
        f"{installed.name}: {path}"
        for installed in distributions()
        if installed.name != distribution("binnacle").name
        for path in installed.files or ()
        if path.parts[0].removesuffix(".py") in ours
    }
    assert clashes == set()


def test_each_kind_says_where_it_is_from_and_how_long_it_is_watched():
    """GraphiQL's pages read like a manual: whose objects these are, and since when the gateway knows of them."""
    core = describe()._schema
    for kind in KINDS.values():
        description = core.type_map[kind.kind].description or ""
        assert "From the API server's " in description, kind.kind
        assert ("which the gateway watches from the first question on" in description) == (kind not in STANDING)
