"""What somebody may see, in how many reviews, and for how long."""

import asyncio
import logging
from collections.abc import Collection

import pytest

from auth.access import ALL, NAMESPACES, NODES, PODS, SERVICES, Access, AccessNeed, NotAsked, Resource, Visibility
from auth.errors import ReviewsUnavailable
from auth.identity import Identity
from auth.reviewers import Attributes, TokenReviewer
from auth.settings import AuthSettings
from tests.auth.fake_api import Clock, FakeApi, may, until

ANN = Identity("ann", groups=("system:authenticated",))
BOB = Identity("bob", groups=("system:authenticated",))


class World:
    """Access over a fake API server and a cluster with pods in three namespaces."""

    def __init__(self, settings: AuthSettings | None = None) -> None:
        self.api = FakeApi()
        self.clock = Clock()
        self.namespaces = {"shop", "payroll", "infra"}
        chosen = settings or AuthSettings()
        self.access = Access(TokenReviewer(self.api, chosen, self.clock), self.holding, chosen, self.clock)

    def holding(self, resource: Resource) -> Collection[str]:
        assert resource != NODES, "a kind without namespaces is in none"
        return self.namespaces

    def allow(self, *rules: tuple[str, ...]) -> None:
        self.api.rules |= {may(*rule) for rule in rules}

    def withdraw(self, *rule: str) -> None:
        self.api.rules.remove(may(*rule))

    async def sees(self, *needs: AccessNeed, who: Identity = ANN) -> Visibility:
        return await self.access.visibility(who, needs)


@pytest.fixture
def world() -> World:
    return World()


