"""A LabelSelector (`matchLabels` and `matchExpressions`) in the one-line syntax of Kubernetes' selectors."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

from msgspec import Struct, field


class Requirement(Struct, frozen=True, gc=False):
    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class LabelSelector(Struct, frozen=True, gc=False):
    match_labels: Mapping[str, str] | None = field(name="matchLabels", default=None)
    match_expressions: list[Requirement] | None = field(name="matchExpressions", default=None)


def selector_text(selector: LabelSelector | None) -> str | None:
    """As `kubectl get -l` takes it: "app=web,tier in (a,b)". "" selects everything; None is no selector at all.

    As LabelSelectorAsSelector in k8s.io/apimachinery/pkg/apis/meta/v1/helpers.go reads it, and its String() writes it.
    """
    if selector is None:
        return None
    equal = [Requirement(key, "=", [value]) for key, value in (selector.match_labels or {}).items()]
    all_of = sorted((*equal, *(selector.match_expressions or ())), key=_KEY)
    return ",".join(map(_requirement_text, all_of))


_KEY: Final = attrgetter("key")


def _requirement_text(one: Requirement) -> str:
    match one.operator:
        case "Exists":
            return one.key
        case "DoesNotExist":
            return f"!{one.key}"
        case "In" | "NotIn":
            return f"{one.key} {one.operator.lower()} ({_values_text(one.values or ())})"
        case "=":
            return f"{one.key}={_values_text(one.values or ())}"
        case _:
            raise ValueError(f"`{one.operator[:64]}` is no operator of a label selector")


def _values_text(values: Sequence[str]) -> str:
    return ",".join(sorted(values))
