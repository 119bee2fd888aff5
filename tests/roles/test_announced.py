"""Records that lead elsewhere: announced by a program, and gone with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from glasnost.core.protocols.record_rules import MAX_LABEL, MAX_LABELS
from glasnost.core.wire import messages as m
from glasnost.core.wire import versions
from glasnost.errors import Refused, UnknownName
from glasnost.roles.agent import Agent, names
from glasnost.roles.agent_client import AgentClient
from tests.net.pairs import until
from tests.roles.agent_lab import Program, known_host, nothing_left_open, running

pytestmark = pytest.mark.usefixtures("known_host")
__all__ = ["known_host"]

ELSEWHERE = "public/ip4:198.51.100.9:9618/condor.sock:schedd_1"
SCHEDD = m.Entry(
    name="schedd-submit1",
    address=ELSEWHERE,
    reach=("ip4@public",),
    labels={"role": "schedd"},
)
FULL = "schedd-submit1.node7.lab.glasnost.internal"

Scenario = Callable[[Agent, AgentClient], Awaitable[None]]


@asynccontextmanager
async def client_of(agent: Agent) -> AsyncIterator[AgentClient]:
    assert agent.run is not None
    client = await AgentClient.connect(agent.run)
    try:
        yield client
    finally:
        await client.close()


def play(folder: Path, scenario: Scenario, *, directory: bool = False) -> None:
    async def run() -> None:
        async with running(folder, directory=directory) as agent, client_of(agent) as client:
            await scenario(agent, client)

    with nothing_left_open():
        asyncio.run(run())


def entry(name: str = "a", address: str = ELSEWHERE, **fields: object) -> m.Entry:
    return m.Entry(name=name, address=address, **fields)  # type: ignore[arg-type]


def test_what_is_announced_is_a_plain_record_of_this_node(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        assert await client.announce([SCHEDD]) == [""]
        record, _ = await client.resolve(FULL)
        assert (record.name, record.address) == (FULL, ELSEWHERE)
        assert (record.protection, record.relay) == ("plain", "any")
        assert (record.reach, record.labels) == (("ip4@public",), {"role": "schedd"})
        (known,) = agent.describe()["programs"]
        assert (known["services"], known["announced"]) == ([], 1)

    play(tmp_path, scenario)


def test_others_find_it_in_the_directory_until_it_is_retracted(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        async def listed() -> list[str]:
            return [record.address for record, _ in await client.listing("schedd-*")]

        assert await client.announce([SCHEDD]) == [""]
        await until_is(listed, [ELSEWHERE])
        moved = ELSEWHERE.replace("schedd_1", "schedd_2")
        assert await client.announce([entry(SCHEDD.name, moved)]) == [""]
        await until_is(listed, [moved])
        await client.retract([SCHEDD.name])
        await until_is(listed, [])

    play(tmp_path, scenario, directory=True)


async def until_is(ask: Callable[[], Awaitable[list[str]]], expected: list[str]) -> None:
    """Directories are told after the agent has answered."""
    async with asyncio.timeout(10):
        while await ask() != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_it_goes_with_the_program_that_announced_it(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        async with client_of(agent) as other:
            await other.announce([SCHEDD])
            assert len(agent.announced) == 1
        await until(lambda: not len(agent.announced))
        with pytest.raises(UnknownName):
            await client.resolve(FULL)
        assert await client.announce([SCHEDD]) == [""], "the name is free again"

    play(tmp_path, scenario)


def test_a_name_is_given_once_to_services_and_records_alike(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        async with client_of(agent) as other:
            await other.offer(m.Offer(name="web"), lambda incoming: incoming.sock.close())
            taken = "taken: a service 'web' is registered on node7 already"
            assert await client.announce([entry("web"), entry("db")]) == [taken, ""]
            with pytest.raises(Refused, match="already"):
                await other.offer(m.Offer(name="db"), lambda incoming: incoming.sock.close())
            (refused,) = await other.announce([entry("db", labels={"mine": "yes"})])
            assert refused.startswith("taken: ")
            await other.retract(["db"])
            assert len(agent.announced) == 1, "it is not that program's"

    play(tmp_path, scenario)


REFUSED = [
    ("no label", entry("a.b"), "bad-name: 'a.b' cannot be a service's name"),
    ("upper case", entry("A"), "bad-name: "),
    ("no address", entry(address=""), "bad-address: the address of 'a.node7"),
    ("no address at all", entry(address="public/"), "bad-address: "),
    ("no landing", entry(reach=("ip4",)), "bad-address: the reach of "),
    ("no relay", entry(relay="perhaps"), "bad-offer: no such relay: 'perhaps'"),
    ("a label too long", entry(labels={"a": "x" * (MAX_LABEL + 1)}), "too-large: label "),
    ("labels", entry(labels={str(n): "" for n in range(MAX_LABELS + 1)}), "too-large: 17 labels"),
    ("a record too large", entry(reach=("ip4@" + "a" * 9000,)), "too-large: "),
    (
        "ends of two sorts",
        entry(address="public/ip4:192.0.2.1:1,public/ip4:192.0.2.1:1/service:a"),
        "bad-address: some routes of ",
    ),
]


@pytest.mark.parametrize(
    ("wrong", "why"), [one[1:] for one in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_what_no_directory_would_take_is_refused_and_the_rest_is_not(
    wrong: m.Entry, why: str, tmp_path: Path
) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        first, second = await client.announce([wrong, SCHEDD])
        assert first.startswith(why)
        assert second == ""
        assert [record.name for record in agent.announced] == [FULL]

    play(tmp_path, scenario)


def test_a_replacement_that_is_refused_leaves_what_was_there(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        await client.announce([SCHEDD])
        (why,) = await client.announce([entry(SCHEDD.name, "nonsense")])
        assert why.startswith("bad-address")
        assert [record.address for record in agent.announced] == [ELSEWHERE]

    play(tmp_path, scenario)


def test_a_node_has_so_many_names_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MAX_NAMES", 3)

    async def scenario(agent: Agent, client: AgentClient) -> None:
        refused = await client.announce([entry(f"a{number}") for number in range(4)])
        assert refused[:3] == ["", "", ""] and refused[3].startswith("quota: ")

    play(tmp_path, scenario)


def test_nine_hundred_go_in_as_many_packets_as_they_need(tmp_path: Path) -> None:
    many = [
        entry(f"a{number}", ",".join([f"{ELSEWHERE}_{n}" for n in range(20)]))
        for number in range(900)
    ]

    async def scenario(agent: Agent, client: AgentClient) -> None:
        assert await client.announce(many) == [""] * 900
        assert len(agent.announced) == 900
        await client.retract([one.name for one in many])
        assert len(agent.announced) == 0

    play(tmp_path, scenario)


def test_an_agent_of_the_version_before_is_not_asked(tmp_path: Path) -> None:
    async def scenario(agent: Agent, client: AgentClient) -> None:
        client.welcome = m.Welcome(v=versions.OLDEST)
        with pytest.raises(Refused, match="Announce came with version 2"):
            await client.announce([SCHEDD])

    play(tmp_path, scenario)


def test_who_calls_it_at_our_port_hears_that_nobody_is_there(tmp_path: Path) -> None:
    """It leads elsewhere, so nobody here takes its connections."""

    async def scenario(agent: Agent, client: AgentClient) -> None:
        await client.announce([SCHEDD])
        assert SCHEDD.name not in [service.offer.name for service in agent.services]

    play(tmp_path, scenario)


def test_a_plain_record_without_a_port_of_ours_at_its_end_is_connected_to(tmp_path: Path) -> None:
    """Nobody there says that it accepts, so nobody waits for it; its first bytes are its own."""

    async def scenario(agent: Agent, client: AgentClient) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            here = f"host.4f2a91/ip4:127.0.0.1:{listener.getsockname()[1]}"
            await client.announce([entry("old", here)])
            program = Program(agent)
            program.send(m.Dial(id=1, name="old.node7", timeout=5))
            loop = asyncio.get_running_loop()
            theirs, _ = await loop.sock_accept(listener)
            theirs.setblocking(False)
            dialled, ours = await program.receive()
            assert isinstance(dialled, m.Dialled) and ours is not None
            assert (dialled.protection, dialled.full.split(".")[0]) == ("plain", "old")
            with theirs, ours:
                await loop.sock_sendall(theirs, b"mine")
                assert await loop.sock_recv(ours, 100) == b"mine"
            program.close()

    play(tmp_path, scenario)
