"""What happens in a living cluster: pods replaced, containers restarted, probes failing for a while, heartbeats,
and what is told of all this.

One step is one write to the API. The sequence of steps follows from the world's seed alone, not from the clock, so that
two clusters of one seed go through the same states however fast they are driven.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from gateway.demo.happenings import SCHEDULER, Happening, happening
from gateway.demo.nodes import Node
from gateway.demo.pods import Pod, Situation
from gateway.demo.workloads import Controller
from gateway.demo.world import World

Step = Callable[[], None]

TICK_S = 0.05
"""Writes fall due in groups this far apart; finer would only cost wake-ups."""

FOLLOW_UPS = 40
"""Begun stories (a pod being replaced takes seven writes) before they are rather ended than new ones begun."""

MOST_EVENTS = 1_000
"""Kept of those told along the way; about as many as there are in the hour after which Kubernetes forgets them. By
number, not by age: the sequence of steps must not depend on the clock."""

_STABLE = frozenset({Situation.RUNNING, Situation.UNREADY})


class Churn:
    def __init__(self, world: World) -> None:
        self._world = world
        self._pods = [
            (pod.namespace, pod.name)
            for pod in world.storage.all("pods")
            if isinstance(pod, Pod) and pod.workload.controller is Controller.DEPLOYMENT and pod.situation in _STABLE
        ]
        self._crashing = [
            (pod.namespace, pod.name)
            for pod in world.storage.all("pods")
            if isinstance(pod, Pod) and pod.situation is Situation.CRASHING
        ]
        self._nodes = [node.name for node in world.storage.all("nodes") if isinstance(node, Node) and node.ready]
        # Of what goes on as long as its pod is as it is, by namespace and name.
        self._lasting = [
            (event.namespace, event.name)
            for event in world.storage.all("events")
            if isinstance(event, Happening) and event.lasting
        ]
        self._told: deque[tuple[str, str]] = deque()
        self._begun: deque[Step] = deque()

    async def run(self, changes_per_second: float) -> None:
        """Step at that rate until cancelled."""
        loop = asyncio.get_running_loop()
        started, done = loop.time(), 0
        while True:
            await asyncio.sleep(max(TICK_S, 1 / changes_per_second))
            due = int((loop.time() - started) * changes_per_second)
            # What a long pause of the process left undone is skipped: a burst would not look like a cluster.
            for _ in range(min(due - done, int(changes_per_second) + 1)):
                self.step()
            done = due

    def step(self) -> None:
        """One write."""
        random = self._world.random
        if self._begun and (len(self._begun) >= FOLLOW_UPS or random.random() < 0.6):
            self._begun.popleft()()
            return
        if len(self._told) > MOST_EVENTS:
            self._world.storage.delete("events", *self._told.popleft())
            return
        stories = (self._replace, self._fail_probe, self._restart, self._tell_again, self._heartbeat)
        random.choices(stories, (4, 3, 2, 2, 1))[0]()

    def _replace(self) -> None:
        """A pod is deleted and its controller makes another: terminating, new, bound, running, gone; and it is told."""
        old = self._any(self._pods)
        if old is None:
            self._heartbeat()
            return
        self._pods.remove((old.namespace, old.name))
        world, now = self._world, int(self._world.now())
        self._put(msgspec.structs.replace(old, deleted=now + 30))
        container = old.workload.containers[0].name
        killing = ("Normal", "Killing", f"Stopping container {container}", "kubelet")
        new = Pod(
            workload=old.workload,
            name=world.name(old.workload),
            uid=world.uid(),
            created=now,
            situation=Situation.STARTING,
            since=now,
            restarts=(0,) * len(old.restarts),
        )
        node = world.random.choice(world.workers)
        scheduled = ("Normal", "Scheduled", f"Successfully assigned {new.namespace}/{new.name} to {node}", SCHEDULER)
        self._begun.extend(
            (
                lambda: self._tell(old, killing),
                lambda: self._put(new),
                lambda: self._put(world.placed(new, node, Situation.STARTING)),
                lambda: self._tell(new, scheduled),
                lambda: self._start(world.placed(new, node, Situation.RUNNING)),
                lambda: self._delete(old),
            )
        )

    def _start(self, pod: Pod) -> None:
        if self._current(pod.namespace, pod.name) is None:
            self._heartbeat()
            return
        self._put(pod)
        self._pods.append((pod.namespace, pod.name))

    def _fail_probe(self) -> None:
        pod = self._any(self._pods)
        if pod is None or pod.situation is not Situation.RUNNING:
            self._heartbeat()
            return
        self._put(msgspec.structs.replace(pod, situation=Situation.UNREADY, since=int(self._world.now())))
        failed = ("Warning", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "kubelet")
        self._begun.append(lambda: self._tell(pod, failed))
        self._begun.append(lambda: self._recover(pod.namespace, pod.name))

    def _recover(self, namespace: str, name: str) -> None:
        pod = self._current(namespace, name)
        if pod is None or pod.deleted:
            self._heartbeat()
            return
        self._put(msgspec.structs.replace(pod, situation=Situation.RUNNING, since=int(self._world.now())))

    def _restart(self) -> None:
        """A crashing container runs once more; soon it will have crashed again."""
        pod = self._any(self._crashing)
        if pod is None or pod.situation is not Situation.CRASHING:
            self._heartbeat()
            return
        restarts = (pod.restarts[0] + 1, *pod.restarts[1:])
        now = int(self._world.now())
        running = msgspec.structs.replace(pod, situation=Situation.RUNNING, restarts=restarts, since=now)
        self._put(running)
        self._begun.append(lambda: self._crash(running))

    def _crash(self, pod: Pod) -> None:
        if self._current(pod.namespace, pod.name) is None:
            self._heartbeat()
            return
        self._put(msgspec.structs.replace(pod, situation=Situation.CRASHING, since=int(self._world.now())))

    def _tell(self, pod: Pod, told: tuple[str, str, str, str]) -> None:
        event = happening(pod, self._world.uid(), told, int(self._world.now()))
        self._told.append((event.namespace, event.name))
        self._world.storage.put("events", event)

    def _tell_again(self) -> None:
        """What still goes on is seen once more."""
        if not self._lasting:
            self._heartbeat()
            return
        stored = self._world.storage.get("events", *self._world.random.choice(self._lasting))
        event = stored.object if stored is not None else None
        if not isinstance(event, Happening) or self._current(event.namespace, event.pod["name"]) is None:
            self._heartbeat()  # the pod has been replaced since, or somebody wrote over its event
            return
        self._world.storage.put("events", event.again(int(self._world.now())))

    def _heartbeat(self) -> None:
        node = self._world.node(self._world.random.choice(self._nodes))
        self._world.storage.put("nodes", msgspec.structs.replace(node, heard=int(self._world.now())))

    def _put(self, pod: Pod) -> None:
        self._world.storage.put("pods", pod)

    def _delete(self, pod: Pod) -> None:
        if self._current(pod.namespace, pod.name) is None:
            self._heartbeat()  # somebody else deleted it meanwhile
            return
        self._world.storage.delete("pods", pod.namespace, pod.name)

    def _any(self, keys: list[tuple[str, str]]) -> Pod | None:
        return self._current(*self._world.random.choice(keys)) if keys else None

    def _current(self, namespace: str, name: str) -> Pod | None:
        stored = self._world.storage.get("pods", namespace, name)
        return stored.object if stored is not None and isinstance(stored.object, Pod) else None
