"""What the simulated cluster runs: a small shop, the platform under it, and more teams as the cluster grows.

Tables of plain values; `world.py` turns them into objects.
"""

from dataclasses import dataclass
from enum import StrEnum


class Controller(StrEnum):
    """What makes a workload's pods; the value is the kind of their ownerReference."""

    DEPLOYMENT = "ReplicaSet"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    JOB = "Job"
    STATIC = "Node"


@dataclass(frozen=True, slots=True)
class Container:
    """CPU in millicores, memory in MiB; 0 leaves a limit out. `busy` is the share of the CPU request usually used."""

    name: str
    image: str
    cpu_request: int
    memory_request: int
    cpu_limit: int = 0
    memory_limit: int = 0
    port: int = 0
    busy: float = 0.4


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One workload of one namespace. `weight` is its share of the replicas that the cluster has room for."""

    namespace: str
    name: str
    controller: Controller
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    weight: int = 0
    component: str = ""
    host_network: bool = False


PROXY = Container("istio-proxy", "docker.io/istio/proxyv2:1.29.2", 50, 96, 1000, 512, port=15090, busy=0.3)
MIGRATE = Container("migrate", "registry.example.com/platform/migrate:4.18.0", 50, 64, 200, 128)

CONTROL_PLANE = (
    Blueprint(
        "kube-system",
        "etcd",
        Controller.STATIC,
        (Container("etcd", "registry.k8s.io/etcd:3.7.0-0", 100, 100, busy=0.9),),
        component="etcd",
        host_network=True,
    ),
    Blueprint(
        "kube-system",
        "kube-apiserver",
        Controller.STATIC,
        (Container("kube-apiserver", "registry.k8s.io/kube-apiserver:v1.37.2", 250, 512, busy=0.8),),
        component="kube-apiserver",
        host_network=True,
    ),
    Blueprint(
        "kube-system",
        "kube-controller-manager",
        Controller.STATIC,
        (Container("kube-controller-manager", "registry.k8s.io/kube-controller-manager:v1.37.2", 200, 128, busy=0.2),),
        component="kube-controller-manager",
        host_network=True,
    ),
    Blueprint(
        "kube-system",
        "kube-scheduler",
        Controller.STATIC,
        (Container("kube-scheduler", "registry.k8s.io/kube-scheduler:v1.37.2", 100, 64, busy=0.1),),
        component="kube-scheduler",
        host_network=True,
    ),
)

EVERY_NODE = (
    Blueprint(
        "kube-system",
        "kube-proxy",
        Controller.DAEMON_SET,
        (Container("kube-proxy", "registry.k8s.io/kube-proxy:v1.37.2", 50, 48, busy=0.1),),
        host_network=True,
    ),
    Blueprint(
        "kube-system",
        "cilium",
        Controller.DAEMON_SET,
        (Container("cilium-agent", "quay.io/cilium/cilium:v1.20.1", 100, 256, busy=0.5),),
        init_containers=(Container("mount-cgroup", "quay.io/cilium/cilium:v1.20.1", 10, 16),),
        host_network=True,
    ),
    Blueprint(
        "monitoring",
        "node-exporter",
        Controller.DAEMON_SET,
        (
            Container("node-exporter", "quay.io/prometheus/node-exporter:v1.12.1", 20, 32, 250, 180),
            Container("kube-rbac-proxy", "quay.io/brancz/kube-rbac-proxy:v0.21.0", 10, 20, 20, 40, port=9100, busy=0.1),
        ),
        host_network=True,
    ),
)

# The troubled workloads (shop/recommendations, shop/checkout-canary, payments/ledger-replay, payments/fraud-model,
# payments/nightly-settlement and search/indexer) are part of every cluster that has room; see world.TROUBLES.
WORKLOADS = (
    Blueprint(
        "shop",
        "frontend",
        Controller.DEPLOYMENT,
        (Container("web", "registry.example.com/shop/frontend:3.12.4", 100, 128, 500, 256, port=8080), PROXY),
        weight=4,
        component="web",
    ),
    Blueprint(
        "payments",
        "gateway",
        Controller.DEPLOYMENT,
        (Container("gateway", "registry.example.com/payments/gateway:1.44.0", 200, 256, 1000, 512, port=8443), PROXY),
        init_containers=(MIGRATE,),
        weight=3,
        component="api",
    ),
    Blueprint(
        "shop",
        "cart",
        Controller.DEPLOYMENT,
        (Container("cart", "registry.example.com/shop/cart:2.7.1", 100, 192, 400, 384, port=8080), PROXY),
        weight=2,
        component="api",
    ),
    Blueprint(
        "kube-system",
        "coredns",
        Controller.DEPLOYMENT,
        (Container("coredns", "registry.k8s.io/coredns/coredns:v1.14.2", 100, 70, 0, 170, port=53, busy=0.2),),
        weight=2,
    ),
    Blueprint(
        "monitoring",
        "prometheus",
        Controller.STATEFUL_SET,
        (
            Container("prometheus", "quay.io/prometheus/prometheus:v3.16.0", 500, 1024, 0, 3072, port=9090, busy=0.7),
            Container(
                "config-reloader", "quay.io/prometheus-operator/prometheus-config-reloader:v0.89.0", 10, 32, 10, 50
            ),
        ),
        weight=1,
    ),
    Blueprint(
        "shop",
        "postgres",
        Controller.STATEFUL_SET,
        (Container("postgres", "docker.io/library/postgres:18.3", 250, 512, 1000, 1024, port=5432, busy=0.5),),
        weight=1,
        component="database",
    ),
    Blueprint(
        "search",
        "query",
        Controller.DEPLOYMENT,
        (Container("query", "registry.example.com/search/query:0.31.2", 300, 512, 1500, 1024, port=9200),),
        weight=2,
        component="api",
    ),
    Blueprint(
        "payments",
        "ledger",
        Controller.STATEFUL_SET,
        (Container("ledger", "registry.example.com/payments/ledger:5.2.0", 300, 768, 1200, 1536, port=9000),),
        weight=2,
        component="database",
    ),
    Blueprint(
        "monitoring",
        "grafana",
        Controller.DEPLOYMENT,
        (Container("grafana", "docker.io/grafana/grafana:12.4.1", 100, 128, 200, 256, port=3000, busy=0.2),),
        weight=1,
    ),
    Blueprint(
        "shop",
        "orders",
        Controller.DEPLOYMENT,
        (Container("orders", "registry.example.com/shop/orders:8.0.3", 150, 256, 600, 512, port=8080), PROXY),
        init_containers=(MIGRATE,),
        weight=3,
        component="api",
    ),
    Blueprint(
        "ingress-nginx",
        "ingress-nginx-controller",
        Controller.DEPLOYMENT,
        (Container("controller", "registry.k8s.io/ingress-nginx/controller:v1.15.1", 100, 90, 0, 512, port=8443),),
        weight=1,
    ),
    Blueprint(
        "monitoring",
        "kube-state-metrics",
        Controller.DEPLOYMENT,
        (
            Container(
                "kube-state-metrics", "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.18.0", 10, 190, 100, 250
            ),
        ),
        weight=1,
    ),
    Blueprint(
        "cert-manager",
        "cert-manager",
        Controller.DEPLOYMENT,
        (
            Container(
                "cert-manager-controller", "quay.io/jetstack/cert-manager-controller:v1.20.0", 20, 64, 0, 256, port=9402
            ),
        ),
        weight=1,
    ),
)

RECOMMENDATIONS = Blueprint(
    "shop",
    "recommendations",
    Controller.DEPLOYMENT,
    (Container("model", "registry.example.com/shop/recommendations:0.9.0", 200, 512, 800, 640, port=8080), PROXY),
    component="api",
)
CHECKOUT_CANARY = Blueprint(
    "shop",
    "checkout-canary",
    Controller.DEPLOYMENT,
    (Container("checkout", "registry.example.com/shop/checkout:4.0.0-rc1", 100, 128, 400, 256, port=8080),),
    component="api",
)
FRAUD_MODEL = Blueprint(
    "payments",
    "fraud-model",
    Controller.DEPLOYMENT,
    (
        Container(
            "scorer", "registry.example.com/payments/fraud-model:2.1.0", 48_000, 196_608, 48_000, 196_608, port=8500
        ),
    ),
    component="batch",
)
LEDGER_REPLAY = Blueprint(
    "payments",
    "ledger-replay",
    Controller.DEPLOYMENT,
    (Container("replay", "registry.example.com/payments/ledger:5.2.0", 100, 256, 500, 512),),
    init_containers=(MIGRATE,),
    component="batch",
)
NIGHTLY_SETTLEMENT = Blueprint(
    "payments",
    "nightly-settlement-29398080",
    Controller.JOB,
    (Container("settle", "registry.example.com/payments/settlement:1.8.2", 500, 512, 1000, 1024),),
    component="batch",
)
INDEXER = Blueprint(
    "search",
    "indexer",
    Controller.DEPLOYMENT,
    (Container("indexer", "registry.example.com/search/indexer:0.31.2", 250, 512, 1000, 1024),),
    component="batch",
)
CATALOG = Blueprint(
    "shop",
    "catalog",
    Controller.DEPLOYMENT,
    (Container("catalog", "registry.example.com/shop/catalog:6.3.1", 100, 192, 400, 256, port=8080), PROXY),
    component="api",
)

NAMESPACES = (
    "cert-manager",
    "default",
    "ingress-nginx",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    "monitoring",
    "payments",
    "search",
    "shop",
)

# Teams that a larger cluster also carries, each a namespace of its own with the four services below.
TEAMS = (
    "accounts",
    "ads",
    "analytics",
    "assistant",
    "billing",
    "delivery",
    "fulfilment",
    "identity",
    "inventory",
    "loyalty",
    "mail",
    "media",
    "pricing",
    "returns",
    "reviews",
    "warehouse",
)

TEAM_SERVICES = (("api", 4, 200, 256), ("worker", 3, 400, 512), ("events", 2, 150, 192), ("cache", 1, 100, 512))
"""Name, weight, CPU request (millicores), memory request (MiB)."""

TEAM_REPLICAS = 120
"""A team's namespace holds about that many pods; a larger cluster has more teams, not larger ones."""


def team_workloads(pods: int) -> tuple[Blueprint, ...]:
    """Workloads of as many more teams as it takes to hold that many pods."""
    teams = pods // TEAM_REPLICAS
    return tuple(
        Blueprint(
            _team_namespace(number),
            service,
            Controller.DEPLOYMENT,
            (
                Container(
                    service,
                    f"registry.example.com/{_team(number)}/{service}:1.{number}.0",
                    cpu,
                    memory,
                    4 * cpu,
                    2 * memory,
                    port=8080,
                ),
            ),
            weight=weight,
            component="api" if service == "api" else "batch",
        )
        for number in range(teams)
        for service, weight, cpu, memory in TEAM_SERVICES
    )


def _team(number: int) -> str:
    return TEAMS[number % len(TEAMS)]


def _team_namespace(number: int) -> str:
    round_ = number // len(TEAMS)
    return _team(number) if round_ == 0 else f"{_team(number)}-{round_ + 1}"
