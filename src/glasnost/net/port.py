"""The shared port: reads who is called, exactly, and gives the socket away.

It accepts, reads one `Call` with limits on its size, its time and the half-open connections of
one source, and hands an `Incoming` to its owner in the same step. It knows no services. Written
on bare readiness callbacks: everything else costs several times as much
(docs/topics/shared-port.md). Who speaks another protocol may be somebody else's (`Foreign`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from glasnost.core.wire import header
from glasnost.errors import ProtocolError
from glasnost.net.batch import Batch
from glasnost.net.exact import note_refusal, refuse, refuse_at_once
from glasnost.net.foreign import LOOK, Foreign, Head
from glasnost.net.reserve import EXHAUSTED, REST, Reserve
from glasnost.net.sockets import address_text, tune

log = logging.getLogger("glasnost.port")

#: A caller writes its header at once; 10 s survive three lost packets (1 + 2 + 4 s).
HEADER_TIMEOUT: Final = 10.0
#: Connections of one source address that have not said whom they call: a NAT's worth of honest
#: clients connecting at once, and little memory for a stranger.
MAX_HALF_OPEN_PER_SOURCE: Final = 128
#: The same for all sources together: at most a tenth of the descriptors a process commonly has.
MAX_HALF_OPEN: Final = 2048
#: Connections taken from a listener, at most, before other work gets its turn.
_MOST: Final = 64


#: How a request for a WebSocket begins.
HTTP: Final = b"GET "


class Incoming(msgspec.Struct, frozen=True):
    """A connection handed over: its header is consumed, nothing more. The socket does not block."""

    call: header.Call
    sock: socket.socket
    peer: str = ""
    #: Whether a broker copies its bytes: a service's record says whether it may.
    relayed: bool = False


class _Caller:
    """One connection that has not yet said whom it calls."""

    __slots__ = (
        *("body", "deadline", "foreign", "head", "peer", "prefix", "relayed", "sock", "source"),
    )

    def __init__(self, sock: socket.socket, source: str, peer: str, relayed: bool) -> None:
        self.sock, self.source, self.peer, self.relayed = sock, source, peer, relayed
        self.prefix = self.body = b""
        #: What it may speak instead, and what it says then.
        self.foreign: Foreign | None = None
        self.head: Head | None = None
        #: When its time is over; None until it has to wait.
        self.deadline: float | None = None

    def look(self, upgrades: bool) -> None:
        """See which protocol it speaks. A call of ours that is there whole is read at once, so
        that having looked costs it nothing. Raises what `read` does."""
        try:
            seen = self.sock.recv(LOOK, socket.MSG_PEEK)
        except BlockingIOError:
            return
        foreign, self.foreign = self.foreign, None
        if not seen:
            raise EOFError
        if seen[0] == header.MAGIC[0]:
            self._read_at_once(seen)
        elif foreign is not None and not (upgrades and HTTP.startswith(seen[: len(HTTP)])):
            self.head = Head(foreign, self.sock)

    def _read_at_once(self, seen: bytes) -> None:
        if len(seen) < header.PREFIX_SIZE:
            return
        prefix = seen[: header.PREFIX_SIZE]
        size = header.PREFIX_SIZE + header.body_size(prefix, header.CALL)
        if len(seen) >= size:
            self.sock.recv(size)
            self.prefix, self.body = prefix, seen[header.PREFIX_SIZE : size]

    def read(self) -> header.Call | None:
        """Read on; the call once it is whole. Raises `ProtocolError`, OSError or EOFError.

        It reads until there is no more: uvloop tells of a reset that comes together with bytes
        once only, and by then the bytes hide it.
        """
        while len(self.prefix) < header.PREFIX_SIZE:
            if not (data := self._recv(header.PREFIX_SIZE - len(self.prefix))):
                return None
            self.prefix += data
        size = header.body_size(self.prefix, header.CALL)
        while len(self.body) < size:
            if not (data := self._recv(size - len(self.body))):
                return None
            self.body += data
        return header.decode_call(self.body)

    def _recv(self, size: int) -> bytes:
        """What is there, at most ``size`` bytes; nothing while nothing is."""
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            return b""
        if not data:
            raise EOFError
        return data


class SharedPort:
    """Listens on any number of sockets and tells ``dispatch`` who is called.

    ``dispatch`` owns the socket from the moment it is called, and must not raise. ``timeout`` is
    in seconds, for one header; the other two count half-open connections. ``upgrade``, where there
    is one, is likewise given who speaks HTTP instead, with what has been read of that, and
    ``foreign`` who comes by TCP and speaks anything else.
    """

    def __init__(
        self,
        dispatch: Callable[[Incoming], None],
        *,
        timeout: float = HEADER_TIMEOUT,
        per_source: int = MAX_HALF_OPEN_PER_SOURCE,
        half_open: int = MAX_HALF_OPEN,
        upgrade: Callable[[socket.socket, bytes, str], None] | None = None,
        foreign: Foreign | None = None,
    ) -> None:
        self._dispatch, self._upgrade, self._foreign = dispatch, upgrade, foreign
        self._timeout, self._per_source, self._most = timeout, per_source, half_open
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._batch = Batch(_MOST)
        self._reserve = Reserve()
        self._starved = False
        # In the order of their deadlines, since each has the same time.
        self._callers: dict[int, _Caller] = {}
        self._sources: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self.accepted = 0
        self.refused = 0

    def __repr__(self) -> str:
        return f"<SharedPort {len(self._listeners)} listeners, {len(self._callers)} half-open>"

    def listen(self, listener: socket.socket) -> None:
        """Accept from ``listener``, which is owned from here on."""
        self._listeners.append(listener)
        self._loop.add_reader(listener.fileno(), self._accept, listener)

    @property
    def half_open(self) -> int:
        return len(self._callers)

    def retire(self) -> None:
        """Accept no more: who calls from now on waits for whoever listens next."""
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners.clear()

    def close(self) -> None:
        self.retire()
        self._reserve.close()
        for caller in list(self._callers.values()):
            self._drop(caller)
        if self._timer is not None:
            self._timer.cancel()

    def serve(self, sock: socket.socket, peer: str, relayed: bool = False) -> None:
        """Treat a connection that *we* opened (a dial-back, a leg) as one that was accepted."""
        caller = _Caller(tune(sock), "", peer, relayed)
        if sock.family != socket.AF_UNIX:
            caller.foreign = self._foreign
        self._take(caller)

    def _accept(self, listener: socket.socket) -> None:
        for count in range(self._batch.size):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                self._batch.ended(count)
                return
            except OSError as error:
                self._starve(listener, error)
                return
            self._starved = False
            self.accepted += 1
            sock.setblocking(False)  # the rest of `tune` comes from the listener
            source = address[0] if isinstance(address, tuple) else ""
            caller = _Caller(sock, source, address_text(address), relayed=False)
            if source:
                caller.foreign = self._foreign
            self._take(caller)
        self._batch.was_full()

    def _starve(self, listener: socket.socket, error: OSError) -> None:
        """Tell who waits that there are no descriptors left, with the one kept back; whatever else
        it is, rest for a moment. What is let go in the meantime, others may use."""
        if not self._starved:  # each time once: a flood shall not fill the log as well
            what = "callers are refused" if error.errno in EXHAUSTED else "resting"
            log.error("cannot accept: %s; %s", error.strerror, what)
        self._starved = True
        with contextlib.suppress(OSError):  # until nobody waits, or another thread has the last one
            for _ in range(_MOST if error.errno in EXHAUSTED else 0):
                with self._reserve.accepted(listener) as sock:
                    refuse_at_once(sock, "busy", "this host has no descriptors left")
                self.refused += 1
        self._loop.remove_reader(listener.fileno())
        self._loop.call_later(REST, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _take(self, caller: _Caller) -> None:
        """Most have said whom they call before they are accepted: they never wait here."""
        if self._try(caller):
            return
        if len(self._callers) >= self._most:
            self._reject(caller, "busy", "too many connections have not said whom they call")
        elif caller.source and self._sources[caller.source] >= self._per_source:
            self._reject(caller, "busy", f"too many half-open connections from {caller.source}")
        else:
            self._wait(caller)

    def _wait(self, caller: _Caller) -> None:
        caller.deadline = self._loop.time() + self._timeout
        self._callers[caller.sock.fileno()] = caller
        self._sources[caller.source] += 1
        self._loop.add_reader(caller.sock.fileno(), self._try, caller)
        if self._timer is None:
            self._timer = self._loop.call_at(caller.deadline, self._expire)

    def _try(self, caller: _Caller) -> bool:
        """Read what is there; True when the caller is done with, one way or the other."""
        try:
            if caller.foreign is not None:
                caller.look(self._upgrade is not None)
            if caller.head is not None:
                return self._try_foreign(caller, caller.head)
            call = caller.read()
        except ProtocolError as error:
            self._forget(caller)
            if self._upgrade is not None and caller.prefix.startswith(HTTP):
                self._upgrade(caller.sock, caller.prefix, caller.peer)
            else:
                self._reject(caller, "bad-header", str(error))
        except (OSError, EOFError):
            self._drop(caller)
        else:
            if call is None:
                return False
            self._forget(caller)
            self._dispatch(Incoming(call, caller.sock, caller.peer, caller.relayed))
        return True

    def _try_foreign(self, caller: _Caller, head: Head) -> bool:
        if not head.read():
            return False
        self._forget(caller)
        head.give(caller.peer, caller.relayed)
        return True

    def _forget(self, caller: _Caller) -> None:
        if caller.deadline is None:
            return
        self._loop.remove_reader(caller.sock.fileno())
        del self._callers[caller.sock.fileno()]
        self._sources[caller.source] -= 1
        if not self._sources[caller.source]:
            del self._sources[caller.source]

    def _drop(self, caller: _Caller) -> None:
        self._forget(caller)
        caller.sock.close()

    def _reject(self, caller: _Caller, code: str, why: str) -> None:
        self.refused += 1
        if caller.head is not None:  # our words would be none to it
            note_refusal(code, why, caller.peer)
            caller.sock.close()
            return
        refuse(caller.sock, code, why, caller.peer)

    def _expire(self) -> None:
        """Refuse those whose time is over; they stand first."""
        self._timer = None
        now = self._loop.time()
        for caller in list(self._callers.values()):
            assert caller.deadline is not None, "it waits"
            if caller.deadline > now:
                self._timer = self._loop.call_at(caller.deadline, self._expire)
                return
            self._forget(caller)
            with contextlib.suppress(OSError):
                self._reject(caller, "too-slow", f"no header within {self._timeout:g} s")
