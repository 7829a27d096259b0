"""What is new is prepared and worked out in a thread that leaves the interpreter to the event loop in between."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from schema.execution.needs import collect_needs
from schema.execution.plan.operations import FIELDS_AT_ONCE, Operation, Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.execution.turns import STRETCH_S, Turns
from schema.schema import describe

SCHEMA = describe()
SMALL = "{ nodes { name ready } }"
LARGE = "{ " + " ".join(f"n{number}: nodes {{ name pods {{ name phase }} }}" for number in range(40)) + " }"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every pause, and none of them is slept."""
    taken: list[float] = []
    monkeypatch.setattr("schema.execution.turns.time.sleep", taken.append)
    return taken


def test_a_stretch_of_work_is_followed_by_a_pause_as_long(pauses: list[float]):
    """Checked as often as one likes."""
    mine = Turns()
    until = time.perf_counter() + 20 * STRETCH_S
    while time.perf_counter() < until:
        mine.check()

    assert 1 <= len(pauses) <= 20
    assert set(pauses) == {STRETCH_S}


async def test_a_large_new_document_is_prepared_with_pauses_and_is_the_same(pauses: list[float]):
    """Whoever prepares on the loop itself has nobody to wait for."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        in_turns = await Documents(worker=thread).find(SCHEMA, LARGE)
    taken = len(pauses)
    at_once = Documents().prepare(SCHEMA, LARGE)

    assert taken > 5
    assert len(pauses) == taken
    assert in_turns.document == at_once.document
    assert (in_turns.errors, in_turns.fields) == (at_once.errors, at_once.fields) == ((), 200)


@pytest.mark.parametrize("text", ["{ nodes { name", "{ " + "a { " * 5_000, '{ nodes(limit: "x) }', SMALL + "}"])
async def test_mistakes_are_told_in_the_same_words(text: str):
    """Read in turns or not, nested too deeply or cut short."""
    documents, told = Documents(), []
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it is the same
        documents.prepare(SCHEMA, text)
    told.append(str(caught.value))
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await documents.find(SCHEMA, text)
    told.append(str(caught.value))

    assert told[0] == told[1]


@pytest.mark.parametrize(("text", "in_thread"), [(SMALL, False), (LARGE, True)])
async def test_an_operation_of_many_fields_is_worked_out_off_the_loop_once(
    monkeypatch: pytest.MonkeyPatch, text: str, in_thread
):
    """A small one at once: the thread would take longer to come to it."""
    threads: list[bool] = []

    def noted(*arguments):
        threads.append(threading.current_thread() is not threading.main_thread())
        return collect_needs(*arguments)

    monkeypatch.setattr("schema.execution.plan.operations.collect_needs", noted)
    document = Documents().prepare(SCHEMA, text)
    operations = Operations(ExecutionSettings())
    assert (document.fields > FIELDS_AT_ONCE) is in_thread

    first = await operations.find_in_turn(SCHEMA, document, document.operation(None), {})
    second = await operations.find_in_turn(SCHEMA, document, document.operation(None), {})

    assert isinstance(first, Operation)
    assert first.plan is not None
    assert second is first
    assert operations.find(SCHEMA, document, document.operation(None), {}) is first
    assert threads == [in_thread]
