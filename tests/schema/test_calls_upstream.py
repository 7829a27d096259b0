"""What the largest question costs at the wire: as many calls as it has kinds, rights and metrics, whatever there is."""

from collections import Counter

from gateway.demo import SHOP_TOKEN
from schema.sources.kubernetes.kinds import KINDS, ON_DEMAND
from tests.front_door import ADMIN, FrontDoor, simulated_door

NAMES = "names: [CPU_USAGE, MEMORY_USAGE, CPU_REQUEST_UTILIZATION]"
VALUES = f"metrics({NAMES}) {{ name value missing }}"
BESIDE = """
  me {
    lists { kind everywhere namespaces }
    a: can(verb: "delete", resource: "pods", namespace: "shop") { allowed }
    b: can(verb: "patch", group: "apps", resource: "deployments", subresource: "scale") { allowed }
    again: can(verb: "delete", resource: "pods", namespace: "shop") { reason }
  }
  podCounts(by: [NAMESPACE, STATUS, NODE]) { count }
  podsConnection(first: 10) { totalCount edges { node { name events { message } } } }
  events { message object { name } }
  replicaSets { name pods { name } }
  persistentVolumeClaims { name events { message } }
  podDisruptionBudgets { name pods { name } }
  horizontalPodAutoscalers { name }
"""
OF_NAMESPACES = f"""
  namespaces {{
    name podCount serviceCount {VALUES} events {{ message }} resourceQuotas {{ amounts {{ used }} }}
    services {{ name pods {{ name {VALUES} containers {{ {VALUES} }} workload {{ name }} services {{ name }} }} }}
    deployments {{ name {VALUES} pods {{ name events {{ message }} }} }}
    statefulSets {{ {VALUES} pods {{ name }} }} daemonSets {{ {VALUES} pods {{ name }} }}
    jobs {{ {VALUES} pods {{ name }} }} cronJobs {{ {VALUES} jobs {{ name }} pods {{ name }} }}
  }}
"""
OF_ALL = f"""
  cluster {{
    nodesByStatus {{ count }} podsByStatus {{ count }} requested {{ pods }} {VALUES}
    metricsRange(names: [CPU_USAGE]) {{ points {{ value }} }}
  }}
  nodes(orderBy: [{{metric: CPU_USAGE}}]) {{
    name {VALUES} attention requested {{ cpu }} events {{ message }}
    pods(orderBy: [{{metric: MEMORY_USAGE}}], limit: 10) {{ name {VALUES} events {{ message }} node {{ name }} }}
  }}
"""
EVERYTHING = f"{{ {BESIDE} {OF_NAMESPACES} {OF_ALL} }}"
RESOURCES = len(KINDS)
REVIEWS = ("POST", "create subjectaccessreviews")


async def calls_of(
    door: FrontDoor, query: str, token: str
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """What one question makes the gateway ask of the API server and of Prometheus."""
    kubernetes, prometheus = door.simulated.requests.copy(), door.simulated.metrics.requests.copy()
    answer = await door.ask(query, token)
    assert answer.status == 200, answer.text
    assert set(answer.codes) <= {"FORBIDDEN"}, answer.errors
    return door.simulated.requests - kubernetes, door.simulated.metrics.requests - prometheus


async def test_the_largest_question_costs_as_much_in_a_large_cluster_as_in_a_small_one():
    """One list a kind that is asked for first, one review a right, one for each different `can`, one query a metric."""
    calls = {}
    for nodes in (3, 40):
        async with simulated_door(nodes=nodes, pods_per_node=20) as door:
            calls[nodes] = [await calls_of(door, EVERYTHING, ADMIN) for _ in range(2)]

    assert calls[3] == calls[40]
    (to_kubernetes, to_prometheus), (again, again_of_prometheus) = calls[40]
    watches = {name: count for (verb, name), count in to_kubernetes.items() if verb == "GET"}
    assert sum(watches.values()) <= len(ON_DEMAND), watches
    assert to_kubernetes[REVIEWS] == RESOURCES + 2
    assert to_kubernetes[("POST", "create tokenreviews")] == 1
    # CPU and memory of five levels; the cluster's line once more.
    assert to_prometheus == {("POST", "query"): 10, ("POST", "query_range"): 1}
    assert again == {}, "what is known is not asked again"
    assert again_of_prometheus == {}


async def test_who_may_see_one_namespace_costs_a_review_for_each_kind_and_namespace_at_most():
    """However many objects there are in it, and none at all the next time."""
    calls = {}
    for nodes in (3, 40):
        async with simulated_door(nodes=nodes, pods_per_node=20) as door:
            namespaces = len((await door.ask("{ namespaces { name } }")).data["namespaces"])
            first, _ = await calls_of(door, f"{{ {BESIDE} {OF_NAMESPACES} }}", SHOP_TOKEN)
            again, _ = await calls_of(door, f"{{ {BESIDE} {OF_NAMESPACES} }}", SHOP_TOKEN)
            calls[nodes] = first[REVIEWS] - 2, again, namespaces

    for reviews, again, namespaces in calls.values():
        assert reviews <= RESOURCES * (1 + namespaces)
        assert again == {}
