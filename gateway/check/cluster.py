"""The API server as the gateway meets it: does it answer, as what, and what may the gateway's account do there."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec
import orjson

from auth.access import Resource
from auth.api import Reply, Unreachable
from auth.reviewers import SELF_SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_REVIEWS
from gateway.check.findings import Finding, Outcome
from gateway.config import Config
from gateway.version import USER_AGENT
from schema.sources.kubernetes.client import KubernetesApi, open_api
from schema.sources.kubernetes.connection import KubernetesConfigError
from schema.sources.kubernetes.kinds import NAMESPACES, ON_DEMAND, STANDING

TIMEOUT_S: Final = 5.0
AT_ONCE: Final = 8
# Tokens and Prometheus' times are compared with this machine's clock.
SKEW_S: Final = 5.0
OLDEST_TESTED: Final = (1, 33)
TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "tokenreviews", namespaced=False)
ACCESS_REVIEWS: Final = Resource("authorization.k8s.io", "subjectaccessreviews", namespaced=False)
STANDING_RESOURCES: Final = frozenset(kind.resource for kind in STANDING)


async def check_cluster(config: Config) -> list[Finding]:
    """Everything that can be asked of the API server; what follows from a failure is not asked."""
    try:
        async with open_api(config.kubernetes, USER_AGENT) as api:
            found = await _answers(api)
            if found[0].outcome is Outcome.FAILS:
                return [*found, Finding("permissions", Outcome.NOT_ASKED, "the API server has to answer first")]
            return [*found, await _account(api), await _streaming(api), *await _permissions(api, config)]
    except KubernetesConfigError as error:
        return [
            Finding(
                "API server",
                Outcome.FAILS,
                str(error),
                "Give `kubernetes.kubeconfig`, `kubernetes.server`, or run it in a pod with a service account.",
            )
        ]


class _Version(msgspec.Struct):
    git_version: str = msgspec.field(name="gitVersion")
    major: str
    minor: str


async def _answers(api: KubernetesApi) -> list[Finding]:
    asked = time.time()
    try:
        reply = await api.get("/version", {}, timeout=TIMEOUT_S)
    except Unreachable as error:
        return [
            Finding(
                "API server",
                Outcome.FAILS,
                f"it gave no answer: {error}",
                "Look at address, certificate authority and network policy; `kubectl cluster-info` asks the same.",
            )
        ]
    if reply.status == 401:
        return [
            Finding(
                "API server",
                Outcome.FAILS,
                "it does not accept the gateway's own credentials (401)",
                "Renew the token or the client certificate of the kubeconfig, or the service account.",
            )
        ]
    try:
        version = msgspec.json.decode(reply.body, type=_Version)
    except msgspec.MsgspecError:
        return [Finding("API server", Outcome.FAILS, f"what answers (status {reply.status}) is no API server")]
    return [_version(version), _clock(reply, asked)]


def _version(version: _Version) -> Finding:
    number = int(version.major), int("".join(filter(str.isdigit, version.minor)) or 0)
    if number < OLDEST_TESTED:
        oldest = ".".join(map(str, OLDEST_TESTED))
        return Finding("API server", Outcome.WARNS, f"{version.git_version}, older than what is tested ({oldest})")
    return Finding("API server", Outcome.WORKS, version.git_version)


def _clock(reply: Reply, asked: float) -> Finding:
    date = reply.headers.get("date")
    if date is None:
        return Finding("clock", Outcome.NOT_ASKED, "the API server does not say what time it is")
    skew = parsedate_to_datetime(date).timestamp() - (asked + time.time()) / 2
    if abs(skew) <= SKEW_S:
        return Finding("clock", Outcome.WORKS, "as the API server's, to the second that it tells")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Finding(
        "clock",
        Outcome.WARNS,
        f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the API server's (here it is {now})",
        "Ages, filters by age and tokens' expiry would be wrong by so much: synchronise the clocks.",
    )


class _User(msgspec.Struct):
    username: str = ""


class _UserInfo(msgspec.Struct):
    user_info: _User = msgspec.field(name="userInfo")


class _SelfReview(msgspec.Struct):
    status: _UserInfo


async def _account(api: KubernetesApi) -> Finding:
    body = orjson.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    try:
        reply = await api.post(SELF_SUBJECT_REVIEWS, body, timeout=TIMEOUT_S)
        user = msgspec.json.decode(reply.body, type=_SelfReview).status.user_info.username
    except (Unreachable, msgspec.MsgspecError) as error:
        return Finding("account", Outcome.WARNS, f"the API server does not say who the gateway is: {error}")
    return Finding("account", Outcome.WORKS, user)


async def _streaming(api: KubernetesApi) -> Finding:
    """Whether a list can come as the beginning of its watch: half the memory there, and no pause in between."""
    wanted = {
        "watch": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "1",
    }
    try:
        async with api.stream(NAMESPACES.path(), wanted) as incoming:
            status = incoming.status
    except Unreachable as error:
        return Finding("streaming lists", Outcome.WARNS, f"asked for one, the API server gave no answer: {error}")
    if status == 200:
        return Finding("streaming lists", Outcome.WORKS, "the API server has them (WatchList)")
    if status in (401, 403):
        return Finding("streaming lists", Outcome.NOT_ASKED, "the account may not watch namespaces")
    return Finding(
        "streaming lists",
        Outcome.WORKS,
        f"the API server has none (status {status}): ordinary lists, which cost it more, take their place",
    )


# ------------------------------------------------------------------------------------------------------- permissions


@dataclass(frozen=True, slots=True)
class Right:
    """What the gateway's account must be allowed, on one resource."""

    resource: Resource
    verbs: tuple[str, ...]
    needed: bool  # without it the gateway does not serve
    namespaces: tuple[str, ...] = ("",)  # where: "" everywhere
    lost: str = ""  # what is missed without it

    @property
    def rule(self) -> str:
        """As it would stand in a ClusterRole or a Role."""
        verbs = ", ".join(self.verbs)
        return f'- apiGroups: ["{self.resource.group}"]\n  resources: ["{self.resource.name}"]\n  verbs: [{verbs}]'


