"""The simulated cluster's data: the same for the same seed, of the size asked for, and with its share of trouble."""

import json
from collections import Counter
from typing import Any

import pytest

from gateway.demo.churn import MOST_EVENTS, Churn
from gateway.demo.nodes import Node
from gateway.demo.pods import Pod, Situation
from gateway.demo.world import KINDS, World, build
from schema.sources.kubernetes.kinds import DEPLOYMENTS, ON_DEMAND, STANDING, Decoder
from schema.sources.kubernetes.objects import Sharing
from schema.sources.kubernetes.quantities import quantity
from schema.sources.kubernetes.rollouts import RolloutState

NOW = 1_795_521_600.0


def world(*, nodes: int = 5, pods_per_node: int = 20, seed: int = 1) -> World:
    return build(nodes=nodes, pods_per_node=pods_per_node, seed=seed, now=lambda: NOW)


def manifests(made: World) -> list[Any]:
    storage = made.storage
    return [json.loads(stored.object.manifest(1)) for kind in KINDS for stored in storage.at(kind, storage.revision)]


def pods(made: World) -> list[Pod]:
    return [pod for pod in made.storage.all("pods") if isinstance(pod, Pod)]


def test_one_seed_makes_one_cluster():
    """Every byte of it; another seed makes another."""
    assert manifests(world(seed=1)) == manifests(world(seed=1))
    assert manifests(world(seed=1)) != manifests(world(seed=2))


def test_one_seed_goes_one_way():
    """Churn is a sequence of states, not of moments."""
    first, second = world(), world()
    for made in (first, second):
        churn = Churn(made)
        for _ in range(300):
            churn.step()

    assert manifests(first) == manifests(second)
    assert first.storage.revision == second.storage.revision


@pytest.mark.parametrize(("nodes", "pods_per_node"), [(1, 1), (1, 40), (2, 10), (3, 15), (10, 30), (40, 110)])
def test_a_cluster_has_the_size_that_was_asked_for(nodes: int, pods_per_node: int):
    """One control-plane node, the rest workers, and exactly so many pods, within what each node may carry."""
    made = world(nodes=nodes, pods_per_node=pods_per_node)
    hosts = [node for node in made.storage.all("nodes") if isinstance(node, Node)]
    on_nodes = Counter(pod.node_name for pod in pods(made) if pod.node_name)

    assert len(hosts) == nodes
    assert [node.name for node in hosts if node.control_plane] == ["control-plane-1"]
    assert len(pods(made)) == nodes * pods_per_node
    assert all(on_nodes[node.name] <= node.pods for node in hosts)


def test_names_uids_and_addresses_are_given_once():
    """Apart from pods on their node's own network, which share its address."""
    made = world(nodes=10, pods_per_node=30)
    addresses = Counter(pod.ip for pod in pods(made) if pod.ip and not pod.workload.host_network)
    uids = Counter(document["metadata"]["uid"] for document in manifests(made))

    assert max(addresses.values()) == 1
    assert max(uids.values()) == 1


def test_troubles_are_part_of_every_cluster_of_the_default_size():
    """What a dashboard is for: crash loops, missing images, and all the rest."""
    by_situation = Counter(pod.situation for pod in pods(world(nodes=3, pods_per_node=15)))

    assert set(by_situation) >= {
        Situation.RUNNING,
        Situation.CRASHING,
        Situation.IMAGE_MISSING,
        Situation.UNSCHEDULABLE,
        Situation.INIT_FAILING,
        Situation.COMPLETED,
        Situation.EVICTED,
        Situation.UNREADY,
    }


def test_a_node_that_is_lost_takes_its_pods_readiness_with_it():
    """The node is Unknown, its pods Running and not ready; with fewer than three workers there is none."""
    made = world(nodes=5)
    lost = [node.name for node in made.storage.all("nodes") if isinstance(node, Node) and not node.ready]
    situations = {pod.situation for pod in pods(made) if pod.node_name in lost}

    assert len(lost) == 1
    assert Situation.RUNNING not in situations
    assert Situation.NODE_LOST in situations
    assert all(node.ready for node in world(nodes=3).storage.all("nodes") if isinstance(node, Node))


