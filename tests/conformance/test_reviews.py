"""TokenReview, SubjectAccessReview and the API server's refusals, as the gateway's auth relies on them."""

import pytest

from tests.conformance.api_server import ACCESS_REVIEWS, TOKEN_REVIEWS, ApiServer


async def test_a_known_token_is_told_with_its_user(server: ApiServer, namespace: str):
    """Name, uid and groups; `system:authenticated` is among them."""
    user = await server.make.user(f"ann-{namespace}")

    reply = await server.review_token(user.token)

    assert reply.status == 201
    assert (reply.body["kind"], reply.body["apiVersion"]) == ("TokenReview", "authentication.k8s.io/v1")
    status = reply.body["status"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == user.name
    assert status["user"]["uid"]
    assert "system:authenticated" in status["user"]["groups"]
    assert "error" not in status


async def test_an_unknown_token_is_not_authenticated(server: ApiServer):
    """201 all the same: the review was answered. `authenticated` is left out, which means no."""
    reply = await server.review_token("nobody's")

    assert reply.status == 201
    assert not reply.body["status"].get("authenticated", False)
    assert reply.body["status"]["user"] == {}
    assert "invalid bearer token" in reply.body["status"]["error"]


async def test_a_token_for_another_audience_is_not_authenticated(server: ApiServer, namespace: str):
    """Whoever asks for an audience that the token is not for gets no yes."""
    user = await server.make.user(f"ann-{namespace}")

    reply = await server.review_token(user.token, audiences=["https://elsewhere.example.com"])

    assert not reply.body["status"].get("authenticated", False)


async def test_a_review_without_a_token_is_a_bad_request(server: ApiServer):
    """400, not a no."""
    reply = await server.review_token("")

    assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
    assert reply.body["message"] == "token is required for TokenReview in authentication"


async def test_rights_in_the_whole_cluster_hold_everywhere(server: ApiServer, namespace: str):
    """Cluster-wide, in any namespace, and for that verb and resource only."""
    user = await server.make.user(f"ann-{namespace}")
    assert not await server.allowed(user, "list", "pods")

    await server.make.allow(user, ["list"], "pods", None)

    assert await server.allowed(user, "list", "pods")
    assert await server.allowed(user, "list", "pods", namespace)
    assert not await server.allowed(user, "watch", "pods")
    assert not await server.allowed(user, "list", "nodes")


async def test_rights_in_a_namespace_end_at_its_border(server: ApiServer, namespace: str):
    """Neither another namespace nor the whole cluster."""
    await server.make.create_namespace(namespace)
    user = await server.make.user(f"ann-{namespace}")

    await server.make.allow(user, ["list"], "pods", namespace)

    assert await server.allowed(user, "list", "pods", namespace)
    assert not await server.allowed(user, "list", "pods", "default")
    assert not await server.allowed(user, "list", "pods")


async def test_a_role_within_a_namespace_may_show_that_namespace_itself(server: ApiServer, namespace: str):
    """How Kubernetes' own `view` Role means `get namespaces`: asked with namespace and name set to it."""
    await server.make.create_namespace(namespace)
    user = await server.make.user(f"ann-{namespace}")

    await server.make.allow(user, ["get"], "namespaces", namespace)

    assert await server.allowed(user, "get", "namespaces", namespace, namespace)
    assert not await server.allowed(user, "get", "namespaces", "default", "default")
    assert not await server.allowed(user, "get", "namespaces", "", namespace)
    assert (await server.get(f"/api/v1/namespaces/{namespace}", token=user.token)).status == 200


async def test_the_answer_to_a_denied_review_is_a_plain_no(server: ApiServer, namespace: str):
    """201 with `allowed: false`, the question repeated."""
    attributes = {"verb": "list", "resource": "pods", "namespace": "default"}
    reply = await server.review_access(user=f"nobody-{namespace}", resourceAttributes=attributes)

    assert reply.status == 201
    assert (reply.body["kind"], reply.body["apiVersion"]) == ("SubjectAccessReview", "authorization.k8s.io/v1")
    assert reply.body["status"] == {"allowed": False}
    assert reply.body["spec"]["resourceAttributes"] == attributes


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"resourceAttributes": {"verb": "list", "resource": "pods"}}, "spec.user"),
        ({"user": "ann"}, "spec"),
    ],
)
async def test_an_incomplete_review_is_refused(server: ApiServer, spec: dict, field: str):
    """422, naming the field that is missing."""
    reply = await server.review_access(**spec)

    assert (reply.status, reply.body["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in reply.body["details"]["causes"]] == [field]


async def test_everybody_may_ask_who_they_are(server: ApiServer, namespace: str):
    """Without any right: the same user as a TokenReview of their token names."""
    user = await server.make.user(f"ann-{namespace}")

    reply = await server.review_self(user.token)

    assert reply.status == 201
    assert (reply.body["kind"], reply.body["apiVersion"]) == ("SelfSubjectReview", "authentication.k8s.io/v1")
    assert "spec" not in reply.body
    reviewed = (await server.review_token(user.token)).body["status"]["user"]
    told = reply.body["status"]["userInfo"]
    assert (told["username"], told["uid"]) == (reviewed["username"], reviewed["uid"])
    assert sorted(told["groups"]) == sorted(reviewed["groups"])


async def test_everybody_may_ask_what_they_may_do(server: ApiServer, namespace: str):
    """The same answer as about them, whoever they say that they are."""
    await server.make.create_namespace(namespace)
    user = await server.make.user(f"ann-{namespace}")
    await server.make.allow(user, ["list"], "pods", namespace)

    for where, allowed in ((namespace, True), ("default", False), ("", False)):
        attributes = {"verb": "list", "resource": "pods", "namespace": where}
        reply = await server.review_own_access(user.token, resourceAttributes=attributes)
        assert reply.status == 201
        kind = ("SelfSubjectAccessReview", "authorization.k8s.io/v1")
        assert (reply.body["kind"], reply.body["apiVersion"]) == kind
        assert reply.body["status"]["allowed"] is allowed


async def test_who_is_unknown_may_not_ask_about_themselves(server: ApiServer):
    """401 with a Status: the token is not accepted."""
    reviews = [
        await server.review_self("nobody's"),
        await server.review_own_access("nobody's", resourceAttributes={"verb": "list", "resource": "pods"}),
    ]

    assert [(reply.status, reply.body["reason"]) for reply in reviews] == [(401, "Unauthorized")] * 2


async def test_a_question_about_oneself_without_a_question_is_refused(server: ApiServer, namespace: str):
    """422, naming the field that is missing."""
    user = await server.make.user(f"ann-{namespace}")

    reply = await server.review_own_access(user.token)

    assert (reply.status, reply.body["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in reply.body["details"]["causes"]] == ["spec"]


@pytest.mark.parametrize("path", [TOKEN_REVIEWS, ACCESS_REVIEWS])
async def test_what_is_not_json_is_a_bad_request(server: ApiServer, path: str):
    """400 with a Status."""
    reply = await server.post(path, "no object")

    assert (reply.status, reply.body["kind"]) == (400, "Status")


@pytest.mark.parametrize("token", ["", "nobody's"])
@pytest.mark.parametrize("path", ["/api/v1/pods", "/api/v1/namespaces/default/pods/x"])
async def test_without_a_known_token_nothing_is_answered(server: ApiServer, token: str, path: str):
    """401 for a wrong token; without one the caller is anonymous, and has no rights."""
    reply = await server.get(path, token=token)

    if token:
        assert reply.status == 401
        assert reply.body == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        }
    else:
        assert reply.status in (401, 403)


async def test_a_forbidden_list_says_who_may_not_do_what_where(server: ApiServer, namespace: str):
    """403, cluster-wide and in a namespace, with the API server's own sentence."""
    user = await server.make.user(f"ann-{namespace}")

    everywhere = await server.get("/api/v1/pods", token=user.token)
    there = await server.get(f"/api/v1/namespaces/{namespace}/pods", token=user.token)
    one = await server.get(f"/api/v1/namespaces/{namespace}/pods/x", token=user.token)

    sentence = f'User "{user.name}" cannot list resource "pods" in API group ""'
    assert everywhere.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"pods is forbidden: {sentence} at the cluster scope",
        "reason": "Forbidden",
        "details": {"kind": "pods"},
        "code": 403,
    }
    assert there.body["message"] == f'pods is forbidden: {sentence} in the namespace "{namespace}"'
    assert one.body["message"] == (
        f'pods "x" is forbidden: User "{user.name}" cannot get resource "pods" in API group "" '
        f'in the namespace "{namespace}"'
    )
    assert one.body["details"] == {"name": "x", "kind": "pods"}


async def test_a_forbidden_review_says_so(server: ApiServer, namespace: str):
    """Who may not ask for reviews is refused, group and all."""
    user = await server.make.user(f"ann-{namespace}")

    reply = await server.post(TOKEN_REVIEWS, {"spec": {"token": "x"}}, token=user.token)

    assert reply.status == 403
    assert reply.body["message"] == (
        f'tokenreviews.authentication.k8s.io is forbidden: User "{user.name}" cannot create resource "tokenreviews" '
        'in API group "authentication.k8s.io" at the cluster scope'
    )
    assert reply.body["details"] == {"group": "authentication.k8s.io", "kind": "tokenreviews"}


async def test_what_does_not_exist_is_404_with_its_name(server: ApiServer, pods: str):
    """An object that is not there."""
    reply = await server.get(f"{pods}/nobody")

    assert reply.status == 404
    assert reply.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods "nobody" not found',
        "reason": "NotFound",
        "details": {"name": "nobody", "kind": "pods"},
        "code": 404,
    }


async def test_a_kind_that_does_not_exist_is_404(server: ApiServer):
    """A Status where the group is known, plain words elsewhere."""
    kind = await server.get("/api/v1/unicorns")
    group = await server.get("/apis/example.com/v1/unicorns")

    assert (kind.status, kind.body["reason"]) == (404, "NotFound")
    assert kind.body["message"] == "the server could not find the requested resource"
    assert (group.status, group.body) == (404, "404 page not found\n")


async def test_a_method_that_is_not_allowed_is_405(server: ApiServer):
    """Reviews can only be posted."""
    reply = await server.ask("GET", TOKEN_REVIEWS)

    assert reply.status == 405
    assert reply.body["reason"] == "MethodNotAllowed"
    assert reply.body["message"] == "the server does not allow this method on the requested resource"
