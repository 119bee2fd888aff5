"""Broker and target together: real TLS, real sockets, real relaying."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from glasnost.core.protocols.broker_words import Limits
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import Done, Register, Registered, Relay, Request
from glasnost.errors import PathCut, Refused, TrustError
from glasnost.net.channel import SILENCE
from glasnost.net.exact import read_answer, write_call
from glasnost.net.port import Incoming
from glasnost.roles import target as target_module
from tests.roles.broker_lab import PUBLIC, Door, quiet, read, until, world
from tests.trust.pool import Pool, lab, node7

REPLY = b"r" * 16
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(scenario, 60))

    return run


def at(door: Door, service: str = "") -> str:
    route = f"public/ip4:{PUBLIC}:{door.number}"
    return f"{route}/service:{service}" if service else route


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


async def echo_works(ours: socket.socket, incoming: Incoming) -> None:
    """Both directions, with what was sent behind the header still there, and proper ends."""
    loop = asyncio.get_running_loop()
    theirs = incoming.sock
    with ours, theirs:
        assert incoming.call == Call(to="echo")
        await loop.sock_sendall(ours, b"ping")
        assert await read(theirs, 4) == b"ping"
        ours.shutdown(socket.SHUT_WR)
        assert await read(theirs, 1) == b""
        await loop.sock_sendall(theirs, b"pong")
        theirs.shutdown(socket.SHUT_WR)
        assert await read(ours, 100) == b"pong"


# --- registering --------------------------------------------------------------------------------


def test_a_target_registers_and_is_told_how_it_is_seen(run: Run) -> None:
    async def scenario() -> None:
        changes: list[int] = []
        async with world(on_change=lambda: changes.append(1)) as w:
            [status] = w.target.status()["brokers"]
            assert (status["state"], status["contact"]) == ("registered", "node7")
            assert status["observed"].startswith("127.0.0.1:")
            assert w.target.registered == ("b1",)
            assert changes == [1]
        assert changes == [1, 1]

    run(scenario())


def test_a_service_or_user_cannot_register(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            web = await w.site.channel(w.site.pool.service(node7(), "web"))
            with pytest.raises(Refused, match=r"only a node's agent registers, and this is web"):
                await web.ask(Register(), 10)
            web.close()
            assert w.broker.status()["targets"] == 1

    run(scenario())


def test_the_lease_is_told(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            answer = await w.alice.ask(Register(), 10)
            assert isinstance(answer, Registered)
            assert answer.lease == SILENCE

    run(scenario())


def test_the_newest_of_two_agents_of_one_name_wins_and_the_other_knows_why(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            door = Door()
            # Its second attempt must not replace the newer one while we look.
            other = w.site.target(w.site.pool.agent(node7()), door, jitter=lambda: 1.0)
            other.follow(["b1"])
            await until(lambda: other.registered and not w.target.registered)
            [status] = w.target.status()["brokers"]
            assert status["why"].startswith("node7 registered anew from 127.0.0.1:")
            assert w.broker.status()["targets"] == 1
            await w.target.close()
            await other.close()
            door.close()

    run(scenario())


def test_a_restarted_broker_has_its_targets_back(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.site.stop()
            await until(lambda: not w.target.registered)
            assert w.target.status()["brokers"][0]["state"] == "waiting"
            broker = w.site.start()
            await until(lambda: broker.status()["targets"] == 1)
            await until(lambda: w.target.registered)

    run(scenario())


def test_who_is_no_member_is_not_let_in_and_leaves_no_traceback(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        foreign = Pool(lab().now)
        async with world() as w:
            with pytest.raises((TrustError, PathCut)):
                await w.site.channel(foreign.agent(foreign.node("node7")))
            sock = await w.site.raw(Call(to="broker"))
            with sock:
                await asyncio.get_running_loop().sock_sendall(sock, b"GET / HTTP/1.1\r\n\r\n" * 9)
                await read(sock, 1000)
            await until(lambda: w.broker.status()["handshakes"] == 0)
            assert w.target.registered

    with caplog.at_level(logging.INFO):
        run(scenario())
    assert "not let in" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_a_members_connections_are_limited_with_a_reason(run: Run) -> None:
    async def scenario() -> None:
        async with world({"limits": Limits(connections_per_member=1)}) as w:
            credentials = w.site.pool.service(w.site.pool.node("node3"), "tool")
            channel = await w.site.channel(credentials)
            with pytest.raises(Refused, match="node3 has 1 connections here, its limit"):
                await channel.ask(Request(contact="node7", way="relay"), 10)

    run(scenario())


# --- dialling back ------------------------------------------------------------------------------


def test_a_target_dials_back_and_serves_the_connection(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            home = Door()
            answer = await w.ask(reply=REPLY, returns=(at(home, "desk"),), timeout=10.0)
            assert isinstance(answer, Done)
            dialled = await home.arrived.get()
            assert dialled.call == Call(to="desk", reply=REPLY)
            await write_call(dialled.sock, Call(to="echo"))
            served = await w.door.arrived.get()
            assert served.peer == f"{PUBLIC}:{home.number} for 'node3'"
            await echo_works(dialled.sock, served)
            home.close()

    run(scenario())


def test_a_return_route_that_is_dead_is_followed_by_the_next(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            home = Door()
            dead = f"public/ip4:{PUBLIC}:{unused_port()}"
            assert isinstance(await w.ask(reply=REPLY, returns=(dead, at(home))), Done)
            (await home.arrived.get()).sock.close()
            home.close()

    run(scenario())


def test_a_black_hole_holds_up_the_next_route_by_the_attempt_delay_only(run: Run) -> None:
    async def scenario() -> None:
        async def dial(host: str, port: int) -> socket.socket:
            if host == "198.51.100.66":
                await asyncio.get_running_loop().create_future()
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setblocking(False)
            return sock

        async with world(dial=dial) as w:
            home = Door()
            hole = "public/ip4:198.51.100.66:9618"
            begun = asyncio.get_running_loop().time()
            assert isinstance(await w.ask(reply=REPLY, returns=(hole, at(home))), Done)
            assert asyncio.get_running_loop().time() - begun < 5
            (await home.arrived.get()).sock.close()
            home.close()

    run(scenario())


def test_what_the_policy_forbids_is_not_dialled_and_each_reason_is_told(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            returns = ("public/ip4:127.0.0.1:22", "public/ip4:169.254.169.254:80")
            with pytest.raises(Refused) as refused:
                await w.ask(reply=REPLY, returns=returns)
            assert refused.value.code == "no-return-route"
            assert refused.value.why == (
                "return route 1: 127.0.0.1 is loopback; return route 2: 169.254.169.254 is "
                "link-local, where clouds have their metadata"
            )

    run(scenario())


def test_a_requester_that_cannot_be_reached_hears_how_it_was_tried(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            port = unused_port()
            with pytest.raises(Refused, match=f"^{PUBLIC}:{port}: conn") as refused:
                await w.ask(reply=REPLY, returns=(f"public/ip4:{PUBLIC}:{port}",))
            assert refused.value.code == "unreachable"

    run(scenario())


def test_the_targets_reason_comes_before_the_brokers_timeout(run: Run) -> None:
    async def scenario() -> None:
        async def dial(host: str, port: int) -> socket.socket:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        async with world(dial=dial) as w:
            returns = (f"public/ip4:{PUBLIC}:9618",)
            with pytest.raises(Refused, match=f"{PUBLIC}:9618: no answer") as refused:
                await w.ask(reply=REPLY, returns=returns, timeout=0.5)  # what is tested
            assert refused.value.code == "unreachable"

    run(scenario())


def test_nobody_is_registered_by_that_name(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            request = Request(contact="node9", reply=REPLY, returns=("public/ip4:8.8.8.8:1",))
            with pytest.raises(Refused, match='no target is registered as "node9"'):
                await w.alice.ask(request, 10)

    run(scenario())


def test_a_target_that_is_full_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(target_module, "MAX_IN_FLIGHT", 0)
        async with world() as w:
            with pytest.raises(Refused, match="carries out 0 requests already"):
                await w.ask(reply=REPLY, returns=(f"public/ip4:{PUBLIC}:1",))

    run(scenario())


def test_a_target_that_leaves_fails_what_it_was_asked(run: Run) -> None:
    async def scenario() -> None:
        async def dial(host: str, port: int) -> socket.socket:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        async with world(dial=dial) as w:
            asking = asyncio.ensure_future(
                w.ask(reply=REPLY, returns=(f"public/ip4:{PUBLIC}:1",), timeout=30.0)
            )
            await until(lambda: w.target.status()["in_flight"] == 1)
            await w.target.close()
            with pytest.raises(Refused, match='"node7" was lost: its connection') as refused:
                await asking
            assert refused.value.code == "target-lost"

    run(scenario())


# --- relaying -----------------------------------------------------------------------------------


def test_a_relayed_stream_carries_both_ways_and_ends_properly(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            ours, theirs = await w.relay()
            assert theirs.peer == "relayed for 'node3'"
            assert w.broker.status()["streams"] == 1
            await echo_works(ours, theirs)
            await until(lambda: w.broker.status()["streams_ended"] == 1)
            status = w.broker.status()
            header = 6 + len(b"\x81\xa2to\xa4echo")
            assert (status["streams"], status["bytes"]) == (0, header + 8)

    run(scenario())


def test_a_requester_may_hang_up_when_its_leg_is_on_the_way(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            answer = await w.ask(way="relay", timeout=10.0)
            assert isinstance(answer, Relay)
            w.alice.close()
            ours = await w.site.leg(answer.token)
            await write_call(ours, Call(to="echo"))
            await echo_works(ours, await w.door.arrived.get())

    run(scenario())


def test_a_broker_that_ends_cuts_its_streams_and_both_sides_see_it(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            ours, theirs = await w.relay()
            await w.site.stop()
            for sock in (ours, theirs.sock):
                with sock, pytest.raises(ConnectionResetError):
                    await read(sock, 1)

    run(scenario())


def test_a_cut_of_one_side_reaches_the_other(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            ours, theirs = await w.relay()
            with theirs.sock:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                ours.close()
                with pytest.raises(ConnectionResetError):
                    await read(theirs.sock, 1)

    run(scenario())


def test_a_target_that_cannot_open_its_leg_is_told_on_the_requesters(run: Run) -> None:
    async def scenario() -> None:
        async def open_leg(name: str, token: bytes) -> socket.socket:
            raise OSError(113, "No route to host")

        async with world(open_leg=open_leg) as w:
            answer = await w.ask(way="relay", timeout=10.0)
            assert isinstance(answer, Relay)
            with (
                await w.site.leg(answer.token) as ours,
                pytest.raises(Refused, match="no route to host") as refused,
            ):
                await read_answer(ours)
            assert refused.value.code == "unreachable"

    run(scenario())


def test_a_leg_without_its_other_is_told_when_time_is_over(run: Run) -> None:
    async def scenario() -> None:
        async def open_leg(name: str, token: bytes) -> socket.socket:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        async with world(open_leg=open_leg) as w:
            answer = await w.ask(way="relay", timeout=0.4)  # what is tested
            assert isinstance(answer, Relay)
            with await w.site.leg(answer.token) as ours, pytest.raises(Refused):
                await read_answer(ours)
            assert w.broker.status()["requests"] == 0

    run(scenario())


def test_tokens_are_single_use_and_unknown_ones_are_refused(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            answer = await w.ask(way="relay", timeout=10.0)
            assert isinstance(answer, Relay)
            with await w.site.leg(answer.token):
                await until(lambda: w.broker.status()["streams"] == 1)
                for token in (answer.token, b"?" * 16):
                    with await w.site.leg(token) as sock:
                        with pytest.raises(Refused, match="not known here") as refused:
                            await read_answer(sock)
                        assert refused.value.code == "unknown-token"

    run(scenario())


def test_a_waiting_leg_that_closes_frees_its_place(run: Run) -> None:
    async def scenario() -> None:
        async def open_leg(name: str, token: bytes) -> socket.socket:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        async with world(open_leg=open_leg) as w:
            answer = await w.ask(way="relay", timeout=30.0)
            assert isinstance(answer, Relay)
            ours = await w.site.leg(answer.token)
            await until(lambda: w.broker.status()["waiting_legs"] == 1)
            ours.close()
            await until(lambda: w.broker.status()["requests"] == 0)
            assert w.broker.status()["waiting_legs"] == 0

    run(scenario())


def test_a_member_over_its_quota_is_told_and_so_is_nobody_else_hurt(run: Run) -> None:
    async def scenario() -> None:
        async with world({"limits": Limits(streams_per_member=1)}) as w:
            ours, theirs = await w.relay()
            with pytest.raises(Refused, match="node3 has 1 relayed streams, its limit"):
                await w.ask(way="relay", timeout=10.0)
            await echo_works(ours, theirs)
            await until(lambda: w.broker.status()["streams"] == 0)
            await echo_works(*await w.relay())

    run(scenario())


def test_nothing_is_left_when_all_have_gone(run: Run) -> None:
    async def scenario() -> None:
        async with world() as w:
            await echo_works(*await w.relay())
            await until(lambda: w.broker.status()["streams"] == 0)
            await w.target.close()
            w.alice.close()
            await until(lambda: w.broker.status()["channels"] == 0)
            await quiet()
            assert not any(w.broker._core.counts.values())
            assert w.broker.status()["buffered"] == 0

    run(scenario())
