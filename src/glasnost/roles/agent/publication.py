"""What a node says of its services: one signed record for each, made anew when it changes, and
told to all directories."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import hashes

from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.limits import MAX_ROUTES
from glasnost.core.routes import Vantage
from glasnost.core.routes.endpoint import on_host
from glasnost.core.wire.messages import Record, Signed
from glasnost.errors import AddressError
from glasnost.net.interfaces import read_host
from glasnost.net.netlink import HostChanges
from glasnost.roles.agent.directories import Directories
from glasnost.roles.agent.services import Service
from glasnost.roles.home import NodeIdentity
from glasnost.roles.publisher import Publisher
from glasnost.roles.vantage import check_host, dial_ranges, doors, vantage_of
from glasnost.settings import Settings

log = logging.getLogger("glasnost.agent")

#: The host is read again at least so often, seconds, though nobody told us of a change: records
#: are signed again for their age, by a clock that may have been set.
LOOK_EVERY = 60.0
#: How long a record may be renewed without being signed again, seconds. It bounds for how long a
#: directory could go on saying what is true no more.
RECORD_LIFETIME = 24 * 3600.0
#: How long a directory that the pool has no longer is told that we have gone, seconds: after a
#: lease it knows by itself.
FAREWELL = 1.0


class Records:
    """The signed records of one node's services."""

    def __init__(self, identity: NodeIdentity) -> None:
        self._identity = identity
        self._signed: dict[str, tuple[Record, bytes, Signed]] = {}
        self._sequence = 0

    def make(
        self,
        services: Iterable[Service],
        doors: Sequence[Route],
        reach: tuple[str, ...],
        announced: Iterable[Record] = (),
    ) -> dict[str, Signed]:
        """By full name, the record of each service that can be met anywhere, and those announced;
        what has not changed keeps its signature until half of its time is over."""
        made = {}
        for service in services:
            routes = _ending_in(Stage.service(service.offer.name), doors)
            if routes:
                record = self._record(service, routes, reach)
                made[record.name] = self._sign(record)
        made |= {record.name: self._sign(record) for record in announced}
        self._signed = {name: kept for name, kept in self._signed.items() if name in made}
        return made

    def get(self, name: str) -> tuple[Record, Signed] | None:
        """The record of one of our own services, by full name."""
        kept = self._signed.get(name)
        return None if kept is None else (kept[0], kept[2])

    def _record(self, service: Service, routes: Sequence[Route], reach: tuple[str, ...]) -> Record:
        offer = service.offer
        return Record(
            name=self._identity.full(offer.name),
            address=str(Address(tuple(routes[:MAX_ROUTES]))),
            reach=reach,
            labels=offer.labels,
            protection=offer.protection,
            relay=offer.relay,
        )

    def _sign(self, wanted: Record) -> Signed:
        now = self._identity.clock()
        certificate = self._identity.certificate.fingerprint(hashes.SHA256())
        kept = self._signed.get(wanted.name)
        if kept is not None:
            record, signer, signed = kept
            same = msgspec.structs.replace(record, sequence=0, not_after=0) == wanted
            left = record.not_after - now
            # More than the whole of its time is left where the clock was set back meanwhile.
            if same and signer == certificate and RECORD_LIFETIME / 2 < left <= RECORD_LIFETIME:
                return signed
        self._sequence = max(self._sequence + 1, int(now * 1_000_000))
        record = msgspec.structs.replace(
            wanted, sequence=self._sequence, not_after=int(now + RECORD_LIFETIME)
        )
        signed = self._identity.sign(record)
        self._signed[wanted.name] = (record, certificate, signed)
        return signed


def _ending_in(stage: Stage, doors: Iterable[Route]) -> list[Route]:
    """The routes to one service of this host, without those that are too long now: a door may be
    a broker's, and its owner's text."""
    routes = []
    for door in doors:
        try:
            routes.append(door.then(stage))
        except AddressError as error:
            log.debug("a door of this host is left out: %s", error)
    return routes


