"""Where an agent listens: the host's shared port, by TCP and as a unix socket, and the socket at
which the programs of this host ask it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from glasnost.errors import SettingsError
from glasnost.net.fdpass import peer_user
from glasnost.net.port import SharedPort
from glasnost.net.reserve import EXHAUSTED, REST, Reserve
from glasnost.net.sockets import listen_tcp, listen_unix
from glasnost.net.systemd import Given
from glasnost.roles.agent.clients import allowed_users, turn_away
from glasnost.settings import Settings

log = logging.getLogger("glasnost.agent")

#: What a kernel without IPv6 says about listening on it.
_NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
#: How often the system is asked for a port that is free in both protocols: it knows only that it
#: is free in the first, and in the second another has it perhaps once in a thousand times.
_TRIES: Final = 5


class Listening:
    """``run`` is the directory of the sockets, or None; ``number`` the shared port's, None where
    there is no TCP; ``given`` is what was open before us. ``welcome`` owns a local program's
    connection, and says whether it took it."""

    def __init__(
        self,
        settings: Settings,
        number: int | None,
        run: Path | None,
        port: SharedPort,
        welcome: Callable[[socket.socket], bool],
        given: Given | None,
    ) -> None:
        self.number = number if given is None else given.number
        self._given = given or Given()
        self._settings = settings
        self._run = run
        self._port = port
        self._welcome = welcome
        self._local: socket.socket | None = None
        self._paths: list[Path] = []
        self._reserve = Reserve()

    def open(self) -> None:
        """Listen everywhere. Raises `SettingsError`; then `close` still has to be called."""
        if self.number is not None:
            listeners = self._given.tcp or _listen(self._settings, self.number)
            for listener in listeners:
                self._port.listen(listener)
            self.number = listeners[0].getsockname()[1] if listeners else None
        if self._run is not None:
            stream, packets = self._given.port, self._given.agent
            self._port.listen(stream or self._unix("port.sock", socket.SOCK_STREAM))
            self._local = packets or self._unix("agent.sock", socket.SOCK_SEQPACKET)
            self._resume(self._local)

    def retire(self) -> None:
        """Take no more callers; those that have been accepted are still served."""
        self._port.retire()

    def close(self) -> None:
        """Listen no more. Only what we have made is removed: another agent may run here."""
        self._port.close()
        self._reserve.close()
        local, self._local = self._local, None
        if local is not None:
            asyncio.get_running_loop().remove_reader(local.fileno())
            local.close()
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.unlink()
        self._paths.clear()

    def _unix(self, name: str, kind: socket.SocketKind) -> socket.socket:
        assert self._run is not None
        listener = listen_unix(self._run / name, kind)
        self._paths.append(self._run / name)
        return listener

    # --- the local socket -----------------------------------------------------------------------

    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.error("cannot accept local programs: %s; resting", error.strerror)
            if error.errno in EXHAUSTED:
                with contextlib.suppress(OSError), self._reserve.accepted(listener) as sock:
                    turn_away(sock, "busy", "this agent has no descriptors left")
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener.fileno())
            loop.call_later(REST, self._resume, listener)
            return
        user = peer_user(sock)
        if user not in allowed_users():
            log.warning("user %d may not ask this agent", user)
            turn_away(sock, "denied", "this agent serves its own user and root")
        elif not self._welcome(sock):
            turn_away(sock, "busy", "too many programs are connected to this agent")


def _listen(settings: Settings, number: int) -> list[socket.socket]:
    """A listener for each address of the settings, all on one port; 0: on any that is free."""
    tries = 1 if number else _TRIES
    while True:
        tries -= 1
        try:
            return _listen_once(settings, number)
        except SettingsError as error:
            if not tries or not _is(error, errno.EADDRINUSE):
                raise


def _listen_once(settings: Settings, number: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    try:
        for host in settings.listen:
            if not settings.enables("ip6" if ":" in host else "ip4"):
                continue
            try:
                listeners.append(listen_tcp(host, number))
            except SettingsError as error:
                if host == "::" and _is(error, *_NO_IPV6):
                    continue
                raise
            number = listeners[0].getsockname()[1]
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _is(error: SettingsError, *numbers: int) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in numbers
