"""Who may call the simulated API server, and what each of them may do.

Rights are written as RBAC writes them: verbs on resources, cluster-wide or within one namespace. A right within a
namespace covers requests that carry that namespace; `get` of the Namespace itself is such a request, which is how
Kubernetes' own `view` Role shows a user the namespace they live in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ADMIN_TOKEN = "demo-admin"  # noqa: S105
VIEWER_TOKEN = "demo-viewer"  # noqa: S105
SHOP_TOKEN = "demo-shop"  # noqa: S105
GATEWAY_TOKEN = "demo-gateway"  # noqa: S105

READ = frozenset({"get", "list", "watch"})
ANY = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody wants to do. Resources are named `resource.group`, as `kubectl auth can-i` prints them."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Right:
    """`namespace` None is cluster-wide; no `names` are all names."""

    verbs: frozenset[str]
    resources: frozenset[str]
    namespace: str | None = None
    names: frozenset[str] = frozenset()

    def covers(self, attempt: Attempt) -> bool:
        return (
            self.namespace in (None, attempt.namespace)
            and (attempt.verb in self.verbs or "*" in self.verbs)
            and (attempt.resource in self.resources or "*" in self.resources)
            and (not self.names or attempt.name in self.names)
        )


@dataclass(frozen=True, slots=True)
class Account:
    username: str
    uid: str
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rights: tuple[Right, ...] = ()

    def user_info(self) -> dict[str, object]:
        """The `user` of a TokenReview's status."""
        info: dict[str, object] = {"username": self.username}
        if self.uid:
            info["uid"] = self.uid
        info["groups"] = [*self.groups, "system:authenticated"]
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra.items()}
        return info


def rights(verbs: Iterable[str], resources: Iterable[str], *, namespace: str | None = None) -> Right:
    return Right(frozenset(verbs), frozenset(resources), namespace)


# What Kubernetes' ClusterRole `system:basic-user` lets every authenticated user ask about themselves.
BASIC = rights(
    ("create",), ("selfsubjectreviews.authentication.k8s.io", "selfsubjectaccessreviews.authorization.k8s.io")
)

IN_NAMESPACES = (
    "pods",
    "services",
    "events",
    "persistentvolumeclaims",
    "resourcequotas",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "cronjobs.batch",
    "poddisruptionbudgets.policy",
    "horizontalpodautoscalers.autoscaling",
)
OBJECTS = ("nodes", "namespaces", *IN_NAMESPACES)

ADMIN = Account("demo-admin", "c0ffee00-0000-4000-8000-000000000001", ("demo:admins",), rights=(Right(ANY, ANY),))
VIEWER = Account(
    "demo-viewer", "c0ffee00-0000-4000-8000-000000000002", ("demo:viewers",), rights=(rights(READ, OBJECTS),)
)
SHOP = Account(
    "demo-shop",
    "c0ffee00-0000-4000-8000-000000000003",
    ("demo:shop",),
    rights=(rights(READ, ("namespaces", *IN_NAMESPACES), namespace="shop"),),
)
GATEWAY = Account(
    "system:serviceaccount:binnacle:binnacle",
    "c0ffee00-0000-4000-8000-000000000004",
    ("system:serviceaccounts", "system:serviceaccounts:binnacle"),
    rights=(
        rights(READ, OBJECTS),
        rights(("create",), ("tokenreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io")),
        rights(("list",), ("nodes.metrics.k8s.io", "pods.metrics.k8s.io")),
    ),
)

ACCOUNTS: Mapping[str, Account] = {
    ADMIN_TOKEN: ADMIN,
    VIEWER_TOKEN: VIEWER,
    SHOP_TOKEN: SHOP,
    GATEWAY_TOKEN: GATEWAY,
}


class Accounts:
    """The accounts by token; they may change while the cluster runs."""

    def __init__(self, accounts: Mapping[str, Account] = ACCOUNTS) -> None:
        self._by_token = dict(accounts)

    def add(self, token: str, account: Account) -> None:
        """Also replaces: with other rights, somebody may do other things from the next request on."""
        self._by_token[token] = account

    def remove(self, token: str) -> None:
        del self._by_token[token]

    def whose(self, token: str) -> Account | None:
        return self._by_token.get(token)

    def allows(self, username: str, groups: Iterable[str], attempt: Attempt) -> bool:
        """What a SubjectAccessReview asks: rights hang on the user's name; `system:masters` may do everything."""
        if "system:masters" in groups:
            return True
        return any(
            right.covers(attempt)
            for account in self._by_token.values()
            if account.username == username
            for right in (*account.rights, BASIC)
        )