class TestWhatIsSeen:
    """The answers themselves."""

    async def test_who_may_list_everywhere_sees_everything_in_one_review_per_kind(self, world: World) -> None:
        """No namespace is asked for, however many there are."""
        world.allow(("list", "pods"), ("list", "nodes"))

        seen = await world.sees(AccessNeed(PODS), AccessNeed(NODES))

        assert seen.scope(PODS) is ALL
        assert seen.scope(NODES) is ALL
        assert seen.lists(PODS)
        assert seen.lists(PODS, "any")
        assert seen.reads(PODS, "any", "thing")
        assert seen.reads(NODES, "", "node-1")
        assert sorted(world.api.asked, key=str) == sorted([may("list", "pods"), may("list", "nodes")], key=str)

    async def test_a_list_is_the_union_of_the_namespaces_where_it_is_allowed(self, world: World) -> None:
        """One review for each namespace that holds such objects, after the cluster-wide no."""
        world.allow(("list", "pods", "shop"), ("list", "pods", "infra"))

        seen = await world.sees(AccessNeed(PODS))

        assert seen.scope(PODS) == frozenset({"shop", "infra"})
        assert seen.lists(PODS, "shop")
        assert not seen.lists(PODS, "payroll")
        assert not seen.lists(PODS)
        assert world.api.asked[0] == may("list", "pods")
        assert set(world.api.asked[1:]) == {may("list", "pods", name) for name in world.namespaces}

    async def test_nobody_sees_nothing(self, world: World) -> None:
        """A no everywhere is an empty scope, not an error."""
        seen = await world.sees(AccessNeed(PODS), AccessNeed(NODES))

        assert seen.scope(PODS) == frozenset()
        assert seen.scope(NODES) == frozenset()
        assert not seen.lists(NODES)

    async def test_a_need_that_names_namespaces_asks_only_for_those(self, world: World) -> None:
        """Also when they hold nothing: whether they do is not told by the number of calls."""
        world.allow(("list", "pods", "shop"))

        seen = await world.sees(AccessNeed(PODS, frozenset({"shop", "empty"})))

        assert seen.scope(PODS) == frozenset({"shop"})
        assert not seen.lists(PODS, "empty")
        assert set(world.api.asked) == {may("list", "pods"), may("list", "pods", "shop"), may("list", "pods", "empty")}

    async def test_a_look_up_asks_for_the_name_beside_the_list(self, world: World) -> None:
        """`get` with resourceNames shows that object and no other of its namespace."""
        world.allow(("get", "pods", "shop", "web-0"))
        shop = frozenset({"shop"})

        seen = await world.sees(AccessNeed(PODS, shop, "web-0"), AccessNeed(PODS, shop, "web-1"))

        assert seen.reads(PODS, "shop", "web-0")
        assert not seen.reads(PODS, "shop", "web-1")
        assert not seen.lists(PODS, "shop")

    async def test_who_may_list_may_look_up(self, world: World) -> None:
        """In the namespace where they may list."""
        world.allow(("list", "pods", "shop"))

        seen = await world.sees(AccessNeed(PODS, frozenset({"shop"}), "web-0"))

        assert seen.reads(PODS, "shop", "web-0")

    async def test_a_node_is_looked_up_without_a_namespace(self, world: World) -> None:
        """`get nodes` with its name."""
        world.allow(("get", "nodes", "", "node-1"))

        seen = await world.sees(AccessNeed(NODES, name="node-1"), AccessNeed(NODES, name="node-2"))

        assert seen.reads(NODES, "", "node-1")
        assert not seen.reads(NODES, "", "node-2")
        assert not seen.lists(NODES)

    async def test_a_namespace_is_shown_to_who_may_get_it_within_itself(self, world: World) -> None:
        """That is how a RoleBinding to Kubernetes' own `view` means it: `get` with namespace and name set to it."""
        world.allow(("get", "namespaces", "shop"))

        seen = await world.sees(AccessNeed(NAMESPACES))
        named = await world.sees(AccessNeed(NAMESPACES, name="shop"), AccessNeed(NAMESPACES, name="payroll"))

        assert seen.scope(NAMESPACES) == frozenset({"shop"})
        assert seen.reads(NAMESPACES, "", "shop")
        assert not seen.reads(NAMESPACES, "", "payroll")
        assert named.reads(NAMESPACES, "", "shop")
        assert not named.reads(NAMESPACES, "", "payroll")
        assert may("get", "namespaces", "shop", "shop") in world.api.asked
        assert not [asked for asked in world.api.asked if asked.verb == "list" and asked.namespace]

    async def test_needs_of_one_kind_add_up(self, world: World) -> None:
        """What several fields of a document need is one answer."""
        world.allow(("list", "pods", "shop"), ("get", "pods", "payroll", "run"))

        seen = await world.sees(
            AccessNeed(PODS, frozenset({"shop"})),
            AccessNeed(PODS, frozenset({"payroll"}), "run"),
            AccessNeed(SERVICES, frozenset({"shop"})),
        )

        assert seen.scope(PODS) == frozenset({"shop"})
        assert seen.reads(PODS, "payroll", "run")
        assert seen.scope(SERVICES) == frozenset()

    async def test_users_do_not_share_answers(self, world: World) -> None:
        """Each is asked about with their own groups, and one who differs in a group is somebody else."""
        world.allow(("list", "pods"))
        await world.sees(AccessNeed(PODS))
        await world.sees(AccessNeed(PODS), who=BOB)
        await world.sees(AccessNeed(PODS), who=Identity("ann", groups=("dev", "system:authenticated")))

        assert [spec["user"] for _, spec in world.api.calls] == ["ann", "bob", "ann"]

    def test_a_look_up_needs_its_one_namespace(self) -> None:
        """A pod's name says nothing without it."""
        for namespaces in (None, frozenset[str](), frozenset({"shop", "payroll"})):
            with pytest.raises(ValueError, match="needs its one namespace"):
                AccessNeed(PODS, namespaces, "web-0")


