"""One long-lived program: started with its output in a file, watched until it is ready, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

LOOK_EVERY_S = 0.05
STOP_LIMIT_S = 10.0
LAST_LINES = 15

PORTS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections (32,768 and up): a server that is stopped and started again
finds its port free, whatever the clients did in between."""
WORKERS = 8
"""That many test processes at once have ports of their own: none takes another's while its server is stopped."""


class ProgramFailed(Exception):  # noqa: N818 - says whose failure it is
    """A program ended, or was not ready in time; str() says which and ends with the last lines of its log."""


class Process:
    """A program of the cluster. Not bound to an event loop: any test's loop may wait for it, stop and start it.

    Promised: whatever it was started from ends, it ends too (on Linux), and its output is in `log`.
    """

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.name = Path(command[0]).name
        self.log = log
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process, f"{self.name} was not started"
        return self._process.pid

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_leash(), *self._command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,  # Ctrl-C is for us: we stop the programs in order
            )  # fmt: skip

    async def ready(self, probe: Callable[[], Awaitable[bool]], limit_s: float) -> None:
        """Wait until the probe says yes; raises ProgramFailed when the program ends or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self.running:
                    if await probe():
                        return
                    await asyncio.sleep(LOOK_EVERY_S)
        raise self.failure(f"was not ready within {limit_s:.0f} s" if self.running else "ended")

    def failure(self, what: str) -> ProgramFailed:
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return ProgramFailed("\n".join([f"{self.name} {what}; the last lines of its log:", *lines]))

    def kill(self) -> None:
        """End it at once, as a power cut would; what it wrote to its disk stays."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end, and wait until it has."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop it in mid-step; it holds its connections and answers nothing until it is thawed."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)  # each of its threads has stopped

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def memory(self) -> int:
        """Resident bytes, as Linux counts them."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)  # nothing to a process that has ended
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_LIMIT_S)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now, and that this process was not given before."""
    return list(itertools.islice(filter(_nobody_listens, _ports), count))


def _ports_of(worker: str) -> Iterator[int]:
    """The ports of one test process ("gw1" of pytest-xdist), in random order, then from the first again."""
    number = int(worker.removeprefix("gw"))
    mine = PORTS[number % WORKERS :: WORKERS]
    return itertools.cycle(random.sample(mine, len(mine)))


_ports = _ports_of(os.environ.get("PYTEST_XDIST_WORKER", "gw0"))


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _leash() -> list[str]:
    """Linux ends the program with the thread that started it: no cluster outlives a test run that was killed."""
    setpriv = shutil.which("setpriv")
    if setpriv and os.uname().sysname == "Linux" and threading.current_thread() is threading.main_thread():
        return [setpriv, "--pdeathsig", "KILL", "--"]
    return []
