"""The simulated cluster's first state, made from a seed: nodes, namespaces, workloads, their pods, and their troubles.

The same seed and sizes give the same cluster: names, uids, placement, situations. Only its times move along: they are
counted back from the moment it is made, so that ages look as they should whenever it is started.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from gateway.demo import workloads
from gateway.demo.controllers import load_controllers, uids
from gateway.demo.nodes import Node
from gateway.demo.objects import Namespace, Service, address
from gateway.demo.pods import Pod, Situation
from gateway.demo.resources import RESOURCES
from gateway.demo.specs import Workload, shared_spec
from gateway.demo.storage import Storage
from gateway.demo.workloads import Blueprint, Controller

KINDS = tuple(name for _, name in RESOURCES)

DAY = 86_400
CLUSTER_AGE = 47 * DAY
NODE_NETWORK = "172.20.0.0"
POD_NETWORK = "10.128.0.0"
POD_ADDRESSES = 1024  # of each node: a /22
SERVICE_NETWORK = "10.96.0.0"
GIB = 2**30

# Letters and digits of Kubernetes' generated names: no vowels, nothing that looks like something else.
SAFE = "bcdfghjklmnpqrstvwxz2456789"

INSTANCE_TYPES = (
    ("standard-4", 4, 16),
    ("standard-8", 8, 32),
    ("standard-16", 16, 64),
    ("standard-32", 32, 128),
    ("standard-64", 64, 256),
    ("standard-96", 96, 384),
)
"""Name, cores, GiB of memory."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What a pod is in, and how often its containers were restarted (nothing: never)."""

    situation: Situation = Situation.RUNNING
    restarts: tuple[int, ...] = ()


WELL = Fate()
TROUBLES: tuple[tuple[Blueprint, Fate], ...] = (
    (workloads.RECOMMENDATIONS, Fate(Situation.CRASHING, (23, 0))),
    (workloads.CHECKOUT_CANARY, Fate(Situation.IMAGE_MISSING)),
    (workloads.FRAUD_MODEL, Fate(Situation.UNSCHEDULABLE)),
    (workloads.LEDGER_REPLAY, Fate(Situation.INIT_FAILING)),
    (workloads.NIGHTLY_SETTLEMENT, Fate(Situation.COMPLETED)),
    (workloads.INDEXER, Fate(Situation.EVICTED)),
    (workloads.CATALOG, Fate(Situation.UNREADY, (1, 0))),
    (workloads.CATALOG, Fate(Situation.RUNNING, (4, 0))),
    (workloads.INDEXER, WELL),
)
"""In every cluster that has room for them; in a large one, a round of them for every so many pods."""

PODS_PER_ROUND_OF_TROUBLES = 400
PODS_PER_PROGRESS = 10_000
EVICTION_NOTE = "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 8123Mi. "

Progress = Callable[[int, int], None]
"""Told now and then: pods made so far, pods to make."""


@dataclass(slots=True)
class World:
    """The cluster as somebody who changes it needs it: its storage, and what new objects are made of.

    Every draw comes from one `random.Random`, so the same steps in the same order make the same cluster.
    """

    storage: Storage
    random: Random
    now: Callable[[], float]
    workers: tuple[str, ...]
    """Workers that take new pods: ready and not cordoned."""
    next_address: dict[str, int]
    networks: Mapping[str, int]
    """Of each node: the number of its pod network."""

    def uid(self) -> str:
        return _uid(self.random)

    def name(self, workload: Workload) -> str:
        """A name for one more pod of a workload, as its controller would give it."""
        return f"{workload.owner_name}-{_suffix(self.random, 5)}"

    def address(self, node: str) -> str:
        """The next pod address of a node; they come around again after a thousand."""
        number = self.next_address.get(node, 0)
        self.next_address[node] = number + 1
        return address(POD_NETWORK, self.networks[node] * POD_ADDRESSES + 2 + number % (POD_ADDRESSES - 4))

    def node(self, name: str) -> Node:
        """KeyError where there is none."""
        stored = self.storage.get("nodes", "", name)
        if stored is None or not isinstance(stored.object, Node):
            raise KeyError(name)
        return stored.object

    def placed(self, pod: Pod, node: str, situation: Situation) -> Pod:
        """The pod, bound to a node and in that situation since now."""
        host = self.node(node)
        ip = host.ip if pod.workload.host_network else self.address(node)
        if situation in (Situation.STARTING, Situation.EVICTED):
            ip = ""
        return msgspec.structs.replace(
            pod, node_name=node, host_ip=host.ip, ip=ip, situation=situation, since=int(self.now())
        )


