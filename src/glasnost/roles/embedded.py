"""The agent of a program on a host where no agent runs: the program is a node by itself.

All nodes of one event loop share it, since they are one node of the pool.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

from glasnost.roles.agent import Agent
from glasnost.roles.home import NodeIdentity
from glasnost.settings import Settings


@dataclass
class _Shared:
    """One home's agent. ``users`` counts also those who wait while it starts or ends; ``changing``
    lets only one of them start or end it."""

    agent: Agent | None = None
    users: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, _Shared]] = WeakKeyDictionary()


async def embedded_agent(home: Path, settings: Settings) -> Agent:
    """The running loop's agent, started by whoever needs it first; `release` gives it back."""
    homes = _shared.setdefault(asyncio.get_running_loop(), {})
    shared = homes.setdefault(home, _Shared())
    shared.users += 1
    try:
        async with shared.changing:
            if shared.agent is None:
                shared.agent = await _started(NodeIdentity(home), settings)
            return shared.agent
    except BaseException:
        _one_less(home, shared)
        raise


async def release(agent: Agent) -> None:
    """One user less; the last one closes it."""
    home = agent.identity.home
    shared = _shared[asyncio.get_running_loop()][home]
    try:
        async with shared.changing:
            if shared.users == 1:
                shared.agent = None
                await agent.close()
    finally:
        _one_less(home, shared)


def _one_less(home: Path, shared: _Shared) -> None:
    shared.users -= 1
    if not shared.users:
        del _shared[asyncio.get_running_loop()][home]


async def _started(identity: NodeIdentity, settings: Settings) -> Agent:
    """On any port: the usual one is the host's agent's, which may be about to return."""
    agent = Agent(identity, settings.with_networks(identity.pool.networks), run=None, port=0)
    try:
        await agent.start()
    except BaseException:
        await agent.close(withdraw=0)
        raise
    return agent
