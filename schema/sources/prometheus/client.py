"""Asking Prometheus: each question at most once per scrape interval, never for longer than its limit.

Three things stand between the callers and the wire. Equal questions in flight are one query, and the flight belongs to
the client: a caller who goes away takes it from nobody else. What was answered is kept for one scrape interval, in
which the numbers do not change anyway. And after a failure nobody waits again for some seconds:

- Prometheus itself failed (no connection, silence, not its API): until then every question fails at once;
- Prometheus did not answer one question (a configured query with a mistake, too slow for its own time limit, too much
  to read): that question does, the others go on.
"""

import asyncio
import json
import logging
import math
import os
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, TypeVar, final
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from schema.sources.prometheus.catalogue import Level, MetricName, Profile, averaged_over, render
from schema.sources.prometheus.frames import MetricFrame, Missing, Question, Range
from schema.sources.prometheus.profiles import EVIDENCE, PROFILES, Evidence, recognised
from schema.sources.prometheus.raw import RawAnswer, RawQuery, RawRefused, RawUnanswered, decoded
from schema.sources.prometheus.settings import PrometheusSettings, duration_seconds
from schema.sources.prometheus.vector import (
    MATRIX,
    VECTOR,
    Answer,
    Index,
    R,
    RangeIndex,
    Reading,
    other_type,
    split,
)

log = logging.getLogger(__name__)

Clock = Callable[[], float]
Taken_contra = TypeVar("Taken_contra", contravariant=True)

CONNECTIONS: Final = 20  # Prometheus evaluates no more queries at a time unless told so (--query.max-concurrency)
RAW_AT_ONCE: Final = 5  # queries of users' own: they must not keep the gateway's from being asked
KEPT_QUESTIONS: Final = 256
KEPT_OBJECTS: Final = 2_000_000  # all five metrics of 150,000 pods are 750,000
REASON_LENGTH: Final = 200
RAW_REASON_LENGTH: Final = 1_000  # of a query's own mistakes: the parser repeats parts of it
RECOGNISED_EVERY_S: Final = 300.0
SEVERAL: Final = 100  # distinct warnings that are logged before the rest is held for noise
# Prometheus gives up on a query a little before we give up on Prometheus: then it can say so, and is known to be alive.
SHARE_OF_TIMEOUT: Final = 0.9
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
# errorType of answers about Prometheus itself rather than about the query (its web/api/v1/api.go).
ABOUT_ITSELF: Final = frozenset({"unavailable", "internal"})


class Indexing(Protocol[Taken_contra]):
    """Takes in the rows of one answer; counts those that name no object."""

    unnamed: int

    def add(self, rows: Iterable[Taken_contra]) -> None: ...


class SourceError(Exception):
    """Prometheus cannot be asked anything; str() is one line with the reason."""


class QuestionError(Exception):
    """Prometheus is there and did not answer this question; str() is one line with the reason."""


@final
class Budget:
    """How many bytes may be read, and by which setting: of one answer, or of several together."""

    def __init__(self, setting: str, most: int) -> None:
        self._setting = setting
        self._most = most
        self._left = most

    def take(self, count: int) -> None:
        """Raises QuestionError when more than all has been taken, from then on whoever takes."""
        self._left -= count
        if self._left < 0:
            raise QuestionError(f"its answer is larger than {self._most} bytes ({self._setting})")


