"""Details: cold fields, read from a record alone."""

import gc
import json
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from schema.sources.kubernetes.cold import SAMPLES, ColdTier, Recent
from schema.sources.kubernetes.details import Details, annotations
from schema.sources.kubernetes.kinds import NODES, PODS, Decoder
from schema.sources.kubernetes.objects import PodRecord, Sharing
from tests.schema.sources.kubernetes import pods


def annotated(number: int) -> bytes:
    manifest = pods.manifest(f"web-{number}", number)
    manifest["metadata"]["annotations"] = {"number": str(number), "a": "first by key"}
    return json.dumps(manifest).encode()


def records(count: int) -> list[PodRecord]:
    decoder = Decoder(PODS, Sharing())
    return [decoder.decode(annotated(number)) for number in range(count)]


def test_annotations_of_any_record_are_read_from_the_record_alone():
    """Sorted by key; of objects packed before and after the dictionary was trained."""
    for number, record in enumerate(records(SAMPLES + 10)):
        assert [(one.key, one.value) for one in annotations(record)] == [
            ("a", "first by key"),
            ("number", str(number)),
        ]
    node = Decoder(NODES, Sharing()).decode(
        b'{"metadata": {"name": "n", "uid": "1", "resourceVersion": "1", "annotations": {"x": ""}}}'
    )
    assert [(one.key, one.value) for one in annotations(node)] == [("x", "")]


@pytest.mark.parametrize("said", [{}, {"annotations": None}, {"annotations": {}}])
def test_an_object_without_annotations_has_none(said):
    """Absent, null and empty are the same to Kubernetes."""
    manifest = pods.manifest("web", 1)
    manifest["metadata"] |= said

    assert annotations(Decoder(PODS, Sharing()).decode(json.dumps(manifest).encode())) == ()


def test_an_object_is_read_once_for_all_its_fields():
    """As long as it is among the recent, the same details come back."""
    first, second = records(2)

    assert annotations(first) is annotations(first)
    assert annotations(first) is not annotations(second)


def test_two_groups_of_details_of_one_object_are_told_apart():
    """What is kept is kept by what was read."""
    (record,) = records(1)
    name = Details(dict[str, msgspec.Raw], lambda whole: msgspec.json.decode(whole["metadata"])["name"])

    assert (name(record), annotations(record)[0].key, name(record)) == ("web-0", "a", "web-0")


def test_what_is_kept_stays_within_its_bound():
    """By the bytes read, not by the number of objects: a few may be as large as thousands."""
    recent = Recent(100)
    for number in range(50):
        recent.put(number, number, 30)
        assert recent.get(number) == number
        recent.get(0)

    assert [number for number in range(50) if recent.get(number) is not None] == [0, 48, 49]
    recent.put("huge", "huge", 101)
    assert recent.get("huge") is None
    assert recent._size == 0


def test_what_two_threads_read_at_once_counts_once():
    """Both may find it missing."""
    recent = Recent(100)
    for _ in range(10):
        recent.put("same", "value", 60)

    assert recent.get("same") == "value"


def test_threads_read_what_each_asked_for():
    """Executions run in a worker thread beside the event loop; more objects than are kept."""
    tier = ColdTier(details_bytes=5_000)
    packed = [tier.pack(annotated(number), b"") for number in range(300)]
    begin = threading.Barrier(4)

    def read(step: int) -> bool:
        begin.wait()
        return all(
            one.read(number_of) == str(position)
            for position, one in list(enumerate(packed))[:: 1 if step % 2 else -1]
            for _ in range(3)
        )

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, range(4)))


def number_of(body: bytes) -> str:
    return str(msgspec.json.decode(body)["metadata"]["annotations"]["number"])


def test_a_tier_is_given_back_with_its_records():
    """Records are invisible to the collector: nothing that the tier keeps may lead back to one."""
    decoder = Decoder(PODS, Sharing())
    record = decoder.decode(annotated(1))
    annotations(record)
    tier = weakref.ref(record.rest.tier)
    del decoder, record

    gc.collect()

    assert tier() is None
