"""What stands beside pods: namespaces, services, workloads; how they lead to pods and back, and for whom."""

import json

from graphql import GraphQLObjectType, get_named_type

from gateway.demo.accounts import Right
from schema.schema import describe
from tests.cluster.control_plane import GATEWAY, ControlPlane
from tests.cluster.fixtures import Namespace
from tests.front_door import ADMIN, SHOP, FrontDoor, open_front_door
from tests.test_end_to_end import config_for


def labels_of(item):
    return {label["key"]: label["value"] for label in item["labels"]}


def places(rows):
    return [(row["namespace"], row["name"]) for row in rows]


async def test_services_lead_to_their_pods_and_pods_to_their_services(front_door: FrontDoor):
    """A service's pods are those of its namespace that carry its whole selector; the other way is the same relation."""
    answer = await front_door.ask(
        "{ services { namespace name selector { key value } pods { namespace name } } "
        "pods { namespace name labels { key value } services { namespace name } } }"
    )
    pods, services = answer.data["pods"], answer.data["services"]

    assert any(service["pods"] for service in services)
    for service in services:
        wanted = {label["key"]: label["value"] for label in service["selector"]}
        selected = [
            pod
            for pod in pods
            if wanted and pod["namespace"] == service["namespace"] and wanted.items() <= labels_of(pod).items()
        ]
        assert places(service["pods"]) == places(selected), service["name"]
    for pod in pods:
        place = (pod["namespace"], pod["name"])
        assert places(pod["services"]) == [each for each in places(services) if place in pods_behind(services, each)]


def pods_behind(services, place):
    return [pod for each in services if (each["namespace"], each["name"]) == place for pod in places(each["pods"])]


async def test_the_pods_of_a_service_follow_what_happens(front_door: FrontDoor):
    """A pod that appears is found behind the service at once, one that goes is not found any more."""
    services = await front_door.ask("{ services { id namespace selector { key value } pods { name } } }")
    service = next(each for each in services.data["services"] if each["pods"])
    before = [pod["name"] for pod in service["pods"]]

    async def names():
        answer = await front_door.ask(f'{{ services(filter: {{id: "{service["id"]}"}}) {{ pods {{ name }} }} }}')
        return [pod["name"] for pod in answer.data["services"][0]["pods"]]

    labels = {label["key"]: label["value"] for label in service["selector"]}
    front_door.simulated.create_pod(service["namespace"], "aa-newcomer", labels=labels)
    await front_door.eventually(names, ["aa-newcomer", *before])
    front_door.simulated.delete_pod(service["namespace"], "aa-newcomer")
    await front_door.eventually(names, before)


async def test_namespaces_hold_what_is_in_them(front_door: FrontDoor):
    """Counts and lists of a namespace are those of the whole, cut at its border."""
    answer = await front_door.ask(
        "{ namespaces { name phase podCount serviceCount pods { namespace name } services { namespace name } } "
        "pods { namespace name inNamespace { name } } services { namespace name } }"
    )
    whole = answer.data

    for namespace in whole["namespaces"]:
        for kind, count in (("pods", "podCount"), ("services", "serviceCount")):
            inside = [place for place in places(whole[kind]) if place[0] == namespace["name"]]
            assert places(namespace[kind]) == inside
            assert namespace[count] == len(inside)
    assert all(pod["inNamespace"] == {"name": pod["namespace"]} for pod in whole["pods"])


async def test_whatever_reports_conditions_shows_them(front_door: FrontDoor):
    """As its controller writes them; a kind without a controller that does has none."""
    shown = "conditions { type status reason since }"
    answer = await front_door.ask(
        f"{{ deployments {{ replicas availableReplicas {shown} }} jobs {{ status {shown} }} services {{ {shown} }} }}"
    )

    for deployment in answer.data["deployments"]:
        available = {one["type"]: one for one in deployment["conditions"]}["Available"]
        assert (available["status"] == "TRUE") == (deployment["availableReplicas"] >= deployment["replicas"])
        assert available["since"] is not None
    complete = [job for job in answer.data["jobs"] if job["status"] == "Complete"]
    assert complete
    assert all("Complete" in [one["type"] for one in job["conditions"]] for job in complete)
    assert {tuple(service["conditions"]) for service in answer.data["services"]} == {()}


async def test_somebody_of_one_namespace_sees_that_one_alone(front_door: FrontDoor):
    """By list and by name, whatever is beside it; another namespace is as one that does not exist."""
    seen = await front_door.ask(
        "{ namespaces { name podCount } services { namespace } pods { services { name } } }", SHOP
    )
    other = await front_door.ask('{ namespace(name: "payments") { name } }', SHOP)
    nothing = await front_door.ask('{ namespace(name: "no-such") { name } }', SHOP)

    assert [each["name"] for each in seen.data["namespaces"]] == ["shop"]
    assert {service["namespace"] for service in seen.data["services"]} == {"shop"}
    assert other.codes == nothing.codes == ["FORBIDDEN"]
    assert other.body["data"] == nothing.body["data"]


