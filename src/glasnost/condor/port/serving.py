"""HTCondor's protocols at one agent's port, for as long as the agent runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from glasnost.condor.addresses.sinful import Sinful
from glasnost.condor.port.daemons import COOKIE, Daemons
from glasnost.condor.port.door import Door, Host, Serve
from glasnost.condor.port.own import own_addresses, own_sinful, write_port_ad
from glasnost.net.interfaces import read_host
from glasnost.settings import CondorSetting, Settings

log = logging.getLogger("glasnost.condor")

#: HTCondor's daemons read the file again so often, seconds, as its own shared port writes it.
AD_EVERY: Final = 300.0


class PortService:
    """The `door` for an agent's port, and the file that says where it is. ``endpoints`` may be
    added to while it serves."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._own = settings.condor or CondorSetting()
        directory = Path(self._own.sockets) if self._own.sockets else None
        self._daemons = Daemons(directory, os.environ.get(COOKIE, ""))
        self.endpoints: dict[str, Serve] = {}
        self._task: asyncio.Task[None] | None = None
        self._number: int | None = None

    def __repr__(self) -> str:
        return f"<PortService {self._daemons!r}>"

    def door(self, host: Host) -> Door:
        """What the port of this agent has to know."""
        own = self._own
        return Door(host, self._daemons, self.endpoints, own.default_id, own.http_id)

    def start(self, number: int | None) -> None:
        """The port is open, at this number."""
        self._number = number
        if self._own.port_ad and number is not None:
            self._task = asyncio.get_running_loop().create_task(self._keep(Path(self._own.port_ad)))

    async def close(self) -> None:
        """The port is closed; what we wrote is removed, since it is true no more."""
        self._daemons.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._forget()

    def _forget(self) -> None:
        with contextlib.suppress(OSError):
            Path(self._own.port_ad).unlink()

    def address(self, sock: str = "") -> Sinful:
        """Where an endpoint behind the port is met, or the port itself."""
        assert self._number is not None, "there is an address once the port is open"
        addresses = own_addresses(read_host(), self._settings, self._number)
        return own_sinful(addresses, self._own.alias, sock)

    async def _keep(self, path: Path) -> None:
        while True:
            try:
                write_port_ad(path, self.address(), self._daemons.counts)
            except OSError as error:
                log.error("cannot write %s: %s", path, error.strerror)
            await asyncio.sleep(AD_EVERY)
