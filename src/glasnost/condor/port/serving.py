"""HTCondor's protocols at one agent's port, for as long as the agent runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from glasnost.condor.addresses.sinful import Sinful
from glasnost.condor.caller import current_caller
from glasnost.condor.port.daemons import COOKIE, Daemons
from glasnost.condor.port.dialling import broker_address
from glasnost.condor.port.door import Door, Host, Serve
from glasnost.condor.port.itself import own_endpoint
from glasnost.condor.port.own import own_addresses, own_sinful, write_port_ad
from glasnost.condor.port.target import CcbTarget
from glasnost.errors import SettingsError, SinfulError
from glasnost.net.interfaces import read_host
from glasnost.settings import CondorSetting, Settings

log = logging.getLogger("glasnost.condor")

#: The file is written so often, seconds, as HTCondor's own shared port does; its daemons read it
#: as often.
AD_EVERY: Final = 300.0
#: And within this time when it has gone: a master that starts takes it for one that was left over,
#: and its collector ends where there is none.
AD_LOOK: Final = 1.0


class PortService:
    """The `door` for an agent's port, and the file that says where it is. ``endpoints`` may be
    added to while it serves."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._own = settings.condor or CondorSetting()
        directory = Path(self._own.sockets) if self._own.sockets else None
        self._daemons = Daemons(directory, os.environ.get(COOKIE, ""))
        self._itself = own_endpoint()
        self.endpoints: dict[str, Serve] = {}
        self._task: asyncio.Task[None] | None = None
        self._target: CcbTarget | None = None
        self._number: int | None = None
        self._stale = False

    def __repr__(self) -> str:
        return f"<PortService {self._daemons!r}>"

    def door(self, host: Host) -> Door:
        """What the port of this agent has to know."""
        own = self._own
        endpoints, itself = self.endpoints, self._itself.take
        return Door(host, self._daemons, endpoints, own.default_id, own.http_id, itself)

    def start(
        self,
        number: int | None,
        serve: Callable[[socket.socket, str, bool], None] | None = None,
        ranges: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """The port is open, at this number; ``serve`` has it own a connection as if it had
        accepted that, ``ranges`` are the networks this host is on. Raises `SettingsError`."""
        self._number = number
        if self._own.port_ad and number is not None:
            self._task = asyncio.get_running_loop().create_task(self._keep(Path(self._own.port_ad)))
        if self._own.brokers and serve is not None:
            _check(self._own.brokers)
            self._target = CcbTarget(
                current_caller, serve, name=self._name, ranges=ranges, changed=self._moved
            )
            self._target.follow(self._own.brokers)

    async def close(self) -> None:
        """The port is closed; what we wrote is removed, since it is true no more."""
        self._daemons.close()
        await self._itself.close()
        if self._target is not None:
            await self._target.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._forget()

    def _name(self) -> str:
        """Who we are, for a broker's log."""
        return f"GLASNOST {self.address() if self._number is not None else ''}".strip()

    def _moved(self) -> None:
        self._stale = True

    def _forget(self) -> None:
        with contextlib.suppress(OSError):
            Path(self._own.port_ad).unlink()

    def address(self, sock: str = "") -> Sinful:
        """Where an endpoint behind the port is met, or the port itself."""
        assert self._number is not None, "there is an address once the port is open"
        addresses = own_addresses(read_host(), self._settings, self._number)
        own = own_sinful(addresses, self._own.alias, sock)
        contacts = () if self._target is None else self._target.contacts
        if not contacts:
            return own
        # Who is on this host dials it, whatever brokers there are.
        return own.with_params(CCBID=" ".join(contacts), PrivNet=self._own.alias or None)

    async def _keep(self, path: Path) -> None:
        said = ""
        written = -AD_EVERY
        loop = asyncio.get_running_loop()
        while True:
            if self._stale or loop.time() >= written + AD_EVERY or not _is_there(path):
                self._stale, written = False, loop.time()
                try:
                    write_port_ad(path, self.address(), self._daemons.counts)
                except OSError as error:
                    if said != (said := f"cannot write {path}: {error.strerror}"):  # once
                        log.error("%s", said)
            await asyncio.sleep(AD_LOOK)


def _check(brokers: Iterable[str]) -> None:
    for text in brokers:
        try:
            broker_address(text)
        except SinfulError as error:
            raise SettingsError(f"condor.brokers: {text!r}: {error}") from None


def _is_there(path: Path) -> bool:
    return path.exists()
