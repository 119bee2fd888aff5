"""The local socket: what a program may ask, and what one that is broken or hostile may not do."""

from __future__ import annotations

import asyncio
import math
import os
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from glasnost.core.wire import messages as m
from glasnost.core.wire.header import Call
from glasnost.errors import PathCut, Refused, Unavailable
from glasnost.roles.agent import Agent, clients, listening
from glasnost.roles.agent import agent as agent_module
from glasnost.roles.agent_client import AgentClient
from glasnost.trust import checks
from glasnost.trust.certificates import make_csr
from glasnost.trust.keys import new_key
from tests.net.pairs import turns, until
from tests.roles.agent_lab import (
    Program,
    answer_of,
    call,
    everything,
    known_host,
    nothing_left_open,
    running,
)

pytestmark = pytest.mark.usefixtures("known_host")
__all__ = ["known_host"]

Scenario = Callable[[Agent, Program], Awaitable[None]]


def play(folder: Path, scenario: Scenario) -> None:
    """Run a scenario with an agent and one program; in the end nothing may be open."""

    async def run() -> None:
        async with running(folder) as agent, connected(agent) as program:
            await scenario(agent, program)
        await turns()

    with nothing_left_open():
        asyncio.run(run())


@asynccontextmanager
async def connected(agent: Agent) -> AsyncIterator[Program]:
    program = Program(agent)
    try:
        yield program
    finally:
        program.close()


# --- names ----------------------------------------------------------------------------------------


def test_a_name_is_free_again_when_it_is_withdrawn_or_its_program_killed(tmp_path: Path) -> None:
    async def scenario(agent: Agent, one: Program) -> None:
        async with connected(agent) as two:
            offer = m.Offer(id=1, name="web")
            assert (await one.ask(offer)).full == "web.node7.lab.glasnost.internal"
            assert (await two.ask(offer)).code == "taken"
            assert isinstance(await two.ask(m.Withdraw(id=2, names=("web",))), m.Done)
            assert len(agent.services) == 1, "it is not that program's"
            assert await one.ask(m.Withdraw(id=3, names=("web",))) == m.Done(id=3)
            assert isinstance(await two.ask(offer), m.Offered)
        await until(lambda: not len(agent.services))
        assert isinstance(await one.ask(offer), m.Offered)

    play(tmp_path, scenario)


def test_reply_names_end_with_their_program_or_on_its_word(tmp_path: Path) -> None:
    async def scenario(agent: Agent, one: Program) -> None:
        async with connected(agent) as two:
            kept = (await one.ask(m.Expect(id=1, timeout=30))).reply
            await two.ask(m.Expect(id=1, timeout=30))
            # Another's name cannot be taken from it.
            assert isinstance(await two.ask(m.Unexpect(id=2, reply=kept)), m.Done)
            assert len(agent.replies) == 2
        await until(lambda: len(agent.replies) == 1)
        assert await one.ask(m.Unexpect(id=2, reply=kept)) == m.Done(id=2)
        assert len(agent.replies) == 0

    play(tmp_path, scenario)


def test_a_program_may_expect_so_many_dial_backs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MAX_REPLIES", 2)

    async def scenario(agent: Agent, program: Program) -> None:
        names = [(await program.ask(m.Expect(timeout=30))).reply for _ in range(2)]
        assert (await program.ask(m.Expect(timeout=30))).code == "busy"
        await program.ask(m.Unexpect(reply=names[0]))
        assert isinstance(await program.ask(m.Expect(timeout=30)), m.Expected)

    play(tmp_path, scenario)


@pytest.mark.parametrize("timeout", [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300])
def test_no_number_of_seconds_breaks_the_agents_timers(tmp_path: Path, timeout: float) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        assert isinstance(await program.ask(m.Expect(id=1, timeout=timeout)), m.Expected)
        answer = await program.ask(m.Dial(id=2, name="nobody.node7", timeout=timeout))
        assert answer.code == "unknown-name"
        assert isinstance(await program.ask(m.Expect(id=3, timeout=0.001)), m.Expected)
        await until(lambda: len(agent.replies) == 1)  # timers are in order

    play(tmp_path, scenario)