def build(
    *,
    nodes: int,
    pods_per_node: int,
    seed: int,
    now: Callable[[], float],
    progress: Progress | None = None,
) -> World:
    """A cluster of one control-plane node, `nodes - 1` workers and `nodes * pods_per_node` pods."""
    random = Random(seed)  # noqa: S311
    storage = Storage(KINDS)
    started = int(now())
    hosts = [_node(random, number, nodes, pods_per_node, started) for number in range(nodes)]
    blueprints = (*workloads.WORKLOADS, *workloads.team_workloads(nodes * pods_per_node))
    world = World(
        storage,
        random,
        now,
        tuple(host.name for host in hosts if not host.control_plane and host.ready and not host.unschedulable)
        or tuple(host.name for host in hosts),
        {},
        {host.name: number for number, host in enumerate(hosts)},
    )
    storage.load("nodes", hosts)
    storage.load("namespaces", _namespaces(random, blueprints, started))
    crew = _Crew(world, hosts, nodes * pods_per_node, progress)
    crew.run(blueprints)
    storage.load("services", _services(random, crew.workloads, started))
    storage.load("pods", crew.pods)
    load_controllers(storage, uids(Random(seed + 1)), crew.workloads, crew.pods, started)  # noqa: S311
    return world


def make_workload(random: Random, blueprint: Blueprint) -> Workload:
    """A workload with its controller's generated name, uid and labels."""
    template_hash = _suffix(random, 9)
    owner_uid = _uid(random)
    owner_name, labels = _owner(blueprint, template_hash, owner_uid)
    return Workload(
        namespace=blueprint.namespace,
        name=blueprint.name,
        controller=blueprint.controller,
        owner_name=owner_name,
        owner_uid=owner_uid,
        labels=labels,
        containers=blueprint.containers,
        init_containers=blueprint.init_containers,
        host_network=blueprint.host_network,
        spec=shared_spec(
            blueprint.name,
            blueprint.controller,
            blueprint.containers,
            blueprint.init_containers,
            host_network=blueprint.host_network,
        ),
    )


