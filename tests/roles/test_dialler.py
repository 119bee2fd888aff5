"""What came of a connect: which path, and one line for each that failed."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable

import pytest

from glasnost.core.address import Address, Landing, Stage
from glasnost.core.routes import Exit, Target, Trace, Vantage
from glasnost.core.wire.header import Answer, encode_answer
from glasnost.core.wire.messages import Record
from glasnost.errors import ConnectFailed, Refused, StageFailed, Unavailable
from glasnost.net.exact import read_answer
from glasnost.roles.dialler import as_socket, connect, in_time, target_of
from glasnost.stages import Means
from tests.net.pairs import turns
from tests.roles.agent_lab import nothing_left_open

VANTAGE = Vantage((Exit(Landing("ip4", "public")),))


def target(*routes: str) -> Target:
    return Target(Address.parse(",".join(routes)))


def listening() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"public/ip4:127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> str:
    listener, route = listening()
    listener.close()
    return route


async def accepted(sock: socket.socket) -> socket.socket:
    """A finish that waits for a plain accept."""
    try:
        await read_answer(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario()
        await turns()

    with nothing_left_open():
        asyncio.run(run())


def test_each_attempt_that_failed_has_a_line_with_its_route_and_stage() -> None:
    async def scenario() -> None:
        listener, refusing = listening()
        with listener:

            async def answer() -> None:
                listener.setblocking(False)
                sock, _ = await asyncio.get_running_loop().sock_accept(listener)
                with sock:
                    sock.send(encode_answer(Answer("no-service", "no service 'web' is here")))

            answering = asyncio.ensure_future(answer())
            routes = (
                f"{closed_port()}/service:web",
                f"{refusing}/service:web",
                "lab/ip4:10.0.0.1:9618/service:web",
            )
            with pytest.raises(ConnectFailed) as caught:
                await connect(
                    "web.node7", target(*routes), VANTAGE, Means(), accepted, socket.socket.close
                )
            await answering
        error = caught.value
        first, second = map(str, error.traces)
        assert re.fullmatch(
            r"route 1, stage 1 \(ip4:127\.0\.0\.1:\d+\): connection refused after \d+ ms", first
        )
        said = r"route 2, stage 2 \(service:web\): no service 'web' is here after \d+ ms"
        assert re.fullmatch(said, second)
        traces = [one for one in error.traces if isinstance(one, Trace)]
        assert [[span.deed for span in one.spans] for one in traces] == [
            ["connect"],
            ["connect", "send header", "accept"],
        ]
        [discarded] = error.discarded
        assert discarded.startswith("route 3 lab/ip4:10.0.0.1:9618/service:web: ")
        lines = str(error).splitlines()
        assert lines[0] == "no route leads to web.node7" and len(lines) == 4
        causes = error.__cause__
        assert isinstance(causes, ExceptionGroup)
        assert all(isinstance(cause, StageFailed) for cause in causes.exceptions)

    play(scenario)


def test_a_black_hole_is_named_with_the_stage_that_did_not_answer() -> None:
    async def scenario() -> None:
        listener, silent = listening()
        with listener, pytest.raises(ConnectFailed) as caught:
            await connect(
                "web.node7",
                target(f"{silent}/service:web"),
                VANTAGE,
                Means(),
                accepted,
                socket.socket.close,
                timeout=0.05,
            )
        [line] = map(str, caught.value.traces)
        assert re.fullmatch(r"route 1, stage 2 \(service:web\): no answer after \d+ ms", line)

    play(scenario)


def test_the_first_that_is_accepted_wins_and_tells_of_the_others() -> None:
    async def scenario() -> None:
        listener, good = listening()
        with listener:
            connected = await connect(
                "web.node7",
                target(closed_port(), good),
                VANTAGE,
                Means(),
                as_socket,
                socket.socket.close,
            )
            assert connected.path.route_number == 2 and connected.begun == 2
            assert [span.deed for span in connected.trace.spans] == ["connect", "accept"]
            assert 0 < connected.trace.seconds <= connected.total
            [told] = connected.failed
            assert told.why == "connection refused"
            connected.result.close()

    play(scenario)


def test_no_route_at_all() -> None:
    async def scenario() -> None:
        nowhere = target("lab/ip4:10.0.0.1:9618/service:web")
        with pytest.raises(ConnectFailed) as caught:
            await connect("web.node7", nowhere, VANTAGE, Means(), as_socket, socket.socket.close)
        assert not caught.value.traces and len(caught.value.discarded) == 1

    play(scenario)


def test_cancelling_leaves_nothing_open() -> None:
    async def scenario() -> None:
        listener, silent = listening()
        with listener:
            routes = target(*[f"{silent}/service:s{n}" for n in range(3)])
            connecting = asyncio.ensure_future(
                connect(
                    "web.node7",
                    routes,
                    VANTAGE,
                    Means(),
                    accepted,
                    socket.socket.close,
                    delay=0.01,
                )
            )
            listener.setblocking(False)
            loop = asyncio.get_running_loop()
            callers = [(await loop.sock_accept(listener))[0] for _ in range(3)]
            connecting.cancel()
            await asyncio.wait([connecting])
            assert connecting.cancelled()
            for caller in callers:
                caller.close()

    play(scenario)


def test_what_is_relayed_follows_the_record() -> None:
    address = "public/ip4:192.0.2.1:9618/service:web"
    assert target_of(Record("web", address)).reach is None
    assert target_of(Record("web", address, reach=())).reach == frozenset()
    assert target_of(Record("web", address)).relay
    assert not target_of(Record("web", address, protection="plain")).relay
    assert target_of(Record("web", address, protection="plain", relay="any")).relay
    assert not target_of(Record("web", address, relay="no")).relay


def test_asking_counts_towards_the_deadline() -> None:
    async def known() -> int:
        return 7

    async def never() -> int:
        await asyncio.Event().wait()
        raise AssertionError

    async def refuses() -> int:
        raise Refused("no")

    async def scenario() -> None:
        answer, left = await in_time(known(), "web.node7", 5.0)
        assert answer == 7 and 4 < left <= 5
        with pytest.raises(Unavailable, match=r"nobody said within 0\.01 s what web\.node7 means"):
            await in_time(never(), "web.node7", 0.01)
        with pytest.raises(Refused):
            await in_time(refuses(), "web.node7", 5.0)

    play(scenario)


def test_a_proxy_that_says_nothing_is_left_in_time_and_named() -> None:
    """The kernel accepts, and nobody ever answers."""

    async def scenario() -> None:
        silent, route = listening()
        with silent:
            via = (*Address.parse(route).routes[0].stages, Stage("http-connect"))
            vantage = Vantage((Exit(Landing("ip4", "public"), via, name="gateway"),))
            there = target("public/ip4:192.0.2.7:22")
            with pytest.raises(ConnectFailed) as caught:
                await connect(
                    "web.node7",
                    there,
                    vantage,
                    Means(),
                    as_socket,
                    socket.socket.close,
                    timeout=0.2,
                )
        (trace,) = caught.value.traces
        said = "route 1 through gateway, stage 1 (ip4:192.0.2.7:22): no answer after "
        assert str(trace).startswith(said)

    with nothing_left_open():
        asyncio.run(scenario())
