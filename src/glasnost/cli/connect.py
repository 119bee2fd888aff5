"""``glasnost connect NAME``: stdin and stdout become the connection.

Through a running agent nothing but sockets is needed here. This is started for every SSH login, so
it imports little, and what only few need where they need it: no asyncio, no msgspec, no typing.
"""

from __future__ import annotations

import contextlib
import os
import socket

from glasnost import places
from glasnost.core.wire.small import pack, unpack
from glasnost.errors import GlasnostError, PathCut, ProtocolError
from glasnost.net.fdpass import connect_packets, end_writing, pass_on, receive_packet, send_packet

#: Seconds that the agent may take to connect.
TIMEOUT = 20.0
#: Seconds within which the agent says how a stream ended whose end has just been read.
LAST_WORD = 2.0
_CHUNK = 1 << 18
_STDIN, _STDOUT = 0, 1
FDPASS = "--fdpass is for ssh: -o ProxyUseFdpass=yes"


def through_agent(name: str, fdpass: bool = False) -> int | None:
    """The exit status, or None where no agent runs: then the caller finds another way."""
    try:
        agent = connect_packets(os.path.join(places.run(_setting()), "agent.sock"))
    except GlasnostError as error:
        return _failed(str(error))
    except OSError:
        return None
    with agent:
        agent.settimeout(TIMEOUT + 5)
        try:
            name = name.encode(errors="backslashreplace").decode()  # what is no text is no name
            with contextlib.suppress(BrokenPipeError):  # it has turned us away, and said why
                send_packet(agent, pack(t="dial", id=1, name=name, timeout=TIMEOUT))
            data, passed = receive_packet(agent)
            answer = unpack(data)
        except TimeoutError:
            return _failed("the agent gave no answer in time")
        except KeyboardInterrupt:
            return 130
        except (GlasnostError, OSError) as error:
            return _failed(f"the agent: {error}")
        if answer.get("t") != "dialled" or passed is None:
            return _failed(str(answer.get("why") or "the agent did not connect"))
        try:
            if fdpass:
                return _pass_on(passed)
            copy(passed)
            if answer.get("protection") != "plain":
                _check_end(agent)
        except (PathCut, ProtocolError) as error:
            return _failed(str(error))
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            return 1
    return 0


def _setting() -> str:
    """Where the settings say that the agent's socket lies, if they do. Raises `SettingsError`.

    To understand them takes longer than all else; most do not have the word in them.
    """
    try:
        with open(places.settings_file(places.home()), "rb") as file:
            silent = b"run" not in file.read()
    except OSError:  # who needs them will say so
        silent = True
    if silent or os.environ.get("GLASNOST_RUN"):
        return ""
    from glasnost.settings import home_directory, load_settings

    return load_settings(home_directory()).run


def _failed(why: str, hint: str = "") -> int:
    from glasnost.cli.output import complain

    complain(why, hint)
    return 1


def _check_end(agent: socket.socket) -> None:
    """Whether the stream that the agent copied for us has ended as it should: a cut looks the same
    on a local socket. Raises `PathCut`."""
    agent.settimeout(LAST_WORD)
    try:
        data, _ = receive_packet(agent)
    except TimeoutError:
        return  # our own input goes on, and the agent copies it
    except OSError as error:
        raise PathCut(f"the agent has gone: {error}") from None
    word = unpack(data)
    if word.get("t") == "failed":
        raise PathCut(f"the connection was cut: {word.get('why')}")


def copy(sock: socket.socket) -> None:
    """Copy standard input and output through ``sock`` until both sides have ended.

    Our own end of input is passed on as a half-close; what comes after it is still read. After the
    far side's end our input goes on, or half an upload would look like all of it; only from a
    terminal, where somebody would have to type an end, nothing more is taken then. Each
    direction has a thread, so that neither waits for the other: what blocks a write here is often
    that nobody has read there. Raises `PathCut` where the connection broke.
    """
    import threading

    sock.settimeout(None)
    # A daemon, as nothing ends a read from a terminal.
    sending = threading.Thread(target=_send_input, args=(sock,), daemon=True)
    sending.start()
    with sock:
        while True:
            try:
                data = sock.recv(_CHUNK)
            except ConnectionError as error:
                why = (error.strerror or str(error)).lower()
                raise PathCut(f"the connection was lost: {why}") from None
            if not data:
                break
            _write_all(data)
        if not os.isatty(_STDIN):
            _end_output()
            sending.join()


def _send_input(sock: socket.socket) -> None:
    # Where sending fails, the far side takes no more, or is lost: receiving finds out which.
    with contextlib.suppress(OSError):
        while data := os.read(_STDIN, _CHUNK):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)


def _end_output() -> None:
    """Let who reads our output see its end now; nothing more is written to it."""
    end_writing(_STDOUT)  # a socket is perhaps our input, too, and stays open
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(_STDOUT, view) :]


def _pass_on(sock: socket.socket) -> int:
    """Give the connected socket to who started us (ssh's ``ProxyUseFdpass``)."""
    with sock:
        try:
            pass_on(_STDOUT, sock)
        except OSError as error:
            why = f"standard output takes no socket: {(error.strerror or '').lower()}"
            return _failed(why, FDPASS)
    return 0
