"""What came of an attempt is remembered, and counts the next time."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from glasnost.core.address import Address, Landing
from glasnost.core.routes import Exit, Outcome, Policy, Target, Vantage, plan
from glasnost.errors import ConnectFailed
from glasnost.roles.dialler import Connected, as_socket, connect
from glasnost.roles.experience import DELAYS, Experience
from glasnost.stages import Means, traits

HERE = Vantage((Exit(Landing("ip4", "lab")),))


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def closed_port() -> int:
    with listener() as sock:
        return int(sock.getsockname()[1])


def to(*ports: int) -> Target:
    return Target(Address.parse(",".join(f"lab/ip4:127.0.0.1:{port}" for port in ports)))


async def dial(
    target: Target,
    known: Experience,
    policy: Policy | None = None,
    finish: Callable[[socket.socket], Awaitable[socket.socket]] = as_socket,
    delay: float = 0.25,
) -> Connected[socket.socket]:
    connected = await connect(
        "it",
        target,
        HERE,
        Means(),
        finish,
        socket.socket.close,
        policy=policy,
        experience=known,
        delay=delay,
    )
    connected.result.close()
    return connected


@in_a_loop
async def test_a_closed_door_is_tried_last_the_next_time() -> None:
    known = Experience()
    with listener() as there:
        target = to(closed_port(), there.getsockname()[1])
        first = await dial(target, known)
        assert (first.path.route_number, len(first.failed)) == (2, 1)
        second = await dial(target, known)
    assert (second.path.route_number, second.failed) == (2, ())
    assert second.plan.candidates[0].route_number == 2
    assert "remembered failures" in second.plan.placed(2)


@in_a_loop
async def test_failing_everywhere_is_remembered_too() -> None:
    known = Experience()
    target = to(closed_port())
    with pytest.raises(ConnectFailed):
        await dial(target, known)
    (path,) = plan(HERE, target, kinds=traits()).candidates
    assert known.history.seen(path, known.now()).failures == 1


@in_a_loop
async def test_who_was_overtaken_is_remembered_as_slow() -> None:
    """The first port accepts and never gets further; the second one wins while it hangs."""
    known = Experience()
    with listener() as slow, listener() as quick:
        target = to(slow.getsockname()[1], quick.getsockname()[1])

        async def finish(sock: socket.socket) -> socket.socket:
            if sock.getpeername() == slow.getsockname():
                with sock:
                    await asyncio.Event().wait()
            return sock

        won = await dial(target, known, finish=finish, delay=0.02)
        one, other = plan(HERE, target, kinds=traits()).candidates
        seen = [known.history.seen(path, known.now()) for path in (one, other)]
    assert won.path.route_number == 2
    assert seen[0].latency is not None and seen[1].latency is not None
    assert seen[0].latency >= 0.02 > 0.0
    assert seen[0].latency > seen[1].latency
    assert seen[0].failures == 0


@in_a_loop
async def test_who_began_after_the_winner_is_not_judged() -> None:
    known = Experience()
    with listener() as quick, listener() as spare:
        target = to(quick.getsockname()[1], spare.getsockname()[1])
        await dial(target, known)
        _, other = plan(HERE, target, kinds=traits()).candidates
    assert known.history.seen(other, known.now()).latency is None


@in_a_loop
async def test_the_policy_decides_the_order() -> None:
    with listener() as there:
        port = there.getsockname()[1]
        target = Target(Address.parse(f"a/ip4:127.0.0.1:{port},b/ip4:127.0.0.1:{port}"))
        here = Vantage((Exit(Landing("ip4", "a")), Exit(Landing("ip4", "b"))))
        connected = await connect(
            "it", target, here, Means(), as_socket, socket.socket.close, policy=Policy(("b",))
        )
        connected.result.close()
    assert connected.path.route.network == "b"


def test_the_next_attempt_waits_twice_as_long_as_this_one_took() -> None:
    known = Experience(clock=lambda: 5.0)
    (path,) = plan(HERE, to(1), kinds=traits()).candidates
    assert known.delay(path, 0.25) == 0.25
    for seconds, delay in ((0.2, 0.4), (0.001, DELAYS[0]), (9.0, DELAYS[1])):
        fresh = Experience(clock=lambda: 5.0)
        fresh.learn([Outcome(path, seconds)])
        assert fresh.delay(path, 0.25) == delay
        assert fresh.delay(path, 0.02) == min(max(2 * seconds, 0.02), DELAYS[1])
        assert repr(fresh) == "<Experience of 1 paths and their beginnings>"
