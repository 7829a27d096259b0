"""What executions leave behind for the next ones: encoded blocks, and whole answers while nothing has changed.

Per plan and visibility there is one `Kept`: the blocks that the last execution used. Blocks that it no longer used are
gone with the one before: what changed is not kept. Blocks with metrics hold until Prometheus is asked anew.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final, TypeAlias, final

from graphql import GraphQLError
from msgspec.structs import replace

from auth.access import Resource, Visibility
from schema.execution.plan.blocks import EncodedLists
from schema.execution.plan.encoded import EncodedData, Made
from schema.execution.plan.reads import LookUp, still_found
from schema.execution.plan.run import FramesRead
from schema.execution.plan.shape import Nodes
from schema.execution.view import View
from schema.sources.kubernetes.cluster import ClusterSnapshot

Key: TypeAlias = tuple[Any, Visibility]  # a plan, and what its askers see

# What an answer, a block and a list that are kept cost beside their bytes; measured with 64-bit Python 3.11.
_ANSWER_OVERHEAD: Final = 2_048
# With where the objects of a block end, which is kept with those that have been mended.
_BLOCK_OVERHEAD: Final = 224
_LIST_OVERHEAD: Final = 96
_OBJECT_OVERHEAD: Final = 12
# What answers made of look-ups show: none contradicts another.
_NO_MOMENT: Final = ClusterSnapshot({}, "", {})
# Blocks hold their objects, also when the store has newer ones: what nobody asks for any more must not hold them long.
IDLE_SECONDS: Final = 300.0


@final
@dataclass(slots=True, eq=False)
class Answer:
    """A whole answer, as long as the view that it was made from is the view of the question.

    One that was made of a few look-ups holds as long as these find the same; of its moment it keeps nothing else.
    """

    view: View  # without a snapshot, where there are look-ups
    data: EncodedData
    errors: tuple[GraphQLError, ...]
    nodes: Nodes  # of the document that it was made for: its errors say where in that document
    look_ups: tuple[LookUp, ...] | None = None

    def answers(self, view: View, nodes: Nodes) -> bool:
        if self.errors and self.nodes is not nodes:
            return False
        if self.look_ups is None:
            return self.view == view
        same = self.view.beside_the_snapshot == view.beside_the_snapshot
        return same and still_found(self.look_ups, view.snapshot)


def answer_of(
    view: View,
    data: EncodedData,
    errors: tuple[GraphQLError, ...],
    nodes: Nodes,
    look_ups: tuple[LookUp, ...] | None,
) -> Answer:
    shown = view if look_ups is None else replace(view, snapshot=_NO_MOMENT)
    return Answer(shown, data, errors, nodes, look_ups)


@final
@dataclass(slots=True, eq=False)
class Kept:
    """What one plan keeps for everybody who sees the same.

    `data` is the answer's, and stays when that is outdated: the next answer may show the same.
    """

    lists: EncodedLists
    answer: Answer | None
    read: FramesRead = field(default_factory=dict)  # where blocks are from metrics too
    used: float = 0.0  # when, by the keeper's clock
    data: EncodedData | None = field(init=False)
    _beside_data: int = field(init=False)  # in bytes

    def __post_init__(self) -> None:
        self.data = None if self.answer is None else self.answer.data
        self._beside_data = _ANSWER_OVERHEAD + _size_of(self.lists)

    @property
    def size(self) -> int:
        """In bytes, estimated; it grows with what is kept beside the data."""
        return self._beside_data + (0 if self.data is None else self.data.size)


def _size_of(lists: EncodedLists) -> int:
    """Of lists and their blocks, of which some are in several. All are counted after each execution: in C loops."""
    shown = list(chain.from_iterable(map(attrgetter("blocks"), chain.from_iterable(lists.values()))))
    blocks = dict(zip(map(id, shown), shown, strict=True)).values()
    encoded = sum(map(len, map(attrgetter("encoded"), blocks)))
    objects = sum(map(len, map(attrgetter("objects"), blocks)))
    overhead = _BLOCK_OVERHEAD * len(blocks) + _LIST_OVERHEAD * sum(map(len, lists.values()))
    return encoded + _OBJECT_OVERHEAD * objects + overhead


@final
class Keeper:
    """All that is kept, within one bound of bytes; what was not used for the longest time leaves first.

    Used by the event loop and by the worker thread: every method is one short critical section.
    """

    def __init__(self, bound: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._bound = bound
        self._clock = clock
        self._size = 0
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._of_plan: dict[Any, set[Visibility]] = {}  # for whom something of it is kept
        # Which of them have a whole answer, by what it shows: none shows what another one shows otherwise.
        self._answers: dict[ClusterSnapshot, set[Key]] = {}
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """An estimate of the memory in use, in bytes."""
        return self._size

    def get(self, plan: Any, visibility: Visibility) -> Kept | None:
        with self._lock:
            kept = self._kept.get((plan, visibility))
            if kept is not None:
                kept.used = self._clock()
                self._kept.move_to_end((plan, visibility))
            return kept

    def put(self, plan: Any, visibility: Visibility, kept: Kept) -> None:
        """Keep it in the place of what was kept before."""
        with self._lock:
            kept.used = self._clock()
            self._remove((plan, visibility))
            if kept.size > self._bound:
                return
            self._kept[plan, visibility] = kept
            self._of_plan.setdefault(plan, set()).add(visibility)
            self._size += kept.size
            if kept.answer is not None:
                snapshot = kept.answer.view.snapshot
                self._outdate(snapshot)
                self._answers.setdefault(snapshot, set()).add((plan, visibility))
                kept.answer.data.keeper = partial(self._keep_beside, (plan, visibility))
            self._shrink(kept.used - IDLE_SECONDS)

    def drop(self, plan: Any) -> None:
        """Forget all that a plan has kept."""
        with self._lock:
            for visibility in tuple(self._of_plan.get(plan, ())):
                self._remove((plan, visibility))

    def forget(self, resource: Resource) -> None:
        """Let go of all that may hold objects of this kind: it is no longer watched."""
        with self._lock:
            for key in [key for key in self._kept if key[1].asked(resource)]:
                self._remove(key)

    def _keep_beside(self, key: Key, data: EncodedData, sort: str, made: Made) -> None:
        """Keep with an answer what was made of it; nothing of an answer that has left meanwhile."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.data is not data:
                return
            self._size += data.hold(sort, made)
            if kept.size > self._bound:
                self._remove(key)
            self._shrink(self._clock() - IDLE_SECONDS)

    def _shrink(self, oldest: float) -> None:
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if self._size <= self._bound and kept.used >= oldest:
                return
            self._remove(key)

    def _outdate(self, snapshot: ClusterSnapshot) -> None:
        """Answers of earlier moments will answer nothing any more, and would hold all that was there."""
        for shown in [shown for shown in self._answers if shown.contradicts(snapshot)]:
            for key in self._answers.pop(shown):
                self._kept[key].answer = None

    def _remove(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self._size -= kept.size
        plan, visibility = key
        self._of_plan[plan].remove(visibility)
        if not self._of_plan[plan]:
            del self._of_plan[plan]
        if kept.answer is not None:
            self._forget_answer(key, kept.answer.view.snapshot)

    def _forget_answer(self, key: Key, snapshot: ClusterSnapshot) -> None:
        keys = self._answers[snapshot]
        keys.remove(key)
        if not keys:
            del self._answers[snapshot]