class TestVisibility:
    """The value that answers are kept under."""

    async def test_equal_answers_are_equal_values(self, world: World) -> None:
        """Whoever asked, and in whatever order."""
        world.allow(("list", "pods", "shop"), ("list", "nodes"))
        anns = await world.sees(AccessNeed(PODS), AccessNeed(NODES))
        bobs = await world.sees(AccessNeed(NODES), AccessNeed(PODS), who=BOB)

        assert anns == bobs
        assert hash(anns) == hash(bobs)
        assert len({anns, bobs}) == 1

    async def test_hidden_namespaces_leave_no_trace_in_it(self, world: World) -> None:
        """A hundred namespaces more, none of them visible: the same value."""
        world.allow(("list", "pods", "shop"), ("get", "namespaces", "shop"))
        before = await world.sees(AccessNeed(PODS), AccessNeed(NAMESPACES))

        world.namespaces |= {f"hidden-{number}" for number in range(100)}

        after = await world.sees(AccessNeed(PODS), AccessNeed(NAMESPACES))
        assert after == before
        assert "hidden" not in repr(after)

    async def test_who_sees_everything_has_one_value_whatever_was_named(self, world: World) -> None:
        """A cluster-wide yes covers all questions, so cached answers are shared."""
        world.allow(("list", "pods"))

        assert await world.sees(AccessNeed(PODS)) == await world.sees(AccessNeed(PODS, frozenset({"shop"}), "web-0"))

    async def test_different_answers_differ(self, world: World) -> None:
        """One namespace more or less is another value."""
        world.allow(("list", "pods", "shop"))
        before = await world.sees(AccessNeed(PODS))
        world.allow(("list", "pods", "infra"))
        world.clock.advance(60)

        assert await world.sees(AccessNeed(PODS)) != before

    async def test_what_was_not_asked_is_neither_yes_nor_no(self, world: World) -> None:
        """A forgotten need is a mistake of ours, and must not pass for a missing right."""
        seen = await world.sees(AccessNeed(PODS, frozenset({"shop"}), "web-0"))

        with pytest.raises(NotAsked):
            seen.scope(NODES)
        with pytest.raises(NotAsked):
            seen.lists(PODS, "payroll")
        with pytest.raises(NotAsked):
            seen.reads(PODS, "shop", "web-1")
        with pytest.raises(NotAsked):
            seen.reads(NAMESPACES, "", "shop")
        assert not seen.lists(PODS), "whether it may be listed cluster-wide is part of every need"

    async def test_the_scope_of_everything_contains_every_namespace(self) -> None:
        """`in` works the same on both kinds of scope."""
        assert "shop" in ALL
        assert "shop" not in frozenset[str]()


