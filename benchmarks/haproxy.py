"""haproxy, as a peer to compare with: it does the port's work, which is to read whom a caller
wants and to let one service of several have the connection; but it copies the bytes."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.site import wait_until_listening

ABSENT = "haproxy is not here (tools/setup --servers)"
_CONFIG = """
global
    maxconn 4000
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend port
    bind 127.0.0.1:{port} defer-accept
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req.len ge {size} }}
    use_backend called if {{ req.payload(0,{size}),hex -m str {call} }}
backend called
    server service 127.0.0.1:{target}
"""


@contextmanager
def haproxy(call: bytes, target: int) -> Iterator[tuple[int, int] | None]:
    """One that gives those who say ``call`` to ``target``, with its defaults for everything else:
    its process id and its port; None where it is not installed."""
    program = shutil.which("haproxy")
    if program is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="gn-haproxy-") as folder:
        config = Path(folder) / "haproxy.cfg"
        words = {"port": port, "target": target, "size": len(call), "call": call.hex().upper()}
        config.write_text(_CONFIG.format(**words))
        child = subprocess.Popen([program, "-q", "-db", "-f", str(config)])
        try:
            wait_until_listening(port)
            yield child.pid, port
        finally:
            child.terminate()
            child.wait()
