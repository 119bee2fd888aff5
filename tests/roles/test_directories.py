"""A running agent follows the directories that a renewal of its certificate brings."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from glasnost.core.wire import messages as m
from glasnost.roles.agent import Agent
from glasnost.roles.directory import DirectoryServer
from glasnost.roles.home import NodeIdentity
from glasnost.trust import checks
from glasnost.trust.certificates import issue_node
from tests.roles.agent_lab import (  # noqa: F401 (a fixture)
    known_host,
    nothing_left_open,
    running,
    serving_directory,
)
from tests.roles.directory_lab import until
from tests.trust.pool import DAY, lab, node7

pytestmark = pytest.mark.usefixtures("known_host")


def told(agent: Agent, service: str, *further: str) -> m.Directory:
    """The directory that is this service of the agent's own host, by its door and further ones."""
    routes = [f"{door}/service:{service}" for door in (agent.doors()[0], *further)]
    return m.Directory(agent.identity.full(service), ",".join(routes))


async def renew(agent: Agent, *directories: m.Directory) -> None:
    """The agent's certificate is due, and the authority speaks of these."""

    async def fetch() -> m.Enrolled:
        pool, key = lab(), node7().key.public_key()
        again = issue_node(pool.key, pool.root, "node7", pool.domain, key, time.time(), DAY)
        return m.Enrolled(certificate=checks.to_der(again), directories=directories)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent._upkeep, "_fetch", fetch)
        patch.setattr(agent.identity, "renew_at", lambda: 0.0)
        await agent._upkeep.look()


async def offered(agent: Agent, name: str) -> str:
    offering = await agent.offer(m.Offer(name=name), lambda incoming: incoming.sock.close())
    return offering.full


def has(server: DirectoryServer, name: str) -> bool:
    loop = asyncio.get_running_loop()
    return server._core.table.get(name, loop.time()) is not None


def run(folder: Path, scenario: object) -> None:
    """Play it with an agent whose pool has an authority, and two directories that it may be told
    of; nothing is left open."""

    async def play() -> None:
        async with AsyncExitStack() as stack:
            authority = "public/ip4:192.0.2.1:9618/service:authority"
            agent = await stack.enter_async_context(running(folder, authority=authority))
            one = await stack.enter_async_context(serving_directory(agent, "one"))
            two = await stack.enter_async_context(serving_directory(agent, "two"))
            await scenario(agent, one, two)  # type: ignore[operator]

    with nothing_left_open():
        asyncio.run(play())


def test_an_agent_that_knew_of_none_publishes_and_asks_at_once(tmp_path: Path) -> None:
    async def scenario(agent: Agent, one: DirectoryServer, two: DirectoryServer) -> None:
        name = await offered(agent, "web")
        assert agent.describe()["directories"] == {}
        await renew(agent, told(agent, "one"))
        await until(lambda: has(one, name))
        assert [record.name for record, _ in await agent.listing("web.*")] == [name]
        assert list(agent.describe()["directories"]) == [agent.identity.full("one")]
        assert NodeIdentity(agent.identity.home).pool.directories == (told(agent, "one"),)

    run(tmp_path, scenario)


def test_a_directory_that_is_gone_from_the_pool_is_withdrawn_from(tmp_path: Path) -> None:
    async def scenario(agent: Agent, one: DirectoryServer, two: DirectoryServer) -> None:
        name = await offered(agent, "web")
        await renew(agent, told(agent, "one"))
        await until(lambda: has(one, name))
        await renew(agent, told(agent, "two"))
        await until(lambda: has(two, name) and not has(one, name))
        assert list(agent.describe()["directories"]) == [agent.identity.full("two")]
        await until(lambda: one.status()["channels"] == 0)
        assert [record.name for record, _ in await agent.listing("web.*")] == [name]

    run(tmp_path, scenario)


def test_one_more_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    async def scenario(agent: Agent, one: DirectoryServer, two: DirectoryServer) -> None:
        name = await offered(agent, "web")
        await renew(agent, told(agent, "one"))
        await until(lambda: has(one, name))
        (client,) = agent._directories
        channel = client._channel
        await renew(agent, told(agent, "one"), told(agent, "two"))
        await until(lambda: has(two, name))
        assert has(one, name)
        assert next(iter(agent._directories))._channel is channel, "not even connected anew"
        later = await offered(agent, "later")
        await until(lambda: has(one, later) and has(two, later))

    run(tmp_path, scenario)


def test_a_directory_that_has_moved_keeps_what_it_has(tmp_path: Path) -> None:
    async def scenario(agent: Agent, one: DirectoryServer, two: DirectoryServer) -> None:
        name = await offered(agent, "web")
        await renew(agent, told(agent, "one"))
        await until(lambda: has(one, name))
        (before,) = agent._directories

        def withdrawn(_: str) -> bool:
            raise AssertionError("it was withdrawn meanwhile")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(one._core.table, "forget", withdrawn)
            await renew(agent, told(agent, "one", "public/ip4:192.0.2.7:9618"))
            (after,) = agent._directories
            assert after is not before
            later = await offered(agent, "later")
            await until(lambda: has(one, later))
            assert has(one, name)

    run(tmp_path, scenario)


def test_an_agent_that_ends_while_it_takes_leave_leaves_nothing_behind(tmp_path: Path) -> None:
    async def scenario(agent: Agent, one: DirectoryServer, two: DirectoryServer) -> None:
        name = await offered(agent, "web")
        await renew(agent, told(agent, "one"))
        await until(lambda: has(one, name))
        await renew(agent, told(agent, "two"))  # and then the agent ends, at once

    run(tmp_path, scenario)
