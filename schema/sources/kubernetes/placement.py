"""Taints and tolerations: which pods a node turns away, and which of that a pod puts up with."""

from msgspec import Struct, field

from schema.sources.described import Described


class TaintEffect(Described):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NO_SCHEDULE", "No new ones are placed on the node; those on it stay."
    PREFER_NO_SCHEDULE = "PREFER_NO_SCHEDULE", "The scheduler avoids the node for them, if there is another."
    NO_EXECUTE = "NO_EXECUTE", "No new ones are placed on the node, and those on it are evicted."
    OTHER = "OTHER", "Something that Kubernetes did not know when this was written (1.37)."


_EFFECTS = {
    "NoSchedule": TaintEffect.NO_SCHEDULE,
    "PreferNoSchedule": TaintEffect.PREFER_NO_SCHEDULE,
    "NoExecute": TaintEffect.NO_EXECUTE,
}


def _effect(said: str) -> TaintEffect:
    return _EFFECTS.get(said, TaintEffect.OTHER)


class WireTaint(Struct, frozen=True, gc=False):
    key: str
    effect: str = ""
    value: str | None = None
    time_added: str | None = field(name="timeAdded", default=None)


class Taint(Struct, frozen=True, gc=False):
    """`since` is RFC 3339, None where nobody noted it."""

    key: str
    value: str
    effect: TaintEffect
    since: str | None


def taints(said: list[WireTaint] | None) -> tuple[Taint, ...]:
    return tuple(Taint(one.key, one.value or "", _effect(one.effect), one.time_added) for one in said or ())


class WireToleration(Struct, frozen=True, gc=False):
    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    seconds: int | None = field(name="tolerationSeconds", default=None)


class Toleration(Struct, frozen=True, gc=False):
    """`key` and `effect` are None where it holds for all of them; `seconds` where it holds for ever."""

    key: str | None
    operator: str
    value: str | None
    effect: TaintEffect | None
    seconds: int | None


def tolerations(said: list[WireToleration] | None) -> tuple[Toleration, ...]:
    return tuple(
        Toleration(
            one.key or None,
            one.operator or "Equal",  # Kubernetes' own default
            one.value or None,
            _effect(one.effect) if one.effect else None,
            one.seconds,
        )
        for one in said or ()
    )
