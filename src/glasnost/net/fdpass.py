"""Packets with descriptors: what goes over the local agent's socket, without an event loop.

A packet is one message; SOCK_SEQPACKET keeps their borders and their order. Descriptors that
arrive are owned in the same step (style: habit 9). ``glasnost connect`` starts with this module,
so it imports little; `net.packets` is both ends of such a socket on a loop.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys

from glasnost.errors import PathCut, ProtocolError

TYPE_CHECKING = False  # what typing says, without its import
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any, Final

#: The longest packet: a page of records, well below the kernel's default buffer of 208 kB.
MAX_PACKET: Final = 128 * 1024
_FD = struct.Struct("@i")
#: As a number: two flags of the module's, joined anew for each packet, took as long as reading it.
_CUT: Final = int(socket.MSG_CTRUNC | socket.MSG_TRUNC)
_ROOM = socket.CMSG_SPACE(4 * _FD.size)


def connect_packets(path: str | PathLike[str]) -> socket.socket:
    """A packet socket to whoever listens at ``path``. Raises OSError, PermissionError where that
    is neither root nor our own user."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.setblocking(False)  # where too many wait, it would block the whole loop
        sock.connect(os.fspath(path))
        sock.setblocking(True)
        if peer_user(sock) not in (0, os.getuid()):
            raise PermissionError(errno.EPERM, f"served by user {peer_user(sock)}, not by us")
    except BaseException:
        sock.close()
        raise
    return sock


def send_packet(sock: socket.socket, data: bytes, passed: socket.socket | None = None) -> None:
    """One packet, with one socket or none. Raises BlockingIOError when there is no room."""
    rights = []
    if passed is not None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _FD.pack(passed.fileno()))]
    sock.sendmsg([data], rights)


def receive_packet(sock: socket.socket) -> tuple[bytes, socket.socket | None]:
    """One packet. Raises `PathCut` at the end, `ProtocolError` for what no agent of ours sends,
    OSError (EMFILE) for one whose socket was lost because this process has no descriptors left."""
    try:
        data, ancillary, flags, _ = _receive(sock)
    except ConnectionResetError:
        # The other end has gone and left something of ours unread. What it said before is still
        # here, and may say why.
        data, ancillary, flags, _ = _receive(sock)
    fds: list[int] = []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = content[: len(content) - len(content) % _FD.size]
            fds += [fd for (fd,) in _FD.iter_unpack(whole)]
    # Nothing below may await: from here on the descriptors are ours to lose.
    cut = flags & _CUT
    if cut == socket.MSG_CTRUNC and not fds:  # there was room for it in the packet
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    if len(fds) > 1 or cut:
        for fd in fds:
            os.close(fd)
        raise ProtocolError(f"a packet with {len(fds)} descriptors (flags {flags:#x})")
    if not data and not fds:
        raise PathCut("the other end of the local socket has gone")
    return data, _own(fds[0]) if fds else None


def _receive(sock: socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
    return sock.recvmsg(MAX_PACKET, _ROOM, socket.MSG_CMSG_CLOEXEC)


def _own(fd: int) -> socket.socket:
    """A received descriptor as a socket. Raises `ProtocolError` when it is something else."""
    try:
        passed = socket.socket(fileno=fd)
    except OSError as error:
        os.close(fd)
        raise ProtocolError(f"a descriptor that is no socket: {error.strerror}") from None
    passed.setblocking(False)
    return passed


def pass_on(descriptor: int, sock: socket.socket) -> None:
    """Hand ``sock`` over through the unix stream socket with this descriptor, as OpenSSH wants it
    from a ProxyCommand (ssh_config(5), ProxyUseFdpass): with one byte."""
    with socket.socket(fileno=os.dup(descriptor)) as parent:
        socket.send_fds(parent, [b"\0"], [sock.fileno()])


def peer_user(sock: socket.socket) -> int:
    """The user id at the other end of a unix socket, as the kernel knows it."""
    return _peer(sock)[1]


def peer_process(sock: socket.socket) -> int:
    """The process id at the other end of a unix socket; 0 where it is in another container."""
    return _peer(sock)[0]


def _peer(sock: socket.socket) -> tuple[int, int]:
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, user = credentials[:4], credentials[4:8]
    return int.from_bytes(pid, sys.byteorder), int.from_bytes(user, sys.byteorder)


def end_writing(fd: int) -> None:
    """Say the proper end on a descriptor, if it is a socket; it is the caller's still."""
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as sock:
            sock.shutdown(socket.SHUT_WR)
