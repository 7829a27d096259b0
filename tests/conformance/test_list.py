"""LIST and GET, as the gateway relies on them."""

from typing import Any

import pytest

from schema.sources.kubernetes.kinds import ON_DEMAND, STANDING, Kind
from tests.conformance.api_server import ApiServer, event


async def test_a_list_carries_its_version_and_its_items_in_order_of_their_names(server: ApiServer, pods: str):
    """Items carry no kind of their own: the list says it once."""
    reply = await server.get(pods)

    assert reply.status == 200
    assert (reply.body["kind"], reply.body["apiVersion"]) == ("PodList", "v1")
    assert int(reply.version) > 0
    assert reply.names == ["alpha", "beta", "gamma"]
    assert all("kind" not in item and "apiVersion" not in item for item in reply.items)


async def test_objects_of_all_namespaces_are_listed_at_once(server: ApiServer, pods: str, namespace: str):
    """The cluster-wide list holds what the namespace's list holds."""
    everywhere = await server.get("/api/v1/pods")

    ours = [item for item in everywhere.items if item["metadata"]["namespace"] == namespace]
    assert ours == (await server.get(pods)).items


@pytest.mark.parametrize("kind", [*STANDING, *ON_DEMAND], ids=lambda kind: kind.key)
async def test_each_kind_that_the_gateway_watches_is_listed(server: ApiServer, kind: Kind[Any]):
    """Every kind has its List, even where it has no objects."""
    reply = await server.get(kind.path())

    assert reply.status == 200
    assert (reply.body["kind"], reply.body["apiVersion"]) == (f"{kind.kind}List", kind.api_version)


async def test_a_kind_in_a_version_that_is_not_served_is_not_found(server: ApiServer):
    """404, as for a path that means nothing."""
    assert (await server.get("/apis/apps/v1beta1/deployments")).status == 404


async def test_metadata_alone_may_be_asked_for(server: ApiServer, pods: str):
    """A list of PartialObjectMetadata: its items say what they are, and nothing of spec or status."""
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    reply = await server.get(pods, accept=accept)
    whole = (await server.get(pods)).items

    assert (reply.body["kind"], reply.body["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert reply.names == ["alpha", "beta", "gamma"]
    for partial, complete in zip(reply.items, whole, strict=True):
        assert partial == {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": complete["metadata"],
        }


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_list_of_any_or_the_newest_version_holds_everything(server: ApiServer, pods: str, version: str):
    """Nothing that was written before the question is missing."""
    reply = await server.get(pods, resourceVersion=version)

    assert reply.names == ["alpha", "beta", "gamma"]


async def test_pages_show_one_moment(server: ApiServer, pods: str, namespace: str):
    """What is written between two pages is in neither, and both carry the first one's version."""
    first = await server.get(pods, limit="2")
    await server.make.create_pod(namespace, "beta-2", {}, None)
    second = await server.get(pods, limit="2", **{"continue": first.body["metadata"]["continue"]})

    assert (first.names, second.names) == (["alpha", "beta"], ["gamma"])
    assert first.body["metadata"]["remainingItemCount"] == 1
    assert second.version == first.version
    assert "continue" not in second.body["metadata"]


async def test_a_limit_at_version_0_is_ignored(server: ApiServer, pods: str):
    """The watch cache answers with everything, and with no token."""
    reply = await server.get(pods, limit="1", resourceVersion="0")

    assert reply.names == ["alpha", "beta", "gamma"]
    assert "continue" not in reply.body["metadata"]


async def test_an_exact_version_shows_the_past(server: ApiServer, pods: str, namespace: str):
    """A list at an earlier version is that list again, whatever happened since."""
    before = await server.get(pods)
    await server.make.delete_pod(namespace, "alpha")
    await server.make.label_pod(namespace, "beta", {"app": "changed"})

    after = await server.get(pods, resourceVersion=before.version, resourceVersionMatch="Exact")

    assert after.items == before.items
    assert after.version == before.version


async def test_a_version_that_nobody_wrote_yet_is_refused(server: ApiServer, pods: str):
    """504 with a cause that programs can read: the sign of a server that went back in time."""
    reply = await server.get(pods, resourceVersion="999999999")

    assert reply.status == 504
    assert reply.body["reason"] == "Timeout"
    assert reply.body["message"].startswith("Timeout: Too large resource version: 999999999, current: ")
    assert reply.body["details"]["causes"] == [
        {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    ]
    assert reply.body["details"]["retryAfterSeconds"] == 1


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=web", ["alpha", "beta"]),
        ("app==web,tier=front", ["alpha"]),
        ("app!=web", ["gamma"]),
        ("tier!=front", ["beta", "gamma"]),
        ("app in (web,db)", ["alpha", "beta", "gamma"]),
        ("app notin (web, cache)", ["gamma"]),
        ("tier", ["alpha"]),
        ("!tier", ["beta", "gamma"]),
        ("app in (web),!tier", ["beta"]),
        ("app=", []),
    ],
)
async def test_label_selectors_select(server: ApiServer, pods: str, selector: str, names: list[str]):
    """Equality, sets and existence, alone and together."""
    assert (await server.get(pods, labelSelector=selector)).names == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("metadata.name=beta", ["beta"]),
        ("metadata.name!=beta", ["alpha", "gamma"]),
        ("spec.nodeName=worker-1", ["gamma"]),
        ("spec.nodeName=", ["alpha", "beta"]),
        ("status.phase=Running", ["gamma"]),
        ("status.phase!=Running,metadata.name!=alpha", ["beta"]),
    ],
)
async def test_field_selectors_select(server: ApiServer, pods: str, selector: str, names: list[str]):
    """The fields that the gateway or a user would select pods by."""
    assert (await server.get(pods, fieldSelector=selector)).names == names


