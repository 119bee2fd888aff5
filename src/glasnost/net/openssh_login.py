"""One client of OpenSSH's while it runs: what it says, its stream, its end.

Each has a thread, which hears it and waits for it: whatever becomes of the loop that started it.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from glasnost.errors import PathCut
from glasnost.net.openssh_words import MAX_LINE, MAX_TOLD, Heard, heard, why_ended
from glasnost.net.sockets import closed_on_error

#: How long a program that ends waits for what it has written last to leave, seconds: as for
#: streams that are carried (net/carrier.py).
FAREWELL: Final = 2.0

#: How often a client is looked after, seconds. One whose stream is closed is ended at the second
#: look at which nothing moves: as long as a kernel waits for the end of such a TCP connection.
LOOK: Final = 30.0


class Entered(socket.socket):
    """Stands for a login; closing it ends the client."""

    login: Login


class Login:
    """One running client. ``inside`` and ``opened`` are done when it has logged in, and when the
    far side has opened the stream; or they have failed."""

    def __init__(self, process: subprocess.Popen[bytes], told: socket.socket, folder: str) -> None:
        self.inside = concurrent.futures.Future[None]()
        self.opened = concurrent.futures.Future[None]()
        for one in (self.inside, self.opened):
            one.set_running_or_notify_cancel()  # who waits may go; the thread still says it
        self._process = process
        self._told = told
        self._folder = folder
        self._over = False
        self._inode = 0
        self._state = b""
        self._held: tuple[Entered, weakref.ref[socket.socket]] | None = None
        told.settimeout(LOOK)
        _logins.add(self)
        threading.Thread(target=self._hear, name="ssh", daemon=True).start()

    def __repr__(self) -> str:
        return f"<Login by ssh, process {self._process.pid}>"

    def hand_over(self, sock: socket.socket) -> None:
        """Give the client the connection to log in over."""
        with contextlib.suppress(OSError):  # it has ended: `inside` says why
            socket.send_fds(self._told, [b"."], [sock.fileno()])

    def connect(self) -> socket.socket:
        """The client's local socket; its name is needed no more."""
        sock = socket.socket(socket.AF_UNIX)
        with closed_on_error(sock):
            sock.setblocking(False)
            try:
                sock.connect(f"{self._folder}/s")
            except OSError:
                raise PathCut("the SSH server closed the connection") from None
            self.clean_up()
        return sock

    def leads(self, entered: Entered, near: socket.socket) -> None:
        """From here on the client ends with its stream."""
        self._inode = os.fstat(near.fileno()).st_ino
        self._held = entered, weakref.ref(near)
        if self._over:  # in this moment: the thread may have found nothing to close
            entered.close()

    @property
    def ending(self) -> bool:
        """Whether what this program has written may still be on its way."""
        if self._held is None:
            return False
        near = self._held[1]()
        return near is None or near.fileno() < 0

    def clean_up(self) -> None:
        """Remove its folder, which nobody needs once the stream is there."""
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- in the thread --------------------------------------------------------------------------

    def _hear(self) -> None:
        """Listen to the client until it ends."""
        told = bytearray()
        # Killed before it has taken our connection, its end is a reset.
        with self._told, contextlib.suppress(OSError):
            for line in self._lines():
                self._note(line, told)
        self._process.wait()
        self.clean_up()
        for one in (self.inside, self.opened):
            if not one.done():
                one.set_exception(why_ended(bytes(told)))
        _logins.discard(self)
        self._over = True
        if self._held is not None:
            self._held[0].close()

    def _lines(self) -> Iterator[bytes]:
        """What it says, in lines or pieces of long ones; in between it is looked after."""
        held = b""
        while True:
            try:
                data = self._told.recv(MAX_LINE)
            except TimeoutError:
                if self._is_forgotten():
                    self._process.kill()
                continue
            if not data:
                return
            *lines, held = (held + data).split(b"\n")
            yield from (line + b"\n" for line in lines)
            if len(held) >= MAX_LINE:
                yield held
                held = b""

    def _is_forgotten(self) -> bool:
        """Whether nobody has the stream any more, here or wherever it was handed to, and the client
        has not even woken since the last look: only the far side keeps it, which does not end."""
        if self._held is None:
            return False
        before = self._state
        with contextlib.suppress(OSError):  # no such file here, or no longer
            self._state = Path(f"/proc/{self._process.pid}/status").read_bytes()
            return not _is_open(self._inode) and before == self._state
        return False

    def _note(self, line: bytes, told: bytearray) -> None:
        match heard(line):
            case Heard.INSIDE:
                _done(self.inside)
            case Heard.OPENED:
                _done(self.opened)
            case Heard.OVER:
                self._process.kill()
            case None:
                told += line
                del told[:-MAX_TOLD]


def _is_open(inode: int) -> bool:
    """Whether any process of this network has this unix socket open, or it is on its way to one."""
    lines = Path("/proc/thread-self/net/unix").read_text("utf-8", "replace").splitlines()[1:]
    return any(line.split()[6] == str(inode) for line in lines)


def _done(told: concurrent.futures.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


#: Those whose client runs.
_logins: set[Login] = set()


@atexit.register
def farewell() -> None:
    """Let what has been written to streams that are closed leave, within `FAREWELL` seconds. For a
    socket of our own, the kernel would see to that. Who gives up a login and ends is faster than
    the thread that hears of it."""
    until = time.monotonic() + FAREWELL
    while any(one.ending for one in list(_logins)) and time.monotonic() < until:
        time.sleep(0.01)
    for one in list(_logins):
        one.clean_up()
