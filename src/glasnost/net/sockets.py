"""Connecting and listening: plain sockets, non-blocking, without delay for small writes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from glasnost.errors import SettingsError
from glasnost.net.fdpass import peer_user

#: How many connections the kernel may hold for a listener before it is asked for them.
BACKLOG: Final = 1024
#: Seconds that the kernel keeps a connection to itself while its first byte is not there: who
#: calls a shared port speaks first.
DEFER_ACCEPT: Final = 5
#: TCP keep-alive of service streams: after so many silent seconds the peer's kernel is asked, every
#: so many, so many times. It keeps NAT tables warm (boxes forget after some minutes), and notices
#: a dead peer in ten minutes; a laptop that sleeps for less keeps its connections. Bytes that
#: nobody acknowledges are the system's to give up (Linux: 15 minutes and more, `tcp_retries2`):
#: TCP_USER_TIMEOUT would be sooner, but cuts peers that live and do not read, too.
KEEP_ALIVE: Final = (60, 60, 9)
#: The longest path a unix socket can have (``sun_path`` is 108 bytes with its end).
MAX_UNIX_PATH: Final = 107


def tune(sock: socket.socket) -> socket.socket:
    """What every stream of ours has: non-blocking, no Nagle. What the kernel keeps back for more
    to come (`exact.accept_now`) goes out."""
    sock.setblocking(False)
    with contextlib.suppress(OSError):  # already reset by the peer, or a unix socket
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def keep_alive(sock: socket.socket, times: tuple[int, int, int] = KEEP_ALIVE) -> None:
    """Let the kernel notice when the peer of an idle stream has died. What a listener accepts
    has this from its listener; a unix socket's peer does not die unnoticed."""
    if sock.family == socket.AF_UNIX:
        return
    after, every, count = times
    with contextlib.suppress(OSError):  # reset in this moment, which reading will say better
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, after)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)


@contextlib.contextmanager
def closed_on_error(sock: socket.socket) -> Iterator[None]:
    """Close ``sock`` where the block does not end well: by an error, or cancelled."""
    try:
        yield
    except BaseException:
        sock.close()
        raise


