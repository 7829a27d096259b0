"""How far a workload is with its latest change, in the words of `kubectl rollout status`.

After pkg/polymorphichelpers/rollout_status.go of kubectl 1.37; what proves it:
tests/schema/sources/kubernetes/test_rollouts.py.
"""

from msgspec import Struct

from schema.sources.described import Described


class RolloutState(Described):
    """How far a workload is with its latest change."""

    COMPLETE = "COMPLETE", "All its pods are of the latest template, and available."
    UPDATING = "UPDATING", "Pods of the latest template are still to be made."
    TERMINATING = "TERMINATING", "Enough new pods are made; old ones still stand."
    WAITING = "WAITING", "The new pods are made; some of them are not ready or not available yet."
    UNOBSERVED = "UNOBSERVED", "Its controller has not looked at the latest change yet."
    STALLED = "STALLED", "It has made no progress for longer than its progress deadline."
    MANUAL = "MANUAL", "Its strategy is OnDelete: pods are replaced when somebody deletes them."


class Rollout(Struct, frozen=True, gc=False):
    """`text` is kubectl's sentence."""

    state: RolloutState
    text: str


class DeploymentProgress(Struct, frozen=True, gc=False):
    name: str
    observed: bool
    stalled: bool
    desired: int
    made: int
    updated: int
    available: int


def deployment_rollout(seen: DeploymentProgress) -> Rollout:
    waiting = f'Waiting for deployment "{seen.name}" rollout to finish:'
    if not seen.observed:
        return Rollout(RolloutState.UNOBSERVED, "Waiting for deployment spec update to be observed...")
    if seen.stalled:
        return Rollout(RolloutState.STALLED, f'deployment "{seen.name}" exceeded its progress deadline')
    if seen.updated < seen.desired:
        text = f"{waiting} {seen.updated} out of {seen.desired} new replicas have been updated..."
        return Rollout(RolloutState.UPDATING, text)
    if seen.made > seen.updated:
        text = f"{waiting} {seen.made - seen.updated} old replicas are pending termination..."
        return Rollout(RolloutState.TERMINATING, text)
    if seen.available < seen.updated:
        text = f"{waiting} {seen.available} of {seen.updated} updated replicas are available..."
        return Rollout(RolloutState.WAITING, text)
    return Rollout(RolloutState.COMPLETE, f'deployment "{seen.name}" successfully rolled out')


class DaemonSetProgress(Struct, frozen=True, gc=False):
    name: str
    rolling: bool
    observed: bool
    desired: int
    updated: int
    available: int


def daemon_set_rollout(seen: DaemonSetProgress) -> Rollout:
    waiting = f'Waiting for daemon set "{seen.name}" rollout to finish:'
    if not seen.rolling:
        return _MANUAL
    if not seen.observed:
        return Rollout(RolloutState.UNOBSERVED, "Waiting for daemon set spec update to be observed...")
    if seen.updated < seen.desired:
        text = f"{waiting} {seen.updated} out of {seen.desired} new pods have been updated..."
        return Rollout(RolloutState.UPDATING, text)
    if seen.available < seen.desired:
        text = f"{waiting} {seen.available} of {seen.desired} updated pods are available..."
        return Rollout(RolloutState.WAITING, text)
    return Rollout(RolloutState.COMPLETE, f'daemon set "{seen.name}" successfully rolled out')


class StatefulSetProgress(Struct, frozen=True, gc=False):
    """`partition` is None where the strategy says nothing of its rolling update, not even an empty object."""

    rolling: bool
    observed: bool
    desired: int
    ready: int
    current: int
    updated: int
    partition: int | None
    current_revision: str
    update_revision: str


def stateful_set_rollout(seen: StatefulSetProgress) -> Rollout:
    if not seen.rolling:
        return _MANUAL
    if not seen.observed:
        return Rollout(RolloutState.UNOBSERVED, "Waiting for statefulset spec update to be observed...")
    if seen.ready < seen.desired:
        return Rollout(RolloutState.WAITING, f"Waiting for {seen.desired - seen.ready} pods to be ready...")
    if seen.partition is not None:
        return _partitioned(seen, seen.desired - seen.partition)
    at = f"{seen.updated} pods at revision {seen.update_revision}..."
    if seen.update_revision != seen.current_revision:
        return Rollout(RolloutState.UPDATING, f"waiting for statefulset rolling update to complete {at}")
    at = f"{seen.current} pods at revision {seen.current_revision}..."
    return Rollout(RolloutState.COMPLETE, f"statefulset rolling update complete {at}")


def _partitioned(seen: StatefulSetProgress, wanted: int) -> Rollout:
    if seen.updated < wanted:
        text = (
            f"Waiting for partitioned roll out to finish: {seen.updated} out of {wanted} new pods have been updated..."
        )
        return Rollout(RolloutState.UPDATING, text)
    text = f"partitioned roll out complete: {seen.updated} new pods have been updated..."
    return Rollout(RolloutState.COMPLETE, text)


_MANUAL = Rollout(RolloutState.MANUAL, "rollout status is only available for RollingUpdate strategy type")
