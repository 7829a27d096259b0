"""CPU and memory of this moment from `metrics.k8s.io`, in the place of a Prometheus where none is configured.

It is what `kubectl top` shows: the kubelets' own numbers, by way of metrics-server or what else serves that API. There
is one LIST of all nodes and one of all pods (or of each namespace that the gateway knows of), asked with the gateway's
own account, by nobody's question more than once in a scrape interval, and shared by everybody; who sees what of it is
decided as for Prometheus' numbers. Everything else (network, disks, the past) has no source then, and says so.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol, Self, TypeAlias, TypeVar, final

import msgspec

from auth.api import Reply, Unreachable
from schema.sources.kubernetes.quantities import cores, whole
from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import Held, MetricFrame, Missing, Question, Sample
from schema.sources.prometheus.settings import PrometheusSettings

log = logging.getLogger(__name__)

SOURCE: Final = "metrics.k8s.io"
ROOT: Final = f"/apis/{SOURCE}/v1beta1"
MEASURED: Final = (MetricName.CPU_USAGE, MetricName.MEMORY_USAGE)
# Whose list an object of a level is in.
LISTS: Final[Mapping[Level, str]] = {
    Level.CLUSTER: "nodes",
    Level.NODE: "nodes",
    Level.NAMESPACE: "pods",
    Level.POD: "pods",
    Level.CONTAINER: "pods",
}
# A flight may take longer than an answer waits for it: who asks next finds it landed. 15,000 pods are some 8 MB.
LIST_LIMIT_S: Final = 15.0
PIECE: Final = 100  # objects that are read before other requests go first: some 2 ms

Clock: TypeAlias = Callable[[], float]
Samples: TypeAlias = Mapping[tuple[MetricName, Level], Mapping[str, Mapping[str, Held]]]


class ListApi(Protocol):
    """What is needed of the API server."""

    async def get(self, path: str, params: Mapping[str, str], *, timeout: float) -> Reply: ...  # noqa: ASYNC109


class _Meta(msgspec.Struct):
    name: str
    namespace: str = ""


class _Usage(msgspec.Struct):
    cpu: str
    memory: str

    def numbers(self) -> tuple[float, float]:
        """In the order of MEASURED. Raises ValueError."""
        # What metrics-server nearly always writes: read by integers it is as exact, in a tenth of the time.
        nano, kibi = self.cpu[:-1], self.memory[:-2]
        cpu = int(nano) / 10**9 if self.cpu.endswith("n") and nano.isdecimal() else cores(self.cpu)
        memory = int(kibi) * 1024 if self.memory.endswith("Ki") and kibi.isdecimal() else whole(self.memory)
        return cpu, float(memory)


class NodeMetrics(msgspec.Struct):
    metadata: _Meta
    timestamp: str
    usage: _Usage
    window: str = ""


class _ContainerMetrics(msgspec.Struct):
    name: str
    usage: _Usage


class PodMetrics(msgspec.Struct):
    metadata: _Meta
    timestamp: str
    containers: tuple[_ContainerMetrics, ...] = ()
    window: str = ""


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


_T = TypeVar("_T", NodeMetrics, PodMetrics)
_list: Final = msgspec.json.Decoder(_List)
_node: Final = msgspec.json.Decoder(NodeMetrics)
_pod: Final = msgspec.json.Decoder(PodMetrics)


@dataclass(frozen=True, slots=True)
class _During:
    """When something was measured: until which moment, and over how many seconds, where that is said."""

    until: float
    seconds: float | None

    @classmethod
    def of(cls, measured: NodeMetrics | PodMetrics) -> Self:
        """Raises ValueError for what is no moment."""
        return cls(datetime.fromisoformat(measured.timestamp).timestamp(), _window(measured.window))

    def sample(self, metric: MetricName, number: float) -> Sample:
        """Memory is that of the moment itself."""
        return Sample(number, None, self.until, (), self.seconds if metric is MetricName.CPU_USAGE else None)


_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


@lru_cache(maxsize=1_024)  # few things are measured at the same time
def _window(text: str) -> float | None:
    """Seconds of a duration as Go writes it (`15.042s`, `1m0s`); None for none, and for one that is nothing."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3_600 + minutes * 60 + seconds or None