class Publication:
    """What one host says of itself: where it is met, what it reaches, and its services' records.

    ``port`` gives the shared port's number (None: it has none), and ``further`` its doors at
    brokers, when they are asked; ``run`` is the directory of its sockets, if it has any.
    ``moved`` is told when its addresses have changed.
    """

    def __init__(
        self,
        identity: NodeIdentity,
        settings: Settings,
        run: Path | None,
        directories: Directories,
        services: Iterable[Service],
        announced: Iterable[Record],
        port: Callable[[], int | None],
        further: Callable[[], list[Route]],
        moved: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._unix = None if run is None else str(run.resolve() / "port.sock")
        self._services, self._announced = services, announced
        self._port = port
        self._further = further
        self._moved = moved
        self._facts = read_host()
        self._records = Records(identity)
        self._host: HostChanges | None = None
        self._changes = 0
        self._directories = directories
        self._publishers: dict[str, Publisher] = {}
        self._begin()
        self._due = False
        self._closed = False

    def check(self) -> None:
        """Whether this host can do what the settings ask. Raises `SettingsError`."""
        check_host(self._facts, self._settings)

    def follow_settings(self, settings: Settings) -> None:
        """Say what these ask for. Raises `SettingsError` where this host cannot do it."""
        check_host(self._facts, settings)
        self._settings = settings
        self.soon()

    def doors(self) -> list[Route]:
        """Where this host can be met, nearest first; through its brokers last."""
        return doors(self._facts, self._settings, self._port(), self._unix) + self._further()

    def vantage(self) -> Vantage:
        """What this host reaches, and where it can be dialled back."""
        own = doors(self._facts, self._settings, self._port(), None)
        return vantage_of(self._facts, self._settings, own)

    def dial_ranges(self) -> tuple[str, ...]:
        """The networks this host is itself on, for the dial policy."""
        return dial_ranges(self._facts, self._settings)

    def soon(self) -> None:
        """Tell the directories, once, after whatever else happens in this step."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self.now)

    def now(self) -> None:
        """Tell the directories what has changed; they hear it as soon as they can."""
        self._due = False
        if self._closed:
            return
        reach = sorted(str(one) for one in self.vantage().dials_back if not on_host(one.network))
        records = self._records.make(self._services, self.doors(), tuple(reach), self._announced)
        for publisher in self._publishers.values():
            publisher.want(records)

    def own(self, name: str) -> tuple[Record, Signed] | None:
        """The record of one of our own services, by full name, as it is at this moment."""
        self.now()
        return self._records.get(name)

    async def watch(self) -> None:
        """Notice when this host's addresses change, and what must be signed again for its age,
        until cancelled."""
        with HostChanges() as self._host:
            while True:
                self._look()
                await self._host.wait(LOOK_EVERY)

    def _look(self) -> None:
        try:
            facts = read_host()
        except OSError as error:  # there are no descriptors left to read them with
            log.warning("this host's addresses cannot be read: %s", error)
            facts = self._facts
        if facts != self._facts:
            log.info("this host's addresses have changed")
            self._facts = facts
            self._changes += 1
            self._moved()
        self.soon()

    def check_directories(self) -> None:
        """Look at once whether the directories are there."""
        for publisher in self._publishers.values():
            publisher.check()

    async def follow_directories(self) -> None:
        """Publish to the directories that there are now, and withdraw from those that are gone."""
        clients = self._directories.by_name()
        gone = []
        for name, publisher in list(self._publishers.items()):
            if publisher.client is not clients.get(name):
                del self._publishers[name]
                # One that has moved is still to be told: nothing is withdrawn there.
                gone.append(publisher.close(timeout=0.0 if name in clients else FAREWELL))
        if not self._closed:
            self._begin()
            self.now()
        await asyncio.gather(*gone)

    def _begin(self) -> None:
        for name, client in self._directories.by_name().items():
            if name not in self._publishers:
                self._publishers[name] = Publisher(client)

    def status(self) -> dict[str, str]:
        """By directory, why it is not reached, for people."""
        return {
            name: publisher.away or "told of everything"
            for name, publisher in self._publishers.items()
        }

    def host_status(self) -> dict[str, int]:
        """How often this host's addresses have changed, and how we came to know."""
        host = self._host
        return {
            "changes": self._changes,
            "told": 0 if host is None else host.told,
        }

    async def close(self, withdraw: float) -> None:
        """Withdraw everything, for at most so many seconds, and tell nobody anything any more."""
        self._closed = True
        closing = (publisher.close(timeout=withdraw) for publisher in self._publishers.values())
        await asyncio.gather(*closing, return_exceptions=True)
