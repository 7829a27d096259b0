"""The official audits of GraphQL over HTTP (graphql-http, from npm), run by Node against a serving gateway."""

import asyncio
import json
import os
from pathlib import Path

from gateway.graphiql.build import find_node, install_packages
from tests.front_door import ADMIN, FrontDoor

HERE = Path(__file__).parent
AUDITS = 61


async def test_the_gateway_passes_every_official_audit(front_door: FrontDoor):
    """All of them, the recommended ones too: neither an error nor a warning."""
    node = await asyncio.to_thread(find_node)
    await asyncio.to_thread(install_packages, node, HERE)

    process = await asyncio.create_subprocess_exec(
        *node.npm,
        *("run", "--silent", "audits", "--", f"{front_door.url}/graphql", ADMIN),
        cwd=HERE,
        env={**os.environ, **node.environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        printed, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    results = json.loads(printed)

    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == AUDITS
