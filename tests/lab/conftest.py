"""The lab's fixtures, and what its tests share: connect, serve, wait for a condition."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from glasnost.testing.lab import Node
from glasnost.testing.lab.pytest_plugin import lab, lab_reason, needs_lab

__all__ = ["lab", "lab_reason", "needs_lab"]

if TYPE_CHECKING:
    from tests.lab.fault_pool import FaultPool

PORT = 9618
# A dropped packet is proved by silence; a first answer in a lab takes less than a millisecond.
SILENCE = 0.5
PATIENCE = 20.0


class Wire:
    """Opens sockets of this process inside nodes, and closes them all at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def serve(self, node: Node, port: int = PORT) -> socket.socket:
        """A listener on all addresses of a node, IPv4 and IPv6; accepting gives up eventually."""
        with node.inside():
            listener = socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=100
            )
        listener.settimeout(PATIENCE)
        return self._stack.enter_context(listener)

    def connect(
        self, node: Node, address: str | None, port: int = PORT, timeout: float = PATIENCE
    ) -> socket.socket:
        assert address is not None
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with node.inside():
            sock = self._stack.enter_context(socket.socket(family))
        sock.settimeout(timeout)
        sock.connect((address, port))
        return sock

    def accept(self, listener: socket.socket) -> tuple[socket.socket, str]:
        """The accepted socket, and the address it comes from as the listener's host sees it."""
        sock, peer = listener.accept()
        sock.settimeout(PATIENCE)
        return self._stack.enter_context(sock), str(peer[0]).removeprefix("::ffff:")

    def outcome(
        self, node: Node, address: str | None, port: int = PORT, *, silent: bool = False
    ) -> str:
        """What becomes of a connect, in a word: connected, refused, unreachable or silence. Where
        nothing (``silent``) is expected to come, a short silence is proof enough."""
        try:
            self.connect(node, address, port, timeout=SILENCE if silent else PATIENCE)
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silence"
        except OSError:
            return "unreachable"
        return "connected"


@pytest.fixture
def wire() -> Iterator[Wire]:
    with ExitStack() as stack:
        yield Wire(stack)


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until the condition holds; False if it does not within the time a machine may take."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture(name="eventually")
def _eventually() -> Callable[[Callable[[], bool]], bool]:
    """``eventually`` for test files, which cannot import a conftest."""
    return eventually


@pytest.fixture(scope="session")
def _fault_pools() -> Iterator[list[FaultPool]]:
    """The one that is in use, if there is one; none after a failed test has spoilt it."""
    pools: list[FaultPool] = []
    yield pools
    for pool in pools:
        pool.close()


@pytest.fixture
def pool(
    needs_lab: None, request: pytest.FixtureRequest, _fault_pools: list[FaultPool]
) -> Iterator[FaultPool]:
    """The pool that is broken and mended by one test after the other."""
    from tests.lab.fault_pool import FaultPool

    if not _fault_pools:
        _fault_pools.append(FaultPool())
    failed = request.session.testsfailed
    yield _fault_pools[0]
    if request.session.testsfailed > failed:
        spoilt = _fault_pools.pop()
        # Sections of the teardown are printed with the test's own failure, and only then.
        request.node.add_report_section("teardown", "logs", spoilt.logs())
        spoilt.close()
