"""An agent that is registered at a broker of HTCondor's kind, with two plain services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glasnost.condor.port.serving import PortService
from glasnost.core.wire.messages import Offer
from glasnost.net.port import Incoming
from glasnost.roles.agent import Agent
from glasnost.roles.home import NodeIdentity
from glasnost.settings import CondorSetting
from tests.net.pairs import until
from tests.roles import agent_lab
from tests.roles.agent_lab import settle


@dataclass
class Registered:
    """What serves HTCondor at its port, the port, and who has called its services."""

    service: PortService
    number: int
    came: list[Incoming] = field(default_factory=list)


@asynccontextmanager
async def registered(
    folder: Path, broker: str, take: Callable[[Incoming], None] | None = None, **condor: Any
) -> AsyncIterator[Registered]:
    """``schedd`` may be relayed, ``private`` may not; ``take`` is given who calls."""
    own = CondorSetting(sockets=str(folder), alias="vm", brokers=(broker,), **condor)
    settings = agent_lab.settings(condor=own)
    service = PortService(settings)
    agent = Agent(NodeIdentity(settle(folder)), settings, folder / "run", other=service.door)
    came: list[Incoming] = []
    try:
        await agent.start()
        for name, relay in (("schedd", "any"), ("private", "sealed")):
            offer = Offer(name=name, protection="plain", relay=relay)
            await agent.offer(offer, take or came.append)
        service.start(agent.port_number, agent.serve, agent.dial_ranges)
        await until(lambda: "CCBID" in str(service.address()))
        assert agent.port_number is not None
        yield Registered(service, agent.port_number, came)
    finally:
        for incoming in came:
            incoming.sock.close()
        await agent.close()
        await service.close()
