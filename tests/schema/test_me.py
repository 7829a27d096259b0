"""Who the caller is, what they may list and what they may do: over the front door, and against the API server."""

import random
from typing import Any

from gateway.demo.accounts import READ, rights
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import Namespace
from tests.front_door import SHOP, FrontDoor, open_front_door
from tests.test_end_to_end import config_for

CAN = """
query($verb: String!, $group: String!, $resource: String!, $sub: String!, $namespace: String!, $name: String!) {
  me {
    can(
      verb: $verb, group: $group, resource: $resource, subresource: $sub, namespace: $namespace, name: $name
    ) { allowed reason }
  }
}
"""


async def test_the_caller_is_told_who_they_are(front_door: FrontDoor):
    """As the API server names them: name, uid, groups and the rest, each caller their own."""
    query = "{ me { username uid groups extra { key values } } }"
    token = front_door.simulated.add_user("ann", groups=("dev",))

    ann, admin = await front_door.ask(query, token), await front_door.ask(query)

    assert ann.data["me"]["username"] == "ann"
    assert ann.data["me"]["groups"] == ["dev", "system:authenticated"]
    assert admin.data["me"]["username"] == "demo-admin"
    assert admin.data["me"]["uid"] == "c0ffee00-0000-4000-8000-000000000001"


async def test_what_may_be_listed_is_told_kind_by_kind(front_door: FrontDoor):
    """Everywhere, in these namespaces, or nowhere; with all kinds that the graph shows, or those that are named."""
    query = '{ me { lists(kinds: ["Pod", "Node"]) { kind group resource namespaced everywhere namespaces } } }'
    pod = {"kind": "Pod", "group": "", "resource": "pods", "namespaced": True}
    node = {"kind": "Node", "group": "", "resource": "nodes", "namespaced": False}

    admin, shop = (await front_door.ask(query)).data, (await front_door.ask(query, SHOP)).data
    everything = (await front_door.ask("{ me { lists { kind everywhere } } }")).data["me"]["lists"]
    unknown = await front_door.ask('{ me { lists(kinds: ["Pods"]) { kind } } }')

    assert admin["me"]["lists"] == [{**each, "everywhere": True, "namespaces": []} for each in (pod, node)]
    assert shop["me"]["lists"] == [
        {**pod, "everywhere": False, "namespaces": ["shop"]},
        {**node, "everywhere": False, "namespaces": []},
    ]
    assert {each["kind"] for each in everything} >= {"Node", "Pod", "Namespace", "Service"}
    assert all(each["everywhere"] for each in everything)
    assert unknown.codes == ["BAD_USER_INPUT"]


async def test_whether_something_is_allowed_comes_with_a_reason(front_door: FrontDoor):
    """The API server's own words for a yes; a sentence for a no, of which RBAC says nothing."""
    query = """{ me {
      yes: can(verb: "delete", resource: "pods", namespace: "shop") { allowed reason }
      no: can(verb: "create", group: "apps", resource: "deployments", subresource: "scale",
        namespace: "shop", name: "x")
        { allowed reason }
    } }"""

    admin, shop = (await front_door.ask(query)).data["me"], (await front_door.ask(query, SHOP)).data["me"]

    assert admin["yes"]["allowed"]
    assert "ClusterRoleBinding" in admin["yes"]["reason"]
    assert shop["no"] == {
        "allowed": False,
        "reason": "Nothing allows you to create deployments/scale 'x' in API group 'apps' in namespace 'shop'",
    }


async def test_each_different_question_is_one_review(front_door: FrontDoor):
    """However many places ask it, and however many requests."""
    fields = " ".join(f'c{number}: can(verb: "patch", resource: "pods") {{ allowed }}' for number in range(20))
    query = f'{{ me {{ {fields} other: can(verb: "patch", resource: "pods", namespace: "shop") {{ allowed }} }} }}'

    for _ in range(3):
        assert (await front_door.ask(query)).data["me"]["c0"]["allowed"]

    asked = [attempt for _, attempt, _ in front_door.simulated.api.access_reviews if attempt.verb == "patch"]
    assert [attempt.namespace for attempt in asked] in (["", "shop"], ["shop", ""])


