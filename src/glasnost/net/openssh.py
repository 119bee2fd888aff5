"""Logs in at an SSH server by OpenSSH's own client, and takes one stream through it.

The client gets a connection that we have (``ProxyUseFdpass``), and forwards one local socket: it
copies, and this process does not. A local socket's ends reach the far side one by one, which the
ends of ``ssh -W`` do not, and it can lead to a unix socket there.

Nothing is left behind, whoever ends first. The client's standard input is one end of a pair, and
the kernel ends the client when the other is closed: by us, or as this process is gone. One thread
for each client hears what it says, and waits for its end.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from glasnost.errors import PathCut, Unavailable
from glasnost.net.openssh_words import MAX_LINE, MAX_TOLD, Heard, heard, why_ended
from glasnost.net.sockets import KEEP_ALIVE, closed_on_error, pair

#: How long a program that ends waits for what it has written last to leave, seconds: as for
#: streams that are carried (net/carrier.py).
FAREWELL: Final = 2.0

#: How the folders begin in which clients listen, for as long as a login takes; then the process.
_FOLDER: Final = "glasnost-ssh-"

#: What ``ProxyCommand`` runs: it is given our connection on its standard error, which is ours, and
#: gives it to ssh on its standard output, as ``ProxyUseFdpass`` has it.
_HAND_OVER: Final = """
import _socket
given = _socket.socket(fileno=2).recvmsg(1, 64)[1]
_socket.socket(fileno=1).sendmsg([b"."], given)
"""

#: What the client does whoever it logs in as: it asks nobody, reads no settings but ours, forwards
#: nothing but our socket, and says when it is in, when the far side has opened the stream, and when
#: that is over (`openssh_words`). Its own words for those two differ from version to version; the
#: functions that say them have had their names for twenty years.
_ALWAYS: Final = {
    "BatchMode": "yes",
    "ClearAllForwardings": "no",
    "ConnectionAttempts": "1",
    "ControlMaster": "no",
    "ControlPath": "none",
    "EscapeChar": "none",
    "ExitOnForwardFailure": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "GatewayPorts": "no",
    "LocalCommand": "echo glasnost:in >&2",
    "LogLevel": "INFO",
    "LogVerbose": "*:channel_input_open_confirmation*:*,*:channel_free*:*",
    "PermitLocalCommand": "yes",
    "PreferredAuthentications": "publickey",
    "ProxyUseFdpass": "yes",
    "ServerAliveCountMax": str(KEEP_ALIVE[2]),
    "ServerAliveInterval": str(KEEP_ALIVE[1]),
    "StreamLocalBindMask": "0177",
    "UpdateHostKeys": "no",
}


class Entered(socket.socket):
    """Stands for a login; closing it ends the client."""

    login: Login


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a client: its own ``options``, the ``name`` that it is to call the server,
    and where it shall lead ``onward``, as its ``-L`` writes it. With ``host_key``, no other is
    believed."""

    options: Sequence[str]
    name: str
    onward: str
    host_key: str = ""


async def log_in(sock: socket.socket, order: Order, timeout: float) -> Entered:
    """Log in over ``sock``, which is owned from here on.

    Raises `TrustError`, `Refused`, `ProtocolError`, `PathCut`, `Unavailable`, TimeoutError.
    """
    with sock:
        login, entered = _started(order)
        with closed_on_error(entered):
            login.hand_over(sock)
            await _awaited(login.inside, timeout, "no SSH login")
    return entered


async def lead_on(entered: Entered, timeout: float) -> socket.socket:
    """The stream, once the far side has opened it; ``entered`` is owned from here on. Raises what
    `log_in` does."""
    login = entered.login
    with closed_on_error(entered):
        near = login.connect()
        with closed_on_error(near):
            await _awaited(login.opened, timeout, "the SSH server does not say whether it connects")
            login.leads(entered, near)
    return near