@final
class Prometheus:
    """The numbers of nodes and pods.

    Promised: `frames` answers every question, within `timeout_seconds`, and raises for no failure of Prometheus'.
    Promised: equal questions cost one query per scrape interval, however many ask and go away.
    Promised: a failing Prometheus costs one query and one log line per metric and level and `retry_after_seconds`.
    Promised: `raw` raises for no failure either, answers within `raw_timeout_seconds`, and whatever somebody asks by it
    fails no question of the gateway's own.
    Tests: tests/schema/sources/prometheus/test_client.py, test_raw.py.
    """

    def __init__(
        self,
        settings: PrometheusSettings,
        session: aiohttp.ClientSession,
        *,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> None:
        self._settings = settings
        self._session = session
        self._clock = clock
        self._wall_clock = wall_clock
        self._flights: dict[Question, asyncio.Task[MetricFrame]] = {}
        self._recent = RecentFrames()
        self._raw_turns = asyncio.Semaphore(RAW_AT_ONCE)
        self._down_until = float("-inf")
        self._down_reason = ""
        self._quiet_until: dict[tuple[MetricName, Level], float] = {}
        self._warned: set[str] = set()
        self.profile = settings.profile or Profile.GENERIC

    async def frames(self, questions: Iterable[Question]) -> Mapping[Question, MetricFrame]:
        """The answer to each question; those that must be asked are asked at the same time."""
        frames = {question: self._at_once(question) for question in questions}
        flights = {question: self._flight(question) for question, frame in frames.items() if frame is None}
        if flights:
            await asyncio.wait(flights.values())  # unlike gather, leaves them alone when the caller is cancelled
        return {question: frame or self._landed(question, flights[question]) for question, frame in frames.items()}

    async def raw(self, query: RawQuery) -> RawAnswer | RawRefused | RawUnanswered:
        """Pass somebody's own PromQL on, as `raw_all` does."""
        return (await self.raw_all([query]))[query]

    async def raw_all(self, queries: Collection[RawQuery]) -> Mapping[RawQuery, RawAnswer | RawRefused | RawUnanswered]:
        """Pass on what one operation asks, at the same time. Nothing is kept or shared, and it ends with who asked.

        Its failures are not taken for Prometheus' own: whoever asks for too much must not darken everybody's metrics.
        Together the answers may be as large as one may: an operation with many queries takes no more memory.
        """
        budget = Budget("raw_response_limit_bytes", self._settings.raw_response_limit_bytes)
        outcomes = await asyncio.gather(*(self._raw(query, budget) for query in queries))
        return dict(zip(queries, outcomes, strict=True))

    async def _raw(self, query: RawQuery, budget: Budget) -> RawAnswer | RawRefused | RawUnanswered:
        if self._clock() < self._down_until:
            return RawUnanswered(self._down_reason)
        try:
            async with asyncio.timeout(self._settings.raw_timeout_seconds), self._raw_turns:
                return await self._passed_on(query, budget)
        except TimeoutError:
            return RawUnanswered(f"it did not answer within {self._settings.raw_timeout_seconds:g} s")
        except QuestionError as failure:
            return RawRefused(str(failure))
        except SourceError as failure:
            return RawUnanswered(str(failure))

    async def check(self) -> str | None:
        """None if Prometheus is there and is one; else the reason, in one line."""
        if self._settings.url is None:
            return "no Prometheus is configured"
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                status, body = await self._call("GET", "/api/v1/status/buildinfo")
                if status == 404:  # older, or only speaks the query API
                    status, body = await self._call("GET", "/-/ready")
                elif status == 200:
                    return None if _says_success(body) else "its answer is not that of a Prometheus"
        except TimeoutError:
            return self._silence()
        except (SourceError, QuestionError) as failure:
            return str(failure)
        return None if status == 200 else f"it answers with HTTP status {status}"

    async def recognise(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Find out how Prometheus was installed, unless that is configured; until then any series will do.

        Asked again while Prometheus is away or has scraped nothing yet, less and less often.
        """
        if self._settings.url is None or self._settings.profile is not None:
            return
        pause = self._settings.retry_after_seconds
        while (found := await self._recognised()) is None:
            await sleep(pause)
            pause = min(pause * 2, RECOGNISED_EVERY_S)
        self.profile = found
        log.info("Prometheus (%s) is asked by the profile %s", self._settings.url, found)

    async def _recognised(self) -> Profile | None:
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                values = [await self._label_values(*asked) for asked in EVIDENCE.values()]
        except (SourceError, TimeoutError):
            return None
        except QuestionError as failure:
            log.warning("Prometheus (%s) does not say which jobs it has: %s", self._settings.url, failure)
            return Profile.GENERIC
        return recognised(Evidence(**dict(zip(EVIDENCE, values, strict=True))))

    async def _label_values(self, label: str, series: str) -> frozenset[str]:
        since = str(int(self._wall_clock() - self._settings.stale_after_seconds))
        asked = urlencode({"match[]": series, "start": since})
        status, body = await self._call("GET", f"/api/v1/label/{label}/values?{asked}")
        if status >= 500:
            raise SourceError(f"it answers with HTTP status {status}")
        try:
            return frozenset(_label_values.decode(body).data)
        except (msgspec.DecodeError, RecursionError) as mistake:
            raise QuestionError(f"HTTP status {status}, and no label values") from mistake

    async def close(self) -> None:
        """End what is in flight; whoever still waits for it is told."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    # --- without asking ---

    def _at_once(self, question: Question) -> MetricFrame | None:
        """The answer to `question` if nobody need wait for it."""
        if self._settings.url is None:
            return self._failed(question, Missing.NOT_CONFIGURED, "no Prometheus is configured")
        if question.selector.empty:
            return MetricFrame(question, {}, evaluated_at=self._wall_clock())
        now = self._clock()
        if recent := self._recent.get(question, now):
            return recent
        if now < self._down_until:
            return self._failed(question, Missing.UNREACHABLE, self._down_reason)
        return None

    def _failed(self, question: Question, missing: Missing, reason: str) -> MetricFrame:
        return MetricFrame.failed(question, missing, reason, self._wall_clock())

    # --- asking ---

    def _flight(self, question: Question) -> asyncio.Task[MetricFrame]:
        flight = self._flights.get(question)
        if flight is None:
            name = f"prometheus/{question.metric}/{question.level}"
            flight = self._flights[question] = asyncio.create_task(self._ask(question), name=name)
            flight.add_done_callback(lambda _: self._flights.pop(question))
        return flight

    def _landed(self, question: Question, flight: asyncio.Task[MetricFrame]) -> MetricFrame:
        if flight.cancelled():
            return self._failed(question, Missing.UNREACHABLE, "the gateway is stopping")
        return flight.result()

    async def _ask(self, question: Question) -> MetricFrame:
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                frame = await self._answer(question)
        except QuestionError as failure:
            frame = self._failed(question, Missing.UNREACHABLE, str(failure))
            self._recent.keep(frame, self._clock(), until=self._clock() + self._settings.retry_after_seconds)
            self._tell(question, frame.reason)
        except SourceError as failure:
            frame = self._source_down(question, str(failure))
        except TimeoutError:
            frame = self._source_down(question, self._silence())
        else:
            self._recent.keep(frame, self._clock(), until=asked_at + self._settings.scrape_interval_seconds)
        return frame

    def _source_down(self, question: Question, reason: str) -> MetricFrame:
        self._down_until = self._clock() + self._settings.retry_after_seconds
        self._down_reason = reason
        self._tell(question, reason)
        return self._failed(question, Missing.UNREACHABLE, reason)

    def _silence(self) -> str:
        return f"it did not answer within {self._settings.timeout_seconds:g} s"

    async def _answer(self, question: Question) -> MetricFrame:
        queries = PROFILES[self.profile]
        query, window = render(question, self._settings, queries), averaged_over(question, self._settings, queries)
        if question.range is None:
            frame = await self._answer_now(question, query)
        else:
            frame = await self._answer_over_time(question, question.range, query)
        return frame if window is None else replace(frame, window=float(duration_seconds(window)))

    async def _answer_now(self, question: Question, query: str) -> MetricFrame:
        index = Index(question.level, stale_before=self._wall_clock() - self._settings.stale_after_seconds)
        await self._read(question, VECTOR, index, "/api/v1/query", {"query": query})
        evaluated_at = self._wall_clock() if index.evaluated_at is None else index.evaluated_at
        return MetricFrame(question, index.samples, evaluated_at=evaluated_at)

    async def _answer_over_time(self, question: Question, asked: Range, query: str) -> MetricFrame:
        index = RangeIndex(question.level, asked)
        moments = {"start": str(asked.start), "end": str(asked.end), "step": str(asked.step)}
        await self._read(question, MATRIX, index, "/api/v1/query_range", {"query": query, **moments})
        return MetricFrame(question, {}, evaluated_at=float(asked.end), series=index.series)

    async def _read(
        self, question: Question, reading: Reading[R], index: Indexing[R], path: str, form: Mapping[str, str]
    ) -> None:
        """Ask, and take the answer into `index` in pieces."""
        limit = {"timeout": f"{self._settings.timeout_seconds * SHARE_OF_TIMEOUT * 1000:.0f}ms"}
        status, body = await self._call("POST", path, {**form, **limit})  # a page of names is longer than a URL may be
        whole, pieces = split(body)
        answer = _understood(status, whole, reading)
        try:
            index.add(answer.data.result if answer.data else ())
            for piece in pieces:
                await asyncio.sleep(0)  # other requests go first, every few milliseconds
                index.add(reading.rows.decode(piece))
        except (msgspec.DecodeError, ValueError, RecursionError) as mistake:
            raise SourceError("its answer is not that of a Prometheus") from mistake
        self._warn(question, answer.warnings, index.unnamed)

    async def _passed_on(self, query: RawQuery, budget: Budget) -> RawAnswer | RawRefused | RawUnanswered:
        limit = {"timeout": f"{self._settings.raw_timeout_seconds * SHARE_OF_TIMEOUT * 1000:.0f}ms"}
        status, body = await self._call("POST", query.path, {**query.form, **limit}, budget)
        try:
            outcome = await decoded(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise SourceError(_not_as_expected(status)) from error
        match outcome:
            case RawRefused(reason, error_type):
                return RawRefused(_one_line(reason, RAW_REASON_LENGTH), error_type)
            case RawUnanswered(reason):
                return RawUnanswered(_one_line(reason))
        return outcome

    async def _call(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        budget: Budget | None = None,
    ) -> tuple[int, bytes]:
        """Status and body, whatever the status is; without a budget of others' the body has its own."""
        budget = budget or Budget("response_limit_bytes", self._settings.response_limit_bytes)
        try:
            async with self._session.request(
                method,
                f"{self._settings.url}{path}",
                data=None if form is None else _form(form),
                headers={**({} if form is None else _FORM), **self._authorization()},
                allow_redirects=False,  # the token is for this address alone
            ) as response:
                return response.status, await _body(response, budget)
        except (aiohttp.ClientError, OSError) as error:
            raise SourceError(_transport_reason(error)) from error

    def _authorization(self) -> Mapping[str, str]:
        settings = self._settings
        if settings.bearer_token_file is not None:
            return {"Authorization": f"Bearer {_secret(settings.bearer_token_file, 'bearer_token_file', 'token')}"}
        if settings.username is not None and settings.password_file is not None:
            password = _secret(settings.password_file, "password_file", "password")
            return {"Authorization": aiohttp.encode_basic_auth(settings.username, password, "utf-8")}
        return {}

    # --- telling whoever runs this ---

    def _tell(self, question: Question, reason: str) -> None:
        """One line per metric and level and period, however many selectors fail."""
        what = (question.metric, question.level)
        now = self._clock()
        if now >= self._quiet_until.get(what, float("-inf")):
            self._quiet_until[what] = now + self._settings.retry_after_seconds
            log.warning(
                "no %s of %ss from Prometheus (%s): %s",
                question.metric,
                question.level.lower(),
                self._settings.url,
                reason,
            )

    def _warn(self, question: Question, said: Iterable[str], unnamed: int) -> None:
        """Each warning once: Prometheus repeats them with every answer."""
        warnings = [f"warns: {_one_line(warning)}" for warning in said]
        if unnamed:
            warnings.append(f"answers with series that lack the labels {', '.join(question.level.key_labels)}")
        for warning in warnings:
            text = f"{question.metric} of {question.level.lower()}s: Prometheus {warning}"
            if text not in self._warned and len(self._warned) < SEVERAL:
                self._warned.add(text)
                log.warning("%s", text)


@final
class RecentFrames:
    """The last answers, each until its time is over; bounded in questions and in the objects they speak of."""

    def __init__(self, *, questions: int = KEPT_QUESTIONS, objects: int = KEPT_OBJECTS) -> None:
        self._most_questions = questions
        self._most_objects = objects
        self._objects = 0
        self._kept: OrderedDict[Question, tuple[float, MetricFrame, int]] = OrderedDict()
        self._next_end = math.inf  # no time of one that is kept is over before

    def get(self, question: Question, now: float) -> MetricFrame | None:
        until, frame, _ = self._kept.get(question, (now, None, 0))
        if now >= until:
            return None
        self._kept.move_to_end(question)
        return frame

    def keep(self, frame: MetricFrame, now: float, *, until: float) -> None:
        if now >= self._next_end:
            for question in [question for question, (end, _, _) in self._kept.items() if now >= end]:
                self._drop(question)
            self._next_end = min((end for end, _, _ in self._kept.values()), default=math.inf)
        if frame.question in self._kept:
            self._drop(frame.question)
        size = frame.size
        self._kept[frame.question] = (until, frame, size)
        self._objects += size
        self._next_end = min(self._next_end, until)
        while len(self._kept) > 1 and (len(self._kept) > self._most_questions or self._objects > self._most_objects):
            self._drop(next(iter(self._kept)))

    def _drop(self, question: Question) -> None:
        self._objects -= self._kept.pop(question)[2]


class _LabelValues(msgspec.Struct):
    data: list[str]


_label_values: Final = msgspec.json.Decoder(_LabelValues)


async def _body(response: aiohttp.ClientResponse, budget: Budget) -> bytes:
    chunks: list[bytes] = []
    async for chunk in response.content.iter_any():
        budget.take(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def _secret(path: Path, setting: str, what: str) -> str:
    """The one line in a file; read each time, because mounted secrets rotate."""
    try:
        secret = path.read_text(encoding="utf-8" if what == "password" else "ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"the {what} for it cannot be read from {setting}") from error
    if not secret or not secret.isprintable():
        raise SourceError(f"{setting} holds no {what}")
    return secret


def _understood(status: int, body: bytes, reading: Reading[R]) -> Answer[R]:
    """The answer in `body` if it is of the kind that was asked for; raises SourceError or QuestionError."""
    try:
        answer = reading.answer.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        if (kind := other_type(body)) not in (None, reading.kind):
            raise _wrong_kind(kind, reading) from error
        raise SourceError(_not_as_expected(status)) from error
    if answer.status == "success" and answer.data is not None and status == 200:
        if answer.data.result_type != reading.kind:  # an empty result of another kind decodes as well
            raise _wrong_kind(answer.data.result_type, reading)
        return answer
    if answer.status != "error" or not answer.error_type:
        raise SourceError(f"it answers with HTTP status {status}, and not as a Prometheus")
    reason = _one_line(f"{answer.error_type}: {answer.error}")
    raise (SourceError if answer.error_type in ABOUT_ITSELF else QuestionError)(reason)


def _not_as_expected(status: int) -> str:
    return "its answer is not that of a Prometheus" if status == 200 else f"it answers with HTTP status {status}"


def _wrong_kind(kind: str | None, reading: Reading[R]) -> QuestionError:
    expected = "an instant vector" if reading is VECTOR else f"a {reading.kind}"
    return QuestionError(f"the query gives a {kind}, not {expected}")


def _says_success(body: bytes) -> bool:
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("status") == "success"


# The first that fits. No addresses: clients read this too.
_TRANSPORT_REASONS: Final = (
    (aiohttp.ClientConnectorDNSError, "its host name cannot be resolved"),
    (aiohttp.ClientConnectorCertificateError, "its certificate is not trusted"),
    (aiohttp.ClientSSLError, "TLS with it failed"),
    (aiohttp.ClientConnectorError, "it cannot be connected to"),
    (aiohttp.ClientResponseError, "it does not speak HTTP as it should"),
    (Exception, "it closed the connection before its answer was complete"),
)


def _transport_reason(error: Exception) -> str:
    """Why there was no answer, in words for an operator."""
    reason = next(reason for kind, reason in _TRANSPORT_REASONS if isinstance(error, kind))
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if isinstance(cause, ConnectionError) and cause.errno is not None:
        return f"{reason}: {os.strerror(cause.errno).lower()}"
    return reason


def _form(fields: Mapping[str, str]) -> bytes:
    """Fields as a form. Queries have thousands of characters, of a few sorts; urllib looks at each by itself."""
    return "&".join(f"{name}={_escaped(value)}" for name, value in fields.items()).encode()


def _escaped(text: str) -> str:
    if not text.isascii():
        return quote(text, safe="")
    for character, escaped in _ESCAPES:
        if character in text:
            text = text.replace(character, escaped)
    return text


# What stands for others is escaped first.
_ESCAPES: Final = sorted(
    ((each, quote(each, safe="")) for each in map(chr, range(128)) if quote(each, safe="") != each),
    key=lambda escape: escape[0] != "%",
)


def _one_line(text: str, length: int = REASON_LENGTH) -> str:
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:length]


@asynccontextmanager
async def open_prometheus(
    settings: PrometheusSettings,
    user_agent: str,
    *,
    watched_by: Sequence[aiohttp.TraceConfig] = (),
    clock: Clock = time.monotonic,
    wall_clock: Clock = time.time,
) -> AsyncIterator[Prometheus]:
    """The source, for as long as the process lives; Prometheus need not be there yet.

    `watched_by` is told of every request.

    Raises OSError if `ca_file` holds no certificates, or `client_certificate_file` and `client_key_file` are no pair.
    """
    trusted = ssl.create_default_context(cafile=settings.ca_file)
    if settings.client_certificate_file is not None:
        trusted.load_cert_chain(settings.client_certificate_file, settings.client_key_file, password=_no_password)
    tenant = {} if settings.tenant is None else {"X-Scope-OrgID": settings.tenant}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trusted),
        # On the cluster's own network compressing costs both sides more than it saves.
        headers={
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **settings.headers,
            **tenant,
        },
        timeout=aiohttp.ClientTimeout(total=None),  # one limit for a whole question stands around it
        trace_configs=list(watched_by),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        prometheus = Prometheus(settings, session, clock=clock, wall_clock=wall_clock)
        try:
            yield prometheus
        finally:
            await prometheus.close()


def _no_password() -> str:
    """What a key that needs one gets: OpenSSL would ask on the terminal."""
    return ""