# --- being called ---------------------------------------------------------------------------------


def test_a_connection_arrives_with_its_call_and_nothing_read(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        await program.ask(m.Offer(id=1, name="ssh", protection="plain"))
        caller = await call(agent, Call(to="ssh"))
        caller.send(b"hello")
        arrived, passed = await program.receive()
        assert isinstance(arrived, m.Arrived) and arrived.call.to == "ssh"
        assert passed is not None and arrived.peer.startswith("127.0.0.1:")
        with passed:
            assert await asyncio.get_running_loop().sock_recv(passed, 100) == b"hello"
        assert answer_of(await everything(caller)).code == ""

    play(tmp_path, scenario)


def test_a_dial_back_arrives_once(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        reply = (await program.ask(m.Expect(id=1, timeout=30))).reply
        caller = await call(agent, Call(reply=reply))
        arrived, passed = await program.receive()
        assert isinstance(arrived, m.Arrived) and arrived.call.reply == reply
        assert passed is not None
        passed.close()
        caller.close()
        again = await call(agent, Call(reply=reply))
        assert answer_of(await everything(again)).code == "unknown-reply"

    play(tmp_path, scenario)


def test_who_takes_nothing_has_its_callers_told_that_it_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MAX_WAITING", 2)

    async def scenario(agent: Agent, program: Program) -> None:
        await program.ask(m.Offer(id=1, name="web"))
        [service] = agent.services
        waiting = []
        while True:  # the kernel holds some hundred packets, too
            caller = await call(agent, Call(to="web"))
            taken = service.calls
            await until(lambda: service.calls > taken or has_bytes(caller))  # noqa: B023
            if service.calls == taken:
                break
            waiting.append(caller)
        assert answer_of(await everything(caller)).code == "busy"
        # There is still room for an answer.
        program.send(m.Ping(id=7))
        arrivals = 0
        while (packet := await program.receive())[0] != m.Pong(id=7):
            assert packet[1] is not None
            packet[1].close()
            arrivals += 1
        assert arrivals == len(waiting)
        for one in waiting:
            one.close()

    play(tmp_path, scenario)


def has_bytes(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


# --- certificates ---------------------------------------------------------------------------------


def test_certificates_are_for_what_was_offered_here_or_for_the_caller(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        csr = make_csr(new_key())
        await program.ask(m.Offer(id=1, name="web"))
        chain = (await program.ask(m.Certify(kind="service", name="web", csr=csr))).chain
        leaf = checks.read_certificate(chain[0])
        assert checks.names(leaf) == (("DNS", "web.node7.lab.glasnost.internal"),)
        user = await program.ask(m.Certify(kind="user", csr=csr))
        ((kind, name),) = checks.names(checks.read_certificate(user.chain[0]))
        assert kind == "email" and name == f"{agent.user}@node7.lab.glasnost.internal"
        async with connected(agent) as other:
            for question in (
                m.Certify(kind="service", name="web", csr=csr),
                m.Certify(kind="node", name="web", csr=csr),
                m.Certify(kind="user", csr=b"no request"),
            ):
                assert isinstance(await other.ask(question), m.Failed)

    play(tmp_path, scenario)


# --- what is wrong --------------------------------------------------------------------------------


def test_a_question_that_is_not_understood_is_answered(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        for message, code in (
            (m.Register(id=5), "unknown-message"),
            (m.Arrived(id=5), "unexpected"),
            (m.Hello(id=5, v=99), "version"),
            (m.Resolve(id=5, name="no name at all"), "failed"),
            (m.Resolve(id=5, name="web.node7"), "unknown-name"),
            (m.Resolve(id=5, name="web.elsewhere"), "unavailable"),
            (m.Offer(id=5, name="A B"), "bad-name"),
        ):
            answer = await program.ask(message)
            assert (answer.id, answer.code) == (5, code) and answer.why
        # Answers are not answered: two agents would go on for ever.
        program.send(m.Failed(id=5))
        assert await program.ask(m.Ping(id=6)) == m.Pong(id=6)

    play(tmp_path, scenario)


@pytest.mark.parametrize("garbage", [b"\xff", b"x" * 1000, m.encode(m.Ping())[:-1], b"\x80"])
def test_garbage_costs_its_sender_the_connection_and_nobody_else(
    tmp_path: Path, garbage: bytes
) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        async with connected(agent) as other:
            await other.ask(m.Offer(id=1, name="web"))
            other.sock.send(garbage)
            with pytest.raises(PathCut):
                await other.receive()
        await until(lambda: not len(agent.services))
        assert await program.ask(m.Ping(id=1)) == m.Pong(id=1)

    play(tmp_path, scenario)


def test_a_socket_that_nobody_asked_for_is_closed(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        one, two = socket.socketpair()
        with one, two:
            one.setblocking(False)
            program.send(m.Ping(id=1), two)
            assert (await program.receive())[0] == m.Pong(id=1)
            two.close()
            assert await everything(one) == b"", "the agent has let go of its end"

    play(tmp_path, scenario)


def test_what_is_passed_need_not_even_be_a_socket(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        async with connected(agent) as other:
            reading, writing = os.pipe()
            try:
                socket.send_fds(other.sock, [m.encode(m.Ping())], [reading])
            finally:
                os.close(reading)
                os.close(writing)
            with pytest.raises(PathCut):
                await other.receive()
        assert await program.ask(m.Ping(id=1)) == m.Pong(id=1)

    play(tmp_path, scenario)


def test_a_flood_of_questions_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MAX_QUESTIONS", 3)

    async def scenario(agent: Agent, program: Program) -> None:
        gate = asyncio.Event()

        async def slow(name: str) -> Any:
            await gate.wait()
            raise Refused("late", "it took its time")

        monkeypatch.setattr(agent, "lookup", slow)
        for number in range(1, 6):
            program.send(m.Resolve(id=number, name="web.elsewhere"))
        refused = [(await program.receive())[0] for _ in range(2)]
        assert [(one.id, getattr(one, "code", "")) for one in refused] == [(4, "busy"), (5, "busy")]
        gate.set()
        late = [(await program.receive())[0] for _ in range(3)]
        assert {getattr(one, "code", "") for one in late} == {"late"}

    play(tmp_path, scenario)


def test_who_asks_and_does_not_read_is_dropped_with_its_names(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        async with connected(agent) as other:
            await other.ask(m.Offer(id=1, name="web"))
            while len(agent.services):
                try:
                    other.send(m.Status(id=2))
                except BlockingIOError:
                    await asyncio.sleep(0)
                except (BrokenPipeError, ConnectionResetError):
                    break
            await until(lambda: not len(agent.services))
        assert await program.ask(m.Ping(id=1)) == m.Pong(id=1)

    play(tmp_path, scenario)


def test_a_bug_of_ours_is_answered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        async def broken(name: str) -> Any:
            raise AssertionError("what can this be")

        monkeypatch.setattr(agent, "lookup", broken)
        answer = await program.ask(m.Resolve(id=3, name="web.elsewhere"))
        assert answer.id == 3 and answer.code == "failed"

    play(tmp_path, scenario)
    assert "what can this be" in caplog.text


@pytest.mark.parametrize("why", ["\u20ac" * 100_000, "a file \udc80 name", "x" * 1_000_000])
def test_whatever_a_peer_made_an_error_say_fits_a_packet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        async def refused(name: str) -> Any:
            raise Refused("no", why)

        monkeypatch.setattr(agent, "lookup", refused)
        answer = await program.ask(m.Resolve(id=3, name="web.elsewhere"))
        assert answer.code == "no" and answer.why

    play(tmp_path, scenario)


def test_an_answer_that_fits_no_packet_is_refused_and_the_program_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        huge = m.Signed(b"x" * 1_000_000, b"", b"")

        async def lookup(name: str) -> Any:
            return huge, 0.0

        async def page(question: m.List) -> m.Listing:
            small = m.Signed(b"x" * 8000, b"", b"")
            return m.Listing(records=(small,) * 40, ages=(0.0,) * 40)

        monkeypatch.setattr(agent, "lookup", lookup)
        monkeypatch.setattr(agent, "list_page", page)
        assert (await program.ask(m.Resolve(id=3, name="web.elsewhere"))).code == "too-large"
        listing = await program.ask(m.List(id=4))
        assert listing.more and 10 < len(listing.records) < 40

    play(tmp_path, scenario)


def test_changes_that_fit_no_packet_are_asked_for_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        asked: list[int] = []

        async def watch(question: m.Watch) -> m.Changes:
            asked.append(question.limit)
            large = m.Signed(b"x" * 9000, b"", b"")
            return m.Changes(log="a", seen=question.limit, records=(large,) * question.limit)

        monkeypatch.setattr(agent, "watch", watch)
        changes = await program.ask(m.Watch(id=4, log="a"))
        assert asked == [64, 32, 16, 8] and changes.seen == len(changes.records) == 8

    play(tmp_path, scenario)


def test_only_directories_that_the_host_was_told_of_are_asked(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        for question in (m.Watch(id=4, directory="x.node9"), m.List(id=4, directory="x.node9")):
            answer = await program.ask(question)
            assert (answer.code, answer.why) == (
                "unknown-directory",
                "this host was told of no 'x.node9'",
            )

    play(tmp_path, scenario)


# --- who may ask ----------------------------------------------------------------------------------


def test_only_root_and_the_agents_own_user_may_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert clients.allowed_users() == {0, os.getuid()}

    async def scenario(agent: Agent, program: Program) -> None:
        await program.ask(m.Ping(id=1))
        # The kernel says who is at the other end: this very user, who is not let in now.
        monkeypatch.setattr(listening, "allowed_users", lambda: frozenset({os.getuid() + 1}))
        async with connected(agent) as other:
            turned_away, _ = await other.receive()
            assert isinstance(turned_away, m.Failed)
            assert (turned_away.id, turned_away.code) == (0, "denied")
            with pytest.raises(PathCut):
                await other.receive()
        assert agent.run is not None
        with pytest.raises(
            Unavailable, match="the agent turned us away: this agent serves its own user"
        ):
            await AgentClient.connect(agent.run)

    play(tmp_path, scenario)


def test_the_sockets_are_for_their_owner_alone(tmp_path: Path) -> None:
    async def scenario(agent: Agent, program: Program) -> None:
        assert agent.run is not None
        assert agent.run.stat().st_mode & 0o777 == 0o700
        for name in ("agent.sock", "port.sock"):
            assert (agent.run / name).stat().st_mode & 0o777 == 0o600

    play(tmp_path, scenario)


def test_so_many_programs_may_be_connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "MAX_CLIENTS", 1)

    async def scenario(agent: Agent, program: Program) -> None:
        await program.ask(m.Ping(id=1))
        async with connected(agent) as other:
            turned_away, _ = await other.receive()
            assert isinstance(turned_away, m.Failed)
            assert (turned_away.id, turned_away.code) == (0, "busy")
            with pytest.raises(PathCut):
                await other.receive()
        assert agent.run is not None
        with pytest.raises(
            Unavailable, match="the agent turned us away: too many programs are connected"
        ):
            await AgentClient.connect(agent.run)

    play(tmp_path, scenario)
