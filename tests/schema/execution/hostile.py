"""The worst documents known: short to write, and expensive for a server that follows them."""

from typing import Final

LARGE: Final = 300


def doubling(count: int, selection: str = "cluster { version }") -> str:
    """`count` fragments, each spreading the next one twice: 2^count times `selection`."""
    return _fragments("Query", count, "...F{next} ...F{next}", selection)


def aliased_fan_out(count: int) -> str:
    """`count` fragments, each selecting two lists of the next: 2^count lists, at a real depth of twice that."""
    inside = "a: node {{ pods {{ ...F{next} }} }} b: node {{ pods {{ ...F{next} }} }}"
    document = _fragments("Pod", count, inside, "name")
    return document.replace("{ ...F0 }", "{ pods { ...F0 } }", 1)


def chained(count: int) -> str:
    """`count` fragments, each spreading the next one once: recursion without depth."""
    return _fragments("Query", count, "...F{next}", "cluster { version }")


def _fragments(on: str, count: int, body: str, last: str) -> str:
    links = [f"fragment F{index} on {on} {{ {body.format(next=index + 1)} }}" for index in range(count)]
    return "\n".join(["{ ...F0 }", *links, f"fragment F{count} on {on} {{ {last} }}"])


def with_numbers(template: str, count: int) -> str:
    return " ".join(template.format(index) for index in range(count))


# What is refused, and the key of the limit that refuses it; "" where graphql-core's own rules do.
REFUSED: Final[dict[str, tuple[str, str]]] = {
    "doubling fragments": (doubling(22), "root_fields"),
    "doubling to a number with hundreds of bits": (doubling(95), "root_fields"),
    "aliased fan-out through fragments": (aliased_fan_out(14), "depth"),
    "aliased fan-out at the root": (f"{{ {with_numbers('a{0}: nodes {{ name }}', LARGE)} }}", "root_fields"),
    "aliased fan-out below": (f"{{ nodes {{ {with_numbers('a{0}: pods {{ name }}', LARGE)} }} }}", "aliases"),
    "one field 300 times": (f"{{ {'cluster { version }' * LARGE} }}", "root_fields"),
    "one list 40 times": (f"{{ {'nodes { name pods { name } }' * 40} }}", "validation_budget"),
    "one field 300 times below": (f"{{ nodes {{ {'pods { name }' * LARGE} }} }}", "validation_budget"),
    "2,000 directives on one field": (
        f"{{ cluster {{ version {'@include(if: true) ' * 500} }} }}",
        "directives_per_field",
    ),
    "directives everywhere": (f"{{ nodes {{ {with_numbers('name @skip(if: false)', 101)} }} }}", "directives"),
    "34,000 bytes of directives": (f"{{ cluster {{ version {'@include(if: true) ' * 2000} }} }}", "tokens"),
    "nesting 800 deep": ("{ nodes " * 800 + "}" * 800, ""),
    "nesting 16 deep": ("{ nodes " + "{ pods { node " * 8 + "{ name }" + "} }" * 8 + "}", "depth"),
    "inline fragments 300 deep": ("{ " + "... { " * 300 + "cluster { version }" + " }" * 300 + " }", ""),
    "a list literal 500 deep": ("{ nodes(filter: " + "[" * 500 + "]" * 500 + ") { name } }", ""),
    "circular fragments": ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", ""),
    "a fragment in itself": ("{ ...A } fragment A on Query { ...A cluster { version } }", ""),
    "a chain of 101 fragments": (chained(101), "definitions"),
    "an unknown fragment": ("{ ...Nobody }", ""),
    "introspection 6 types deep": (
        "{ __schema { types " + "{ fields { type " * 6 + "{ name }" + "} }" * 6 + "} }",
        "",
    ),
    "introspection 21 deep": (
        '{ __type(name: "Pod") ' + "{ ofType " * 20 + "{ name }" + "}" * 20 + " }",
        "introspection_depth",
    ),
    "introspection doubling at the root": (doubling(10, '__type(name: "Pod") { name }'), "root_fields"),
    "introspection doubling below": (
        doubling(10, "name")
        .replace("on Query", "on __Type")
        .replace("{ ...F0 }", "{ __schema { types { ...F0 } } }", 1),
        "introspection_fields",
    ),
    "comments": ("# nothing\n" * 10_000 + "{ cluster { version } }", "document_bytes"),
    "a huge integer": (f"{{ nodes(filter: {{ name: {'9' * 5000} }}) {{ name }} }}", ""),
    "101 operations": (with_numbers("query Q{0} {{ cluster {{ version }} }}", 101), "definitions"),
}
