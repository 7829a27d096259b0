"""Services: the wire, the record, and kubectl's words for where a service is reached.

The words are those of `printService` in pkg/printers/internalversion/printers.go of Kubernetes 1.37. What proves them:
tests/schema/sources/kubernetes/test_tables_against_api_server.py.
"""

from msgspec import Struct, field

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.objects import Label, Sharing
from schema.sources.kubernetes.wire import Meta

_NONE = "<none>"


class ServicePort(Struct, frozen=True, gc=False, eq=False):
    """One port of a service; `target_port` is a number or the name of a container's port, as text."""

    name: str | None
    protocol: str
    port: int
    target_port: str | None
    node_port: int | None
    app_protocol: str | None


class ServiceRecord(Struct, frozen=True, gc=False, eq=False):
    """A service; an empty `selector` selects nothing (its endpoints are somebody else's business).

    `cluster_ips` has the word None for a headless service. `load_balancer_addresses` are what the load balancer
    reported: IPs, or host names where it has none.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    type: str
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    external_name: str | None
    load_balancer_addresses: tuple[str, ...]
    ports: tuple[ServicePort, ...]
    session_affinity: str
    selector: tuple[Label, ...]
    rest: Rest

    @property
    def external_ip_text(self) -> str:
        """EXTERNAL-IP."""
        if self.type == "LoadBalancer":
            said = (*sorted(set(self.load_balancer_addresses)), *self.external_ips)
            return ",".join(said) or "<pending>"
        if self.type == "ExternalName":
            return self.external_name or ""
        if self.type in ("ClusterIP", "NodePort"):
            return ",".join(self.external_ips) or _NONE
        return "<unknown>"

    @property
    def ports_text(self) -> str:
        """PORT(S)."""
        return ",".join(map(_port_text, self.ports)) or _NONE


def _port_text(port: ServicePort) -> str:
    return f"{port.port}:{port.node_port}/{port.protocol}" if port.node_port else f"{port.port}/{port.protocol}"


class _Port(Struct, frozen=True, gc=False):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    target_port: int | str | None = field(name="targetPort", default=None)
    node_port: int | None = field(name="nodePort", default=None)
    app_protocol: str | None = field(name="appProtocol", default=None)


class _Spec(Struct, frozen=True, gc=False):
    type: str | None = None
    cluster_ip: str | None = field(name="clusterIP", default=None)
    cluster_ips: list[str] | None = field(name="clusterIPs", default=None)
    external_ips: list[str] | None = field(name="externalIPs", default=None)
    external_name: str | None = field(name="externalName", default=None)
    ports: list[_Port] | None = None
    session_affinity: str | None = field(name="sessionAffinity", default=None)
    selector: dict[str, str] | None = None


class _Ingress(Struct, frozen=True, gc=False):
    ip: str | None = None
    hostname: str | None = None


class _LoadBalancer(Struct, frozen=True, gc=False):
    ingress: list[_Ingress] | None = None


class _Status(Struct, frozen=True, gc=False):
    load_balancer: _LoadBalancer | None = field(name="loadBalancer", default=None)


class WireService(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _Spec | None = None
    status: _Status | None = None


def service_record(wire: WireService, rest: Rest, sharing: Sharing) -> ServiceRecord:
    meta, spec = wire.metadata, wire.spec or _Spec()
    balancer = (wire.status or _Status()).load_balancer or _LoadBalancer()
    return ServiceRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        type=sharing.strings[spec.type or ""],
        cluster_ips=_cluster_ips(spec),
        external_ips=tuple(spec.external_ips or ()),
        external_name=spec.external_name or None,
        load_balancer_addresses=tuple(address for one in balancer.ingress or () if (address := one.ip or one.hostname)),
        ports=tuple(_port(port, sharing) for port in spec.ports or ()),
        session_affinity=sharing.strings[spec.session_affinity or "None"],
        selector=sharing.labels(spec.selector),
        rest=rest,
    )


def _cluster_ips(spec: _Spec) -> tuple[str, ...]:
    if spec.cluster_ips:
        return tuple(spec.cluster_ips)
    return (spec.cluster_ip,) if spec.cluster_ip else ()  # API servers before 1.20, and some simulated ones


def _port(wire: _Port, sharing: Sharing) -> ServicePort:
    return ServicePort(
        name=sharing.strings[wire.name] if wire.name else None,
        protocol=sharing.strings[wire.protocol or "TCP"],
        port=wire.port or 0,
        target_port=None if wire.target_port is None else sharing.strings[str(wire.target_port)],
        node_port=wire.node_port or None,
        app_protocol=sharing.strings[wire.app_protocol] if wire.app_protocol else None,
    )
