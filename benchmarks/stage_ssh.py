"""One stream through the ``ssh`` stage, both ways, beside ``ssh -W`` used directly with the same
server, keys and ciphers. Either is copied by OpenSSH's client; ours also by nobody else."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, at_least, by_turns, cpu_seconds, process
from glasnost.settings import Settings, SshSetting
from glasnost.stages import Means
from glasnost.stages.walk import walk
from glasnost.testing.contracts import path
from glasnost.testing.lab import Lab, available
from tests.lab.sshd import Keys, sshd
from tests.stages.crossing import ssh_clients

_STREAM: Final = 256 << 20
_BLOCK: Final = 256 << 10
_PORT: Final = 22
#: What a client says first: what it wants to do.
_TO_IT, _FROM_IT = b"<", b">"
_WHAT: Final = "one stream through ssh by OpenSSH's sshd"

_Opener = Callable[[], socket.socket]
_Deed = Callable[[socket.socket], float]
_Costs = dict[_Opener, list[float]]


def measure() -> list[Figure]:
    """MB/s there and back; and how long it takes until the stream is there."""
    absent = [name for name in ("ssh", "sshd") if shutil.which(name) is None]
    reason = f"no {absent[0]} (tools/setup --servers)" if absent else available()
    if reason is not None:
        return [Figure(_WHAT, "MB/s", (), note=reason)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gn-bench-")))
        host = stack.enter_context(Lab()).host("here")
        keys = Keys(folder)
        sshd(host, _PORT, keys)
        with host.inside():
            _, far = stack.enter_context(process(run_far))
            return _figures(lambda: _ours(keys, far), lambda: _bare(keys, far))


def _figures(ours: _Opener, bare: _Opener) -> list[Figure]:
    figures = []
    for deed, do in {"sent": _send, "received": _take}.items():
        _measured(do, ours), _measured(do, bare)  # what the first needs, it needs once
        cpu: dict[_Opener, list[float]] = {ours: [], bare: []}

        def rate(opener: _Opener, do: _Deed = do, cpu: _Costs = cpu) -> float:
            seconds, cost = _measured(do, opener)
            cpu[opener].append(cost / _STREAM * 1e12)
            return _STREAM / seconds / 1e6

        pairs = by_turns(partial(rate, ours), partial(rate, bare))
        what = f"{_WHAT}, {deed} / ssh -W"
        figures += [
            Figure.of_pairs(what, "MB/s", pairs, at_least(0.9)),
            Figure(f"CPU of its client, {deed} / of ssh -W", "ms/GB", cpu[ours], cpu[bare]),
        ]
    times = by_turns(partial(_until_there, ours), partial(_until_there, bare))
    return [*figures, Figure.of_pairs("a first answer through ssh / ssh -W", "ms", times)]


def _measured(do: _Deed, opener: _Opener) -> tuple[float, float]:
    """Seconds, and those of the client's CPU."""
    with opener() as sock:
        client = max(one.pid for one in ssh_clients())
        before = cpu_seconds(client)
        return do(sock), cpu_seconds(client) - before


def _ours(keys: Keys, far: int) -> socket.socket:
    """The raw socket at the end of our route, for blocking use."""
    login = SshSetting("root", identity=str(keys.folder / "user"), host_key=keys.public("host"))
    route = f"public/ip4:127.0.0.1:{_PORT}/ssh:gate/ip4:127.0.0.1:{far}"
    sock = asyncio.run(walk(path(route), Means(settings=Settings(ssh={"gate": login}))))
    sock.setblocking(True)
    return sock


def _bare(keys: Keys, far: int) -> socket.socket:
    """A socket that is the standard input and output of ``ssh -W``."""
    near, theirs = socket.socketpair()
    command = ["ssh", "-F", "none", "-l", "root", "-p", str(_PORT), "-W", f"127.0.0.1:{far}"]
    for option in (
        f"IdentityFile={keys.folder / 'user'}",
        f"UserKnownHostsFile={keys.known('host', '127.0.0.1')}",
    ):
        command += ["-o", option]
    with theirs as end:  # it ends with its stream
        # In a session of its own, as ours is: the kernel shares CPU between sessions.
        number = end.fileno()
        words = [*command, "127.0.0.1"]
        subprocess.Popen(words, stdin=number, stdout=number, start_new_session=True)
    return near


# --- what is measured -----------------------------------------------------------------------------


def _send(sock: socket.socket) -> float:
    """Seconds until the far side says that it has all."""
    begun = _asked(sock, _TO_IT)
    for _ in range(_STREAM // _BLOCK):
        sock.sendall(bytes(_BLOCK))
    sock.recv(1)
    return time.perf_counter() - begun


def _take(sock: socket.socket) -> float:
    """Seconds until we have all."""
    buffer, left = bytearray(_BLOCK), _STREAM
    begun = _asked(sock, _FROM_IT)
    while left:
        left -= sock.recv_into(buffer) or left
    return time.perf_counter() - begun


def _until_there(opener: _Opener) -> float:
    begun = time.perf_counter()
    with opener() as sock:
        _asked(sock, _TO_IT)
    return (time.perf_counter() - begun) * 1e3


def _asked(sock: socket.socket, what: bytes) -> float:
    """When the far side was there, told what to do."""
    sock.sendall(what)
    sock.recv(1)
    return time.perf_counter()


def run_far(pipe: Connection) -> None:
    """A process that takes a stream, or gives one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe.send(listener.getsockname()[1])
        buffer, data = bytearray(_BLOCK), bytes(_BLOCK)
        while True:
            sock, _ = listener.accept()
            with sock:
                wanted, left = sock.recv(1), _STREAM
                sock.sendall(b".")
                if wanted == _FROM_IT:
                    for _ in range(_STREAM // _BLOCK):
                        sock.sendall(data)
                    continue
                while left and (got := sock.recv_into(buffer)):
                    left -= got
                if not left:
                    sock.sendall(b".")