class TestHowLongAnswersCount:
    """10 s for a yes, 60 s for a no, 2 s for the no to what a query names."""

    async def test_a_known_user_costs_no_review(self, world: World) -> None:
        """Neither at once nor a few seconds later, for the same needs or for others that they cover."""
        world.allow(("list", "pods", "shop"), ("list", "nodes"))
        await world.sees(AccessNeed(PODS), AccessNeed(NODES))
        reviews = len(world.api.asked)

        world.clock.advance(1.9)
        await world.sees(AccessNeed(PODS), AccessNeed(NODES))
        await world.sees(AccessNeed(PODS, frozenset({"shop", "payroll"})))

        assert len(world.api.asked) == reviews

    async def test_a_removed_right_stops_showing_within_ten_seconds(self, world: World) -> None:
        """Even if nobody asked in the meantime: at ten seconds the old yes is not used any more."""
        world.allow(("list", "pods", "shop"))
        assert (await world.sees(AccessNeed(PODS))).scope(PODS) == frozenset({"shop"})
        world.withdraw("list", "pods", "shop")

        world.clock.advance(10.0)

        assert (await world.sees(AccessNeed(PODS))).scope(PODS) == frozenset()

    async def test_a_yes_in_use_is_asked_again_before_it_ends(self, world: World) -> None:
        """From half its time on, in the background: neither the request that causes it nor a later one waits."""
        world.allow(("list", "pods"))
        await world.sees(AccessNeed(PODS))
        world.clock.advance(5.0)
        world.api.held = asyncio.Event()

        assert (await world.sees(AccessNeed(PODS))).scope(PODS) is ALL

        await until(lambda: len(world.api.asked) == 2)
        assert (await world.sees(AccessNeed(PODS))).scope(PODS) is ALL
        assert len(world.api.asked) == 2
        world.api.held.set()
        await until(lambda: len(world.access._flights) == 0)
        world.api.held = asyncio.Event()
        world.clock.advance(9.9)  # the first yes would be 14.9 s old; the one asked ahead is 9.9
        assert (await world.sees(AccessNeed(PODS))).scope(PODS) is ALL
        world.api.held.set()
        await world.access.aclose()

    async def test_a_no_found_ahead_of_time_hides_at_once(self, world: World) -> None:
        """The next request after it sees nothing, though the old yes had seconds left."""
        world.allow(("list", "nodes"))
        await world.sees(AccessNeed(NODES))
        world.withdraw("list", "nodes")
        world.clock.advance(5.0)
        await world.sees(AccessNeed(NODES))
        await until(lambda: len(world.access._flights) == 0)

        assert not (await world.sees(AccessNeed(NODES))).lists(NODES)

    async def test_nobody_is_asked_about_who_stopped_asking(self, world: World) -> None:
        """Asking ahead is caused by use alone: an hour of silence is an hour without reviews."""
        world.allow(("list", "pods"))
        await world.sees(AccessNeed(PODS))
        for _ in range(3_600):
            world.clock.advance(1.0)
            await asyncio.sleep(0)

        assert len(world.api.asked) == 1
        assert len(world.access._flights) == 0

    async def test_a_no_of_a_namespace_counts_a_minute(self, world: World) -> None:
        """A user of one namespace costs no review of the others in it, however many there are."""
        world.allow(("list", "pods", "shop"))
        await world.sees(AccessNeed(PODS))
        world.api.calls.clear()

        for _ in range(11):
            world.clock.advance(5.0)
            await world.sees(AccessNeed(PODS))
            await until(lambda: len(world.access._flights) == 0)
        assert set(world.api.asked) == {may("list", "pods"), may("list", "pods", "shop")}

        world.clock.advance(5.0)
        await world.sees(AccessNeed(PODS))
        assert set(world.api.asked) == {may("list", "pods"), *(may("list", "pods", each) for each in world.namespaces)}

    async def test_a_new_cluster_wide_right_shows_as_soon_as_a_removed_one_ends(self, world: World) -> None:
        """Everywhere is one question a kind: asked again after ten seconds, whether the answer was yes or no."""
        await world.sees(AccessNeed(NODES), AccessNeed(PODS))
        world.allow(("list", "nodes"), ("list", "pods"))
        world.clock.advance(9.99)
        assert not (await world.sees(AccessNeed(NODES))).lists(NODES)

        world.clock.advance(0.01)

        seen = await world.sees(AccessNeed(NODES), AccessNeed(PODS))
        assert seen.lists(NODES)
        assert seen.scope(PODS) is ALL

    async def test_a_denied_namespace_that_a_query_names_is_asked_again_after_two_seconds(self, world: World) -> None:
        """A right just granted is seen soon by who names it, and a loop of queries costs one review in 2 s."""
        need = AccessNeed(PODS, frozenset({"shop"}))
        await world.sees(need)
        world.api.calls.clear()
        world.allow(("list", "pods", "shop"))
        for _ in range(10):
            assert not (await world.sees(need)).lists(PODS, "shop")
        assert world.api.calls == []

        world.clock.advance(2.0)

        assert (await world.sees(need)).lists(PODS, "shop")
        assert world.api.asked == [may("list", "pods", "shop")], "the cluster-wide no still counts"

    async def test_a_denied_name_is_asked_again_after_two_seconds(self, world: World) -> None:
        """Look-ups name what they want as well."""
        need = AccessNeed(NODES, name="node-1")
        await world.sees(need)
        world.allow(("get", "nodes", "", "node-1"))
        world.clock.advance(2.0)

        assert (await world.sees(need)).reads(NODES, "", "node-1")

    async def test_the_age_of_an_answer_counts_from_before_its_review_was_sent(self, world: World) -> None:
        """A yes that was four seconds on its way counts for six."""
        world.allow(("list", "pods"))
        world.api.held = asyncio.Event()
        first = asyncio.create_task(world.sees(AccessNeed(PODS)))
        await until(lambda: len(world.api.asked) == 1)
        world.clock.advance(4.0)
        world.api.held.set()
        await first
        world.withdraw("list", "pods")

        world.clock.advance(6.0)

        assert not (await world.sees(AccessNeed(PODS))).lists(PODS)

    async def test_answers_are_bounded(self) -> None:
        """More namespaces than answers may be kept cost reviews, not memory, and the answer is still right."""
        world = World(AuthSettings(answers_cached=5))
        world.namespaces = {f"ns-{number}" for number in range(50)}
        world.allow(("list", "pods", "ns-7"), ("list", "pods", "ns-42"))

        for _ in range(2):
            assert (await world.sees(AccessNeed(PODS))).scope(PODS) == frozenset({"ns-7", "ns-42"})

        assert len(world.access._answers) == 5


