"""How long a token lives on that the API server does not accept any more: measured, with real clocks."""

import asyncio
import time

import pytest

from auth.settings import AuthSettings
from gateway.config import Config
from tests.cluster.control_plane import Refused
from tests.cluster.fixtures import Namespace
from tests.front_door import FrontDoor, open_front_door
from tests.test_end_to_end import config_for

# A verdict counts from before its review was sent; what is left is the time of one request on a busy machine.
AT_MOST_S = 5.0
ROUND_TRIP_S = 0.5


@pytest.mark.parametrize("authenticator", ["token_review", "self_subject_review"])
async def test_a_revoked_token_stops_working_within_five_seconds_of_the_api_servers_refusal(
    namespace: Namespace, authenticator: str
):
    """It is used all the time, so that its verdict is always as fresh as can be."""
    account = await namespace.account("clerk")
    base = config_for(namespace.cluster)
    config = Config(
        server=base.server,
        kubernetes=base.kubernetes,
        auth=AuthSettings.model_validate({"authenticators": [authenticator], "review_timeout_seconds": 5}),
    )
    async with open_front_door(config) as door:
        assert (await door.ask("{ cluster { version } }", account.token)).status == 200
        path = f"/api/v1/namespaces/{namespace.name}/serviceaccounts/clerk"
        await namespace.cluster.request("DELETE", path)

        by_the_api_server, by_us = await asyncio.gather(
            refused_by_the_api_server(namespace, account.token), refused_by_the_gateway(door, account.token)
        )

    assert by_us - by_the_api_server <= AT_MOST_S + ROUND_TRIP_S


async def refused_by_the_api_server(namespace: Namespace, token: str) -> float:
    """When it first answered 401."""
    async with asyncio.timeout(30):
        while True:
            try:
                await namespace.cluster.request("GET", "/api/v1/pods", token=token)
            except Refused as refused:
                if refused.status == 401:
                    return time.monotonic()
            await asyncio.sleep(0.1)


async def refused_by_the_gateway(door: FrontDoor, token: str) -> float:
    async with asyncio.timeout(30):
        while (await door.ask("{ cluster { version } }", token)).status != 401:
            await asyncio.sleep(0.1)
    return time.monotonic()
