"""``glasnost connect NAME``: stdin and stdout become the connection.

Through a running agent nothing but sockets is needed here; this file imports what it needs only
where it is needed, because it is started for every SSH login.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys

from glasnost.net.fdpass import connect_packets, pass_on, receive_packet, send_packet

#: Seconds that the agent may take to connect.
TIMEOUT = 20.0
_CHUNK = 1 << 18


def through_agent(name: str, fdpass: bool = False) -> int | None:
    """The exit status, or None where no agent runs: then the caller finds another way."""
    from glasnost.cli.output import complain
    from glasnost.core.wire import messages as m
    from glasnost.errors import GlasnostError, PathCut
    from glasnost.settings import home_directory, load_settings, run_directory

    try:
        run = run_directory(load_settings(home_directory()))
    except GlasnostError as error:
        complain(str(error))
        return 1
    try:
        agent = connect_packets(run / "agent.sock")
    except OSError:
        return None
    with agent:
        agent.settimeout(TIMEOUT + 5)
        try:
            send_packet(agent, m.encode(m.Dial(id=1, name=name, timeout=TIMEOUT)))
            data, passed = receive_packet(agent)
            answer = m.Codec(m.LOCAL).decode(data)
        except TimeoutError:
            complain("the agent gave no answer in time")
            return 1
        except KeyboardInterrupt:
            return 130
        except (GlasnostError, OSError) as error:
            complain(f"the agent: {error}")
            return 1
    if not isinstance(answer, m.Dialled) or passed is None:
        complain(getattr(answer, "why", "") or "the agent did not connect")
        return 1
    try:
        if fdpass:
            return _pass_on(passed)
        copy(passed)
    except PathCut as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    return 0


def copy(sock: socket.socket) -> None:
    """Copy standard input and output through ``sock`` until the far side has ended.

    Our own end of input is passed on as a half-close; what comes after it is still read.
    Raises `PathCut` where the connection broke.
    """
    from glasnost.errors import PathCut

    sock.settimeout(None)
    with selectors.DefaultSelector() as selector, sock:
        selector.register(sock, selectors.EVENT_READ)
        try:
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        except (PermissionError, ValueError):  # a file is always ready, and epoll takes none
            _send_file(sock)
        while True:
            for key, _ in selector.select():
                try:
                    if key.fileobj is sock:
                        data = sock.recv(_CHUNK)
                        if not data:
                            return
                        _write_all(data)
                        continue
                    data = os.read(sys.stdin.fileno(), _CHUNK)
                    if data:
                        sock.sendall(data)
                    else:
                        selector.unregister(key.fileobj)
                        sock.shutdown(socket.SHUT_WR)
                except ConnectionError as error:
                    if isinstance(error, BrokenPipeError) and key.fileobj is not sock:
                        selector.unregister(key.fileobj)  # the far side takes no more
                        continue
                    raise PathCut(f"the connection was lost: {error.strerror}") from None


def _send_file(sock: socket.socket) -> None:
    while data := os.read(sys.stdin.fileno(), _CHUNK):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


def _pass_on(sock: socket.socket) -> int:
    """Give the connected socket to who started us (ssh's ``ProxyUseFdpass``)."""
    with sock:
        pass_on(sys.stdout.fileno(), sock)
    return 0