class _Crew:
    """Makes the pods of a new cluster, in one order, until there are as many as were asked for."""

    def __init__(self, world: World, hosts: Sequence[Node], wanted: int, progress: Progress | None) -> None:
        self.workloads: list[Workload] = []
        self.pods: list[Pod] = []
        self._world = world
        self._hosts = hosts
        self._started = int(world.now())
        self._wanted = wanted
        self._progress = progress
        self._turn = 0

    def run(self, blueprints: Sequence[Blueprint]) -> None:
        self._system_pods()
        self._troubled_pods()
        self._ordinary_pods(blueprints)

    def _system_pods(self) -> None:
        first = self._hosts[0]
        for blueprint in workloads.CONTROL_PLANE:
            self._add(self._workload(blueprint), f"{blueprint.name}-{first.name}", first, WELL)
        for blueprint in workloads.EVERY_NODE:
            workload = self._workload(blueprint)
            for host in self._hosts:
                self._add(workload, self._world.name(workload), host, WELL)

    def _troubled_pods(self) -> None:
        made: dict[Blueprint, Workload] = {}
        for _ in range(max(1, self._wanted // PODS_PER_ROUND_OF_TROUBLES)):
            for blueprint, fate in TROUBLES:
                if blueprint not in made:
                    made[blueprint] = self._workload(blueprint)
                host = None if fate.situation is Situation.UNSCHEDULABLE else self._next_host()
                self._add(made[blueprint], self._world.name(made[blueprint]), host, fate)

    def _ordinary_pods(self, blueprints: Sequence[Blueprint]) -> None:
        room = max(self._wanted - len(self.pods), 0)
        total = sum(blueprint.weight for blueprint in blueprints)
        replicas = [room * blueprint.weight // total for blueprint in blueprints]
        for position in range(room - sum(replicas)):  # what rounding left over
            replicas[position % len(replicas)] += 1
        for blueprint, count in zip(blueprints, replicas, strict=True):
            if count:
                self._replicas(self._workload(blueprint), count)

    def _replicas(self, workload: Workload, count: int) -> None:
        for number in range(count):
            stateful = workload.controller is Controller.STATEFUL_SET
            name = f"{workload.name}-{number}" if stateful else self._world.name(workload)
            restarts = tuple(self._some_restarts() for _ in workload.containers)
            self._add(workload, name, self._next_host(), Fate(Situation.RUNNING, restarts))

    def _add(self, workload: Workload, name: str, host: Node | None, fate: Fate) -> None:
        if len(self.pods) >= self._wanted:
            return
        created = self._created(workload, host)
        pod = Pod(
            workload=workload,
            name=name,
            uid=self._world.uid(),
            created=created,
            situation=fate.situation,
            since=self._started - 140 if any(fate.restarts) else min(created + 20, self._started),
            restarts=fate.restarts or (0,) * len(workload.containers),
            note=_note(fate.situation, len(self._hosts)),
        )
        self.pods.append(pod if host is None else self._on(pod, host))
        if self._progress and len(self.pods) % PODS_PER_PROGRESS == 0:
            self._progress(len(self.pods), self._wanted)

    def _on(self, pod: Pod, host: Node) -> Pod:
        ip = host.ip if pod.workload.host_network else self._world.address(host.name)
        lost = not host.ready and pod.situation is Situation.RUNNING
        return msgspec.structs.replace(
            pod,
            node_name=host.name,
            host_ip=host.ip,
            ip="" if pod.situation is Situation.EVICTED else ip,
            situation=Situation.NODE_LOST if lost else pod.situation,
            since=host.since if lost else pod.since,
        )

    def _created(self, workload: Workload, host: Node | None) -> int:
        """The system's pods are as old as their node; others from five minutes to a month, most of them young."""
        if host is not None and workload.controller in (Controller.STATIC, Controller.DAEMON_SET):
            return host.created + 40
        return self._started - int(300 * math.pow(8_640, self._world.random.random()))

    def _next_host(self) -> Node:
        """Workers in turn; a cluster of one node runs everything on it."""
        workers = self._hosts[1:] or self._hosts
        self._turn += 1
        return workers[self._turn % len(workers)]

    def _workload(self, blueprint: Blueprint) -> Workload:
        workload = make_workload(self._world.random, blueprint)
        self.workloads.append(workload)
        return workload

    def _some_restarts(self) -> int:
        return self._world.random.choice((1, 1, 2, 3)) if self._world.random.random() < 0.05 else 0


def _note(situation: Situation, nodes: int) -> str:
    if situation is Situation.EVICTED:
        return EVICTION_NOTE
    if situation is not Situation.UNSCHEDULABLE:
        return ""
    workers = max(nodes - 1, 1)
    return (
        f"0/{nodes} nodes are available: 1 node(s) had untolerated taint(s) "
        f"{{node-role.kubernetes.io/control-plane: }}, {workers} Insufficient cpu, {workers} Insufficient memory. "
        f"preemption: 0/{nodes} nodes are available: "
        f"{nodes} Preemption is not helpful for scheduling."
    )


def _node(random: Random, number: int, nodes: int, pods_per_node: int, started: int) -> Node:
    control_plane = number == 0
    workers = nodes - 1
    lost = workers >= 3 and number >= nodes - max(1, workers // 200)
    cordoned = workers >= 4 and number == nodes - max(1, workers // 200) - 1
    name = "control-plane-1" if control_plane else f"worker-{number}"
    instance_type, cpu, memory = INSTANCE_TYPES[0] if control_plane else _instance_type(number, pods_per_node)
    zone = f"eu-central-1{'abc'[number % 3]}"
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": instance_type,
        "topology.kubernetes.io/region": "eu-central-1",
        "topology.kubernetes.io/zone": zone,
    }
    if control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
        labels["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
    created = started - CLUSTER_AGE + number * 45 % DAY
    return Node(
        name=name,
        uid=_uid(random),
        created=created,
        labels=labels,
        ip=address(NODE_NETWORK, 10 + number),
        cpu=cpu,
        memory=memory * GIB - random.randrange(200, 400) * 2**20,  # firmware keeps some
        disk=100 * GIB,
        pod_cidr=f"{address(POD_NETWORK, number * POD_ADDRESSES)}/22",
        heard=started - (190 if lost else random.randrange(0, 60)),
        since=started - 150 if lost else created + 30,
        ready=not lost,
        control_plane=control_plane,
        unschedulable=cordoned,
        pods=110 if pods_per_node <= 70 else 500,
    )


def _instance_type(number: int, pods_per_node: int) -> tuple[str, int, int]:
    """Room for the pods at a quarter of a core each; every third worker is a size larger."""
    fitting = next(
        (size for size, (_, cpu, _) in enumerate(INSTANCE_TYPES) if cpu >= pods_per_node * 0.35),
        len(INSTANCE_TYPES) - 1,
    )
    return INSTANCE_TYPES[min(fitting + (number % 3 == 0), len(INSTANCE_TYPES) - 1)]


def _namespaces(random: Random, blueprints: Sequence[Blueprint], started: int) -> list[Namespace]:
    names = {*workloads.NAMESPACES, *(blueprint.namespace for blueprint in blueprints)}
    return [
        Namespace(name, _uid(random), started - CLUSTER_AGE + 60, {"kubernetes.io/metadata.name": name})
        for name in sorted(names)
    ]


def _services(random: Random, made: Sequence[Workload], started: int) -> list[Service]:
    services = [
        Service(
            "default",
            "kubernetes",
            _uid(random),
            started - CLUSTER_AGE,
            {"component": "apiserver", "provider": "kubernetes"},
            {},
            address(SERVICE_NETWORK, 1),
            (("https", 443, 6443),),
        )
    ]
    for number, workload in enumerate(made):
        port = workload.containers[0].port
        if not port or workload.controller in (Controller.STATIC, Controller.JOB):
            continue
        selector = {"app.kubernetes.io/name": workload.name}
        services.append(
            Service(
                workload.namespace,
                workload.name,
                _uid(random),
                started - CLUSTER_AGE + DAY,
                {**selector, "app.kubernetes.io/part-of": workload.namespace},
                selector,
                address(SERVICE_NETWORK, 10 + number),
                (("http", 80, port),),
            )
        )
    return services


def _owner(blueprint: Blueprint, template_hash: str, owner_uid: str) -> tuple[str, dict[str, str]]:
    """The name of what owns the pods, and the pods' labels, by kind of controller."""
    labels = {"app.kubernetes.io/name": blueprint.name, "app.kubernetes.io/part-of": blueprint.namespace}
    if blueprint.component:
        labels["app.kubernetes.io/component"] = blueprint.component
    match blueprint.controller:
        case Controller.DEPLOYMENT:
            return f"{blueprint.name}-{template_hash}", {**labels, "pod-template-hash": template_hash}
        case Controller.STATEFUL_SET:
            return blueprint.name, {**labels, "controller-revision-hash": f"{blueprint.name}-{template_hash}"}
        case Controller.DAEMON_SET:
            return blueprint.name, {**labels, "controller-revision-hash": template_hash, "pod-template-generation": "1"}
        case Controller.JOB:
            return blueprint.name, {
                **labels,
                "batch.kubernetes.io/controller-uid": owner_uid,
                "batch.kubernetes.io/job-name": blueprint.name,
            }
        case Controller.STATIC:
            return "control-plane-1", {"component": blueprint.component, "tier": "control-plane"}


def _uid(random: Random) -> str:
    """A UUID of version 4, out of the seeded generator."""
    digits = f"{random.getrandbits(128):032x}"
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) % 4]}{digits[17:20]}-{digits[20:]}"
    )


def _suffix(random: Random, length: int) -> str:
    return "".join(random.choices(SAFE, k=length))
