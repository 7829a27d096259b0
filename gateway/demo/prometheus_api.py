"""The simulated Prometheus: instant queries of the gateway's catalogue, answered from the simulated cluster's use.

Any other query is refused as Prometheus refuses what it cannot parse: there are no invented numbers.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import orjson
from aiohttp import web

from gateway.demo.nodes import Node
from gateway.demo.pods import Pod
from gateway.demo.promql import recognise
from gateway.demo.storage import Storage
from gateway.demo.usage import TRAFFIC, Usage
from schema.sources.prometheus.catalogue import Level
from schema.sources.prometheus.frames import Question

BUILD = {
    "version": "3.16.0",
    "revision": "0000000000000000000000000000000000000000",
    "branch": "HEAD",
    "buildUser": "simulated",
    "buildDate": "20261006-12:00:00",
    "goVersion": "go1.26.8",
}

MAX_FORM = 64 * 2**20  # bytes; a page of pods by their names is long


class RefusedError(Exception):
    """400 in Prometheus' own form."""


class PrometheusApi:
    """Answers from a storage; `requests` counts calls by method and kind, `questions` what was asked."""

    def __init__(self, storage: Storage, now: Callable[[], float] = time.time) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.questions: Counter[Question] = Counter()
        self._storage = storage
        self._now = now

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_FORM)
        application.router.add_get("/api/v1/query", self._query)
        application.router.add_post("/api/v1/query", self._query)
        application.router.add_get("/api/v1/status/buildinfo", self._build)
        application.router.add_get("/-/ready", _ready)
        application.router.add_get("/-/healthy", _healthy)
        return application

    async def _build(self, request: web.Request) -> web.Response:
        self.requests[request.method, "buildinfo"] += 1
        return _json({"status": "success", "data": BUILD})

    async def _query(self, request: web.Request) -> web.Response:
        self.requests[request.method, "query"] += 1
        form = {**request.query, **(await request.post() if request.method == "POST" else {})}
        try:
            moment = _moment(str(form["time"])) if "time" in form else self._now()
            answer = await self._answer(_question(str(form.get("query", ""))), moment)
        except RefusedError as refused:
            return _json({"status": "error", "errorType": "bad_data", "error": str(refused)}, status=400)
        return web.Response(body=answer, content_type="application/json")

    async def _answer(self, question: Question, moment: float) -> bytes:
        self.questions[question] += 1
        nodes = {node.name: node for node in self._storage.all("nodes") if isinstance(node, Node)}
        pods = [pod for pod in self._storage.all("pods") if isinstance(pod, Pod)]
        # What a thread is given is immutable; 150,000 pods take it the better part of a second.
        return await asyncio.to_thread(_vector, question, Usage(nodes, moment), pods)


def _vector(question: Question, usage: Usage, pods: list[Pod]) -> bytes:
    if question.level is Level.NODE:
        result = [_row({"node": name}, usage.at, value) for name, value in _of_nodes(question, usage, pods)]
    else:
        result = [
            _row({"namespace": pod.namespace, "pod": pod.name}, usage.at, value)
            for pod, value in _of_pods(question, usage, pods)
        ]
    return orjson.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def _row(labels: Mapping[str, str], moment: float, value: float) -> dict[str, object]:
    written = str(int(value)) if value.is_integer() else repr(value)  # as Go writes a float: no .0, no exponent
    return {"metric": labels, "value": [round(moment, 3), written]}


def _of_nodes(question: Question, usage: Usage, pods: list[Pod]) -> Iterable[tuple[str, float]]:
    names = question.selector.names
    values = usage.of_nodes(question.metric, pods)
    return ((name, value) for name, value in values.items() if names is None or name in names)


def _of_pods(question: Question, usage: Usage, pods: list[Pod]) -> Iterable[tuple[Pod, float]]:
    namespaces, names = question.selector.namespaces, question.selector.names
    wanted = (
        pod
        for pod in pods
        if (namespaces is None or pod.namespace in namespaces) and (names is None or pod.name in names)
    )
    # A pod on its node's network shows the node's traffic, and that is the sum over all pods, wanted or not.
    hosts = usage.of_nodes(question.metric, pods) if question.metric in TRAFFIC else {}
    return usage.of_pods(question.metric, wanted, hosts)


def _question(query: str) -> Question:
    if not query.strip():
        raise RefusedError('invalid parameter "query": unknown position: parse error: no expression found in input')
    question = recognise(query)
    if question is None:
        raise RefusedError(
            'invalid parameter "query": 1:1: parse error: a simulated Prometheus knows the gateway\'s own queries only'
        )
    return question


def _moment(text: str) -> float:
    """Seconds since 1970 out of Prometheus' two ways to write a time."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise RefusedError(f'invalid parameter "time": cannot parse "{text}" to a valid timestamp') from None


async def _ready(_: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Ready.\n")


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Healthy.\n")


def _json(document: Mapping[str, object], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