def test_every_service_with_a_selector_finds_pods():
    """A service points at pods of its own namespace."""
    documents = manifests(world())
    running = [document for document in documents if document["kind"] == "Pod"]
    services = [document for document in documents if document["kind"] == "Service"]

    assert len(services) > 5
    for service in services:
        selector = service["spec"].get("selector", {}).items()
        namespace = service["metadata"]["namespace"]
        found = [
            pod
            for pod in running
            if pod["metadata"]["namespace"] == namespace and selector <= pod["metadata"]["labels"].items()
        ]
        assert found or service["metadata"]["name"] == "kubernetes"


def condition(document: Any, kind: str) -> str:
    return next(str(item["status"]) for item in document["status"]["conditions"] if item["type"] == kind)


def waiting(document: Any, statuses: str) -> list[str]:
    return [
        status["state"]["waiting"]["reason"] for status in document["status"][statuses] if "waiting" in status["state"]
    ]


def manifest_of(situation: Situation) -> Any:
    pod = next(pod for pod in pods(world()) if pod.situation is situation)
    return json.loads(pod.manifest(7))


def test_a_running_pod_looks_like_one():
    """Ready, with addresses, an owner, and containers that run."""
    document = manifest_of(Situation.RUNNING)

    assert document["metadata"]["resourceVersion"] == "7"
    assert document["metadata"]["ownerReferences"][0]["controller"] is True
    assert (document["status"]["phase"], condition(document, "Ready")) == ("Running", "True")
    assert document["status"]["podIPs"] == [{"ip": document["status"]["podIP"]}]
    assert all("running" in status["state"] for status in document["status"]["containerStatuses"])
    assert document["spec"]["nodeName"]


@pytest.mark.parametrize(
    ("situation", "phase", "statuses", "reasons"),
    [
        (Situation.CRASHING, "Running", "containerStatuses", ["CrashLoopBackOff"]),
        (Situation.IMAGE_MISSING, "Pending", "containerStatuses", ["ImagePullBackOff"]),
        (Situation.INIT_FAILING, "Pending", "initContainerStatuses", ["CrashLoopBackOff"]),
        (Situation.UNREADY, "Running", "containerStatuses", []),
        (Situation.NODE_LOST, "Running", "containerStatuses", []),
    ],
)
def test_trouble_looks_like_it(situation: Situation, phase: str, statuses: str, reasons: list[str]):
    """The phase, what containers wait for, and never Ready."""
    document = manifest_of(situation)

    assert document["status"]["phase"] == phase
    assert waiting(document, statuses) == reasons
    assert condition(document, "Ready") == "False"


def test_a_pod_that_fits_nowhere_says_why():
    """Pending, on no node, with the scheduler's own words."""
    document = manifest_of(Situation.UNSCHEDULABLE)

    assert document["status"]["phase"] == "Pending"
    assert "nodeName" not in document["spec"]
    [scheduled] = document["status"]["conditions"]
    assert (scheduled["type"], scheduled["reason"]) == ("PodScheduled", "Unschedulable")
    assert scheduled["message"].startswith("0/5 nodes are available: ")