async def test_pages_of_a_selection_hold_only_what_is_selected(server: ApiServer, pods: str):
    """Following the tokens finds every selected object once, and no count of what is left is told."""
    first = await server.get(pods, labelSelector="app in (web,db),tier!=front", limit="1")
    second = await server.get(
        pods,
        labelSelector="app in (web,db),tier!=front",
        limit="1",
        **{"continue": first.body["metadata"]["continue"]},
    )

    assert first.names + second.names == ["beta", "gamma"]
    assert "remainingItemCount" not in first.body["metadata"]


async def test_events_are_selected_by_what_they_are_about(server: ApiServer, namespace: str):
    """By their object, type, reason and who told it."""
    await server.make.create_namespace(namespace)
    await server.make.write("events", event(namespace, "crashed", reason="BackOff", type="Warning"))
    await server.make.write("events", event(namespace, "started", reason="Started", pod="web-2"))
    path = f"/api/v1/namespaces/{namespace}/events"

    for selector, names in (
        ("type=Warning", ["crashed"]),
        ("type!=Warning", ["started"]),
        ("reason=Started,involvedObject.kind=Pod", ["started"]),
        (f"involvedObject.name=web-2,involvedObject.namespace={namespace}", ["started"]),
        ("involvedObject.uid=uid-of-web-1", ["crashed"]),
        ("source=kubelet", ["crashed", "started"]),
        ("involvedObject.kind=Node", []),
    ):
        assert (await server.get(path, fieldSelector=selector)).names == names, selector


async def test_a_quota_says_what_is_bounded_and_what_is_used(server: ApiServer, namespace: str):
    """Its status is its controller's to write, quantities as they were written."""
    await server.make.create_namespace(namespace)
    hard, used = {"pods": "9", "requests.memory": "4Gi"}, {"pods": "2", "requests.memory": "1536Mi"}
    manifest = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team", "namespace": namespace},
        "spec": {"hard": hard},
        "status": {"hard": hard, "used": used},
    }
    await server.make.write("resourcequotas", manifest)

    [quota] = (await server.get(f"/api/v1/namespaces/{namespace}/resourcequotas")).items

    assert (quota["spec"], quota["status"]) == ({"hard": hard}, {"hard": hard, "used": used})