class TestDecisions:
    """What the API server says to one question, for whoever wants to know it as it was said."""

    async def test_each_distinct_question_is_one_review(self, world: World) -> None:
        """However often it is asked, and also when a list has asked the same; a subresource is another question."""
        world.allow(("list", "pods"), ("delete", "pods", "shop"))
        delete, logs = may("delete", "pods", "shop", "web-0"), Attributes("get", "", "pods", "shop", "web-0", "log")
        await world.sees(AccessNeed(PODS))

        for _ in range(3):
            decisions = await world.access.decisions(ANN, [delete, logs, delete, may("list", "pods")])

        assert {each.verb: decision.allowed for each, decision in decisions.items()} == {
            "delete": True,
            "get": False,
            "list": True,
        }
        assert sorted(world.api.asked, key=str) == sorted([may("list", "pods"), delete, logs], key=str)

    async def test_a_denial_is_asked_again_after_two_seconds(self, world: World) -> None:
        """A right just granted enables its button soon, and one that was taken back disables it within ten."""
        delete = may("delete", "pods", "shop")
        await world.access.decisions(ANN, [delete])
        world.allow(("delete", "pods", "shop"))

        world.clock.advance(2.1)
        assert (await world.access.decisions(ANN, [delete]))[delete].allowed

        world.withdraw("delete", "pods", "shop")
        world.clock.advance(10.1)
        assert not (await world.access.decisions(ANN, [delete]))[delete].allowed

    async def test_without_an_answer_there_is_no_decision(self, world: World) -> None:
        """An API server that is down says neither yes nor no."""
        world.api.down = "connection refused"

        with pytest.raises(ReviewsUnavailable):
            await world.access.decisions(ANN, [may("delete", "pods")])


class TestReviewsUnderWay:
    """How many, and for whom."""

    async def test_requests_share_reviews_under_way(self, world: World) -> None:
        """A hundred requests of one user at once cost what one costs."""
        world.allow(("list", "pods", "shop"))

        await asyncio.gather(*(world.sees(AccessNeed(PODS)) for _ in range(100)))

        assert len(world.api.asked) == 1 + len(world.namespaces)

    async def test_a_thousand_namespaces_are_asked_about_32_at_a_time(self, world: World) -> None:
        """For the whole process, also when several users come at once."""
        world.namespaces = {f"ns-{number}" for number in range(500)}

        await asyncio.gather(world.sees(AccessNeed(PODS)), world.sees(AccessNeed(PODS), who=BOB))

        assert world.api.most_at_once == 32
        assert len(world.api.asked) == 1_002

    async def test_a_caller_who_leaves_takes_nothing_from_the_others(self, world: World) -> None:
        """Reviews go on when the request that started them is cancelled."""
        world.allow(("list", "pods"))
        world.api.held = asyncio.Event()
        first = asyncio.create_task(world.sees(AccessNeed(PODS)))
        await until(lambda: len(world.api.asked) == 1)
        second = asyncio.create_task(world.sees(AccessNeed(PODS)))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

        world.api.held.set()

        assert (await second).scope(PODS) is ALL
        assert len(world.api.asked) == 1

    async def test_the_end_of_the_process_ends_every_review(self, world: World) -> None:
        """`aclose` cancels and awaits them; who waits hears 503."""
        world.api.held = asyncio.Event()
        waiting = asyncio.create_task(world.sees(AccessNeed(PODS)))
        await until(lambda: len(world.api.asked) == 1)

        await world.access.aclose()

        with pytest.raises(ReviewsUnavailable):
            await waiting
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "auth/access-review"]