async def test_a_filter_for_another_namespace_leaves_nothing_of_what_is_in_this_one(front_door: FrontDoor):
    """That is an empty list, and no question of rights in the other one, or in this."""
    asked = '{ namespaces(filter: {name: "shop"}) { services(filter: {namespace: "payments"}) { name }'
    by_metric = ' pods(filter: {namespace: "payments"}, orderBy: {metric: CPU_USAGE}) { name } } }'

    answers = [await front_door.ask(asked + by_metric, token) for token in (SHOP, ADMIN)]

    assert [answer.data["namespaces"] for answer in answers] == [[{"services": [], "pods": []}]] * 2


async def test_each_step_to_another_kind_needs_its_own_right(front_door: FrontDoor):
    """Who may list pods alone gets them, and one error for each field that leads elsewhere."""
    podders = front_door.simulated.add_user("pods-only", Right(frozenset({"list"}), frozenset({"pods"})))

    answer = await front_door.ask(
        "{ pods { name owner { kind } services { name } workload { name } inNamespace { name } } }", podders
    )

    assert sorted(answer.codes) == ["FORBIDDEN"] * 3
    for pod in answer.body["data"]["pods"]:
        assert pod["services"] is None
        assert pod["inNamespace"] is None
        assert pod["workload"] is None or (pod["owner"] or {})["kind"] not in ("ReplicaSet", "Job")


async def test_what_pods_request_orders_and_filters_nodes_only_for_who_may_see_it(front_door: FrontDoor):
    """Who may not list pods everywhere gets no order that would tell, and no attention."""
    noders = front_door.simulated.add_user("nodes-only", Right(frozenset({"list"}), frozenset({"nodes"})))
    rows = "{ name attention requested { cpu pods } available { memory } }"
    nodes = (await front_door.ask(f"{{ nodes {rows} }}")).data["nodes"]
    for argument, expected in (
        (
            "orderBy: {key: CPU_REQUESTED, direction: DESC}",
            sorted(nodes, key=lambda node: -node["requested"]["cpu"]),
        ),
        ("orderBy: {key: MEMORY_AVAILABLE}", sorted(nodes, key=lambda node: node["available"]["memory"])),
        ("orderBy: {key: PODS_REQUESTED}", sorted(nodes, key=lambda node: node["requested"]["pods"])),
        ("filter: {attention: true}", [node for node in nodes if node["attention"]]),
        ("filter: {not: {attention: true}}", [node for node in nodes if not node["attention"]]),
        (
            "filter: {attentionReasons: [NOT_READY, CPU_SCARCE]}",
            [node for node in nodes if {"NOT_READY", "CPU_SCARCE"} & {*node["attention"]}],
        ),
        ("filter: {not: {attentionReason: PODS_SCARCE}}", [n for n in nodes if "PODS_SCARCE" not in n["attention"]]),
        ("filter: {attentionReason: REQUESTS_NOT_VISIBLE}", []),
    ):
        assert (await front_door.ask(f"{{ nodes({argument}) {rows} }}")).data["nodes"] == expected, argument
        refused = await front_door.ask(f"{{ nodes({argument}) {{ name }} }}", noders)
        assert refused.codes == ["FORBIDDEN"], argument
        assert refused.body["data"]["nodes"] is None


async def test_what_nodes_say_themselves_is_asked_for_without_a_right_to_their_pods(front_door: FrontDoor):
    """Only the reasons that come from requests need it."""
    noders = front_door.simulated.add_user("nodes-only", Right(frozenset({"list"}), frozenset({"nodes"})))
    front_door.simulated.update_node("worker-1", unschedulable=True)

    async def cordoned() -> object:
        return (await front_door.ask("{ nodes(filter: {attentionReason: CORDONED}) { name } }", noders)).data["nodes"]

    await front_door.eventually(cordoned, [{"name": "worker-1"}])
    query = (
        "{ nodes(filter: {attentionReasons: [NOT_READY, CORDONED]}) { name attention } all: nodes { name attention } }"
    )

    answer = await front_door.ask(query, noders)

    said = {"NOT_READY", "CORDONED"}
    assert "errors" not in answer.body
    assert answer.data["nodes"] == [node for node in answer.data["all"] if said & {*node["attention"]}] != []
    assert {"REQUESTS_NOT_VISIBLE"} < {reason for node in answer.data["all"] for reason in node["attention"]}


def test_every_list_of_a_kind_can_be_filtered_ordered_and_cut_short():
    """At the root with pages beside it, and inside objects alike."""
    core = describe()._schema
    assert core.query_type is not None
    connections = [name for name in core.query_type.fields if name.endswith("Connection")]

    assert len(connections) >= 14
    for name in connections:
        assert core.query_type.fields[name].args.keys() == {"filter", "orderBy", "first", "after", "last", "before"}
    listed = {get_named_type(core.query_type.fields[name.removesuffix("Connection")].type) for name in connections}
    for kind in core.type_map.values():
        for name, field in kind.fields.items() if isinstance(kind, GraphQLObjectType) else ():
            lists = "[" in str(field.type) and get_named_type(field.type) in listed
            if lists:
                assert field.args.keys() == {"filter", "orderBy", "limit"}, f"{kind.name}.{name}"


DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"tier": "front"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "registry.example.com/web:1"}]},
        },
    },
}
CRON_JOB = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "sweep"},
    "spec": {
        "schedule": "0 0 1 1 *",
        "jobTemplate": {
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "main", "image": "registry.example.com/sweep:1"}],
                    }
                }
            }
        },
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": {"pods": "9"}}}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "calm"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
AUTOSCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "grow"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 4},
}
BESIDE = """query($in: String!) {
  deployments(filter: {namespace: $in}) { name images readyText pods { owner { kind } workload { kind name } } }
  replicaSets(filter: {namespace: $in}) { replicas owner { kind name } }
  cronJobs(filter: {namespace: $in}) { name schedule jobs { name status pods { workload { kind name } } } }
  services(filter: {namespace: $in}) { name type portsText pods { labels { key value } } }
  resourceQuotas(filter: {namespace: $in}) { amounts { resource hard } }
  podDisruptionBudgets(filter: {namespace: $in}) { minAvailable pods { name } }
  persistentVolumeClaims(filter: {namespace: $in}) { status requested }
  horizontalPodAutoscalers(filter: {namespace: $in}) { target { kind name } maxReplicas }
}"""


async def test_every_kind_of_a_real_cluster_leads_where_its_controllers_say(
    real_cluster: ControlPlane, namespace: Namespace
):
    """Objects that real controllers made: replica sets, jobs and pods between them."""
    user = await namespace.account("reader")
    everything = ["pods", "services", "resourcequotas", "persistentvolumeclaims", "deployments.apps"]
    everything += ["replicasets.apps", "cronjobs.batch", "jobs.batch", "poddisruptionbudgets.policy"]
    everything += ["horizontalpodautoscalers.autoscaling"]
    manifests = [DEPLOYMENT, CRON_JOB, SERVICE, QUOTA, BUDGET, CLAIM, AUTOSCALER]
    for manifest in manifests:
        await real_cluster.kubectl("apply", "-n", namespace.name, "-f", "-", stdin=json.dumps(manifest))
    await real_cluster.kubectl("create", "job", "once", "--from=cronjob/sweep", "-n", namespace.name)
    for account, role, binding, where in (
        (user.user, "role", "rolebinding", ["-n", namespace.name]),
        (GATEWAY, "clusterrole", "clusterrolebinding", []),
    ):
        name = f"beside-{namespace.name}"
        verbs = "--verb=get,list,watch"
        await real_cluster.kubectl("create", role, name, verbs, f"--resource={','.join(everything)}", *where)
        await real_cluster.kubectl("create", binding, name, f"--{role}={name}", f"--user={account}", *where)
    await real_cluster.wait_allowed(user.user, "list", "pods", namespace=namespace.name)
    pod = {"labels": [{"key": "app", "value": "web"}]}
    async with open_front_door(config_for(real_cluster)) as door:

        async def shown():
            answer = await door.ask(BESIDE, user.token, variables={"in": namespace.name})
            return {name: told(name, rows) for name, rows in (answer.body["data"] or {}).items()}

        def told(name, rows):
            for row in rows or ():
                for each in row.get("pods") or () if name == "services" else ():
                    each["labels"] = [label for label in each["labels"] if label["key"] == "app"]
                if name == "podDisruptionBudgets":
                    row["pods"] = len(row["pods"] or ())
            return rows

        behind = {"owner": {"kind": "ReplicaSet"}, "workload": {"kind": "Deployment", "name": "web"}}
        sweep = {"workload": {"kind": "CronJob", "name": "sweep"}}
        await door.eventually(
            shown,
            {
                "deployments": [
                    {
                        "name": "web",
                        "images": ["registry.example.com/web:1"],
                        "readyText": "2/2",
                        "pods": [behind, behind],
                    }
                ],
                "replicaSets": [{"replicas": 2, "owner": {"kind": "Deployment", "name": "web"}}],
                "cronJobs": [
                    {
                        "name": "sweep",
                        "schedule": "0 0 1 1 *",
                        "jobs": [{"name": "once", "status": "Complete", "pods": [sweep]}],
                    }
                ],
                "services": [{"name": "web", "type": "ClusterIP", "portsText": "80/TCP", "pods": [pod, pod]}],
                "resourceQuotas": [{"amounts": [{"resource": "pods", "hard": 9}]}],
                "podDisruptionBudgets": [{"minAvailable": "1", "pods": 2}],
                "persistentVolumeClaims": [{"status": "Pending", "requested": 2**30}],
                "horizontalPodAutoscalers": [{"target": {"kind": "Deployment", "name": "web"}, "maxReplicas": 4}],
            },
            within=40.0,
        )
    await real_cluster.kubectl("delete", "clusterrolebinding", name)
