"""The cold tier: a whole object as compressed bytes, decoded when somebody asks for a field that is not hot.

Left out are `managedFields` (half of a pod's bytes, of use to the API server only) and kubectl's
`last-applied-configuration` annotation (the object once more). A pod of 2.3 KB takes about 160 bytes: most of it is
what all pods have in common, and that is in the dictionary, trained on the first objects of the kind.
"""

import threading
from typing import Any, Final

import msgspec
import zstandard

# Trained in about 10 ms, once a kind, on the first list's first objects; more samples or bytes made frames no smaller.
SAMPLES: Final = 200
DICTIONARY_BYTES: Final = 16_384

# The trainer's segment and d-mer length, given so that it does not search for them (which takes seconds).
_SEGMENT: Final = 512
_DMER: Final = 8

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything: Final = msgspec.json.Decoder(dict[str, Any])


class ColdTier:
    """Packs and unpacks the objects of one kind. The first ones are packed without a dictionary, and stay readable."""

    def __init__(self) -> None:
        self._samples: list[bytes | bytearray | memoryview] | None = []  # None: they have been learnt from
        self._compressor = zstandard.ZstdCompressor()
        self._decompressor = zstandard.ZstdDecompressor()
        self._one_at_a_time = (
            threading.Lock()
        )  # large answers are made in a thread; a decompressor is for one at a time

    def pack(self, body: bytes | msgspec.Raw) -> bytes:
        """One object's JSON, without what is left out, compressed."""
        stripped = _stripped(body)
        if self._samples is not None:
            self._samples.append(stripped)
            if len(self._samples) == SAMPLES:
                self._train(self._samples)
                self._samples = None
        # zstandard never gives back the rest of the buffer that it compresses into (the size of the input): copied, a
        # pod keeps 0.2 KB instead of 3.2 KB.
        return bytes(memoryview(self._compressor.compress(stripped)))

    def unpack(self, packed: bytes) -> dict[str, Any]:
        """The object that was packed. Safe to call from any thread."""
        with self._one_at_a_time:
            body = self._decompressor.decompress(packed)
        return _anything.decode(body)

    def _train(self, samples: list[bytes | bytearray | memoryview]) -> None:
        try:
            trained = zstandard.train_dictionary(DICTIONARY_BYTES, samples, k=_SEGMENT, d=_DMER)
        except zstandard.ZstdError:
            return  # too little in common: objects so small or odd are kept without a dictionary
        with self._one_at_a_time:
            self._compressor = zstandard.ZstdCompressor(dict_data=trained)
            self._decompressor = zstandard.ZstdDecompressor(dict_data=trained)  # reads frames without dictionary too


def _stripped(body: bytes | msgspec.Raw) -> bytes:
    whole = _parts.decode(body)
    metadata = _parts.decode(whole["metadata"])
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if annotations is not None and _LAST_APPLIED.encode() in bytes(annotations):
        kept = _parts.decode(annotations)
        kept.pop(_LAST_APPLIED, None)
        metadata["annotations"] = msgspec.Raw(msgspec.json.encode(kept))
    whole["metadata"] = msgspec.Raw(msgspec.json.encode(metadata))
    return msgspec.json.encode(whole)
