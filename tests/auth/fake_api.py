"""An API server that only reviews, at the seam where the real one is asked; every call is written down."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from auth.api import Reply, Unreachable
from auth.reviewers import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Attributes


class Clock:
    """Stands still until a test moves it."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeApi:
    """Knows tokens and rules; `down`, `held` and `reply` break it in the ways a real one breaks."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Token to the `user` of its TokenReview."""
    rules: set[Attributes] = field(default_factory=set)
    """What everybody may do; a rule without a namespace holds in every namespace, one without a name for every name."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Path and spec of each review that reached it."""
    down: str | None = None
    """The reason why there is no answer."""
    held: asyncio.Event | None = None
    """Answers wait for this; one that is never set is a server that hangs."""
    reply: Callable[[], Reply] | None = None
    """Answers this, whatever is asked."""
    most_at_once: int = 0
    _now: int = 0

    async def post(self, path: str, body: bytes, *, timeout: float, token: str | None = None) -> Reply:
        spec = orjson.loads(body)["spec"]
        self.calls.append((path, spec))
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            if self.held is not None:
                await self.held.wait()
            else:
                await asyncio.sleep(0)
        finally:
            self._now -= 1
        if self.down is not None:
            raise Unreachable(self.down)
        if self.reply is not None:
            return self.reply()
        return Reply(201, {"content-type": "application/json"}, orjson.dumps(self._answer(path, spec)))

    def _answer(self, path: str, spec: dict[str, Any]) -> dict[str, Any]:
        if path == TOKEN_REVIEWS:
            user = self.users.get(spec["token"])
            status: dict[str, Any] = {"authenticated": True, "user": user} if user else {"error": "unknown token"}
            return {"kind": "TokenReview", "spec": spec, "status": status}
        assert path == SUBJECT_ACCESS_REVIEWS
        asked = Attributes(**spec["resourceAttributes"])
        allowed = any(_covers(rule, asked) for rule in self.rules)
        return {"kind": "SubjectAccessReview", "spec": spec, "status": {"allowed": allowed}}

    @property
    def asked(self) -> list[Attributes]:
        """The attributes of the access reviews, in order."""
        return [Attributes(**spec["resourceAttributes"]) for path, spec in self.calls if path == SUBJECT_ACCESS_REVIEWS]

    @property
    def token_reviews(self) -> int:
        return sum(path == TOKEN_REVIEWS for path, _ in self.calls)


def _covers(rule: Attributes, asked: Attributes) -> bool:
    return (
        (rule.verb, rule.group, rule.resource) == (asked.verb, asked.group, asked.resource)
        and rule.namespace in {"", asked.namespace}
        and rule.name in {"", asked.name}
    )


def may(verb: str, resource: str, namespace: str = "", name: str = "") -> Attributes:
    """A rule, or what was asked, in the core group."""
    return Attributes(verb, "", resource, namespace, name)


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"gateway"), (b"authorization", b"Bearer " + token.encode())]


def jwt(**claims: object) -> str:
    """A token of three parts whose signature nobody here checks."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    return ".".join([part(b'{"alg":"RS256"}'), part(orjson.dumps(claims)), part(b"signature")])


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something holds; a test that waits in vain fails here."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")
