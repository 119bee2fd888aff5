"""``glasnost connect NAME``: stdin and stdout become the connection.

Through a running agent nothing but sockets is needed here; this file imports what it needs only
where it is needed, because it is started for every SSH login.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading

from glasnost.net.fdpass import connect_packets, pass_on, receive_packet, send_packet

#: Seconds that the agent may take to connect.
TIMEOUT = 20.0
#: Seconds within which the agent says how a stream ended whose end has just been read.
LAST_WORD = 2.0
_CHUNK = 1 << 18
_STDIN, _STDOUT = 0, 1
FDPASS = "--fdpass is for ssh: -o ProxyUseFdpass=yes"


def through_agent(name: str, fdpass: bool = False) -> int | None:
    """The exit status, or None where no agent runs: then the caller finds another way."""
    from glasnost.cli.output import complain
    from glasnost.core.wire import messages as m
    from glasnost.errors import GlasnostError, PathCut, ProtocolError
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
            name = name.encode(errors="backslashreplace").decode()  # what is no text is no name
            with contextlib.suppress(BrokenPipeError):  # it has turned us away, and said why
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
            if answer.protection != "plain":
                _check_end(agent)
        except (PathCut, ProtocolError) as error:
            complain(str(error))
            return 1
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            return 1
    return 0


def _check_end(agent: socket.socket) -> None:
    """Whether the stream that the agent copied for us has ended as it should: a cut looks the same
    on a local socket. Raises `PathCut`."""
    from glasnost.core.wire import messages as m
    from glasnost.errors import PathCut

    agent.settimeout(LAST_WORD)
    try:
        data, _ = receive_packet(agent)
    except TimeoutError:
        return  # our own input goes on, and the agent copies it
    except OSError as error:
        raise PathCut(f"the agent has gone: {error}") from None
    word = m.Codec(m.LOCAL).decode(data)
    if isinstance(word, m.Failed):
        raise PathCut(f"the connection was cut: {word.why}")


def copy(sock: socket.socket) -> None:
    """Copy standard input and output through ``sock`` until the far side has ended.

    Our own end of input is passed on as a half-close; what comes after it is still read. Each
    direction has a thread, so that neither waits for the other: what blocks a write here is often
    that nobody has read there. Raises `PathCut` where the connection broke.
    """
    from glasnost.errors import PathCut

    sock.settimeout(None)
    # A daemon, as nothing ends a read from a terminal.
    threading.Thread(target=_send_input, args=(sock,), daemon=True).start()
    with sock:
        while True:
            try:
                data = sock.recv(_CHUNK)
            except ConnectionError as error:
                why = (error.strerror or str(error)).lower()
                raise PathCut(f"the connection was lost: {why}") from None
            if not data:
                return
            _write_all(data)


def _send_input(sock: socket.socket) -> None:
    # Where sending fails, the far side takes no more, or is lost: receiving finds out which.
    with contextlib.suppress(OSError):
        while data := os.read(_STDIN, _CHUNK):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(_STDOUT, view) :]


def _pass_on(sock: socket.socket) -> int:
    """Give the connected socket to who started us (ssh's ``ProxyUseFdpass``)."""
    from glasnost.cli.output import complain

    with sock:
        try:
            pass_on(_STDOUT, sock)
        except OSError as error:
            complain(f"standard output takes no socket: {(error.strerror or '').lower()}", FDPASS)
            return 1
    return 0
