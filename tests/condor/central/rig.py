"""A central manager as ``glasnost up`` runs it: an agent, a directory, and `[condor]`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from glasnost.cli.init import make_pool
from glasnost.condor.central import role
from glasnost.condor.central.keys import SigningKeys
from glasnost.condor.central.role import Central
from glasnost.condor.security.tokens import Token
from glasnost.daemons.host import Roles, everything
from glasnost.roles.agent import Agent
from glasnost.settings import CondorSetting, Settings
from tests.net.pairs import nothing_left_open

DOMAIN = "wire.test"


@dataclass
class Manager:
    """One that runs."""

    home: Path
    agent: Agent
    central: Central
    number: int
    roles: Roles
    #: What it had when it ended.
    last: dict[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many ads it has of which sort."""
        return self.central.collector.counts

    def endpoint(self, host: str = "127.0.0.1") -> str:
        return f"[{host}]:{self.number}" if ":" in host else f"{host}:{self.number}"

    def token(self, identity: str = f"condor@{DOMAIN}", **more: Any) -> Token:
        return SigningKeys(self.home).sign(DOMAIN, identity, time.time(), **more)


@asynccontextmanager
async def manager(
    folder: Path, *, listen: tuple[str, ...] = ("127.0.0.1", "::1"), **condor: Any
) -> AsyncIterator[Manager]:
    """``condor``: what the settings say of it."""
    home = folder / "home"
    if not home.exists():
        make_pool(home, "lab", "cm", ())
    own = CondorSetting(**{"collector": True, "trust_domain": DOMAIN, **condor})
    settings = Settings(port=0, listen=listen, run=str(folder / "run"), condor=own)
    with nothing_left_open():
        made: list[Central] = []

        def noted(*args: Any) -> Central:
            made.append(Central(*args))
            return made[-1]

        with mock.patch.object(role, "Central", noted):
            stack = AsyncExitStack()
            agent, roles = await stack.enter_async_context(everything(home, lambda: settings))
        async with stack:
            assert agent.port_number is not None
            here = Manager(home, agent, made[0], agent.port_number, roles)
            yield here
            here.last = here.counts
