"""A vector decoded in pieces is the vector decoded whole."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.sources.prometheus.catalogue import Level
from schema.sources.prometheus.frames import Held, Missing, Range, Sample
from schema.sources.prometheus.vector import MATRIX, VECTOR, Index, RangeIndex, Row, other_type, split, take_key

NOON = 1_700_000_000.0
COMPACT = (",", ":")
SPACED = (", ", ": ")


def body(rows: list[dict[str, Any]], separators: tuple[str, str] = COMPACT, **more: object) -> bytes:
    answer = {"status": "success", "data": {"resultType": "vector", "result": rows}, **more}
    return json.dumps(answer, separators=separators).encode()


def row(value: str = "1", at: float = NOON, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [at, value]}


def decoded(text: bytes, piece_bytes: int) -> list[Row]:
    whole, pieces = split(text, piece_bytes)
    last = VECTOR.answer.decode(whole).data
    assert last is not None
    return [row for piece in pieces for row in VECTOR.rows.decode(piece)] + last.result


def indexed(level: Level, *rows: dict[str, Any], stale_before: float = 0) -> dict[str, dict[str, Held]]:
    index = Index(level, stale_before=stale_before)
    index.add(msgspec.convert(list(rows), list[Row]))
    return index.samples


# Label values may hold anything, also what looks like the end of an element.
LABELS = st.dictionaries(
    st.sampled_from(["pod", "metric", "result"]),
    st.text() | st.sampled_from(['},{"metric":{', '"result":[', '}, {"metric": {}}', "]}"]),
)


@given(st.lists(LABELS), st.integers(1, 200), st.sampled_from([COMPACT, SPACED]))
def test_no_series_is_lost_cut_or_doubled(labels: list[dict[str, str]], piece_bytes: int, separators: tuple[str, str]):
    """Wherever the cuts fall and whatever the labels hold."""
    text = body([{"metric": series, "value": [NOON, "1"]} for series in labels], separators, warnings=['},{"metric":'])

    assert [row.metric for row in decoded(text, piece_bytes)] == labels


def test_a_large_vector_is_decoded_in_small_pieces():
    """None of them holds the loop for long."""
    text = body([row(namespace="shop", pod=f"web-{number}") for number in range(20_000)])

    whole, pieces = split(text, 64 * 1024)

    sizes = [len(piece) for piece in (whole, *pieces)]
    assert len(sizes) >= len(text) // (66 * 1024)
    assert max(sizes) < 66 * 1024


def test_an_answer_written_in_another_order_is_decoded_whole():
    """No cut is better than a wrong one."""
    text = b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"2"],"metric":{}},{"metric":{}}]}}'

    assert [(row.metric, row.value) for row in decoded(text, 1)] == [({}, (1.0, "2")), ({}, None)]


def test_rows_are_found_by_the_labels_of_their_level():
    """Nodes stand under the empty namespace; the metric's own name is no label of theirs."""
    assert indexed(Level.NODE, row("0.5", node="worker-1", __name__="up")) == {"": {"worker-1": 0.5}}
    assert indexed(Level.POD, row("2e+06", namespace="shop", pod="web-0")) == {"shop": {"web-0": 2_000_000.0}}


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf"])
def test_what_is_no_number_is_null_with_a_reason(text: str):
    """JSON could not carry it."""
    samples = indexed(Level.NODE, row(text, node="worker-1"))

    assert samples == {"": {"worker-1": (Sample(None, Missing.NOT_A_NUMBER, NOON),)}}


def test_a_histogram_is_no_number():
    """Native histograms come in another field."""
    histogram = {"metric": {"node": "worker-1"}, "histogram": [NOON, {"count": "1"}]}
    index = Index(Level.NODE, stale_before=0)

    index.add(VECTOR.rows.decode(json.dumps([histogram]).encode()))

    assert index.samples == {"": {"worker-1": (Sample(None, Missing.NOT_A_NUMBER, NOON),)}}


def test_a_number_that_is_too_old_is_stale():
    """A proxy or another backend may answer with an old one."""
    samples = indexed(Level.NODE, row(node="new"), row(at=NOON - 400, node="old"), stale_before=NOON - 300)

    assert samples == {"": {"new": 1.0, "old": (Sample(None, Missing.STALE, NOON - 400),)}}


def test_series_with_more_labels_stand_side_by_side():
    """None of them is dropped for another."""
    samples = indexed(
        Level.NODE,
        row("1", node="worker-1"),
        row("2", node="worker-1", device="sda"),
        row("NaN", node="worker-1", device="sdb"),
    )

    assert samples[""]["worker-1"] == (
        Sample(1.0, None, NOON),
        Sample(2.0, None, NOON, (("device", "sda"),)),
        Sample(None, Missing.NOT_A_NUMBER, NOON, (("device", "sdb"),)),
    )


def test_rows_that_name_no_object_are_counted():
    """A configured query may forget its labels."""
    index = Index(Level.POD, stale_before=-math.inf)

    index.add(msgspec.convert([row(pod="web-0"), row(namespace="shop"), row()], list[Row]))

    assert index.unnamed == 3
    assert not index.samples


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ('{"resultType":"scalar","result":[1,"2"]}', "scalar"),
        ('{"resultType":"odd","result":[]}', None),
        ("null", None),
    ],
)
def test_other_kinds_of_result_are_told_by_name(result: str, kind: str | None):
    """So that the message can say what a configured query does wrong."""
    assert other_type(f'{{"status":"success","data":{result}}}'.encode()) == kind


def test_every_level_has_keys_of_its_own():
    """A container stands under its pod, a namespace and the cluster under no namespace."""
    labels = {"namespace": "shop", "pod": "web-0", "container": "web", "node": "worker-1"}

    def key(level: Level) -> object:
        return take_key(level, {label: labels[label] for label in level.key_labels})

    assert [key(level) for level in (Level.CLUSTER, Level.NODE, Level.NAMESPACE, Level.POD, Level.CONTAINER)] == [
        ("", ""),
        ("", "worker-1"),
        ("", "shop"),
        ("shop", "web-0"),
        ("shop", "web-0/web"),
    ]
    assert take_key(Level.CONTAINER, {"namespace": "shop", "pod": "web-0"}) is None


def test_series_over_time_stand_side_by_side_too():
    """And what names no object is counted."""
    text = json.dumps(
        [{"metric": {"node": "a", "device": device}, "values": [[60, "1"], [120, "+Inf"]]} for device in ("sda", "sdb")]
        + [{"metric": {}, "values": [[60, "1"]]}, {"metric": {"node": "b"}, "histograms": [[60, {"count": "1"}]]}]
    )
    index = RangeIndex(Level.NODE, Range(60, 120, 60))

    index.add(MATRIX.rows.decode(text.encode()))

    sda, sdb = index.series[""]["a"]
    assert (list(sda.numbers), sda.labels) == ([1.0, math.inf], (("device", "sda"),))
    assert sdb.labels == (("device", "sdb"),)
    (b,) = index.series[""]["b"]
    assert b.numbers[0] == math.inf
    assert index.unnamed == 1
