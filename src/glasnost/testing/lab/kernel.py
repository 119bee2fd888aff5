"""Network and user namespaces: make one, step into one, become root in one of our own.

A namespace is held by a file descriptor and has no name: when the last descriptor and the last
process in it are gone, the kernel removes it with everything inside. Knows nothing about
topologies.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW_NET = 0x40000000
_NEW_USER = 0x10000000
_IFREQ = "16sh22x"
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # SIOCGIFFLAGS, SIOCSIFFLAGS
_UP, _RUNNING = 0x1, 0x40
_HINTS = {  # settings that forbid user namespaces, and the value that does
    "/proc/sys/user/max_user_namespaces": "0",
    "/proc/sys/kernel/unprivileged_userns_clone": "0",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
}
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab was asked for something it cannot build, or a tool refused a command."""


class LabUnavailable(LabError):
    """A lab cannot run here; the message says why and what would help."""


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _own_namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def new_network_namespace() -> int:
    """Descriptor of a new, empty network namespace; closing it gives the namespace back.

    ``unshare`` moves the thread that calls it, so a short-lived thread makes the call. It also
    tries the way back, which may be closed where the way out is open; better it is stranded than
    its caller.
    """
    outcome: list[int | OSError] = []

    def make() -> None:
        before = _own_namespace()
        try:
            _check(_libc.unshare(_NEW_NET), "unshare(CLONE_NEWNET)")
            made = _own_namespace()
            try:
                _check(_libc.setns(before, _NEW_NET), "setns")
            except OSError:
                os.close(made)
                raise
            outcome.append(made)
        except OSError as error:
            outcome.append(error)
        finally:
            os.close(before)

    thread = threading.Thread(target=make, name="new-network-namespace")
    thread.start()
    thread.join()
    # Python is done with the thread, the kernel a moment later; until then the process has two.
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):
        time.sleep(0)
    (result,) = outcome
    if isinstance(result, OSError):
        raise result
    return result


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Run the block with this thread in ``namespace``; other threads stay where they are.

    Sockets opened and processes started in the block belong to the namespace for good. Never
    ``await`` in the block: the other tasks of the thread would run in the namespace too.
    """
    before = _own_namespace()
    try:
        _check(_libc.setns(namespace, _NEW_NET), "setns")
        try:
            yield
        finally:
            _check(_libc.setns(before, _NEW_NET), "setns")
    finally:
        os.close(before)


def set_sysctl(name: str, value: int) -> None:
    """Set one kernel setting (``net/ipv4/ip_forward``) of the namespace this thread is in."""
    Path("/proc/sys", name).write_text(str(value))


def may_make_namespaces() -> bool:
    """Whether this process may make network namespaces, found out by making one.

    ENOSPC: as many as there may be exist (``max_net_namespaces``), perhaps none at all.
    """
    try:
        os.close(new_network_namespace())
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSPC):
            return False
        raise
    return True


def enter_user_namespace() -> None:
    """Make this process root in a user namespace of its own, with an empty network; once is enough.

    A process that may make network namespaces already (root) stays as it is. The process must have
    a single thread. It keeps its files, and appears as root to itself; from the machine's network
    only a fresh loopback remains. Raises `LabUnavailable` where the kernel forbids it, and then
    changes nothing.
    """
    if may_make_namespaces():
        return
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise LabUnavailable(
            "only a process with one thread can enter a user namespace, and this one has "
            f"{threads}; call enter_user_namespace() earlier, or start the program with: "
            "unshare --map-root-user --net"
        )
    code = _try_in_child()
    if code != 0:
        raise LabUnavailable(_why_not(code))
    _become_root()


def _become_root() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(_NEW_USER | _NEW_NET), "unshare(CLONE_NEWUSER | CLONE_NEWNET)")
    Path("/proc/self/setgroups").write_text("deny")  # the kernel wants this before gid_map
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    bring_loopback_up()


def bring_loopback_up() -> None:
    """``lo`` of the namespace this thread is in; an ioctl, so no tool is needed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SET_FLAGS, struct.pack(_IFREQ, b"lo", _UP))


def running(interface: str) -> bool:
    """Whether an interface of the namespace this thread is in carries packets yet.

    The kernel notices in the background that both ends of a cable are up; what is sent before
    is lost.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, _GET_FLAGS, struct.pack(_IFREQ, interface.encode(), 0))
    return bool(struct.unpack(_IFREQ, answer)[1] & _RUNNING)


def _try_in_child() -> int:
    """Rehearse in a fork, for a half-entered user namespace cannot be left: 0 or an errno."""
    pid = os.fork()
    if pid == 0:
        code = errno.EPERM
        try:
            _become_root()
            code = 0
        except OSError as error:
            code = error.errno or errno.EPERM
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _why_not(code: int) -> str:
    found = [
        path.removeprefix("/proc/sys/").replace("/", ".") + f" = {value}"
        for path, value in _HINTS.items()
        if Path(path).exists() and Path(path).read_text().strip() == value
    ]
    because = f" ({', '.join(found)})" if found else ""
    return (
        f"the kernel does not let this user make a user namespace: {os.strerror(code)}{because}; "
        "run as root, or let root change that setting"
    )
