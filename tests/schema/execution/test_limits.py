"""What a document may ask for is measured exactly, in time that grows with its length alone."""

import time

import pytest
from graphql import GraphQLError, get_introspection_query
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import ClientError
from schema.execution.limits import IntrospectionDisabled, LimitExceeded, Limits
from schema.execution.prepare import Documents
from schema.execution.settings import LimitSettings
from schema.schema import describe
from tests.schema.execution.hostile import REFUSED, chained, doubling

SCHEMA = describe()
README = """
{ cluster { version nodeCount podCount }
  nodes { name ready roles pods { name namespace phase ready restarts
          metrics(names: [CPU_USAGE, MEMORY_USAGE]) { name value unit } } } }
"""


def refusals(text: str, **limits: int | bool) -> tuple[GraphQLError, ...]:
    try:
        return Documents(Limits(LimitSettings(**limits))).prepare(SCHEMA, text).errors
    except GraphQLError as error:
        return (error,)


def refusal(text: str, **limits: int | bool) -> GraphQLError:
    (error,) = refusals(text, **limits)
    assert isinstance(error if isinstance(error, ClientError) else error.original_error, LimitExceeded), error
    return error


@pytest.mark.parametrize(("text", "exceeded"), REFUSED.values(), ids=REFUSED)
def test_the_worst_documents_known_are_refused(text, exceeded):
    """By our limit, or by graphql-core's own rules where those are linear."""
    errors = refusals(text)

    assert errors
    assert {(error.extensions or {}).get("exceeded", "") for error in errors} == {exceeded}


@pytest.mark.parametrize("text", [text for text, _ in REFUSED.values()], ids=REFUSED)
def test_each_is_refused_within_the_time_that_its_length_allows(text):
    """Processor time of this thread, best of three; the doubling ones took seconds with rules that follow spreads."""
    took = []
    for _ in range(3):
        before = time.thread_time()
        refusals(text)
        took.append(time.thread_time() - before)

    assert min(took) < 0.15


@pytest.mark.parametrize(
    "text",
    [README, get_introspection_query(), get_introspection_query(input_value_deprecation=True, specified_by_url=True)],
    ids=["the README's query", "introspection", "GraphiQL's introspection"],
)
def test_what_people_ask_passes_with_the_defaults(text):
    """A dashboard's query and a tool's introspection are nowhere near a limit."""
    assert refusals(text) == ()


ALIASED = " ".join(f"a{index:02}: name" for index in range(31))  # 93 tokens
ONE_OVER = [
    ("document_bytes", 1_024, "{ cluster { version } }".ljust(1_024), "{ cluster { version } }".ljust(1_025), None),
    ("tokens", 100, f"{{ nodes {{ {ALIASED} name name }} }}", f"{{ nodes {{ {ALIASED} name name name }} }}", (1, 338)),
    ("definitions", 3, chained(1), chained(2), (4, 1)),
    ("depth", 3, "{ nodes { pods { name } } }", "{ nodes { pods { node { name } } } }", (1, 25)),
    (
        "root_fields",
        2,
        "{ nodes { name } cluster { version } }",
        "{ a: __typename b: __typename c: __typename }",
        (1, 1),
    ),
    ("fields", 2, "{ nodes { name } }", "{ nodes { name ready } }", (1, 1)),
    ("fields", 8, doubling(2), doubling(3), (1, 3)),
    ("selections", 3, "{ ... { nodes { name } } }", "{ ... { ... { nodes { name } } } }", (1, 1)),
    ("aliases", 1, "{ a: nodes { name } }", "{ a: nodes { b: name } }", (1, 1)),
    ("directives", 1, "{ cluster { version @skip(if: true) } }", "{ a @skip(if: true) b @skip(if: true) }", (1, 23)),
    (
        "directives_per_field",
        1,
        "{ cluster @skip(if: true) { version } }",
        "{ cluster @skip(if: true) @include(if: true) { version } }",
        (1, 27),
    ),
    (
        "introspection_depth",
        2,
        "{ __schema { description } }",
        "{ __schema { types { name } } }",
        (1, 22),
    ),
    (
        "introspection_fields",
        2,
        "{ __schema { description } cluster { version } }",
        "{ __schema { description __typename } }",
        (1, 1),
    ),
]


@pytest.mark.parametrize(("name", "limit", "within", "above", "place"), ONE_OVER)
def test_each_limit_refuses_one_over_and_says_which_how_much_and_where(name, limit, within, above, place):
    """At the limit a document passes; above it one error names limit, value and place."""
    assert refusals(within, **{name: limit}) == ()

    error = refusal(above, **{name: limit})

    extensions = error.extensions or {}
    assert (extensions["code"], extensions["exceeded"], extensions["limit"]) == ("LIMIT_EXCEEDED", name, limit)
    assert extensions["got"] > limit
    assert f"limits.{name}" in error.message
    assert (error.locations and tuple(error.locations[0])) == place


def test_what_a_document_unfolds_to_is_counted_exactly():
    """2^22 cluster fields with a version each, from 900 bytes."""
    error = refusal(doubling(22), root_fields=10_000)

    assert (error.extensions or {})["got"] == 2**22


def test_a_number_too_large_for_clients_is_told_as_the_largest_that_they_can_read():
    """JSON numbers are exact up to 2^53 - 1; the answer must be encodable at all."""
    error = refusal(doubling(95))

    assert (error.extensions or {})["got"] == 2**53 - 1
    assert "more than 9,007,199,254,740,991" in error.message


def test_introspection_can_be_switched_off():
    """Neither `__schema` nor `__type` is answered then, wherever they hide; `__typename` always is."""
    hidden = '{ ...A } fragment A on Query { ... { a: __type(name: "Pod") { name } } }'
    for text in ("{ __schema { types { name } } }", hidden):
        (error,) = refusals(text, introspection=False)
        assert isinstance(error, IntrospectionDisabled)
    assert refusals("{ __typename cluster { version } }", introspection=False) == ()


def test_a_tools_introspection_does_not_count_as_fields_of_the_graph():
    """It has a budget of its own: tight limits for questions about the cluster leave the explorer working."""
    assert refusals(get_introspection_query(), fields=10, depth=3, root_fields=1) == ()


@given(st.recursive(st.just("name"), lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=40))
def test_the_measure_agrees_with_counting_one_by_one(tree):
    """Fields written out, and the same fields hidden in fragments, come to the same number."""
    fragments: list[str] = []

    def written(node) -> str:
        return "name" if node == "name" else f"node {{ pods {{ {' '.join(map(written, node))} }} }}"

    def hidden(node) -> str:
        if node == "name":
            return "name"
        name = f"F{len(fragments)}"
        fragments.append("")
        body = " ".join(map(hidden, node))
        fragments[int(name[1:])] = f"fragment {name} on Pod {{ node {{ pods {{ {body} }} }} }}"
        return f"...{name}"

    wide = Limits(LimitSettings(definitions=1_000, depth=200))
    plain = wide.parse(f"{{ pods {{ {written(tree)} }} }}").fields
    folded = wide.parse(f"{{ pods {{ {hidden(tree)} }} }} {' '.join(fragments)}").fields

    assert plain == folded == 1 + written(tree).replace("{", "").replace("}", "").split().__len__()
