"""Logs in at an SSH server by OpenSSH's own client, and takes one stream through it.

The client gets a connection that we have (``ProxyUseFdpass``), and forwards one local socket: it
copies, and this process does not. A local socket's ends reach the far side one by one, which the
ends of ``ssh -W`` do not, and it can lead to a unix socket there.

Nothing is left behind, whoever ends first. The client's standard input is one end of a pair, and
the kernel ends the client when the other is closed: by us, or as this process is gone.
"""

from __future__ import annotations

import asyncio
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
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from glasnost.errors import Unavailable
from glasnost.net.openssh_login import Entered, Login
from glasnost.net.sockets import KEEP_ALIVE, closed_on_error, pair

#: How the folders begin in which clients listen, for as long as a login takes; then the process.
_FOLDER: Final = "glasnost-ssh-"
#: A folder older than this, seconds, is left behind if we see no such process. A younger one may be
#: of a process in a container that shares our files: no login takes that long.
_LEFT: Final = 60.0

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
        with contextlib.suppress(OSError):  # another has removed it in this moment
            old = time.time() - left.stat().st_mtime > _LEFT
            if pid.isdecimal() and old and not Path("/proc", pid).exists():
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