def test_pods_that_are_over_say_how_they_ended():
    """A Job's pod succeeded, an evicted one failed."""
    completed, evicted = manifest_of(Situation.COMPLETED), manifest_of(Situation.EVICTED)

    assert completed["status"]["phase"] == "Succeeded"
    assert completed["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    assert (evicted["status"]["phase"], evicted["status"]["reason"]) == ("Failed", "Evicted")


def test_churn_makes_one_write_a_step_and_keeps_the_clusters_size():
    """Pods come and go, containers restart, probes fail and recover; the cluster neither grows nor dies out."""
    made = world()
    churn = Churn(made)
    seen: Counter[str] = Counter()
    for _ in range(2_000):
        before = made.storage.revision
        churn.step()
        assert made.storage.revision == before + 1
    for change in made.storage.since("pods", made.storage.revision - 2_000):
        kind = "created" if change.before is None else "deleted" if change.after is None else "changed"
        seen[kind] += 1

    assert min(seen["created"], seen["deleted"], seen["changed"]) > 100
    assert abs(len(pods(made)) - 100) <= 40


def test_churn_survives_pods_that_others_delete():
    """A story whose pod is gone ends quietly, with a write of something else."""
    made = world()
    churn = Churn(made)
    for _ in range(20):
        churn.step()
    for pod in pods(made):
        made.storage.delete("pods", pod.namespace, pod.name)

    before = made.storage.revision
    for _ in range(200):
        churn.step()

    assert made.storage.revision == before + 200


def test_every_owner_of_a_pod_stands_in_the_cluster_and_counts_its_pods():
    """Up to the deployment or cron job behind it; only static pods belong to a node."""
    made = world(nodes=6, pods_per_node=30)
    documents = [document for document in manifests(made) if document["kind"] != "Pod"]
    standing = {document["metadata"]["uid"]: document for document in documents}
    owned = Counter(pod.workload.owner_uid for pod in pods(made) if pod.situation is not Situation.EVICTED)

    for pod in pods(made):
        reference = json.loads(pod.manifest(1))["metadata"]["ownerReferences"][0]
        if reference["kind"] == "Node":
            continue
        owner = standing[reference["uid"]]
        assert (owner["kind"], owner["metadata"]["name"]) == (reference["kind"], reference["name"])
        above = owner["metadata"].get("ownerReferences", [])
        assert {standing[one["uid"]]["kind"] for one in above} <= {"Deployment", "CronJob"}
        if owner["kind"] == "ReplicaSet":
            assert owner["status"]["replicas"] == owned[reference["uid"]]


def test_every_kind_has_objects():
    """A dashboard has something to show; what is told of a pod names one that there is."""
    made = world(nodes=6, pods_per_node=30)
    names = {(pod.namespace, pod.name) for pod in pods(made)}
    events = events_of(made)

    assert {kind for kind in KINDS if not made.storage.count(kind)} == set()
    assert all((event["metadata"]["namespace"], event["involvedObject"]["name"]) in names for event in events)


def test_quotas_have_room_and_count_the_pods_of_their_namespace():
    """Those that are over do not count; the system's own namespaces have none."""
    made = world(nodes=6, pods_per_node=30)
    over = (Situation.COMPLETED, Situation.EVICTED)
    counted = Counter(pod.namespace for pod in pods(made) if pod.situation not in over)
    quotas = [document for document in manifests(made) if document["kind"] == "ResourceQuota"]

    assert {quota["metadata"]["namespace"] for quota in quotas} == counted.keys() - {"kube-system", "monitoring"}
    for quota in quotas:
        used, hard = quota["status"]["used"], quota["status"]["hard"]
        assert int(used["pods"]) == counted[quota["metadata"]["namespace"]] < int(hard["pods"])
        assert all(0 < quantity(used[name]) < quantity(hard[name]) for name in hard)


def test_what_lasts_is_told_again_and_what_happens_is_told():
    """Events count up, each time with a later moment; along the way new ones come, and old ones are forgotten."""
    clock = iter(range(int(NOW), int(NOW) + 10**6))
    made = build(nodes=5, pods_per_node=20, seed=1, now=lambda: next(clock))
    churn = Churn(made)
    before = {event["metadata"]["uid"]: event for event in events_of(made)}
    for _ in range(8_000):
        churn.step()
    after = {event["metadata"]["uid"]: event for event in events_of(made)}

    again = [(before[uid], after[uid]) for uid in before if uid in after and seen(after[uid]) > seen(before[uid])]
    assert len(again) >= 3
    assert any("series" in event for _, event in again), "the scheduler's way to count"
    assert any(event.get("count") for _, event in again), "and everybody else's"
    assert {"Scheduled", "Killing", "Unhealthy"} <= {after[uid]["reason"] for uid in after.keys() - before.keys()}
    assert MOST_EVENTS < len(after) < MOST_EVENTS + 100


def events_of(made: World) -> list[Any]:
    return [document for document in manifests(made) if document["kind"] == "Event"]


def seen(event: Any) -> tuple[int, str]:
    series = event.get("series") or {"count": event.get("count") or 1, "lastObservedTime": event["lastTimestamp"] or ""}
    return series["count"], series["lastObservedTime"]


def test_the_gateway_reads_every_object_of_every_kind():
    """None is odd to it; deployments whose pods all run are rolled out."""
    made = world(nodes=6, pods_per_node=30)
    storage = made.storage
    for kind in (*STANDING, *ON_DEMAND):
        decoder = Decoder(kind, Sharing())
        records = [decoder.decode(one.object.manifest(1)) for one in storage.at(kind.name, storage.revision)]
        if kind is DEPLOYMENTS:
            assert RolloutState.COMPLETE in {record.rollout for record in records}