@final
class Readings:
    """What lists say, by metric and level as frames keep it, with the sums that Prometheus would make of it.

    Nothing that was measured before `stale_before` (seconds since 1970) counts in a sum.
    """

    def __init__(self, *, stale_before: float) -> None:
        self.samples: dict[tuple[MetricName, Level], dict[str, dict[str, Held]]] = {}
        self._stale_before = stale_before

    def add_node(self, node: NodeMetrics) -> None:
        """Raises ValueError for what is no quantity or no moment."""
        during = _During.of(node)
        for metric, number in zip(MEASURED, node.usage.numbers(), strict=True):
            self._put(metric, Level.NODE, "", node.metadata.name, during.sample(metric, number))
            self._sum(metric, Level.CLUSTER, "", during.sample(metric, number))

    def add_pod(self, pod: PodMetrics) -> None:
        """Raises ValueError for what is no quantity or no moment. A pod without containers says nothing."""
        during = _During.of(pod)
        namespace, name = pod.metadata.namespace, pod.metadata.name
        containers = [(each.name, each.usage.numbers()) for each in pod.containers]
        for index, metric in enumerate(MEASURED if containers else ()):
            for container, numbers in containers:
                of_one = during.sample(metric, numbers[index])
                self._put(metric, Level.CONTAINER, namespace, f"{name}/{container}", of_one)
            together = during.sample(metric, sum(numbers[index] for _, numbers in containers))
            self._put(metric, Level.POD, namespace, name, together)
            self._sum(metric, Level.NAMESPACE, namespace, together)

    def _put(self, metric: MetricName, level: Level, namespace: str, name: str, sample: Sample) -> None:
        fresh = sample.timestamp >= self._stale_before
        self._names(metric, level, namespace)[name] = (sample if fresh else sample.stale(),)

    def _sum(self, metric: MetricName, level: Level, name: str, sample: Sample) -> None:
        """A sum is as new as its newest part, and averaged over as long as the longest."""
        if sample.timestamp < self._stale_before:
            return
        held = self._names(metric, level, "")
        match held.get(name), sample.value:
            case (Sample(float(before), _, newest, _, longest),), float(number):
                window = max(longest or 0.0, sample.window or 0.0) or None
                held[name] = (Sample(before + number, None, max(newest, sample.timestamp), (), window),)
            case _:
                held[name] = (sample,)

    def _names(self, metric: MetricName, level: Level, namespace: str) -> dict[str, Held]:
        return self.samples.setdefault((metric, level), {}).setdefault(namespace, {})


@dataclass(slots=True)
class _Picture:
    """What one list said: numbers by metric and level as frames keep them, or why there are none."""

    until: float
    at: float = 0.0
    samples: Samples = field(default_factory=dict)
    failure: Missing | None = None
    reason: str = ""

    def frame(self, question: Question) -> MetricFrame:
        if self.failure is not None:
            return MetricFrame.failed(question, self.failure, self.reason, self.at, SOURCE)
        samples = self.samples.get((question.metric, question.level), {})
        return MetricFrame(question, samples, evaluated_at=self.at, source=SOURCE)


class _NotListed(Exception):  # noqa: N818 - says what became of the question
    """There is no list; `missing` says of what kind the reason is."""

    def __init__(self, missing: Missing, reason: str) -> None:
        super().__init__(reason)
        self.missing = missing


