"""Nobody starves: bounds on what is at work, of all and of each; an end to what takes too long or is not wanted."""

import asyncio
import time
from contextlib import AsyncExitStack

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.errors import TooManyRequests
from gateway.config import ServerSettings
from gateway.http.admission import Admission, Busy
from schema.execution.settings import ExecutionSettings
from tests.front_door import ADMIN, SHOP, VIEWER, FrontDoor, simulated_door

SLOW = "{ nodes { metrics(names: [CPU_USAGE]) { missing } } }"  # waits for Prometheus, which is paused here
PATIENT = {"timeout_seconds": 60}
PROMPT_S = 5.0  # of somebody who waits for no Prometheus, on a busy machine


def admission(*, at_work=4, per_user=2, waiting=4, seconds=5.0) -> Admission:
    return Admission(
        ServerSettings(
            requests_at_work=at_work, requests_per_user=per_user, requests_waiting=waiting, wait_seconds=seconds
        )
    )


class Crowd:
    """Requests that hold their place until told to leave."""

    def __init__(self, door: Admission) -> None:
        self.door = door
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._leave = [asyncio.Event() for _ in range(100)]

    async def comes(self, *users: str) -> None:
        for user in users:
            self.tasks.append(asyncio.create_task(self._request(user, self._leave[len(self.tasks)])))
        await settle()

    async def leaves(self, index: int) -> None:
        self._leave[index].set()
        await settle()

    async def ends(self) -> None:
        for event in self._leave:
            event.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _request(self, user: str, leave: asyncio.Event) -> None:
        async with self.door.place(user):
            self.order.append(user)
            await leave.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_turn_goes_round_the_users_not_the_requests():
    """Whoever sends many waits behind their own; one request of somebody else is next."""
    crowd = Crowd(admission(at_work=1, per_user=3, waiting=9))
    await crowd.comes("greedy", "greedy", "greedy", "greedy", "modest")

    for index in range(3):
        await crowd.leaves(index)

    assert crowd.order[:3] == ["greedy", "greedy", "modest"]
    await crowd.ends()


async def test_a_users_share_leaves_places_for_others():
    """Free places are not given to somebody who has theirs."""
    crowd = Crowd(admission(at_work=4, per_user=2))
    await crowd.comes("greedy", "greedy", "greedy", "modest")

    assert crowd.order == ["greedy", "greedy", "modest"]
    await crowd.leaves(0)
    assert crowd.order == ["greedy", "greedy", "modest", "greedy"]
    await crowd.ends()


async def test_one_more_than_may_wait_is_refused_at_once():
    """A user's own queue is as long as their share; everybody's is bounded too."""
    crowd = Crowd(admission(at_work=2, per_user=2, waiting=3))
    await crowd.comes("a", "a", "a", "a", "b")

    with pytest.raises(TooManyRequests):
        async with crowd.door.place("a"):
            pass
    with pytest.raises(Busy):
        async with crowd.door.place("c"):
            pass
    await crowd.ends()


async def test_who_waits_too_long_is_refused_and_leaves_no_trace():
    """The place that then gets free is given to the next."""
    crowd = Crowd(admission(at_work=1, seconds=0.02))
    await crowd.comes("a")

    with pytest.raises(Busy):
        async with crowd.door.place("b"):
            pass

    await crowd.leaves(0)
    await crowd.comes("c")
    assert crowd.order == ["a", "c"]
    await crowd.ends()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["comes", "goes", "cancelled"])), max_size=60))
def test_no_place_is_ever_lost_or_given_twice(steps):
    """Whatever comes, goes and is cancelled in whatever order: the bounds hold, and in the end all places are free."""
    asyncio.run(run(steps))


async def run(steps) -> None:
    door = admission(at_work=3, per_user=2, waiting=4)
    crowd = Crowd(door)
    for user, step in steps:
        alive = [index for index, task in enumerate(crowd.tasks) if not task.done()]
        if step == "comes":
            await crowd.comes(user)
        elif alive and step == "goes":
            await crowd.leaves(alive[0])
        elif alive:
            crowd.tasks[alive[-1]].cancel()  # and no turn of the loop in between
        assert door._at_work.total() <= 3
        assert all(count <= 2 for count in door._at_work.values())
    await settle()
    await crowd.ends()
    async with AsyncExitStack() as all_places:
        for user in "xyz":
            await all_places.enter_async_context(door.place(user))
    assert not door._waiting


