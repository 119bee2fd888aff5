"""A central manager as ``glasnost up`` runs it: an agent, a directory, and `[condor]`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasnost.cli.init import make_pool
from glasnost.condor.central.keys import SigningKeys
from glasnost.condor.security.tokens import Token
from glasnost.daemons.host import everything
from glasnost.roles.agent import Agent
from glasnost.settings import CondorSetting, Settings
from tests.net.pairs import nothing_left_open

DOMAIN = "wire.test"


@dataclass
class Manager:
    """One that runs."""

    home: Path
    agent: Agent

    @property
    def port(self) -> int:
        assert self.agent.port_number is not None
        return self.agent.port_number

    def endpoint(self, host: str = "127.0.0.1") -> str:
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def token(self, identity: str = f"condor@{DOMAIN}", **more: Any) -> Token:
        import time

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
        async with everything(home, lambda: settings) as (agent, _):
            yield Manager(home, agent)