@final
class ResourceMetrics:
    """The numbers of nodes and pods, as the API server has them.

    Promised: `frames` answers every question, within `timeout_seconds`, and raises for no failure.
    Promised: each of the two lists is asked at most once in `scrape_interval_seconds`, after a failure in
    `retry_after_seconds`, whoever asks for whatever; what becomes of it is logged when it changes.
    Tests: tests/schema/sources/kubernetes/test_resource_metrics.py.
    """

    def __init__(
        self,
        api: ListApi,
        settings: PrometheusSettings,
        namespaces: Sequence[str] = (),
        *,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> None:
        """`namespaces`: those that the gateway knows of alone; none: it knows of all."""
        self._api = api
        self._settings = settings
        self._namespaces = tuple(namespaces)
        self._clock = clock
        self._wall_clock = wall_clock
        self._pictures: dict[str, _Picture] = {}
        self._flights: dict[str, asyncio.Task[_Picture]] = {}
        self._told: dict[str, str] = {}

    async def frames(self, questions: Iterable[Question]) -> Mapping[Question, MetricFrame]:
        """The answer to each question; the lists that must be asked for are asked at the same time."""
        asked = list(questions)
        lists = {LISTS[question.level] for question in asked if _answerable(question)}
        pictures = await self._seen(lists)
        return {
            question: pictures[LISTS[question.level]].frame(question) if _answerable(question) else _absent(question)
            for question in asked
        }

    async def recognise(self) -> None:
        """Find out, and log, whether there is anything: before somebody asks."""
        await self._seen({"pods"} if self._namespaces else {"nodes", "pods"})

    async def close(self) -> None:
        """End what is in flight."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _seen(self, lists: Iterable[str]) -> Mapping[str, _Picture]:
        now = self._clock()
        pictures = {what: picture for what in lists if (picture := self._pictures.get(what)) and now < picture.until}
        flights = {what: self._flight(what) for what in lists if what not in pictures}
        if flights:
            await asyncio.wait(flights.values(), timeout=self._settings.timeout_seconds)
        return pictures | {what: self._landed(flight) for what, flight in flights.items()}

    def _flight(self, what: str) -> asyncio.Task[_Picture]:
        """Belongs to nobody who asks: one who goes away takes it from no other."""
        flight = self._flights.get(what)
        if flight is None:
            flight = self._flights[what] = asyncio.create_task(self._ask(what), name=f"metrics.k8s.io/{what}")
            flight.add_done_callback(lambda _: self._flights.pop(what))
        return flight

    def _landed(self, flight: asyncio.Task[_Picture]) -> _Picture:
        if not flight.done():
            reason = f"it did not answer within {self._settings.timeout_seconds:g} s"
        elif flight.cancelled():
            reason = "the gateway is stopping"
        else:
            return flight.result()
        return _Picture(0.0, self._wall_clock(), failure=Missing.UNREACHABLE, reason=reason)

    async def _ask(self, what: str) -> _Picture:
        asked_at = self._clock()
        try:
            samples = await self._listed(what)
            until = asked_at + self._settings.scrape_interval_seconds
            picture = _Picture(until, self._wall_clock(), samples)
        except _NotListed as none:
            until = self._clock() + self._settings.retry_after_seconds
            picture = _Picture(until, self._wall_clock(), failure=none.missing, reason=str(none))
        self._pictures[what] = picture
        self._tell(what, picture)
        return picture

    async def _listed(self, what: str) -> Samples:
        # Nodes are in no namespace, and nobody sees any where the gateway knows of namespaces alone.
        within = [f"/namespaces/{namespace}" for namespace in self._namespaces] if what == "pods" else []
        readings = Readings(stale_before=self._wall_clock() - self._settings.stale_after_seconds)
        for place in within or [""]:
            items = await self._items(what, place)
            if what == "nodes":
                await self._each(_node, items, readings.add_node)
            else:
                await self._each(_pod, items, readings.add_pod)
        return readings.samples

    async def _items(self, what: str, place: str) -> list[msgspec.Raw]:
        reply = await self._get(f"{ROOT}{place}/{what}")
        match reply.status:
            case 200:
                pass
            case 403 if await self._is_served():
                raise _NotListed(Missing.UNREACHABLE, _missing_rule(what, place))
            case 403 | 404:
                raise _NotListed(Missing.NOT_CONFIGURED, "no Prometheus is configured, and the cluster has no such API")
            case status:
                raise _NotListed(Missing.UNREACHABLE, f"the API server answers with HTTP status {status}")
        try:
            return _list.decode(reply.body).items or []
        except (msgspec.DecodeError, RecursionError):
            raise _NotListed(Missing.UNREACHABLE, "the API server's answer is no list") from None

    async def _is_served(self) -> bool:
        """Whether there is such an API at all: who may not list what is not there is told that they may not."""
        return (await self._get(ROOT)).status != 404

    async def _get(self, path: str) -> Reply:
        try:
            return await self._api.get(path, {}, timeout=LIST_LIMIT_S)
        except Unreachable as gone:
            raise _NotListed(Missing.UNREACHABLE, f"the API server gives no answer: {gone}") from None

    async def _each(
        self, decoder: msgspec.json.Decoder[_T], items: Sequence[msgspec.Raw], add: Callable[[_T], None]
    ) -> None:
        """One by one, so that an odd object costs itself alone; in pieces, so that other requests go on."""
        for number, item in enumerate(items):
            if number % PIECE == PIECE - 1:
                await asyncio.sleep(0)
            try:
                add(decoder.decode(item))
            except (msgspec.DecodeError, ValueError, RecursionError):
                self._say("odd", logging.WARNING, f"{SOURCE} has an object that cannot be read: {bytes(item)[:200]!r}")

    # --- telling whoever runs this ---

    def _tell(self, what: str, picture: _Picture) -> None:
        match picture.failure:
            case None:
                self._say(what, logging.INFO, f"CPU and memory of {what} are those of {SOURCE}, without a Prometheus")
            case Missing.NOT_CONFIGURED:
                self._say(what, logging.INFO, f"there is nothing of {what} in {SOURCE}: {picture.reason}")
            case _:
                self._say(what, logging.WARNING, f"no CPU and memory of {what} from {SOURCE}: {picture.reason}")

    def _say(self, what: str, level: int, line: str) -> None:
        """Once, until something else is to be said of it."""
        if self._told.get(what) != line:
            self._told[what] = line
            log.log(level, "%s", line)


def _answerable(question: Question) -> bool:
    return question.metric in MEASURED and question.range is None


def _absent(question: Question) -> MetricFrame:
    reason = f"no Prometheus is configured, and {SOURCE} has CPU and memory of this moment alone"
    return MetricFrame.failed(question, Missing.NOT_CONFIGURED, reason, 0.0, SOURCE)


def _missing_rule(what: str, place: str) -> str:
    where = f" in {place.rpartition('/')[2]}" if place else ""
    role = f"Role{where}" if place else "ClusterRole"
    rule = f'{{apiGroups: ["{SOURCE}"], resources: ["{what}"], verbs: ["list"]}}'
    return f"the gateway's own account may not list {what} of {SOURCE}{where}; its {role} needs the rule {rule}"
