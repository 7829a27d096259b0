"""The gateway's own command, with a wall clock that can be moved, and for faults that come every few seconds.

On SIGUSR1 it gives back what it does not use: cycles that nobody has collected yet, and memory that is free. What it
holds then is what it keeps.

A silence is noticed sooner, and the pauses between attempts are back at their beginning after seconds of health: what
takes the gateway a minute to notice, or two to get over, would be most of a soak.

    python -m tests.soak.serving CLOCK SILENCE serve --config FILE

CLOCK is a file of eight bytes, a number of seconds by which `time.time` is wrong; it is looked at at each call. What
measures spans uses the monotonic clock, which nobody can move.
"""

import contextlib
import ctypes
import gc
import mmap
import signal
import struct
import sys
import time
from pathlib import Path

HEALTHY_S = 3.0
NOBODY_OFF = struct.pack("d", 0.0)


def move(clock: Path, seconds: float) -> None:
    """From now on the gateway's wall clock is wrong by so much."""
    with clock.open("r+b") as file:
        file.write(struct.pack("d", seconds))


def give_back(*_: object) -> None:
    gc.collect()
    with contextlib.suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def main() -> int:
    signal.signal(signal.SIGUSR1, give_back)
    clock, silence, *arguments = sys.argv[1:]
    with Path(clock).open("rb") as file:
        moved = mmap.mmap(file.fileno(), len(NOBODY_OFF), access=mmap.ACCESS_READ)
    right = time.time
    time.time = lambda: right() + struct.unpack("d", moved)[0]  # before anybody takes it as a default

    from gateway.cli import main as binnacle
    from schema.sources.kubernetes import client
    from schema.sources.kubernetes.policy import Backoff

    client.SILENCE_LIMIT_S = float(silence)  # type: ignore[misc]
    Backoff.HEALTHY_S = HEALTHY_S  # type: ignore[misc]
    return binnacle(arguments)


if __name__ == "__main__":
    sys.exit(main())
