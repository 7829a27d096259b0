"""A pod in the words of `kubectl get pods`: READY, STATUS and RESTARTS.

They are the API server's words, in fact: `printPod` in pkg/printers/internalversion/printers.go of Kubernetes 1.37,
followed step by step. Where a container completed and another failed, servers before 1.36 print `Completed`; this
prints the failure. What proves it: tests/schema/sources/kubernetes/test_words_against_api_server.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from schema.sources.kubernetes.durations import human_duration
from schema.sources.kubernetes.wire import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    PodSpec,
    PodStatus,
    Terminated,
    is_true,
    says,
)

NODE_LOST: Final = "NodeLost"  # a pod's reason when nobody hears of its node
_TERMINAL: Final = frozenset({"Succeeded", "Failed"})
_GATED: Final = "SchedulingGated"
_UNSTATED: Final = ContainerState()


class Restarts(Struct, frozen=True, gc=False):
    """How often, and when the last of them was (RFC 3339; "" if nobody knows)."""

    count: int = 0
    last: str = ""

    def with_those_of(self, status: ContainerStatus) -> "Restarts":
        ended = status.last_state.terminated if status.last_state else None
        if ended is None and not status.restart_count:
            return self  # most containers, most of the time
        last = (ended.finished_at or "") if ended else ""
        return Restarts(self.count + status.restart_count, max(self.last, last))


_NO_RESTARTS: Final = Restarts()


class PodWords(Struct, frozen=True, gc=False):
    """READY is `ready`/`total`, STATUS is `status`, RESTARTS is `restarts` (see `restarts_text`)."""

    status: str
    ready: int
    total: int
    restarts: Restarts


def restarts_text(count: int, last: float | None, now: float) -> str:
    """RESTARTS as kubectl prints it: "3 (5m ago)"; moments in seconds since 1970."""
    return f"{count} ({human_duration(now - last)} ago)" if count and last is not None else str(count)


def pod_words(spec: PodSpec, status: PodStatus, *, deleted: bool) -> PodWords:
    """`deleted`: its deletion was asked for (it has a deletionTimestamp).

    Sidecars (init containers that always restart) count like containers. Other init containers are in neither number
    of READY, and their restarts are shown only while the pod initialises: then nobody else's are.
    """
    inits = spec.init_containers or ()
    sidecars = frozenset(container.name for container in inits if container.sidecar)
    words = PodWords(_reason(status), 0, len(spec.containers or ()) + len(sidecars), _NO_RESTARTS)
    initializing, words, sidecar_restarts = _initialization(inits, sidecars, status, words)
    if not initializing or is_true(status.conditions, "Initialized"):
        words = _running(status, replace(words, restarts=sidecar_restarts))
    if deleted and status.reason == NODE_LOST:
        return replace(words, status="Unknown")
    if deleted and status.phase not in _TERMINAL:
        return replace(words, status="Terminating")
    return words


def _reason(status: PodStatus) -> str:
    if says(status.conditions, "PodScheduled", reason=_GATED):
        return _GATED
    return status.reason or status.phase


def _initialization(
    inits: Sequence[Container], sidecars: frozenset[str], status: PodStatus, words: PodWords
) -> tuple[bool, PodWords, Restarts]:
    """Whether an init container holds up the pod, the words if one does, and the restarts of sidecars so far."""
    restarts = sidecar_restarts = _NO_RESTARTS
    ready = 0
    for position, init in enumerate(status.init_container_statuses or ()):
        is_sidecar = init.name in sidecars
        restarts = restarts.with_those_of(init)
        if is_sidecar:
            sidecar_restarts = sidecar_restarts.with_those_of(init)
        state = init.state or _UNSTATED
        if state.terminated and state.terminated.exit_code == 0:
            continue
        if is_sidecar and init.started:
            ready += init.ready
            continue
        reason = f"Init:{_init_reason(state) or f'{position}/{len(inits)}'}"
        return True, replace(words, status=reason, ready=ready, restarts=restarts), sidecar_restarts
    return False, replace(words, ready=ready, restarts=restarts), sidecar_restarts


def _init_reason(state: ContainerState) -> str:
    """Why the init container at work is not done; "" if it simply is not."""
    if state.terminated:
        return _ended(state.terminated)
    waiting = state.waiting.reason if state.waiting else ""
    return "" if waiting == "PodInitializing" else waiting


def _ended(how: Terminated) -> str:
    return how.reason or (f"Signal:{how.signal}" if how.signal else f"ExitCode:{how.exit_code}")


def _running(status: PodStatus, words: PodWords) -> PodWords:
    """The words once the pod is initialised: the first container that has something to say says it."""
    reason, ready, restarts, error, runs = words.status, words.ready, words.restarts, "", False
    for container in reversed(status.container_statuses or ()):
        restarts = restarts.with_those_of(container)
        state = container.state or _UNSTATED
        if state.waiting and state.waiting.reason:
            reason = state.waiting.reason
        elif state.terminated:
            reason = _ended(state.terminated)
            error = reason if state.terminated.exit_code else error
        elif container.ready and state.running:
            runs = True
            ready += 1
    if reason == "Completed":
        reason = _beside_a_completed_one(error, runs=runs, ready=is_true(status.conditions, "Ready"))
    return replace(words, status=reason, ready=ready, restarts=restarts)


def _beside_a_completed_one(error: str, *, runs: bool, ready: bool) -> str:
    if runs and ready:
        return "Running"
    return error or ("NotReady" if runs else "Completed")


def node_status(conditions: Iterable[Condition] | None, *, unschedulable: bool) -> str:
    """STATUS of `kubectl get nodes` (`printNode`)."""
    said: Mapping[str, str] = {condition.type: condition.status for condition in conditions or ()}
    ready = {None: "Unknown", "True": "Ready"}.get(said.get("Ready"), "NotReady")
    return f"{ready},SchedulingDisabled" if unschedulable else ready