async def test_so_many_questions_and_no_more(front_door: FrontDoor):
    """One request may cost fifty calls: more is refused before any is made, whatever they are called."""
    asked = [f'c{number}: can(verb: "v{number}", resource: "pods") {{ allowed }}' for number in range(51)]

    most = await front_door.ask(f"{{ me {{ {' '.join(asked[:50])} }} }}")
    refused = await front_door.ask(f"{{ me {{ {' '.join(asked[:26])} }} again: me {{ {' '.join(asked[26:])} }} }}")

    assert most.status == 200
    assert (refused.status, refused.codes) == (400, ["LIMIT_EXCEEDED"])
    assert refused.errors[0]["extensions"]["exceeded"] == "calls"
    assert refused.errors[0]["locations"], "the first that is too many"


async def test_a_question_that_makes_no_sense_is_refused(front_door: FrontDoor):
    """Without a verb or a resource, and longer than any name."""
    for arguments, code in (
        ('verb: "", resource: "pods"', "BAD_USER_INPUT"),
        ('verb: "get", resource: ""', "BAD_USER_INPUT"),
        (f'verb: "get", resource: "pods", name: "{"x" * 256}"', "ARGUMENT_TOO_LONG"),
    ):
        answer = await front_door.ask(f"{{ me {{ can({arguments}) {{ allowed }} }} }}")
        assert answer.codes == [code]


async def test_telling_rights_starts_no_watch_and_shows_no_object(front_door: FrontDoor):
    """Somebody without any right learns that, and nothing else."""
    token = front_door.simulated.add_user("nobody", rights(READ, ("services",), namespace="no-such"))

    answer = await front_door.ask("{ me { lists { everywhere namespaces } } }", token)

    assert all(each == {"everywhere": False, "namespaces": []} for each in answer.data["me"]["lists"])


async def test_can_is_what_the_api_server_says(real_cluster: ControlPlane, namespace: Namespace):
    """For random questions of a user with some rights, of one with none, and of an admin: its own word and reason."""
    chance = random.Random(7)
    clerk, nobody = await namespace.account("clerk"), await namespace.account("nobody")
    await real_cluster.allow(clerk.user, ["get", "list"], ["pods", "pods/log"], namespace=namespace.name)
    await real_cluster.allow(clerk.user, ["delete"], ["pods"], namespace=namespace.name, names=["mine"])
    await real_cluster.allow(clerk.user, ["*"], ["services"])

    async with open_front_door(config_for(real_cluster)) as door:
        for _ in range(60):
            token = chance.choice((clerk.token, clerk.token, nobody.token, real_cluster.token("admin")))
            wanted = {
                "verb": chance.choice(("get", "list", "delete", "patch", "*", "impersonate")),
                "group": chance.choice(("", "", "apps", "*")),
                "resource": chance.choice(("pods", "services", "nodes", "*", "deployments", "pods/log")),
                "sub": chance.choice(("", "", "log", "status")),
                "namespace": chance.choice((namespace.name, "", "default")),
                "name": chance.choice(("", "mine", "other")),
            }
            answer = (await door.ask(CAN, token, variables=wanted)).data["me"]["can"]
            said = await own_review(real_cluster, token, wanted)
            assert answer["allowed"] is said["allowed"], wanted
            assert not said.get("reason") or answer["reason"] == said["reason"], wanted


async def own_review(cluster: ControlPlane, token: str, wanted: dict[str, str]) -> dict[str, Any]:
    """The status of the SelfSubjectAccessReview that this token asks."""
    attributes = {key: value for key, value in wanted.items() if key != "sub"} | {"subresource": wanted["sub"]}
    review = {"spec": {"resourceAttributes": attributes}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await cluster.request("POST", path, review, token=token)
    status: dict[str, Any] = answer["status"]
    return status