async def _awaited(told: concurrent.futures.Future[None], timeout: float, otherwise: str) -> None:
    try:
        async with asyncio.timeout(timeout):
            await asyncio.wrap_future(told)
    except TimeoutError:
        raise TimeoutError(f"{otherwise} within {timeout:g} s") from None


def _started(order: Order) -> tuple[Login, Entered]:
    """A client that waits for its connection, and its lifeline."""
    program = shutil.which("ssh")
    if program is None:
        raise Unavailable("OpenSSH's client is not installed here: there is no program ssh")
    if not hasattr(fcntl, "F_SETSIG"):
        raise Unavailable("ssh stages are crossed on Linux only")
    with contextlib.ExitStack() as stack:
        _sweep()
        folder = tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        line, theirs = map(stack.enter_context, pair())
        told, says = map(stack.enter_context, pair())
        process = subprocess.Popen(
            [program, *_arguments(order, folder)],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=says.fileno(),
            # Ctrl-C is for this program, which knows what to do; and there is nobody to ask.
            start_new_session=True,
            env={**os.environ, "SHELL": "/bin/sh", "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
        )
        _ends_with(theirs, process.pid)
        for one in (theirs, says):
            one.close()
        stack.pop_all()
    login = Login(process, told, folder)
    entered = Entered(fileno=line.detach())
    entered.login = login
    return login, entered


def _sweep() -> None:
    """Remove what processes have left that were killed while they logged in."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        pid = left.name.removeprefix(_FOLDER).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)


def _arguments(order: Order, folder: str) -> list[str]:
    """The client's arguments; what it has to find in a file lies in ``folder``."""
    proxy = f"{shlex.quote(sys.executable)} -I -S -c {shlex.quote(_HAND_OVER)}"
    always = _ALWAYS | {"ProxyCommand": proxy.replace("%", "%%")}
    if order.host_key:
        known = Path(folder, "known_hosts")
        known.write_text(f"* {order.host_key}\n")
        always |= {"UserKnownHostsFile": f'"{known}"', "GlobalKnownHostsFile": "none"}
    settings = [word for key, value in always.items() for word in ("-o", f"{key}={value}")]
    forward = f"{_escaped(folder)}/s:{order.onward}"
    return ["-F", "none", "-N", "-L", forward, *settings, *order.options, "--", order.name]


def _ends_with(lifeline: socket.socket, pid: int) -> None:
    """Have the kernel end this process when the other end of its lifeline is closed. By SIGKILL:
    the client of OpenSSH 9.2 can miss a SIGTERM that comes just before it begins to wait."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, pid)
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)


def _escaped(path: str) -> str:
    """A local path as ``-L`` has it: ``:`` and ``\\`` mean something there, and ``%``."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace("%", "%%")


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
        self._held: tuple[Entered, weakref.ref[socket.socket]] | None = None
        told.setblocking(True)
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
            self._clean_up()
        return sock

    def leads(self, entered: Entered, near: socket.socket) -> None:
        """From here on the client ends with its stream."""
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

    def _clean_up(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- in the thread --------------------------------------------------------------------------

    def _hear(self) -> None:
        """Listen to the client until it ends."""
        told = bytearray()
        # Killed before it has taken our connection, its end is a reset.
        with self._told, self._told.makefile("rb") as lines, contextlib.suppress(OSError):
            while line := lines.readline(MAX_LINE):
                self._note(line, told)
        self._process.wait()
        self._clean_up()
        for one in (self.inside, self.opened):
            if not one.done():
                one.set_exception(why_ended(bytes(told)))
        _logins.discard(self)
        self._over = True
        if self._held is not None:
            self._held[0].close()

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


def _done(told: concurrent.futures.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


#: Those whose client runs.
_logins: set[Login] = set()


@atexit.register
def farewell() -> None:
    """Let what has been written to streams that are closed leave, within `FAREWELL` seconds. For a
    socket of our own, the kernel would see to that."""
    until = time.monotonic() + FAREWELL
    while any(one.ending for one in list(_logins)) and time.monotonic() < until:
        time.sleep(0.01)
