"""Schemathesis, from PyPI, makes documents of our schema and asks them over HTTP: as three users, a while each."""

import asyncio
import logging
import re
import sys
from pathlib import Path

import pytest

from tests.front_door import ADMIN, SHOP, VIEWER, simulated_door

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
SECONDS = 8
# Past the server's own limit an answer would not have kept to it.
LONGEST_ANSWER_S = 10


@pytest.mark.thorough
@pytest.mark.parametrize("token", [ADMIN, VIEWER, SHOP])
async def test_no_document_of_the_schema_breaks_the_gateway(
    token: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    """No 500, no traceback, no answer over its time, no token in any log; whatever the caller may see."""
    caplog.set_level(logging.DEBUG)
    async with simulated_door(nodes=4, pods_per_node=8, server={"request_seconds": LONGEST_ANSWER_S}) as door:
        process = await asyncio.create_subprocess_exec(
            SCHEMATHESIS,
            *("run", f"{door.url}/graphql", "--header", f"Authorization: Bearer {token}"),
            # Its other checks take every error for a failure, also FORBIDDEN; what is one is seen in the log below.
            *("--checks", "content_type_conformance", "--phases", "fuzzing"),
            *("--max-time", str(SECONDS), "--workers", "2"),
            *("--max-response-time", str(LONGEST_ANSWER_S), "--warnings", "off", "--no-color", "--seed", "1"),
            cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(120):
            printed, _ = await process.communicate()
        report = printed.decode()

    assert process.returncode == 0, report
    asked = [record.__dict__["fields"] for record in caplog.records if record.getMessage() == "request"]
    statuses = [line["status"] for line in asked if line["path"] == "/graphql"]
    assert len(statuses) > 2, report  # the schema's own question, and as many documents as the time allowed
    assert max(statuses) < 500
    written = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert token not in written
    assert not re.search(r"Traceback|resolver\.failed|request\.failed", written)
