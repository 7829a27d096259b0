"""Scalars for what GraphQL has no type for. Both are written as they arrive: no conversion per value."""

from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

Bytes = NewType("Bytes", int)
DateTime = NewType("DateTime", str)

SCALARS: dict[object, ScalarDefinition] = {
    Bytes: strawberry.scalar(
        name="Bytes",
        description=(
            "A number of bytes: a JSON integer that may exceed 32 bits, which GraphQL's Int cannot hold "
            "(it stays exact in JavaScript up to 2^53, eight pebibytes)."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=int,
        parse_value=int,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description=(
            "A moment in UTC as Kubernetes writes it, by RFC 3339: 2026-11-24T09:30:00Z, mostly to the second; "
            "events may say microseconds."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=str,
        parse_value=str,
    ),
}