class TestWhenReviewsCannotBeHad:
    """Neither yes nor no: 503, soon."""

    async def test_one_missing_answer_is_an_error_for_the_request(self, world: World) -> None:
        """What is known of other namespaces does not make up for it."""
        world.allow(("list", "pods", "shop"))
        await world.sees(AccessNeed(PODS))
        world.namespaces.add("new")
        world.api.down = "connection refused"

        with pytest.raises(ReviewsUnavailable) as caught:
            await world.sees(AccessNeed(PODS))

        assert caught.value.status == 503
        assert caught.value.retry_after >= 1

    async def test_a_hanging_api_server_is_waited_for_no_longer_than_the_limit(self) -> None:
        """All namespaces together, not each in turn."""
        world = World(AuthSettings(review_timeout_seconds=0.05, reviews_in_flight=2))
        await world.sees(AccessNeed(PODS))
        world.namespaces |= {f"ns-{number}" for number in range(100)}
        world.api.held = asyncio.Event()
        loop = asyncio.get_running_loop()
        began = loop.time()

        with pytest.raises(ReviewsUnavailable):
            await world.sees(AccessNeed(PODS))

        assert loop.time() - began < 0.5
        await world.access.aclose()

    async def test_known_answers_serve_until_their_end_and_no_longer(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An API server that goes away is not felt for ten seconds, is not asked per request, and is then an error."""
        world.allow(("list", "pods"))
        await world.sees(AccessNeed(PODS))
        world.api.down = "connection refused"
        caplog.set_level(logging.INFO)

        for _ in range(99):
            world.clock.advance(0.1)
            assert (await world.sees(AccessNeed(PODS))).scope(PODS) is ALL
            await until(lambda: len(world.access._flights) == 0)
        world.clock.advance(0.2)
        with pytest.raises(ReviewsUnavailable):
            await world.sees(AccessNeed(PODS))

        assert len(world.api.asked) <= 1 + 2 * 2, "asked ahead once in this time, and once at its end; each sent twice"
        assert [record.message for record in caplog.records] == ["reviews.unavailable"]

    async def test_what_was_answered_before_the_limit_is_there_for_the_next_try(self) -> None:
        """Reviews outlive the request that gave up on them: with very many namespaces, trying again succeeds."""
        world = World(AuthSettings(review_timeout_seconds=0.05))
        world.allow(("list", "pods", "shop"))
        world.api.held = asyncio.Event()
        impatient = asyncio.create_task(world.sees(AccessNeed(PODS)))
        await until(lambda: len(world.api.asked) == 1)
        world.api.held.set()
        await impatient
        world.api.calls.clear()

        assert (await world.sees(AccessNeed(PODS))).scope(PODS) == frozenset({"shop"})
        assert world.api.calls == []


class TestWhatIsKnown:
    """What somebody was found to see is at hand at once, and never for longer than it is true."""

    NEEDS = frozenset({AccessNeed(PODS), AccessNeed(NODES)})

    async def test_what_was_found_is_at_hand(self, world: World) -> None:
        """The same answer to the same needs, for that user alone, without a wait."""
        world.allow(("list", "pods", "shop"))
        assert world.access.known(ANN, self.NEEDS) is None

        seen = await world.sees(*self.NEEDS)

        assert world.access.known(ANN, self.NEEDS) is seen
        assert world.access.known(ANN, frozenset({AccessNeed(PODS)})) is None
        assert world.access.known(BOB, self.NEEDS) is None

    async def test_what_is_due_to_be_asked_again_is_not_at_hand(self, world: World) -> None:
        """At half the life of a permission, so that it is refreshed ahead as ever."""
        world.allow(("list", "pods"), ("list", "nodes"))
        await world.sees(*self.NEEDS)
        reviews = len(world.api.asked)

        world.clock.now += 4.9
        assert world.access.known(ANN, self.NEEDS) is not None
        world.clock.now += 0.2
        assert world.access.known(ANN, self.NEEDS) is None
        await world.sees(*self.NEEDS)
        assert world.access.known(ANN, self.NEEDS) is not None
        await until(lambda: len(world.api.asked) == 2 * reviews)

    async def test_a_right_that_is_lost_counts_as_soon_as_it_is_known(self, world: World) -> None:
        """A review made ahead says no: what was at hand until then is not any more."""
        world.allow(("list", "pods"), ("list", "nodes"))
        await world.sees(*self.NEEDS)
        world.withdraw("list", "pods")
        world.clock.now += 5.1
        await world.sees(*self.NEEDS)
        assert world.access.known(ANN, self.NEEDS) is not None, "the review is under way"

        await until(lambda: world.access.known(ANN, self.NEEDS) is None)

        assert (await world.sees(*self.NEEDS)).scope(PODS) == frozenset()

    async def test_a_namespace_that_came_is_asked_about(self, world: World) -> None:
        """Whose rights are by namespace sees what is in a new one."""
        world.allow(("list", "pods", "shop"), ("list", "pods", "new"))
        await world.sees(*self.NEEDS)

        world.namespaces = {*world.namespaces, "new"}

        assert world.access.known(ANN, self.NEEDS) is None
        assert (await world.sees(*self.NEEDS)).scope(PODS) == frozenset({"shop", "new"})
