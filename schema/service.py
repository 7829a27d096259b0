"""Services: one address for many pods."""

from operator import attrgetter

import strawberry

from schema.condition import Condition, conditions_field
from schema.event import Event, happenings
from schema.label import Label
from schema.lists.belonging import selected_pods
from schema.lists.elements import elements_field
from schema.lists.fields import belonging_field
from schema.lists.pods import PODS
from schema.lists.services import SERVICE_PORTS
from schema.object_fields import NamespacedFields
from schema.pod import Pod


@strawberry.type(description="One port of a service. From its spec.")
class ServicePort:
    name: str | None = strawberry.field(description="Its name; null where it has none, as the only port may.")
    protocol: str = strawberry.field(description="`TCP`, `UDP` or `SCTP`.")
    port: int = strawberry.field(description="The port that the service answers on.")
    target_port: str | None = strawberry.field(
        description="The port of the pods behind it: a number, or the name of a container's port."
    )
    node_port: int | None = strawberry.field(description="The port that it answers on at every node, if it does.")
    app_protocol: str | None = strawberry.field(description="What is spoken there, such as `http`; null: not said.")


@strawberry.type(
    description=(
        "A service: one address for the pods that its selector selects. From the API server's services, which the "
        "gateway watches."
    )
)
class Service(NamespacedFields):
    type: str = strawberry.field(
        description="How it is reached: `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`."
    )
    cluster_ips: list[str] = strawberry.field(
        name="clusterIPs", description="Its addresses inside the cluster; `None` for a headless one."
    )
    external_ips: list[str] = strawberry.field(
        name="externalIPs", description="Addresses outside the cluster that somebody routes to it, from its spec."
    )
    load_balancer_addresses: list[str] = strawberry.field(
        description="What its load balancer reported: IP addresses, or host names where it has none."
    )
    external_name: str | None = strawberry.field(description="The DNS name that it stands for, of type ExternalName.")
    external_ip_text: str = strawberry.field(
        name="externalIPText", description="As kubectl prints EXTERNAL-IP: `<none>`, `<pending>`, or what there is."
    )
    ports: list[ServicePort] = elements_field(SERVICE_PORTS, attrgetter("ports"), "Its ports.")
    ports_text: str = strawberry.field(description="As kubectl prints PORT(S): `80:30080/TCP`.")
    session_affinity: str = strawberry.field(description="`ClientIP` if a client stays with its pod, else `None`.")
    selector: list[Label] = strawberry.field(
        description="The labels that its pods carry, by key; without any it selects none."
    )
    conditions: list[Condition] = conditions_field()
    events: list[Event] | None = happenings("Service")
    pods: list[Pod] | None = belonging_field(
        PODS, selected_pods, "The pods that it selects, by name. Needs the right to list pods in its namespace."
    )
