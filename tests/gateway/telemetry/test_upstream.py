"""Calls to the two systems, as metrics name and count them."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from auth.settings import AuthSettings
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.traces import NoTraces
from gateway.telemetry.upstream import of_kubernetes, of_prometheus, upstream
from schema.sources.kubernetes.kinds import ON_DEMAND, STANDING
from tests.front_door import ADMIN, simulated_door

API = "https://10.0.0.1"


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/version", "version"),
        ("GET", "/api/v1/pods", "list pods"),
        ("GET", "/api/v1/pods?limit=500&continue=abc", "list pods"),
        ("GET", "/api/v1/pods?watch=true&resourceVersion=7", "watch pods"),
        ("GET", "/api/v1/namespaces/shop/pods?watch=true", "watch pods"),
        ("GET", "/api/v1/namespaces/shop/pods", "list pods"),
        ("GET", "/api/v1/namespaces/shop/pods/web-0", "get pods"),
        ("GET", "/api/v1/namespaces", "list namespaces"),
        ("GET", "/api/v1/namespaces/shop", "get namespaces"),
        ("GET", "/apis/apps/v1/namespaces/shop/deployments/web", "get deployments"),
        ("GET", "/apis/apps/v1/deployments", "list deployments"),
        ("GET", "/apis/metrics.k8s.io/v1beta1/pods", "list pods.metrics.k8s.io"),
        ("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", "list pods.metrics.k8s.io"),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", "tokenreviews"),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "selfsubjectaccessreviews"),
        ("DELETE", "/api/v1/namespaces/shop/pods/web-0", "delete pods"),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", "patch deployments"),
        ("POST", "/api/v1/namespaces/shop/pods/web-0/eviction", "create pods"),
        ("GET", "/k8s/clusters/c-7/api/v1/namespaces/shop/pods", "list pods"),
        ("GET", "/api/v1/namespaces/api/pods", "list pods"),
        ("GET", "/k8s/clusters/c-7/version", "version"),
    ],
)
def test_a_call_to_the_api_server_has_the_name_of_what_is_asked(method: str, path: str, name: str):
    """Verb and resource, as RBAC has them; behind a proxy too."""
    assert of_kubernetes(method, URL(API + path)) == name


def test_whatever_the_url_the_names_are_few():
    """No name of an object, a namespace or a group that somebody made up becomes a series."""
    hostile = ["", "/", "/api", "/apis", "/api/v1", "/healthz", "/api/v1/namespaces/a/b/c/d/e", "/api/v1/secrets"]
    hostile += [f"/api/v1/namespaces/ns-{number}/pods/pod-{number}" for number in range(500)]
    hostile += [f"/apis/group-{number}/v{number}/things-{number}/{number}" for number in range(500)]
    hostile += [f"/{number}/api/{number}/namespaces/{number}/{number}" for number in range(500)]
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "BREW")
    seen = {of_kubernetes(method, URL(API + path)) for method in methods for path in hostile}
    seen |= {of_prometheus("POST", URL(f"http://prometheus/api/v1/label/{number}/values")) for number in range(500)}

    assert seen <= {f"{verb} pods" for verb in ("get", "list", "create", "update", "patch", "delete")} | {"other"}


def test_every_kind_that_is_watched_has_a_name_of_its_own():
    """`other` would hide which of them is slow."""
    for kind in (*STANDING, *ON_DEMAND):
        for place in (kind.path(), kind.path("shop")) if kind.namespaced else (kind.path(),):
            assert of_kubernetes("GET", URL(API + place)) == f"list {kind.name}"
            assert of_kubernetes("GET", URL(f"{API}{place}?watch=1")) == f"watch {kind.name}"


async def test_how_a_call_ended_is_its_code():
    """A status, no answer at all, or one that was not waited for."""

    async def answer(request: web.Request) -> web.Response:
        if request.query.get("slow"):
            await asyncio.sleep(60)
        return web.Response(status=int(request.query["status"]))

    metrics = Metrics()
    app = web.Application()
    app.router.add_get("/api/v1/query", answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/query"
    watched = upstream("prometheus", of_prometheus, metrics, NoTraces())
    async with aiohttp.ClientSession(trace_configs=[watched]) as session:
        for status in (200, 200, 503):
            async with session.get(url, params={"status": str(status)}):
                pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await session.get(url, params={"slow": "1", "status": "200"})
        await runner.cleanup()
        with pytest.raises(aiohttp.ClientError):
            await session.get(url)

    def counted(code: str) -> float | None:
        labels = {"system": "prometheus", "operation": "query", "code": code}
        return metrics.registry.get_sample_value("binnacle_upstream_requests_total", labels)

    assert [counted(code) for code in ("200", "503", "given_up", "error")] == [2, 1, 1, 1]
    of = {"system": "prometheus", "operation": "query"}
    assert metrics.registry.get_sample_value("binnacle_upstream_seconds_count", of) == 5


async def test_reviews_are_counted_by_their_outcome_and_caches_ask_nobody():
    """A token's and each right's, once for as long as it counts; what cannot be known is neither a yes nor a no."""
    patient = {"auth": AuthSettings(review_timeout_seconds=5)}  # on a busy machine too
    async with simulated_door(settings=patient) as door:
        for _ in range(3):
            await door.ask("{ pods { name } }", ADMIN)
        await door.ask("{ pods { name } }", "made-up")
        await door.ask("{ nodes { name } }", "demo-shop")
        count = door.gateway.telemetry.metrics.registry.get_sample_value

        def counted(review: str, outcome: str) -> float | None:
            return count("binnacle_reviews_total", {"review": review, "outcome": outcome})

        assert counted("token", "accepted") == 2
        assert counted("token", "rejected") == 1
        assert (counted("right", "allowed") or 0) >= 1
        assert (counted("right", "denied") or 0) >= 1
        assert counted("token", "unavailable") is None

        await door.simulated.kubernetes.stop()
        assert (await door.ask("{ pods { name } }", "demo-viewer")).status == 503
        assert counted("token", "unavailable") == 1
        verdict = {"verdict": "unavailable"}
        assert count("binnacle_auth_verdicts_total", verdict) == 1
