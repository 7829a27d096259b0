"""The path to the API server forgets its connections, silently, as half of all network faults do."""

import asyncio

import yarl

from auth.settings import AuthSettings
from gateway.config import Config
from gateway.demo import simulated_cluster
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.settings import PrometheusSettings
from tests.faults.proxy import Proxy
from tests.front_door import ADMIN, SHOP, free_port, open_front_door

STRANGERS = 12


async def test_the_next_request_after_the_path_forgot_its_connections_is_answered():
    """Not one 503 for each connection that was kept, while the path is whole again."""
    async with simulated_cluster(nodes=3, pods_per_node=10, churn=0) as simulated:
        address = yarl.URL(simulated.kubernetes_url)
        assert address.host is not None
        assert address.port is not None
        async with Proxy(address.host, address.port) as proxy:
            config = Config(
                server=free_port(),
                kubernetes=KubernetesSettings(
                    server=str(address.with_port(proxy.port)).rstrip("/"), token_file=simulated.gateway_token_file
                ),
                prometheus=PrometheusSettings(url=None),
                auth=AuthSettings(review_timeout_seconds=10),
            )
            async with open_front_door(config) as door:
                strangers = [door.ask("{ nodes { name } }", f"stranger-{number}") for number in range(STRANGERS)]
                assert {answer.status for answer in await asyncio.gather(*strangers)} == {401}
                assert proxy.accepted > STRANGERS / 2, "their reviews had connections of their own, which are kept"

                proxy.strand()

                for token, query in ((ADMIN, "{ nodes { name } }"), (SHOP, "{ pods { name namespace } }")):
                    assert (await door.ask(query, token)).status == 200
