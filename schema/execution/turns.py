"""Work in a thread that leaves the interpreter to the event loop half of the time.

Only one thread at a time has Python's interpreter, and one that works on shares it fairly with the event loop: what the
loop does for a small request then takes twice as long and more. New documents may take milliseconds, their author has
time, and as many as anybody likes may be sent. A pause for each stretch of work doubles what they take, and costs the
requests beside them next to nothing (a small one beside twenty of the worst: 4.2 times its usual time without, 1.7
with).
"""

import time
from typing import Final, final

# About what the event loop does for a small request. A pause takes a little longer than asked for.
STRETCH_S: Final = 0.0002


@final
class Turns:
    """When to pause; used by one thread."""

    def __init__(self) -> None:
        self._resumed = time.perf_counter()

    def check(self) -> None:
        """Pause if it is time to. Costs little: between two tokens is not too often."""
        if time.perf_counter() - self._resumed >= STRETCH_S:
            time.sleep(STRETCH_S)
            self._resumed = time.perf_counter()