async def test_a_greedy_caller_is_refused_and_others_are_answered():
    """Forty slow questions at once by one user: their share waits, the rest hears 429, and somebody else's is quick."""
    async with simulated_door(server={"requests_per_user": 4}, prometheus=PATIENT) as door:
        await warm(door, ADMIN, SHOP)
        door.simulated.prometheus.pause()
        greedy = [asyncio.create_task(door.ask(SLOW, ADMIN)) for _ in range(40)]
        await until_at_work(door, ADMIN)
        started = time.monotonic()

        other = await door.ask("{ cluster { version } }", SHOP)

        assert (other.status, time.monotonic() - started < PROMPT_S) == (200, True)
        door.simulated.prometheus.resume()
        answers = await asyncio.gather(*greedy)
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) == 32
    assert {(answer.codes[0], answer.headers["Retry-After"]) for answer in refused} == {("TOO_MANY_REQUESTS", "1")}
    assert sorted({answer.status for answer in answers}) == [200, 429]


async def test_when_everybody_is_at_work_the_next_hears_503_with_retry_after():
    """Nothing was started, and the answer says when to come back."""
    async with simulated_door(server={"requests_at_work": 2, "wait_seconds": 0.05}) as door:
        await warm(door, ADMIN, VIEWER)
        door.simulated.prometheus.pause()
        slow = [asyncio.create_task(door.ask(SLOW, ADMIN)) for _ in range(2)]
        await until_at_work(door, ADMIN)

        refused = await door.ask("{ cluster { version } }", VIEWER)

        door.simulated.prometheus.resume()
        assert {answer.status for answer in await asyncio.gather(*slow)} == {200}
    assert (refused.status, refused.codes, refused.headers["Retry-After"]) == (503, ["UNAVAILABLE"], "1")


async def test_an_answer_that_takes_too_long_is_refused_when_its_time_is_over():
    """The rest of the answer is not waited for, and its place is free again."""
    async with simulated_door(server={"request_seconds": 0.2, "requests_at_work": 1}, prometheus=PATIENT) as door:
        await warm(door, ADMIN)
        door.simulated.prometheus.pause()
        started = time.monotonic()

        late = await door.ask(SLOW)

        assert 0.2 <= time.monotonic() - started < PROMPT_S
        assert (late.status, late.codes) == (504, ["TIMED_OUT"])
        assert (await door.ask("{ cluster { version } }")).status == 200
        door.simulated.prometheus.resume()


async def test_a_client_that_hangs_up_is_worked_for_no_longer(caplog: pytest.LogCaptureFixture):
    """Its place is free at once; the log says that nobody was there for the answer."""
    caplog.set_level(0)
    async with simulated_door(server={"requests_at_work": 1}, prometheus=PATIENT) as door:
        await warm(door, ADMIN)
        door.simulated.prometheus.pause()
        with pytest.raises(asyncio.TimeoutError):
            await door.request("POST", "/graphql", ADMIN, json={"query": SLOW}, timeout=aiohttp.ClientTimeout(0.1))
        started = time.monotonic()

        assert (await door.ask("{ cluster { version } }")).status == 200

        assert time.monotonic() - started < PROMPT_S, "Prometheus is waited for much longer"
        door.simulated.prometheus.resume()
    assert [line for line in map(str, map(vars, caplog.records)) if "'status': 499" in line or "status=499" in line]


async def test_the_worker_leaves_an_answer_that_nobody_waits_for_any_more():
    """A thread cannot be cancelled: it looks at each list, and is others' long before its end. (Plans look as well.)"""
    settings = {"execution": ExecutionSettings(compiled=False)}
    async with simulated_door(nodes=20, pods_per_node=5, prometheus=False, settings=settings) as door:
        await warm(door, ADMIN)
        started = time.monotonic()
        assert (await door.ask(many_lists("whole"))).status == 200
        whole = time.monotonic() - started

        with pytest.raises(asyncio.TimeoutError):
            await door.request(
                "POST",
                "/graphql",
                ADMIN,
                json={"query": many_lists("left")},
                timeout=aiohttp.ClientTimeout(whole / 4),
            )
        started = time.monotonic()
        await asyncio.get_running_loop().run_in_executor(door.gateway.worker, lambda: None)

        assert time.monotonic() - started < whole / 2, whole


def many_lists(name: str) -> str:
    """Fifty lists of every pod: none of them is another's block."""
    inside = "id name namespace phase status nodeName createdAt labels { key value }"
    return "{ " + " ".join(f"{name}{index}: pods {{ {inside} }}" for index in range(50)) + " }"


async def warm(door: FrontDoor, *tokens: str) -> None:
    """Users and rights are known from here on."""
    for token in tokens:
        assert (await door.ask("{ nodes { name } }", token)).status == 200


async def until_at_work(door: FrontDoor, token: str) -> None:
    """Until Prometheus was asked: the slow questions hold their places."""
    async with asyncio.timeout(5):
        while not any(task.get_name() == "http/client-watch" for task in asyncio.all_tasks()):
            await asyncio.sleep(0.005)
