"""A service process that dies, or takes no connections: callers are refused, and told why."""

from __future__ import annotations

import select
import signal
import socket

import pytest

from glasnost.core.wire.header import (
    ANSWER,
    PREFIX_SIZE,
    Answer,
    Call,
    body_size,
    decode_answer,
    encode_call,
)
from tests.lab.fault_pool import FaultPool

pytestmark = pytest.mark.lab

#: Far above what may wait for one service: 128 at the agent, and some hundreds in the kernel.
TOO_MANY = 900


@pytest.mark.parametrize("client", ["laptop", "alice"])
def test_a_service_that_was_killed_is_refused_at_once(pool: FaultPool, client: str) -> None:
    """By the agent that knows best, relayed or dialled back; soon the name is withdrawn, too."""
    world = pool.world
    with pool.traffic() as traffic:
        world.kill(pool.node7, "service-jupyter")
        fetched = world.fetch(pool.lab.hosts[client], "jupyter.node7", 1)
        assert not fetched["ok"], fetched
        refused = "no service 'jupyter' is registered on node7" in fetched["error"]
        assert refused or "UnknownName" in fetched["error"], fetched
        world.wait_for("its streams to end", traffic.ended("relay", "jupyter.node7"))
        world.wait_for("direct streams to go on", traffic.goes_on("direct"))
        world.wait_for("a withdrawn name", lambda: "jupyter.node7" not in pool.listed())
        world.restart(pool.node7, "service-jupyter")
        world.wait_for_names(pool.cm, ["jupyter.node7"])
        world.wait_for("transfers of all kinds", traffic.more(20))
    pool.wait_until_nothing_grew()


def test_a_service_that_hangs_has_a_bounded_queue(pool: FaultPool) -> None:
    """Callers wait up to a bound; the next one is refused, and so is not left to its timeout."""
    world = pool.world
    service = world.processes["alice", "service-web"]
    service.send_signal(signal.SIGSTOP)
    waiting: list[socket.socket] = []
    try:
        answered: list[socket.socket] = []
        while not answered:
            assert len(waiting) < TOO_MANY, "nobody was refused"
            waiting.append(_call(pool, "web"))
            answered, _, _ = select.select(waiting, [], [], 0)
        answer = _answer(answered[0])
        assert answer.code == "busy" and "does not take its connections" in answer.why, answer
        fetched = world.fetch(pool.laptop, "web.alice", 1)
        assert not fetched["ok"] and "does not take its connections" in fetched["error"]
        assert world.fetch(pool.laptop, "raw.alice", 1)["ok"], "it hinders nobody else"
    finally:
        service.send_signal(signal.SIGCONT)
        for sock in waiting:
            sock.close()
    world.wait_for("the service", lambda: bool(world.fetch(pool.laptop, "web.alice", 1)["ok"]))
    pool.wait_until_nothing_grew()


def _call(pool: FaultPool, service: str) -> socket.socket:
    """A caller that says whom it calls, and no more."""
    assert pool.alice.ip4 is not None
    with pool.cm.inside():
        sock = socket.create_connection((pool.alice.ip4, 9618), timeout=20)
    sock.sendall(encode_call(Call(to=service)))
    return sock


def _answer(sock: socket.socket) -> Answer:
    prefix = sock.recv(PREFIX_SIZE, socket.MSG_WAITALL)
    return decode_answer(sock.recv(body_size(prefix, ANSWER), socket.MSG_WAITALL))
