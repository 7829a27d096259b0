"""The simulated Prometheus: the queries of the gateway's catalogue, answered from the simulated cluster's use.

And a few plain ones, to try `prometheus(query:)` on (plain_promql.py). Any other query is refused as Prometheus refuses
what it cannot parse: there are no invented numbers.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias, TypeVar

import orjson
from aiohttp import web

from gateway.demo import plain_promql
from gateway.demo.nodes import Node
from gateway.demo.plain_promql import Number, Plain, Text, Up, plain
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

MOST_POINTS = 11_000

TEXT_OVER_TIME = (
    'invalid parameter "query": invalid expression type "string" for range query, must be Scalar or instant Vector'
)

T = TypeVar("T")
Key: TypeAlias = tuple[str, ...]
Usages: TypeAlias = Callable[[float], Usage]

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
        application.router.add_get("/api/v1/query_range", self._query_range)
        application.router.add_post("/api/v1/query_range", self._query_range)
        application.router.add_get("/api/v1/status/buildinfo", self._build)
        application.router.add_get("/-/ready", _ready)
        application.router.add_get("/-/healthy", _healthy)
        return application

    async def _build(self, request: web.Request) -> web.Response:
        self.requests[request.method, "buildinfo"] += 1
        return _json({"status": "success", "data": BUILD})

    async def _query(self, request: web.Request) -> web.Response:
        self.requests[request.method, "query"] += 1
        form = await _form(request)
        try:
            moment = _moment("time", form["time"]) if "time" in form else self._now()
            if (asked := plain(form.get("query", ""))) is not None:
                return _success(plain_promql.now(asked, self._nodes().values(), round(moment, 3)))
            answer = await self._answer(_vector, _question(form.get("query", "")), moment)
        except RefusedError as refused:
            return _refused(refused)
        return web.Response(body=answer, content_type="application/json")

    async def _query_range(self, request: web.Request) -> web.Response:
        self.requests[request.method, "query_range"] += 1
        form = await _form(request)
        try:
            moments = _moments(form)
            if (asked := plain(form.get("query", ""))) is not None:
                return _success(plain_promql.over_time(_with_a_past(asked), self._nodes().values(), moments))
            answer = await self._answer(_matrix, _question(form.get("query", "")), moments)
        except RefusedError as refused:
            return _refused(refused)
        return web.Response(body=answer, content_type="application/json")

    async def _answer(
        self, made: Callable[[Question, Usages, list[Pod], T], bytes], question: Question, when: T
    ) -> bytes:
        self.questions[question] += 1
        nodes = self._nodes()
        pods = [pod for pod in self._storage.all("pods") if isinstance(pod, Pod)]
        # What a thread is given is immutable; 150,000 pods take it the better part of a second.
        return await asyncio.to_thread(made, question, lambda moment: Usage(nodes, moment), pods, when)

    def _nodes(self) -> dict[str, Node]:
        return {node.name: node for node in self._storage.all("nodes") if isinstance(node, Node)}


def _vector(question: Question, usages: Usages, pods: list[Pod], moment: float) -> bytes:
    rows = _rows(question, usages(moment), pods)
    result = [{"metric": _labels(question, key), "value": _value(moment, value)} for key, value in rows]
    return orjson.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def _matrix(question: Question, usages: Usages, pods: list[Pod], moments: Sequence[float]) -> bytes:
    series: dict[Key, list[list[object]]] = {}
    for moment in moments:
        there = [pod for pod in pods if pod.created <= moment]
        for key, value in _rows(question, usages(moment), there):
            series.setdefault(key, []).append(_value(moment, value))
    result = [{"metric": _labels(question, key), "values": values} for key, values in series.items()]
    return orjson.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def _labels(question: Question, key: Key) -> Mapping[str, str]:
    return dict(zip(question.level.key_labels, key, strict=True))


def _value(moment: float, value: float) -> list[object]:
    return [round(moment, 3), plain_promql.written(value)]


def _rows(question: Question, usage: Usage, pods: list[Pod]) -> Iterable[tuple[Key, float]]:
    match question.level:
        case Level.NODE:
            return (((name,), value) for name, value in _of_nodes(question, usage, pods))
        case Level.POD:
            return (((pod.namespace, pod.name), value) for pod, value in _of_pods(question, usage, pods))
        case Level.CONTAINER:
            found = usage.of_containers(question.metric, _wanted(question, pods))
            return (((pod.namespace, pod.name, container), value) for pod, container, value in found)
        case Level.NAMESPACE:
            return _sums(((pod.namespace,), value) for pod, value in _of_pods(question, usage, pods))
        case Level.CLUSTER:
            return _sums(((), value) for _, value in _of_nodes(question, usage, pods))


def _sums(parts: Iterable[tuple[Key, float]]) -> Iterable[tuple[Key, float]]:
    sums: dict[Key, float] = {}
    for key, value in parts:
        sums[key] = sums.get(key, 0.0) + value
    return sums.items()


def _of_nodes(question: Question, usage: Usage, pods: list[Pod]) -> Iterable[tuple[str, float]]:
    names = question.selector.names
    values = usage.of_nodes(question.metric, pods)
    return ((name, value) for name, value in values.items() if names is None or name in names)


def _of_pods(question: Question, usage: Usage, pods: list[Pod]) -> Iterable[tuple[Pod, float]]:
    # A pod on its node's network shows the node's traffic, and that is the sum over all pods, wanted or not.
    hosts = usage.of_nodes(question.metric, pods) if question.metric in TRAFFIC else {}
    return usage.of_pods(question.metric, _wanted(question, pods), hosts)


def _wanted(question: Question, pods: Iterable[Pod]) -> Iterator[Pod]:
    namespaces, names = question.selector.namespaces, question.selector.names
    return (
        pod
        for pod in pods
        if (namespaces is None or pod.namespace in namespaces) and (names is None or pod.name in names)
    )


def _question(query: str) -> Question:
    if not query.strip():
        raise RefusedError('invalid parameter "query": unknown position: parse error: no expression found in input')
    question = recognise(query)
    if question is None:
        raise RefusedError(
            'invalid parameter "query": 1:1: parse error: a simulated Prometheus knows the gateway\'s own queries '
            "only, and `up`"
        )
    return question


def _with_a_past(asked: Plain) -> Number | Up:
    if isinstance(asked, Text):
        raise RefusedError(TEXT_OVER_TIME)
    return asked


async def _form(request: web.Request) -> Mapping[str, str]:
    sent = await request.post() if request.method == "POST" else {}
    return {name: str(value) for name, value in {**request.query, **sent}.items()}


def _refused(refused: RefusedError) -> web.Response:
    return _json({"status": "error", "errorType": "bad_data", "error": str(refused)}, status=400)


def _moments(form: Mapping[str, str]) -> Sequence[float]:
    """From `start` to `end`, every `step` seconds; Prometheus gives no more than 11,000."""
    start, end = (_moment(name, form.get(name, "")) for name in ("start", "end"))
    try:
        step = float(form.get("step", ""))
    except ValueError:
        raise RefusedError(
            f'invalid parameter "step": cannot parse "{form.get("step", "")}" to a valid duration'
        ) from None
    if end < start:
        raise RefusedError('invalid parameter "end": end timestamp must not be before start time')
    if step <= 0:
        raise RefusedError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    if (end - start) / step > MOST_POINTS:
        raise RefusedError(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution "
            "(?step=XX)"
        )
    return [start + number * step for number in range(int((end - start) / step) + 1)]


def _moment(parameter: str, text: str) -> float:
    """Seconds since 1970 out of Prometheus' two ways to write a time."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise RefusedError(f'invalid parameter "{parameter}": cannot parse "{text}" to a valid timestamp') from None


async def _ready(_: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Ready.\n")


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Healthy.\n")


def _success(data: Mapping[str, object]) -> web.Response:
    return _json({"status": "success", "data": data})


def _json(document: Mapping[str, object], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
