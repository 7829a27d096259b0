"""Random quantities: the same value, or the same refusal, as the real API server's own parser has for them."""

import math
import random
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from typing import Final

from schema.sources.kubernetes.quantities import quantity
from tests.cluster.control_plane import ControlPlane, Refused

COUNT: Final = 300
SUFFIXES: Final = ("", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "e0", "e3", "E-3", "e+2", "E09")
ODD: Final = (
    "",
    " ",
    "+",
    "-",
    ".",
    "K",
    "ki",
    "mi",
    "kk",
    "Kim",
    "e",
    "E+",
    "e1.5",
    "1e2k",
    "_",
    ",",
    "٣",
    "0x",
    "i",
    "5",
    "07",
    "",
    "0",
    "9",
)
NUMBERED: Final = re.compile(r"(?!.*[eE][+-]?\d{3})[+-]?\.?\d")


async def test_random_quantities_are_worth_the_same(real_cluster: ControlPlane):
    """It writes each in its own way, rounded up to a billionth; that is the value which this text had for us."""
    texts = list(dict.fromkeys(_quantities(random.Random(1), 3 * COUNT)))[:COUNT]

    written = [quantity(text) for text in await _as_written(real_cluster, texts)]

    assert len(written) == COUNT
    differing = {text: value for text, value in zip(texts, written, strict=True) if _rounded(quantity(text)) != value}
    assert differing == {}


async def test_random_texts_are_quantities_or_none_to_both(real_cluster: ControlPlane):
    """What its parser refuses is refused here, and nothing else.

    Left out is what no object has, as it writes it otherwise: a suffix without a number, which it takes for zero, and
    exponents of three digits, of which it makes the largest number that it knows.
    """
    chance = random.Random(2)
    texts = [text for text in map(partial(_damaged, chance), _quantities(chance, 80)) if NUMBERED.match(text)]

    differing = [text for text in texts if _is_one(text) != await _is_one_there(real_cluster, text)]

    assert differing == []
    assert 5 < sum(map(_is_one, texts)) < len(texts) - 5


def _quantities(chance: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        whole = str(chance.randrange(1, 10 ** chance.randrange(1, 5)))
        fraction = str(chance.randrange(10 ** chance.randrange(1, 7)))
        number = chance.choice((whole, f"{whole}.{fraction}", f"{whole}.", f".1{fraction}", f"0{whole}"))
        yield f"{chance.choice(('', '', '+'))}{number}{chance.choice(SUFFIXES)}"


def _damaged(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(ODD) + text[at:]


def _rounded(value: Fraction) -> Fraction:
    return Fraction(math.ceil(value * 10**9), 10**9)


def _is_one(text: str) -> bool:
    try:
        quantity(text)
    except ValueError:
        return False
    return True


async def _is_one_there(cluster: ControlPlane, text: str) -> bool:
    try:
        await _as_written(cluster, [text])
    except Refused as refused:
        negative = "must be positive" in str(refused)  # a quantity, and nothing to aim at
        if not negative and "quantit" not in str(refused):
            raise
        return negative
    return True


async def _as_written(cluster: ControlPlane, texts: Iterable[str]) -> list[str]:
    """How the API server writes them, in what an autoscaler aims at that is not made."""
    metrics = [
        {
            "type": "Pods",
            "pods": {"metric": {"name": f"m-{at}"}, "target": {"type": "AverageValue", "averageValue": text}},
        }
        for at, text in enumerate(texts)
    ]
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": scaled, "maxReplicas": 2, "metrics": metrics}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": spec,
    }
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    answer = await cluster.request("POST", path, autoscaler, params={"dryRun": "All"})
    return [metric["pods"]["target"]["averageValue"] for metric in answer["spec"]["metrics"]]
