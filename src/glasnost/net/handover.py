"""Gives connections to processes that listen at unix sockets of their own and are no clients of
ours: some bytes, then one more with the descriptor, as whoever listens there expects them.

Our copy of the connection is kept until the other has closed the unix socket: by then it has taken
its own, or it never will. Written on bare readiness callbacks, as the port is.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Sequence
from typing import Final

from glasnost.net.fdpass import peer_user
from glasnost.net.sockets import ABSTRACT

log = logging.getLogger("glasnost.port")

#: Connections on their way at a time; each holds two descriptors.
MAX_UNDER_WAY: Final = 512
#: How long until one whose queue is full is tried again, seconds.
AGAIN: Final = 0.05
#: The longest that is waited for room in a queue, and for the close at the end, seconds: programs
#: that call wait so long by themselves.
PATIENCE: Final = 20.0

_ABSENT: Final = (errno.ENOENT, errno.ECONNREFUSED)
_FULL: Final = (errno.EAGAIN, errno.ETOOMANYREFS)


class Handovers:
    """All that are under way. ``owners``: the users (ids) whose sockets are trusted."""

    def __init__(self, owners: frozenset[int]) -> None:
        self._owners = owners
        self._loop = asyncio.get_running_loop()
        #: Those that nobody has taken yet, by what leads there; oldest first, each with its end.
        self._passed: dict[socket.socket, tuple[socket.socket, float]] = {}
        #: Those that found no room yet.
        self._delayed: dict[socket.socket, asyncio.TimerHandle] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.counts = {"succeeded": 0, "failed": 0, "blocked": 0}

    def __repr__(self) -> str:
        return f"<Handovers {len(self)} under way>"

    def __len__(self) -> int:
        return len(self._passed) + len(self._delayed)

    def give(
        self, sock: socket.socket, places: Sequence[str], words: bytes, patience: float = PATIENCE
    ) -> None:
        """Own ``sock``, and hand it to whoever listens at the first of ``places`` that anybody
        listens at; where nobody does, or none takes it within ``patience`` seconds, close it."""
        if len(self) >= MAX_UNDER_WAY:
            self._end(sock, "blocked")
        else:
            self._try(sock, places, words, self._loop.time() + min(patience, PATIENCE))

    def close(self) -> None:
        """Give up what is under way."""
        if self._timer is not None:
            self._timer.cancel()
        for through in list(self._passed):
            self._ended(through, "failed")
        for sock, timer in self._delayed.items():
            timer.cancel()
            self._end(sock, "blocked")
        self._delayed.clear()

    def _try(self, sock: socket.socket, places: Sequence[str], words: bytes, until: float) -> None:
        self._delayed.pop(sock, None)
        try:
            through = self._pass(sock, places, words)
        except OSError as error:
            if error.errno not in _FULL:
                level = logging.DEBUG if error.errno in _ABSENT else logging.WARNING
                log.log(level, "a connection could not be handed over: %s", error)
                self._end(sock, "failed")
            elif self._loop.time() + AGAIN > until:
                self._end(sock, "blocked")
            else:
                again = self._loop.call_later(AGAIN, self._try, sock, places, words, until)
                self._delayed[sock] = again
            return
        self._passed[through] = sock, self._loop.time() + PATIENCE
        self._loop.add_reader(through.fileno(), self._ended, through, "succeeded")
        if self._timer is None:
            self._timer = self._loop.call_later(PATIENCE, self._expire)

    def _pass(self, sock: socket.socket, places: Sequence[str], words: bytes) -> socket.socket:
        through = self._connect(places)
        try:
            through.send(words)
            # Not in one packet with the words: whoever reads those by themselves would lose it.
            socket.send_fds(through, [b"\0"], [sock.fileno()])
        except BaseException:
            through.close()
            raise
        return through

    def _connect(self, places: Sequence[str]) -> socket.socket:
        """To the first place where anybody is. Raises OSError."""
        through = socket.socket(socket.AF_UNIX)
        try:
            through.setblocking(False)
            place, problem = "", errno.ENOENT
            for place in places:
                name = f"\0{place[1:]}" if place.startswith(ABSTRACT) else place
                problem = through.connect_ex(name)
                if problem not in _ABSENT:
                    break
            if problem:
                raise OSError(problem, os.strerror(problem), place)
            if (user := peer_user(through)) not in self._owners:
                raise PermissionError(errno.EPERM, f"served by user {user}", place)
        except BaseException:
            through.close()
            raise
        return through

    def _ended(self, through: socket.socket, how: str) -> None:
        sock, _ = self._passed.pop(through)
        self._loop.remove_reader(through.fileno())
        through.close()
        self._end(sock, how)

    def _end(self, sock: socket.socket, how: str) -> None:
        sock.close()
        self.counts[how] += 1

    def _expire(self) -> None:
        """Give up those that nobody took; they stand first."""
        self._timer = None
        now = self._loop.time()
        for through, (_, until) in list(self._passed.items()):
            if until > now:
                self._timer = self._loop.call_at(until, self._expire)
                return
            self._ended(through, "failed")
