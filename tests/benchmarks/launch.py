"""`python -m tests.benchmarks.launch SOCKET serve …`: `binnacle serve`, with a door for who measures it.

Through the door, a Unix socket, come the collector's pauses and a profile. Until somebody asks, a call around each of
the collector's runs is all that it costs. Asked `pauses`, it tells their seconds since it was asked last; asked
`profile N`, it looks for N seconds what the threads are doing. A thread inside a C function that keeps the interpreter
(decoding, encoding) is seen when it leaves that function: its time counts for the caller.
"""

from __future__ import annotations

import gc
import json
import signal
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, Final

from gateway.cli import main

EVERY_S: Final = 0.002
TOP: Final = 12
HERE: Final = f"{Path(__file__).parents[2]}/"
IDLE: Final = (("runners.py", "run"), ("thread.py", "_worker"), ("threading.py", "wait"), ("launch.py", "over"))
"""Where threads without work stand, the event loop's included."""


class Pauses:
    """What the collector took, run by run, by the clock of the thread in which it runs.

    By any other, its end would be late: a thread that waits for the interpreter has its turn before this is told of it.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._seconds: list[float] = []

    def __call__(self, phase: str, _info: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._began = now
        else:
            self._seconds.append(now - self._began)

    def taken(self) -> list[float]:
        taken, self._seconds = self._seconds, []
        return taken


class Profile:
    """Where threads were, each time that the process had used `EVERY_S` of processor time.

    By a signal, which the main thread takes between two steps of the interpreter: a thread that looks by itself would
    find others mostly where they let go of the interpreter, in system calls.
    """

    def __init__(self) -> None:
        self._own: Counter[str] = Counter()
        self._within: Counter[str] = Counter()
        signal.signal(signal.SIGPROF, self._look)

    def over(self, seconds: float) -> list[dict[str, Any]]:
        self._own.clear()
        self._within.clear()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
        time.sleep(seconds)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        looked = max(1, self._own.total())
        return [
            {"function": name, "own": count / looked, "within": self._within[name] / looked}
            for name, count in self._own.most_common(TOP)
        ]

    def _look(self, _signal: int, main: FrameType | None) -> None:
        mine = threading.get_ident()
        others = [frame for thread, frame in sys._current_frames().items() if thread != mine]
        for frame in (main, *others):
            if frame is not None and not _idle(frame):
                self._own[_name(frame)] += 1
                self._within.update(_names(frame))


def _idle(frame: FrameType) -> bool:
    code = frame.f_code
    return (Path(code.co_filename).name, code.co_name) in IDLE


def _name(frame: FrameType) -> str:
    code = frame.f_code
    if code is Pauses.__call__.__code__:
        return "the garbage collector"  # it keeps the interpreter, and its time counts for what it calls at its end
    file = "/".join(Path(code.co_filename.removeprefix(HERE)).parts[-3:])  # not how the checkout is called
    return f"{file}:{code.co_qualname}"


def _names(frame: FrameType | None) -> set[str]:
    names = set()
    while frame is not None:
        names.add(_name(frame))
        frame = frame.f_back
    return names


def open_door(path: str) -> None:
    pauses, profile = Pauses(), Profile()
    gc.callbacks.append(pauses)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def answer() -> None:
        while True:
            caller, _ = listener.accept()
            with caller, caller.makefile("rw") as stream:
                match stream.readline().split():
                    case ["pauses"]:
                        said: Any = pauses.taken()
                    case ["profile", seconds]:
                        said = profile.over(float(seconds))
                    case other:
                        said = f"not understood: {other}"
                stream.write(json.dumps(said) + "\n")

    threading.Thread(target=answer, daemon=True, name="door").start()


if __name__ == "__main__":
    open_door(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
