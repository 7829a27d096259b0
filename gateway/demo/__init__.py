"""The embedded default: a simulated cluster that speaks the Kubernetes and Prometheus HTTP APIs."""

from gateway.demo.accounts import ADMIN_TOKEN, GATEWAY_TOKEN, SHOP_TOKEN, VIEWER_TOKEN, Right, rights
from gateway.demo.cluster import (
    DEFAULT_NODES,
    DEFAULT_PODS_PER_NODE,
    DEFAULT_SEED,
    SimulatedCluster,
    simulated_cluster,
)
from gateway.demo.pods import Situation

__all__ = [
    "ADMIN_TOKEN",
    "DEFAULT_NODES",
    "DEFAULT_PODS_PER_NODE",
    "DEFAULT_SEED",
    "GATEWAY_TOKEN",
    "SHOP_TOKEN",
    "VIEWER_TOKEN",
    "Right",
    "SimulatedCluster",
    "Situation",
    "rights",
    "simulated_cluster",
]
