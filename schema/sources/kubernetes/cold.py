"""The cold tier: a whole object as compressed bytes, decoded when somebody asks for a field that is not hot.

Left out are `managedFields` (half of a pod's bytes, of use to the API server only) and kubectl's
`last-applied-configuration` annotation (the object once more). A pod of 2.3 KB takes about 160 bytes: most of it is
what all pods have in common, and that is in the dictionary, trained on the first objects of the kind.

A record keeps a `Rest`: those bytes, and the tier that reads them. So a cold field is a pure function of its record, as
a hot one is (details.py). What was read last is kept for the next field of the same object.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeAlias, TypeVar, final

import msgspec
import zstandard
from msgspec import Struct

# Trained in about 10 ms, once a kind, on the first list's first objects; more samples or bytes made frames no smaller.
SAMPLES: Final = 200
DICTIONARY_BYTES: Final = 16_384

# The trainer's segment and d-mer length, given so that it does not search for them (which takes seconds).
_SEGMENT: Final = 512
_DMER: Final = 8

# What the details kept of one kind were read from, in bytes of JSON: some 800 pods of the usual size, more than a plan
# looks at before it comes to its next field.
DETAILS_BYTES: Final = 2 * 1024 * 1024

_LAST_APPLIED: Final = b"kubectl.kubernetes.io/last-applied-configuration"
# A field's name, behind another field. No text holds this: there the quotation marks would be escaped.
_MANAGED_FIELDS: Final = b',"managedFields":'

_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything: Final = msgspec.json.Decoder(dict[str, Any])


T = TypeVar("T")
# JSON, as it came.
Body: TypeAlias = bytes | memoryview | msgspec.Raw


class Rest(Struct, frozen=True, gc=False, eq=False):
    """One whole object, packed, and the tier that reads it; the same tier for all objects of a kind."""

    packed: bytes
    tier: "ColdTier"

    def whole(self) -> dict[str, Any]:
        """The object. Safe to call from any thread."""
        return self.tier.unpack(self.packed)

    def read(self, how: Callable[[bytes], T]) -> T:
        """What `how` makes of the object's JSON: made once, as long as it is among the recent. `how` must be pure."""
        return self.tier.read(how, self.packed)


class ColdTier:
    """Packs and unpacks the objects of one kind. The first ones are packed without a dictionary, and stay readable.

    Promised: reading is safe from any thread. The tier knows no `Rest`, only bytes: records are invisible to the
    collector, and a tier that led back to one would never be given back.
    """

    def __init__(self, details_bytes: int = DETAILS_BYTES) -> None:
        self._samples: list[bytes | bytearray | memoryview] | None = []  # None: they have been learnt from
        self._compressor = zstandard.ZstdCompressor()
        self._decompressor = zstandard.ZstdDecompressor()
        # large answers are made in a thread; a decompressor is for one at a time
        self._one_at_a_time = threading.Lock()
        self._recent = Recent(details_bytes)

    def pack(self, body: Body, managed_fields: Body) -> Rest:
        """One object's JSON, without what is left out, compressed.

        `managed_fields`: what its metadata has under that name, as it stands there; empty if it has nothing.
        """
        stripped = _stripped(bytes(body), bytes(managed_fields))
        if self._samples is not None:
            self._samples.append(stripped)
            if len(self._samples) == SAMPLES:
                self._train(self._samples)
                self._samples = None
        # zstandard never gives back the rest of the buffer that it compresses into (the size of the input): copied, a
        # pod keeps 0.2 KB instead of 3.2 KB.
        return Rest(bytes(memoryview(self._compressor.compress(stripped))), self)

    def unpack(self, packed: bytes) -> dict[str, Any]:
        """The object that was packed."""
        return _anything.decode(self._body(packed))

    def read(self, how: Callable[[bytes], T], packed: bytes) -> T:
        """What `how` makes of the object that was packed, or has made of it lately."""
        known: T | None = self._recent.get((how, packed))
        if known is not None:
            return known
        body = self._body(packed)
        made = how(body)
        self._recent.put((how, packed), made, len(body))
        return made

    def _body(self, packed: bytes) -> bytes:
        with self._one_at_a_time:
            return self._decompressor.decompress(packed)

    def _train(self, samples: list[bytes | bytearray | memoryview]) -> None:
        try:
            trained = zstandard.train_dictionary(DICTIONARY_BYTES, samples, k=_SEGMENT, d=_DMER)
        except zstandard.ZstdError:
            return  # too little in common: objects so small or odd are kept without a dictionary
        with self._one_at_a_time:
            self._compressor = zstandard.ZstdCompressor(dict_data=trained)
            self._decompressor = zstandard.ZstdDecompressor(dict_data=trained)  # reads frames without dictionary too


@final
class Recent:
    """What was read last, within a bound of bytes read; what was not used for the longest time leaves first.

    Used by the event loop and by the worker thread: every method is one short critical section.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._size = 0
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        with self._lock:
            _, before = self._entries.pop(key, (None, 0))  # another thread may have read the same
            self._entries[key] = (value, size)
            self._size += size - before
            while self._size > self._bound:
                _, (_, left) = self._entries.popitem(last=False)
                self._size -= left


def _stripped(body: bytes, managed_fields: bytes) -> bytes:
    """Cut out where it stands, as the API server writes nearly all objects; else by reading the object once more."""
    if _LAST_APPLIED in body:
        return _stripped_by_reading(body)
    if not managed_fields:
        return body
    start = body.find(_MANAGED_FIELDS)
    value = start + len(_MANAGED_FIELDS)
    if start < 0 or not body.startswith(managed_fields, value):
        return _stripped_by_reading(body)
    return body[:start] + body[value + len(managed_fields) :]


def _stripped_by_reading(body: bytes) -> bytes:
    whole = _parts.decode(body)
    metadata = _parts.decode(whole["metadata"])
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if annotations is not None and _LAST_APPLIED in bytes(annotations):
        kept = _parts.decode(annotations)
        kept.pop(_LAST_APPLIED.decode(), None)
        metadata["annotations"] = msgspec.Raw(msgspec.json.encode(kept))
    whole["metadata"] = msgspec.Raw(msgspec.json.encode(metadata))
    return msgspec.json.encode(whole)