def rights(config: Config) -> Sequence[Right]:
    """All that the gateway's account needs, by what is configured."""
    namespaces = config.kubernetes.namespaces
    wanted: dict[Resource, Right] = {}
    if config.auth.authenticators != ("self_subject_review",):
        wanted[ACCESS_REVIEWS] = Right(ACCESS_REVIEWS, ("create",), needed=True)
    if "token_review" in config.auth.authenticators:
        wanted[TOKEN_REVIEWS] = Right(TOKEN_REVIEWS, ("create",), needed=True)
    for kind in (*STANDING, *ON_DEMAND):
        resource = kind.resource
        if namespaces and not resource.namespaced:
            continue
        standing = resource in STANDING_RESOURCES
        lost = "" if standing else f"{resource.name} cannot be shown to anybody"
        wanted.setdefault(
            resource, Right(resource, ("list", "watch"), needed=standing, namespaces=namespaces or ("",), lost=lost)
        )
    return list(wanted.values())


async def _permissions(api: KubernetesApi, config: Config) -> Iterable[Finding]:
    places = asyncio.Semaphore(AT_ONCE)
    return await asyncio.gather(*(_permission(api, right, places) for right in rights(config)))


async def _permission(api: KubernetesApi, right: Right, places: asyncio.Semaphore) -> Finding:
    subject = f"{', '.join(right.verbs)}"
    try:
        denied = [
            f"{verb} in {namespace}" if namespace else verb
            for namespace in right.namespaces
            for verb in right.verbs
            if not await _may(api, right.resource, verb, namespace, places)
        ]
    except (Unreachable, msgspec.MsgspecError) as error:
        return Finding(subject, Outcome.FAILS, f"{right.resource.name}: cannot be known: {error}")
    if not denied:
        return Finding(subject, Outcome.WORKS, right.resource.name)
    role = "a Role in that namespace" if any(right.namespaces) else "the ClusterRole"
    return Finding(
        subject,
        Outcome.FAILS if right.needed else Outcome.WARNS,
        f"{right.resource.name}: the account may not {' or '.join(denied)}{'; ' * bool(right.lost)}{right.lost}",
        f"Add to {role} of the gateway's account:",
        right.rule,
    )


class _Verdict(msgspec.Struct):
    allowed: bool


class _AccessReview(msgspec.Struct):
    status: _Verdict


async def _may(api: KubernetesApi, resource: Resource, verb: str, namespace: str, places: asyncio.Semaphore) -> bool:
    attributes = {"verb": verb, "group": resource.group, "resource": resource.name, "namespace": namespace}
    body = orjson.dumps(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
    )
    async with places:
        reply = await api.post(SELF_SUBJECT_ACCESS_REVIEWS, body, timeout=TIMEOUT_S)
    return msgspec.json.decode(reply.body, type=_AccessReview).status.allowed
