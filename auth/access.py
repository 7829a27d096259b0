"""What somebody may see: the API server's own decisions, from one cache of its answers.

What was rejected: evaluating RBAC from watched roles (no reviews at all, and wrong wherever another authoriser
decides), and SelfSubjectRulesReview (incomplete by its own contract).
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, Literal, final

import msgspec

from auth.flights import Flights, landed
from auth.identity import Identity
from auth.lru import LruCache
from auth.reviewers import AccessReviewer, Attributes, Decision
from auth.settings import AuthSettings


class Resource(msgspec.Struct, frozen=True, order=True):
    """A kind as RBAC names it: API group (empty for the core group) and plural name."""

    group: str
    name: str
    namespaced: bool = True


NODES: Final = Resource("", "nodes", namespaced=False)
PODS: Final = Resource("", "pods")
NAMESPACES: Final = Resource("", "namespaces", namespaced=False)
SERVICES: Final = Resource("", "services")


class Everywhere(Enum):
    """The scope that has no border: every namespace, and for cluster-scoped kinds "yes"."""

    ALL = "ALL"

    def __contains__(self, namespace: object) -> bool:
        return True


ALL: Final = Everywhere.ALL

Scope = Everywhere | frozenset[str]


class AccessNeed(msgspec.Struct, frozen=True):
    """What a request needs to know of one kind.

    List it: everywhere it is allowed, or (`namespaces`) only in these. With `name` also, where listing is not allowed:
    `get` that one, in the one namespace of `namespaces`, or in none for cluster-scoped kinds.
    """

    resource: Resource
    namespaces: frozenset[str] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.name and self.resource.namespaced and (self.namespaces is None or len(self.namespaces) != 1):
            raise ValueError(f"a look-up in {self.resource.name} by name needs its one namespace")


class NotAsked(AssertionError):  # noqa: N818 - reads as what happened
    """Somebody reads an answer that was never asked for: a programming mistake, neither a no nor a yes."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What is known about one kind: where it was asked and where it may be listed, what may be read by name."""

    asked: Scope
    scope: Scope
    asked_names: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[tuple[str, str]] = frozenset()
    beyond: bool = False


_EVERYTHING: Final = _Sight(ALL, ALL)

# What somebody sees is worked out once for all requests until a right of anybody changes; of one who sees hundreds of
# namespaces it takes some tens of kilobytes.
SEEN_KEPT: Final = 512


