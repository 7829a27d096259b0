"""The simulated API server: LIST, GET and WATCH of the kinds in resources.py, reviews of tokens and rights, and where
it is switched on `metrics.k8s.io`; over HTTP.

Its words and codes are kube-apiserver's (1.37, with its watch cache): tests/conformance asks both the same.
Everything needs a token that `Accounts` knows; what is not simulated is 404.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from gateway.demo import resource_metrics, statuses
from gateway.demo.accounts import Account, Accounts, Attempt
from gateway.demo.requests import ListOptions, Position, Target, list_options, target
from gateway.demo.resources import RESOURCES, Resource, selection
from gateway.demo.reviews import decode_review, review_access, review_own_access, review_self, review_token
from gateway.demo.statuses import Refusal
from gateway.demo.storage import Storage, Stored, TooOldError
from gateway.demo.watch import OBJECTS_PER_WRITE, Watch

VERSION = {
    "major": "1",
    "minor": "37",
    "emulationMajor": "1",
    "emulationMinor": "37",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "36",
    "gitVersion": "v1.37.2",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-10-13T12:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}

BOOKMARK_INTERVAL_S = 60.0  # kube-apiserver's defaultBookmarkFrequency

REVIEWS_REMEMBERED = 10_000
MAX_BODY = 3 * 2**20  # kube-apiserver's own limit, bytes

_OPEN_PATHS = frozenset({"/version", "/livez", "/readyz", "/healthz"})

_GROUPS = frozenset({group for group, _ in RESOURCES} | {"authentication.k8s.io", "authorization.k8s.io"})
_AS_METADATA = "as=PartialObjectMetadata"


@dataclass(slots=True)
class Features:
    """What a test may switch on the running server."""

    watch_list: bool = True
    """Streaming lists: on since 1.34; off, they are refused with 422."""
    bookmark_interval: float = BOOKMARK_INTERVAL_S
    old_watches_refused_over_http: bool = False
    """A watch from a forgotten version is HTTP 410, not a stream whose only event says so."""
    resource_metrics: bool = False
    """`metrics.k8s.io` is served, as where metrics-server is installed."""


_REVIEWS = frozenset(
    {
        "tokenreviews.authentication.k8s.io",
        "selfsubjectreviews.authentication.k8s.io",
        "subjectaccessreviews.authorization.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
    }
)


class KubernetesApi:
    """Answers requests from a storage; `requests` counts them by method and label (`GET`, `list pods`).

    `gate` is awaited before every write to a stream: a paused server falls silent in the middle of a watch.
    """

    def __init__(
        self,
        storage: Storage,
        accounts: Accounts,
        gate: Callable[[], Awaitable[None]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.features = Features()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.token_reviews: deque[str] = deque(maxlen=REVIEWS_REMEMBERED)
        self.access_reviews: deque[tuple[str, Attempt, bool]] = deque(maxlen=REVIEWS_REMEMBERED)
        self.user_agents: Counter[str] = Counter()
        self._storage = storage
        self._accounts = accounts
        self._gate = gate
        self._now = now

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self.handle)
        return application

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request in kube-apiserver's order: who, what, may they, do it."""
        wanted = target(request.method, request.path, request.query)
        self.requests[request.method, wanted.label] += 1
        self.user_agents[request.headers.get("User-Agent", "")] += 1
        try:
            account = self._authenticate(request)
            self._authorize(account, wanted)
            return await self._dispatch(request, wanted, account)
        except Refusal as refusal:
            return _refused(refusal)

    def _authenticate(self, request: web.Request) -> Account:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        account = self._accounts.whose(token.strip()) if scheme.lower() == "bearer" else None
        if account is None:
            raise statuses.unauthorized()
        return account

    def _authorize(self, account: Account, wanted: Target) -> None:
        if not wanted.resource:
            attempt = Attempt(wanted.verb, wanted.path)
            # What groups there are is open to everybody who has logged in (`system:discovery`).
            open_to_all = wanted.path in _OPEN_PATHS or wanted.path.startswith("/apis/")
            if not open_to_all and not self._accounts.allows(account.username, account.groups, attempt):
                raise statuses.forbidden_path(wanted.forbidden_to(account.username))
        elif not self._accounts.allows(account.username, account.groups, wanted.attempt):
            sentence = wanted.forbidden_to(account.username)
            raise statuses.forbidden(wanted.group, wanted.resource, wanted.name, sentence)

    async def _dispatch(self, request: web.Request, wanted: Target, account: Account) -> web.StreamResponse:
        match wanted:
            case Target(path="/version", verb="get"):
                return _json(VERSION)
            case Target(path="/livez" | "/readyz" | "/healthz", verb="get"):
                return web.Response(text="ok")
            case Target(resource=name, name="") if wanted.attempt.resource in _REVIEWS:
                return await self._review(request, name, account)
            case Target(path=path) if self.features.resource_metrics and path.startswith(resource_metrics.PATH):
                return _json(resource_metrics.answer(self._storage, self._now(), wanted))
            case Target(subresource="") if (resource := _served(wanted)) is not None:
                return await self._objects(request, wanted, resource)
            case Target(group=group, resource=name) if name and group in _GROUPS:
                raise statuses.no_such_resource()
            case _:
                return web.Response(text="404 page not found\n", status=404)

    async def _objects(self, request: web.Request, wanted: Target, resource: Resource) -> web.StreamResponse:
        namespace = wanted.namespace if resource.namespaced else ""
        if _AS_METADATA in request.headers.get("Accept", ""):
            resource = resource.as_metadata
        match wanted.verb:
            case "get":
                return self._get(resource, namespace, wanted.name)
            case "list":
                options = list_options(request.query, watch=False, watch_list=self.features.watch_list)
                return await self._list(request, resource, namespace, options)
            case "watch":
                options = list_options(request.query, watch=True, watch_list=self.features.watch_list)
                return await self._watch(request, resource, namespace, options)
            case _:
                raise statuses.method_not_allowed()

    async def _review(self, request: web.Request, resource: str, account: Account) -> web.Response:
        if request.method != "POST":
            raise statuses.method_not_allowed()
        body = await request.read()
        match resource:
            case "tokenreviews":
                token, answer = review_token(self._accounts, decode_review(body, "TokenReview"))
                self.token_reviews.append(token)
            case "selfsubjectreviews":
                decode_review(body, "SelfSubjectReview")
                answer = review_self(account)
            case "subjectaccessreviews":
                spec = decode_review(body, "SubjectAccessReview")
                username, attempt, allowed, answer = review_access(self._accounts, spec)
                self.access_reviews.append((username, attempt, allowed))
            case _:
                spec = decode_review(body, "SelfSubjectAccessReview")
                username, attempt, allowed, answer = review_own_access(self._accounts, account, spec)
                self.access_reviews.append((username, attempt, allowed))
        return _json(answer, status=201)

    def _get(self, resource: Resource, namespace: str, name: str) -> web.Response:
        stored = self._storage.get(resource.name, namespace, name)
        if stored is None:
            raise statuses.not_found(resource.group, resource.name, name)
        return web.Response(body=resource.document(stored), content_type="application/json")

    async def _list(
        self, request: web.Request, resource: Resource, namespace: str, options: ListOptions
    ) -> web.StreamResponse:
        revision, start = self._list_position(options)
        wanted = selection(resource, options)
        try:
            candidates = self._storage.at(resource.name, revision, namespace=namespace, start=start)
        except TooOldError:
            raise _forgotten(options) from None
        page, more = _page(candidates, options.limit, wanted)
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if more is not None:
            metadata["continue"] = Position(revision, f"{_key(candidates[more - 1])}\0").token()
            if not (options.label_selector or options.field_selector):
                metadata["remainingItemCount"] = len(candidates) - more
        return await self._write_list(request, resource, metadata, page)

    def _list_position(self, options: ListOptions) -> tuple[int, str]:
        """The revision that a list shows, and the key that it starts at."""
        current = self._storage.revision
        if options.position is not None:
            return (current if options.position.revision < 0 else options.position.revision), options.position.start
        if options.version is not None and options.version > current:
            raise statuses.too_large_version(options.version, current)
        return (options.version if options.exact and options.version else current), ""

    async def _write_list(
        self, request: web.Request, resource: Resource, metadata: Mapping[str, Any], page: list[Stored]
    ) -> web.StreamResponse:
        head = b'{"kind":"%sList","apiVersion":"%s","metadata":%s,"items":[' % (
            resource.kind.encode(),
            resource.api_version.encode(),
            orjson.dumps(metadata),
        )
        if len(page) <= OBJECTS_PER_WRITE:
            body = head + b",".join(map(resource.item, page)) + b"]}\n"
            return web.Response(body=body, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        with suppress(ConnectionResetError):  # the client has gone
            await response.prepare(request)
            await response.write(head)
            for first in range(0, len(page), OBJECTS_PER_WRITE):
                await self._gate()
                items = b",".join(map(resource.item, page[first : first + OBJECTS_PER_WRITE]))
                await response.write(b"," + items if first else items)
                await asyncio.sleep(0)  # a write that fits the socket's buffer does not yield by itself
            await response.write(b"]}\n")
        return response

    async def _watch(
        self, request: web.Request, resource: Resource, namespace: str, options: ListOptions
    ) -> web.StreamResponse:
        watch = Watch(self._storage, resource, namespace, options, selection(resource, options))
        if self.features.old_watches_refused_over_http:
            watch.refuse_if_forgotten()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        with suppress(ConnectionResetError):  # the client has gone
            await response.prepare(request)
            async for lines in watch.events(self.features.bookmark_interval):
                await self._gate()
                await response.write(lines)
        return response


def _served(wanted: Target) -> Resource | None:
    """The resource of a path, if that group has it in that version."""
    resource = RESOURCES.get((wanted.group, wanted.resource))
    return resource if resource is not None and wanted.path.startswith(resource.root) else None


def _page(candidates: list[Stored], limit: int, wanted: Callable[[Stored], bool]) -> tuple[list[Stored], int | None]:
    """Up to `limit` wanted objects (0: all of them), and the position after the last one if more may follow."""
    page: list[Stored] = []
    for position, stored in enumerate(candidates, start=1):
        if wanted(stored):
            page.append(stored)
        if limit and len(page) == limit and position < len(candidates):
            return page, position
    return page, None


def _forgotten(options: ListOptions) -> Refusal:
    if options.position is None:
        return statuses.expired("The resourceVersion for the provided list is too old.")
    return statuses.expired(statuses.EXPIRED_CONTINUE, continue_token=Position(-1, options.position.start).token())


def _key(stored: Stored) -> str:
    item = stored.object
    return f"{item.namespace}/{item.name}" if item.namespace else item.name


def _json(document: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


def _refused(refusal: Refusal) -> web.Response:
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
    return web.Response(body=refusal.body, status=refusal.code, content_type="application/json", headers=headers)
