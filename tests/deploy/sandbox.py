"""Where a pod's process runs: mount and network namespaces of its own, then the command, in the place of this process.

    unshare --mount --net python -I sandbox.py SPEC

SPEC is a JSON file (`tests/deploy/kubelet.py` writes it). What is mounted stands where the pod has it, over this
machine's own files; everything is read-only and no capability is left, as the chart's securityContext says. The network
is a loopback interface alone, so that every pod has port 8080 for itself. Its ways out are listeners that are handed,
as they are, to whoever made it; the way in is a helper that makes sockets in here for as long as it is asked for them.

Not as in a pod: the user is whoever runs this (the checkout's Python may be in nobody else's reach), and below what is
mounted lie this machine's files in the place of the image's.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
from pathlib import Path

MS_BIND, MS_REC = 4096, 16384
SYS_MOUNT_SETATTR = 442  # the same on every architecture; Linux 5.12
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = -100, 0x8000, 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1

CAPABLE_OF_NOTHING = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--")

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    network(spec["control"], spec["listen"])
    files(Path(spec["aside"]), spec["mounts"])
    os.chdir("/")
    os.execvpe(CAPABLE_OF_NOTHING[0], [*CAPABLE_OF_NOTHING, *spec["command"]], spec["environment"])


def network(control: str, ports: list[int]) -> None:
    """Bring the loopback up; hand out a listener for each port, and from a process beside a socket whenever asked."""
    with socket.socket() as any_:
        fcntl.ioctl(any_, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    with socket.socket(socket.AF_UNIX) as giver:
        giver.connect(control)
        listeners = [socket.create_server(("127.0.0.1", port)) for port in ports]
        socket.send_fds(giver, [b"l"], [listener.fileno() for listener in listeners])
        if os.fork() == 0:
            while giver.recv(1):
                with socket.socket() as new:
                    socket.send_fds(giver, [b"s"], [new.fileno()])
            os._exit(0)


def files(aside: Path, mounts: dict[str, str]) -> None:
    """Path in the pod to what is there; `aside` is an empty folder outside of all of these."""
    wanted = {os.path.realpath(target): source for target, source in mounts.items()}
    for root in sorted({Path(target).parts[1] for target in wanted}):
        cover(Path("/", root), aside / root)
    for target, source in wanted.items():
        place = Path(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # a file of this machine's, such as /etc/hosts
        if Path(source).is_dir():
            place.mkdir()
        else:
            place.touch()
        mount(source, target, None, MS_BIND)
    read_only(Path("/"))


def cover(folder: Path, old: Path) -> None:
    """Make a folder one that can be added to, and that shows what was there, which nothing can be written to."""
    old.mkdir()
    mount(str(folder), str(old), None, MS_BIND | MS_REC)
    read_only(old)
    mount("tmpfs", str(folder), "tmpfs", 0)
    for entry in old.iterdir():
        (folder / entry.name).symlink_to(entry)


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    names = (source.encode(), target.encode(), kind.encode() if kind else None)
    if _libc.mount(*names, ctypes.c_ulong(flags), None):
        raise failed(f"mount {source} on {target}")


def read_only(place: Path) -> None:
    """All that is mounted there and below, at once."""
    attributes = struct.pack("QQQQ", MOUNT_ATTR_RDONLY, 0, 0, 0)
    size = ctypes.c_size_t(len(attributes))
    if _libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, str(place).encode(), AT_RECURSIVE, attributes, size):
        raise failed(f"make {place} read-only")


def failed(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