@final
class Visibility:
    """What one user may see of what one request needs; an immutable value, and part of the key of cached answers.

    Promised: equal for equal answers to equal needs, whoever asked; nothing else is in it, so that 1,000 hidden
    objects more, or namespaces that the user may not see, leave it equal. Whoever may list a kind everywhere has one
    and the same answer for it, whatever was needed.
    Promised: what was not asked raises NotAsked. Tests: tests/auth/test_access.py.
    """

    __slots__ = ("_hash", "_sights")

    def __init__(self, sights: Mapping[Resource, _Sight]) -> None:
        self._sights = dict(sights)
        self._hash = hash(frozenset(self._sights.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Visibility) and self._sights == other._sights

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Visibility({', '.join(f'{resource.name}={sight.scope}' for resource, sight in self._sights.items())})"

    def asked(self, resource: Resource) -> bool:
        """Whether the request needed to know anything of this kind."""
        return resource in self._sights

    def beyond(self, resource: Resource) -> bool:
        """Whether nobody sees this kind here: it is the whole cluster's, and the gateway knows of namespaces alone."""
        return self._sight(resource).beyond

    def scope(self, resource: Resource) -> Scope:
        """Where the kind may be listed, of the namespaces that were asked for.

        For NAMESPACES: the names of those that may be seen. A cluster-scoped kind has ALL or nothing.
        """
        return self._sight(resource).scope

    def lists(self, resource: Resource, namespace: str = "") -> bool:
        """Whether the kind may be listed in this namespace; without one, cluster-wide."""
        sight = self._sight(resource)
        if sight.scope is ALL:
            return True
        if not namespace:
            return False  # the cluster-wide question is part of every need
        if namespace not in sight.asked:
            raise NotAsked(f"list {resource.name} in {namespace!r}")
        return namespace in sight.scope

    def reads(self, resource: Resource, namespace: str, name: str) -> bool:
        """Whether this one object may be read: because its kind may be listed there, or by `get` with its name.

        The name must have been in a need, unless the kind may be listed there anyway. `namespace` is "" for
        cluster-scoped kinds, namespaces themselves included.
        """
        if resource == NAMESPACES:
            return self.lists(NAMESPACES, name)
        sight = self._sight(resource)
        if sight.scope is ALL or namespace in sight.scope:
            return True
        if (namespace, name) not in sight.asked_names:
            raise NotAsked(f"get {resource.name} {namespace}/{name}")
        return (namespace, name) in sight.names

    def _sight(self, resource: Resource) -> _Sight:
        try:
            return self._sights[resource]
        except KeyError:
            raise NotAsked(resource.name) from None


@final
class _Answer(msgspec.Struct):
    """One permission answer; `asked` is the clock just before its review was sent."""

    decision: Decision
    asked: float
    refresh_at: float  # when the next user of it asks again in the background


# How long a denial counts: of what a query names shortly, of "everywhere" as long as a permission (it is one question
# a kind, and a right just granted should show), of one of many namespaces for long.
_Kind = Literal["everywhere", "standing", "named"]
_Question = tuple[Attributes, _Kind]


@final
class _Seen(msgspec.Struct, frozen=True):
    """What one user was found to see, and until when nothing of it is due to be asked again."""

    visibility: Visibility
    until: float
    changes: int  # how many answers had changed by then
    standing: tuple[tuple[Resource, frozenset[str]], ...]  # the namespaces that were asked about


@final
class Access:
    """Turns needs into a Visibility with as few reviews as can be; each answer is kept and shared by all requests.

    Promised: an allowed answer is used for `allowed_seconds` after its review was sent, never longer. While somebody
    uses it, it is asked again in the background at half that time, so that nobody waits for it; when nobody does, it
    ends.
    Promised: whatever cannot be known raises ReviewsUnavailable within `review_timeout_seconds`; it never reads as no
    or yes. One review under way per question and user, detached from who asked.
    Tests: tests/auth/test_access.py.

    Rules with `resourceNames` are not expanded into lists: they count for look-ups by name.
    """

    def __init__(
        self,
        reviewer: AccessReviewer,
        namespaces_with: Callable[[Resource], Collection[str]],
        settings: AuthSettings,
        clock: Callable[[], float] = time.monotonic,
        within: frozenset[str] | None = None,
    ) -> None:
        """`namespaces_with` says which namespaces hold objects of a kind; for NAMESPACES, the names of all of them.

        `within`: the gateway knows of these namespaces alone. Then nothing is asked of any other, nothing
        cluster-wide, and nobody sees cluster-scoped kinds.
        """
        self._reviewer = reviewer
        self._namespaces_with = namespaces_with
        self._settings = settings
        self._clock = clock
        self._within = within
        self._answers: LruCache[tuple[Identity, Attributes], _Answer] = LruCache(settings.answers_cached)
        self._flights: Flights[tuple[Identity, Attributes], Decision] = Flights("auth/access-review")
        self._changes = 0
        self._seen: LruCache[tuple[Identity, frozenset[AccessNeed]], _Seen] = LruCache(SEEN_KEPT)

    def known(self, identity: Identity, needs: frozenset[AccessNeed]) -> Visibility | None:
        """What `visibility` would answer, if it was found before and nothing of it is due to be asked again."""
        seen = self._seen.get((identity.to_keep, needs))
        if seen is None or seen.changes != self._changes or seen.until <= self._clock():
            return None
        if any(self._standing(resource) != names for resource, names in seen.standing):
            return None
        return seen.visibility

    async def visibility(self, identity: Identity, needs: Collection[AccessNeed]) -> Visibility:
        """Answer all needs of one request: the cluster-wide questions together, then all that are left together.

        Raises ReviewsUnavailable.
        """
        if (known := self.known(identity, frozenset(needs))) is not None:
            return known
        end = asyncio.get_running_loop().time() + self._settings.review_timeout_seconds
        by_resource: dict[Resource, list[AccessNeed]] = defaultdict(list)
        for need in needs:
            by_resource[need.resource].append(need)

        asked_everywhere: list[_Question] = [(_listing(each), "everywhere") for each in by_resource]
        if self._within is not None:
            asked_everywhere = []
        everywhere = await self._ask(identity, asked_everywhere, end)
        plans = {
            resource: self._plan(resource, wanted)
            for resource, wanted in by_resource.items()
            if not everywhere.get(_listing(resource), False)
        }
        questions = [each for plan in plans.values() for each in plan.questions()]
        answers = await self._ask(identity, questions, end)
        visibility = Visibility(
            {resource: plans[resource].sight(answers) if resource in plans else _EVERYTHING for resource in by_resource}
        )
        self._seen.put(
            (identity.to_keep, frozenset(needs)),
            _Seen(
                visibility,
                self._due(identity, [*asked_everywhere, *questions], {**everywhere, **answers}),
                self._changes,
                tuple((resource, plan.standing) for resource, plan in plans.items() if plan.everywhere),
            ),
        )
        return visibility

    def _due(self, identity: Identity, questions: Iterable[_Question], used: Mapping[Attributes, bool]) -> float:
        """When the first of these answers is to be asked again; at once if one has changed meanwhile, or has left."""
        due = math.inf
        for attributes, kind in questions:
            answer = self._answers.get((identity.to_keep, attributes))
            if answer is None or answer.decision.allowed is not used[attributes]:
                return 0.0
            due = min(due, answer.asked + self._lifetime(answer, kind), answer.refresh_at)
        return due

    async def decisions(self, identity: Identity, wanted: Collection[Attributes]) -> Mapping[Attributes, Decision]:
        """What the API server says to each of these, in its own words; kept as answers about what a query names are.

        Raises ReviewsUnavailable.
        """
        end = asyncio.get_running_loop().time() + self._settings.review_timeout_seconds
        return await self._decide(identity, [(each, "named") for each in wanted], end)

    async def aclose(self) -> None:
        """Cancel the reviews under way and wait for their end."""
        await self._flights.aclose()

    def _plan(self, resource: Resource, needs: Iterable[AccessNeed]) -> "_Plan":
        standing: frozenset[str] = frozenset()
        named: frozenset[str] = frozenset()
        names: set[tuple[str, str]] = set()
        everywhere = False
        for need in needs:
            if resource == NAMESPACES and need.name:
                named |= {need.name}
                continue
            if need.name:
                names |= {(namespace, need.name) for namespace in need.namespaces or ("",)}
            if need.namespaces is None:
                everywhere = True
            else:
                named |= need.namespaces
        if everywhere:
            standing = self._standing(resource)
        return _Plan(resource, everywhere, standing, named, frozenset(names), self._within)

    def _standing(self, resource: Resource) -> frozenset[str]:
        """The namespaces in which a right to the kind is worth asking for, when it is not had everywhere."""
        if not (resource.namespaced or resource == NAMESPACES):
            return frozenset()
        standing = frozenset(self._namespaces_with(resource))
        return standing if self._within is None else standing & self._within

    async def _ask(self, identity: Identity, questions: Iterable[_Question], end: float) -> Mapping[Attributes, bool]:
        answers = await self._decide(identity, questions, end)
        return {attributes: decision.allowed for attributes, decision in answers.items()}

    async def _decide(
        self, identity: Identity, questions: Iterable[_Question], end: float
    ) -> Mapping[Attributes, Decision]:
        """Answer from what is kept, and by reviews for the rest; `end` is the loop's time at which patience ends."""
        now = self._clock()
        kept_as = identity.to_keep
        known: dict[Attributes, Decision] = {}
        missing: dict[Attributes, asyncio.Task[Decision]] = {}
        for attributes, kind in questions:
            key = (kept_as, attributes)
            answer = self._answers.get(key)
            if answer is None or now - answer.asked >= self._lifetime(answer, kind):
                missing[attributes] = self._flights.start(key, partial(self._review, identity, attributes))
                continue
            known[attributes] = answer.decision
            if now >= answer.refresh_at:
                # Once for each half life, also when it fails: an API server that is down is not asked per request.
                answer.refresh_at = now + self._settings.allowed_seconds / 2
                self._flights.start(key, partial(self._review, identity, attributes))
        left = max(end - asyncio.get_running_loop().time(), 0.0)
        landings = await landed(*missing.values(), timeout=left)
        return known | dict(zip(missing, landings, strict=True))

    def _lifetime(self, answer: _Answer, kind: _Kind) -> float:
        if answer.decision.allowed:
            return self._settings.allowed_seconds
        match kind:
            case "named":
                return min(self._settings.denied_again_seconds, self._settings.denied_seconds)
            case "everywhere":
                return min(self._settings.allowed_seconds, self._settings.denied_seconds)
            case "standing":
                return self._settings.denied_seconds

    async def _review(self, identity: Identity, attributes: Attributes) -> Decision:
        asked = self._clock()
        decision = await self._reviewer.decide(identity, attributes)
        # A denial is not refreshed ahead: nobody is harmed by one that is late.
        refresh_at = asked + self._settings.allowed_seconds / 2 if decision.allowed else float("inf")
        key = (identity.to_keep, attributes)
        before = self._answers.get(key)
        if before is None or before.decision != decision:
            self._changes += 1
        self._answers.put(key, _Answer(decision, asked, refresh_at))
        return decision


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is left to ask about one kind that may not be listed cluster-wide."""

    resource: Resource
    everywhere: bool
    standing: frozenset[str]  # namespaces that hold such objects
    named: frozenset[str]  # namespaces that the query names
    names: frozenset[tuple[str, str]]  # (namespace, name) of look-ups
    within: frozenset[str] | None  # nothing is asked of other namespaces: the answer there is no

    def questions(self) -> Iterable[_Question]:
        if self._beyond():
            return
        for namespace in self.standing - self.named:
            yield _seeing(self.resource, namespace), "standing"
        for namespace in self.named:
            if self._known(namespace):
                yield _seeing(self.resource, namespace), "named"
        for namespace, name in self.names:
            if self._known(namespace):
                yield _getting(self.resource, namespace, name), "named"

    def _known(self, namespace: str) -> bool:
        return self.within is None or namespace in self.within

    def _beyond(self) -> bool:
        return self.within is not None and not self.resource.namespaced

    def sight(self, answers: Mapping[Attributes, bool]) -> _Sight:
        return _Sight(
            asked=ALL if self.everywhere else self.named,
            scope=frozenset(
                each for each in self.standing | self.named if answers.get(_seeing(self.resource, each), False)
            ),
            asked_names=self.names,
            names=frozenset(each for each in self.names if answers.get(_getting(self.resource, *each), False)),
            beyond=self._beyond(),
        )


def _listing(resource: Resource, namespace: str = "") -> Attributes:
    return Attributes("list", resource.group, resource.name, namespace)


def _getting(resource: Resource, namespace: str, name: str) -> Attributes:
    return Attributes("get", resource.group, resource.name, namespace, name)


def _seeing(resource: Resource, namespace: str) -> Attributes:
    """The review that decides about one namespace.

    A namespace object counts as an object inside itself (the API server's own request info says so), and is shown by
    `get`: that is how Kubernetes' `view` role, bound in one namespace, means it.
    """
    if resource == NAMESPACES:
        return _getting(resource, namespace, namespace)
    return _listing(resource, namespace)