def resets_on_close(sock: socket.socket, resets: bool = True) -> None:
    """Whether closing tells the peer that it was cut, not that this was all. Who copies between
    two others sets it from the beginning until both have properly ended: then the kernel says so
    for a process that is killed. A unix socket has no such thing."""
    if sock.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):  # it is gone already
            linger = struct.pack("ii", resets, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


async def connect_tcp(host: str, port: int, source: str | None = None) -> socket.socket:
    """A TCP connection to a literal address; ``source`` is the address to come from."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = tune(socket.socket(family, socket.SOCK_STREAM))
    try:
        if source is not None:
            sock.bind((source, 0))
        keep_alive(sock)
        await _connect(sock, _target(host, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def _connect(sock: socket.socket, address: tuple[object, ...]) -> None:
    """Connect to an address that needs no resolving.

    Why not the loop's ``sock_connect``: uvloop's sends even a literal through a thread that
    resolves names, which costs more than the connection.
    """
    problem = sock.connect_ex(address)
    if problem == errno.EINPROGRESS:
        await _writable(sock)
        problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if problem:
        raise OSError(problem, os.strerror(problem))


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(sock.fileno(), _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock.fileno())


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


#: Addresses of one name that are used: names of large services have some, and a name that has
#: hundreds must not make us connect to them all.
MAX_ADDRESSES: Final = 8


async def look_up(name: str, protocol: str | None) -> list[str]:
    """The addresses of a host name, of one protocol or of both, best first. Raises OSError where
    there are none."""
    families = {"ip6": socket.AF_INET6, "ip4": socket.AF_INET, None: socket.AF_UNSPEC}
    family = families[protocol]
    found = await asyncio.get_running_loop().getaddrinfo(
        name, None, family=family, type=socket.SOCK_STREAM
    )
    return list(dict.fromkeys(str(address[0]) for *_, address in found))[:MAX_ADDRESSES]


def knock(host: str, port: int, protocol: str, source: str | None = None) -> None:
    """One packet to a port: a connection's first, or an empty datagram. Whether anything comes
    back is not waited for. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as sock:
        sock.setblocking(False)
        if source is not None:
            sock.bind((source, 0))
        if protocol == "tcp":
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                sock.connect(_target(host, port))
        else:
            sock.sendto(b"", _target(host, port))


async def connect_host(host: str, port: int) -> socket.socket:
    """A TCP connection to an ordinary program's address, or to a host name of the ordinary kind:
    one address after the other, as such programs do."""
    loop = asyncio.get_running_loop()
    problem = OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    for entry in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = tune(socket.socket(entry[0], entry[1]))
        try:
            await _connect(sock, entry[4])
        except OSError as error:
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


#: What stands before a name that is in no file system (unix(7)), in its text.
ABSTRACT: Final = "@"


async def connect_unix(path: str, owners: frozenset[int]) -> socket.socket:
    """A connection to a unix socket that one of ``owners`` (user ids) has made.

    The owner of the file says who made it; the peer's own user id must agree. An abstract name
    (written with `ABSTRACT` before it) has no file.
    """
    abstract = path.startswith(ABSTRACT)
    if not abstract and os.stat(path).st_uid not in owners:
        raise PermissionError(f"{path} belongs to user {os.stat(path).st_uid}, whom we do not ask")
    sock = tune(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    try:
        # It is done at once. Where too many wait there, the loop's `sock_connect` would take
        # "try again" for "under way", and the socket for connected.
        sock.connect("\0" + path.removeprefix(ABSTRACT) if abstract else path)
        if peer_user(sock) not in owners:
            raise PermissionError(f"{path} is served by user {peer_user(sock)}")
    except BaseException:
        sock.close()
        raise
    return sock


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a local stream: the first for the loop, the second for a program."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs


async def adopt(sock: socket.socket, protocol: asyncio.Protocol) -> asyncio.Transport:
    """Give a connected socket to a protocol.

    Why not ``create_connection(sock=...)``: where the connection ends before that returns, uvloop
    forgets the socket object, which then closes the descriptor's next owner.
    """
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock)
    return transport


def listen_tcp(host: str, port: int) -> socket.socket:
    """Listen on one literal address; an IPv6 listener takes IPv6 only, so both can be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        tune_listener(sock)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    sock.setblocking(False)
    return sock


def tune_listener(sock: socket.socket) -> None:
    """What every shared port's TCP listener has; what it accepts inherits it."""
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keep_alive(sock)


def listen_local(host: str, port: int) -> socket.socket:
    """Listen for an ordinary program's connections: whoever speaks first there."""
    sock = listen_tcp(host, port)
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
    return sock


def listen_unix(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Listen on ``path`` in a directory that only we may enter; a dead socket there is replaced."""
    if len(os.fsencode(path)) > MAX_UNIX_PATH:
        raise SettingsError(f"{path} is too long for a unix socket (over {MAX_UNIX_PATH} bytes)")
    private_directory(path.parent)
    if path.exists():
        if not path.is_socket():
            raise SettingsError(f"{path} is in the way: it is no socket")
        if _answers(path, kind):
            raise SettingsError(f"{path} is in use: another agent runs here")
        path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise SettingsError(f"cannot listen on {path}: {error.strerror}") from error
    sock.setblocking(False)
    return sock


def private_directory(path: Path) -> None:
    """Make ``path`` a directory that is ours and that nobody else may enter."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
        if found.st_uid != os.getuid():
            raise SettingsError(f"{path} belongs to user {found.st_uid}, not to us")
        if found.st_mode & stat.S_ISVTX:  # /tmp is root's: to close it would stop the host
            raise SettingsError(f"{path} is everybody's: choose a directory below it")
        path.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"cannot use the directory {path}: {error.strerror}") from error


def address_text(address: object) -> str:
    """A socket's address for people: ``203.0.113.5:4711``, ``[2001:db8::7]:4711``, ``local``."""
    if not isinstance(address, tuple):
        return "local"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def has_address(address: object) -> bool:
    """Whether this host still has the local address of one of its sockets."""
    if not isinstance(address, tuple):
        return True
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address[0], 0, *address[2:]))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def _target(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """The tuple to connect to: an IPv6 zone becomes its interface's number."""
    address, _, zone = host.partition("%")
    if not zone:
        return (host, port)
    return (address, port, 0, int(zone) if zone.isdigit() else socket.if_nametoindex(zone))


def _answers(path: Path, kind: socket.SocketKind) -> bool:
    """Whether somebody listens there. Only a refusal says that nobody does: one who is slow, or
    speaks another kind of socket, lives."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(1)  # a full backlog makes us wait, and nothing else does
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
