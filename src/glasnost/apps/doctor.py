"""Gathers everything that is to be known of this host, whatever of it runs: see `core.doctor`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from glasnost.core.doctor import Facts
from glasnost.core.doctor.facts import AgentFacts, PoolFacts
from glasnost.errors import GlasnostError, Unavailable
from glasnost.node import Node
from glasnost.roles.agent.clients import allowed_users
from glasnost.roles.agent_client import AgentClient
from glasnost.roles.doctor import host
from glasnost.roles.doctor.pool import look
from glasnost.roles.doctor.visit import Visit
from glasnost.roles.home import NodeIdentity
from glasnost.roles.local import LocalAgent
from glasnost.settings import Settings, run_directory
from glasnost.stages import Means
from glasnost.trust.credentials import Credentials
from glasnost.version import __version__

Progress = Callable[[str], None]


async def gather(home: Path, progress: Progress) -> Facts:
    """The facts, as far as they can be had; ``progress`` is told what is being done."""
    progress("looking at this host")
    settings, settings_facts = host.read_settings(home)
    run = run_directory(settings)
    status, why = await _ask_agent(run)
    holder = host.holder(home) if status is None else 0
    taken = status is None and host.is_taken(settings)
    found = None
    # None stands in for an agent that lives; nor would one in another user's home leave files
    # there that are that user's.
    if status is not None or (host.is_ours(home) and not holder):
        found = await _ask_pool(home, run, settings, progress)
    if status is not None:
        agent = _agent_facts(settings, status)
    else:
        agent = AgentFacts(
            why,
            owner=host.foreign_owner(run),
            pid=holder,
            wanted_port=settings.port,
            taken=taken,
            stand_in=found is not None,
        )
    joined = host.is_open(home) and NodeIdentity.exists(home)
    return Facts(
        home=host.read_home(home, run, agent_lives=agent.pid != 0),
        settings=host.held_against(settings_facts, _read_at(status, agent)),
        processes=host.read_processes(status),
        certificate=host.read_certificate(home, time.time(), status) if joined else None,
        agent=agent if joined or status is not None else None,
        pool=found,
    )


def _read_at(status: Mapping[str, Any] | None, agent: AgentFacts) -> float:
    """When the agent has read its settings; one that does not say so has when it began."""
    began = time.time() - agent.age
    return float(status.get("settings_read", began)) if status is not None else began


async def _ask_agent(run: Path) -> tuple[Mapping[str, Any] | None, str]:
    """What the agent says of itself, or why it says nothing."""
    try:
        client = await AgentClient.connect(run)
    except Unavailable:
        return None, f"no agent answers at {run / 'agent.sock'}"
    except (GlasnostError, OSError) as error:
        return None, f"the agent at {run / 'agent.sock'} cannot be asked: {error}"
    try:
        return await client.status(), ""
    except (GlasnostError, OSError, TimeoutError) as error:
        return None, f"the agent at {run / 'agent.sock'} does not answer: {error}"
    finally:
        await client.close()


def _agent_facts(settings: Settings, status: Mapping[str, Any]) -> AgentFacts:
    pid = int(status.get("pid", 0))
    return AgentFacts(
        version=str(status.get("version", "")),
        own_version=__version__,
        pid=pid,
        age=host.age_of(pid),
        port=status["port"],
        wanted_port=settings.port,
    )


async def _ask_pool(
    home: Path, run: Path, settings: Settings, progress: Progress
) -> PoolFacts | None:
    """What others know, asked through the agent, or as one where none runs; None: nobody can."""
    node = Node(settings)
    try:
        await node.open()
        local, credentials = node.local, None
        with contextlib.suppress(GlasnostError):  # its certificate has ended, which is told
            credentials = await node.credentials()
        means = _means(local, credentials, settings, run)
        pool, status, vantage = NodeIdentity(home).pool, await local.status(), await local.where()
        return await look(Visit(local, means, pool, settings, status, vantage), progress)
    except (GlasnostError, OSError):  # no identity, or no agent where it is needed: which is told
        return None
    finally:
        await node.close()


def _means(
    local: LocalAgent, credentials: Credentials | None, settings: Settings, run: Path
) -> Means:
    return Means(
        credentials,
        local.expect,
        socket_owners=allowed_users(),
        socket_directories=frozenset({str(run.resolve())}),
        settings=settings,
    )