async def test_replica_sets_are_not_selected_by_their_replicas(server: ApiServer):
    """That was of versions of the API that are gone."""
    reply = await server.get("/apis/apps/v1/replicasets", fieldSelector="status.replicas=1")

    assert (reply.status, reply.body["reason"]) == (400, "BadRequest")


async def test_a_field_that_cannot_be_selected_by_is_refused(server: ApiServer, pods: str):
    """400, naming the field."""
    reply = await server.get(pods, fieldSelector="spec.color=red")

    assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
    assert "field label not supported: spec.color" in reply.body["message"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"resourceVersion": "abc"}, 'invalid resource version: resourceVersion: Invalid value: "abc": '),
        ({"continue": "abc"}, "invalid continue token: continue key is not valid"),
        ({"limit": "abc"}, 'strconv.ParseInt: parsing "abc": invalid syntax'),
        ({"labelSelector": "a b c"}, "unable to parse requirement: "),
        ({"fieldSelector": "abc"}, "invalid selector: 'abc'; can't understand 'abc'"),
    ],
)
async def test_a_list_that_makes_no_sense_is_refused(
    server: ApiServer, pods: str, parameters: dict[str, str], message: str
):
    """400, with the mistake."""
    reply = await server.get(pods, **parameters)

    assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
    assert reply.body["message"].startswith(message)


async def test_pages_of_a_forgotten_version_are_410_with_a_token_that_goes_on(
    server: ApiServer, pods: str, namespace: str
):
    """The token in the refusal continues where the list was, with what there is now."""
    first = await server.get(pods, limit="1")
    await server.make.forget_history()
    await server.make.create_pod(namespace, "beta-2", {}, None)

    refused = await server.get(pods, limit="1", **{"continue": first.body["metadata"]["continue"]})
    rest = await server.get(pods, **{"continue": refused.body["metadata"]["continue"]})

    assert (refused.status, refused.body["code"], refused.body["reason"]) == (410, 410, "Expired")
    assert refused.body["message"].startswith("The provided continue parameter is too old to display a consistent list")
    assert rest.names == ["beta", "beta-2", "gamma"]


async def test_an_exact_version_that_is_forgotten_is_410(server: ApiServer, pods: str):
    """No list of the past without its history."""
    before = await server.get(pods)
    await server.make.forget_history()

    reply = await server.get(pods, resourceVersion=before.version, resourceVersionMatch="Exact")

    assert (reply.status, reply.body["reason"]) == (410, "Expired")
    assert reply.body["message"] == "The resourceVersion for the provided list is too old."


async def test_an_object_is_read_by_its_name(server: ApiServer, pods: str, namespace: str):
    """Alone, an object says its kind."""
    reply = await server.get(f"{pods}/gamma")

    assert reply.status == 200
    assert (reply.body["kind"], reply.body["apiVersion"]) == ("Pod", "v1")
    assert reply.body["metadata"]["namespace"] == namespace
    assert reply.body["spec"]["nodeName"] == "worker-1"


async def test_a_namespace_is_read_by_its_name(server: ApiServer, pods: str, namespace: str):
    """Namespaces are objects of their own, and carry their name as a label."""
    reply = await server.get(f"/api/v1/namespaces/{namespace}")

    assert reply.body["kind"] == "Namespace"
    assert reply.body["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace}
    assert reply.body["status"] == {"phase": "Active"}


async def test_the_version_of_the_server_is_told(server: ApiServer):
    """What `Cluster.version` shows."""
    reply = await server.get("/version")

    assert reply.status == 200
    assert reply.body["gitVersion"].startswith("v1.")
    assert (reply.body["major"], reply.body["platform"]) == ("1", "linux/amd64")
