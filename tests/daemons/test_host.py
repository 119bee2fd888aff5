"""Roles as contexts: what does not come up leaves nothing behind."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from glasnost.core.wire import messages as m
from glasnost.daemons import host
from glasnost.errors import GlasnostError, Refused, SettingsError
from glasnost.roles.agent import Agent
from glasnost.roles.authority import Authority
from tests.roles.agent_lab import known_host, nothing_left_open, running  # noqa: F401 (a fixture)
from tests.roles.directory_lab import until

pytestmark = pytest.mark.usefixtures("known_host")

Role = Callable[[Path, Agent], AbstractAsyncContextManager[object]]


@asynccontextmanager
async def directory(home: Path, agent: Agent) -> AsyncIterator[object]:
    async with host.directory(
        home, agent.settings, agent, lambda: asyncio.sleep(0, agent)
    ) as serving:
        yield serving


@asynccontextmanager
async def authority(home: Path, agent: Agent) -> AsyncIterator[object]:
    async with host.authority(home, agent, lambda: asyncio.sleep(0, agent)) as serving:
        yield serving


async def fails(role: Role, agent: Agent, error: type[GlasnostError], words: str) -> None:
    """The role says why it does not come up, and nothing of it is left."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    with pytest.raises(error, match=words):
        async with role(agent.identity.home, agent):
            raise AssertionError("it came up")
    await until(lambda: asyncio.all_tasks() == tasks)
    await until(lambda: set(threading.enumerate()) <= threads)


@pytest.mark.parametrize("role, name", [(directory, "directory"), (authority, "authority")])
def test_a_role_whose_name_is_taken(role: Role, name: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as agent:
            Authority.create(agent.identity.home / "authority", "lab", time.time())
            taken = await agent.offer(m.Offer(name=name), lambda incoming: incoming.sock.close())
            closed: list[Authority] = []

            async def close(self: Authority) -> None:
                closed.append(self)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Authority, "close", close)
                await fails(role, agent, Refused, "has this name|is taken|registered")
            assert len(closed) == (name == "authority")
            taken.withdraw()
            async with role(agent.identity.home, agent):
                pass

    with nothing_left_open():
        asyncio.run(scenario())


def test_a_directory_whose_store_cannot_be_used_gives_its_name_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as agent:
            async with directory(agent.identity.home, agent):
                pass
            path = agent.identity.home / "directory" / "records.sqlite"
            with sqlite3.connect(path) as database:
                database.execute("PRAGMA user_version = 99")
            database.close()
            await fails(directory, agent, SettingsError, "its version is 99")
            path.unlink()
            async with directory(agent.identity.home, agent):
                pass

    with nothing_left_open():
        asyncio.run(scenario())
