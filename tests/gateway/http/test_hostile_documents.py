"""The worst documents known, sent to a serving gateway: refused or answered, while others are served."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.front_door import ADMIN, SHOP, FrontDoor
from tests.schema.execution.hostile import REFUSED, with_numbers

RESPONSE = "application/graphql-response+json"
# Within every limit, and as expensive as that allows.
ALLOWED = {
    "a thousand fields": f"{{ nodes {{ {with_numbers('p{0}: pods {{ name phase ready restarts }}', 100)} }} }}",
    "fifty lists": f"{{ {with_numbers('n{0}: nodes {{ name pods {{ name }} }}', 50)} }}",
    "all that introspection allows": (
        "{ __schema { types { name fields { name args { name } type { name ofType { name } } } } } }"
    ),
}
LAG_S = 0.05
AT_ONCE = 20


@pytest.mark.parametrize("name", REFUSED)
async def test_each_is_refused_as_a_mistake_of_its_author(front_door: FrontDoor, name):
    """400 with a code and a place, no data; never 500."""
    text, exceeded = REFUSED[name]

    answer = await front_door.ask(text, headers={"Accept": RESPONSE})

    assert answer.status == 400
    assert "data" not in answer.body
    assert set(answer.codes) <= {"LIMIT_EXCEEDED", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}
    if exceeded:
        assert answer.errors[0]["extensions"]["exceeded"] == exceeded
        assert exceeded == "document_bytes" or answer.errors[0]["locations"]


@pytest.mark.parametrize("number", ["9" * 400, "9" * 5000, "-" + "9" * 400, "1e400", "1e-400", "1E+5000", "9" * 30])
async def test_huge_numbers_are_somebody_elses_mistake(front_door: FrontDoor, number):
    """In the document, in its variables, of any type: a clear refusal, never 500."""
    documents = [
        json.dumps({"query": f"{{ pods(limit: {number}) {{ name }} }}"}),
        json.dumps({"query": f"{{ node(name: {number}) {{ name }} }}"}),
        f'{{"query": "query ($n: Int) {{ pods(limit: $n) {{ name }} }}", "variables": {{"n": {number}}}}}',
        f'{{"query": "query ($n: String!) {{ node(name: $n) {{ name }} }}", "variables": {{"n": {number}}}}}',
        f'{{"query": "{{ cluster {{ version }} }}", "variables": {{"unused": [{number}]}}, "extensions": {{"a": 1}}}}',
        f'{{"query": "{{ cluster {{ version }} }}", "extensions": {{"a": {number}}}}}',
    ]
    for body in documents:
        answer = await front_door.request(
            "POST", "/graphql", ADMIN, data=body, headers={"Content-Type": "application/json", "Accept": RESPONSE}
        )
        assert answer.status in (200, 400), (body[:80], answer.text)


async def test_the_loop_is_not_held_while_twenty_of_the_worst_arrive_at_once(front_door: FrontDoor):
    """All refused or answered, each within its limit, and the event loop turns all the while."""
    texts = [*ALLOWED.values(), *(text for text, _ in REFUSED.values())]
    half = [texts[: len(texts) // 2], texts[len(texts) // 2 :]]
    assert all(10 < len(some) <= AT_ONCE for some in half)
    for token in (ADMIN, SHOP):
        await front_door.ask("{ nodes { name pods { name } } }", token)
    lags = []
    gc.collect()
    gc.freeze()  # as `serve` does when it is ready
    for attempt in range(4):
        worst = [f"{half[attempt % 2][index % len(half[attempt % 2])]} # {attempt} {index}" for index in range(AT_ONCE)]
        async with measured_lag() as lag:
            answers = await asyncio.gather(*map(front_door.ask, worst))
        assert {answer.status for answer in answers} <= {200, 400, 429}
        lags.append(lag[0])
    gc.unfreeze()

    assert max(min(lags[0::2]), min(lags[1::2])) < LAG_S, lags


@asynccontextmanager
async def measured_lag() -> AsyncIterator[list[float]]:
    """The most processor time that the loop's thread took for one turn during the block.

    Not the time on the wall: that would measure what else the machine does.
    """
    worst = [0.0]

    async def watch() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            worst[0] = max(worst[0], time.thread_time() - before)

    watching = asyncio.create_task(watch())
    try:
        yield worst
    finally:
        watching.cancel()
