"""This host as a target of HTCondor's brokers: registered for everybody behind its port.

Asked for a dial-back, it connects to the return address, says the hello, and gives the connection
to the port as if it had been accepted there: the requester says next whom it calls. A broker that
relays gives its own address instead. So HTCondor's clients reach plain services of ours, and
daemons of HTCondor's, on a host that cannot be dialled.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import logging
import random
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from glasnost.condor.caller import Caller
from glasnost.condor.ccb import ads
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.port.dialling import broker_address, dial, read_address
from glasnost.condor.security.ad_messages import send_ad
from glasnost.condor.stream import CedarStream
from glasnost.core.dialpolicy import why_not
from glasnost.core.protocols.record_rules import shown
from glasnost.core.protocols.target import (
    ATTEMPT,
    Connect,
    Drop,
    Effect,
    Event,
    Lost,
    Registrations,
    Welcomed,
)
from glasnost.errors import GlasnostError, PathCut, ProtocolError
from glasnost.net.alarm import Alarm
from glasnost.net.sentences import sentence
from glasnost.net.sockets import address_text, closed_on_error, keep_alive

log = logging.getLogger("glasnost.condor")

#: How often a broker hears from us, seconds; HTCondor's own (CCB_HEARTBEAT_INTERVAL). After three
#: without a word from it the connection is taken for dead.
HEARTBEAT: Final = 300.0
PATIENCE: Final = 3
#: The longest that dialling may take, seconds: HTCondor's clients wait 20 for a dial-back.
DIAL_TIME: Final = 15.0
#: Requests of all brokers carried out at a time: each holds a descriptor.
MAX_IN_FLIGHT: Final = 256

#: Owns a connection as if the port had accepted it: whose it is, for people, and whether a broker
#: relays it.
Serve = Callable[[socket.socket, str, bool], None]


@dataclass(eq=False)
class _Link:
    """One registration: its stream, and what we come back with."""

    stream: CedarStream
    welcome: Ad
    own: str
    heard: float

    @property
    def contact(self) -> str:
        return str(self.welcome.get("CCBID", ""))

    def end(self) -> None:
        with contextlib.suppress(OSError):  # whoever reads from it sees the end
            self.stream.sock.shutdown(socket.SHUT_RDWR)


class CcbTarget:
    """``name`` is what brokers are told of us; ``ranges`` gives the networks that this host is on;
    ``changed`` is told when `contacts` have changed."""

    def __init__(
        self,
        caller: Callable[[], Caller],
        serve: Serve,
        *,
        name: Callable[[], str] = lambda: "GLASNOST",
        ranges: Callable[[], Iterable[str]] = tuple,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._caller, self._serve, self._name = caller, serve, name
        self._ranges, self._changed = ranges, changed
        self._clock, self._jitter = clock, jitter
        self._core = Registrations((), clock())
        self._links: dict[str, _Link] = {}
        self._welcomes: dict[str, Ad] = {}
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._in_flight: set[asyncio.Task[None]] = set()
        self._alarm = Alarm(lambda now: self._run(self._core.tick(now)), clock)

    def __repr__(self) -> str:
        return f"<CcbTarget {self._core!r}, {len(self._in_flight)} in flight>"

    @property
    def contacts(self) -> tuple[str, ...]:
        """Where brokers know us."""
        return tuple(link.contact for link in self._links.values())

    def follow(self, brokers: Iterable[str]) -> None:
        """Register with the brokers at these addresses of HTCondor's."""
        now = self._clock()
        self._run(self._core.follow(brokers, now) + self._core.tick(now))

    async def close(self) -> None:
        """Leave all brokers, and end what is under way."""
        self.follow(())
        tasks = [*self._tasks, *self._in_flight]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._alarm.cancel()

    # --- registering ----------------------------------------------------------------------------

    async def _keep(self, broker: str) -> None:
        """One registration, from its attempt to its end."""
        link: _Link | None = None
        try:
            async with asyncio.timeout(ATTEMPT):
                link = await self._register(broker)
            log.info("broker %s: registered as %s", broker, shown(link.contact))
            self._links[broker], self._welcomes[broker] = link, link.welcome
            self._handle(broker, Welcomed(link.contact))
            self._changed()
            await self._listen(link)
            raise PathCut("the broker closed the connection")
        except (GlasnostError, OSError) as error:  # TimeoutError is one
            why = sentence(error)
            log.info("broker %s: %s", broker, shown(why))
            self._forget(broker, link)
            self._handle(broker, Lost(why, self._jitter()))
        finally:
            self._forget(broker, link)

    def _forget(self, broker: str, link: _Link | None) -> None:
        if link is None:
            return
        link.stream.close()
        if self._links.get(broker) is link:
            del self._links[broker]
            self._changed()

    async def _register(self, broker: str) -> _Link:
        address = broker_address(broker)
        stream = CedarStream(await dial(address, ATTEMPT))
        with closed_on_error(stream.sock):
            keep_alive(stream.sock)
            call = await self._caller().start(stream, Command.CCB_REGISTER, str(address))
            writer = call.writer()
            old = self._welcomes.get(broker)
            writer.ad(ads.registering(self._name(), old).lines())
            await stream.send(writer)
            welcome = ads.read(await stream.receive(ads.MAX_AD))
            link = _Link(stream, welcome, _ip_of(stream), self._clock())
            if not link.contact:
                raise ProtocolError("the broker registers us without a contact")
        return link

    async def _listen(self, link: _Link) -> None:
        """Do what the broker asks, until it closes."""
        beat = asyncio.get_running_loop().create_task(self._beat(link))
        self._tasks[beat] = ""
        try:
            while (message := await link.stream.receive_or_end(ads.MAX_AD)) is not None:
                link.heard = self._clock()
                ad = ads.read(message)
                if not ads.is_alive(ad):
                    self._take(link, ad)
        finally:
            beat.cancel()
            del self._tasks[beat]

    async def _beat(self, link: _Link) -> None:
        while self._clock() - link.heard < PATIENCE * HEARTBEAT:
            await asyncio.sleep(HEARTBEAT)
            with contextlib.suppress(PathCut):  # whoever reads hears of it as well
                await send_ad(link.stream, ads.ALIVE)
        link.end()

    # --- what brokers ask -----------------------------------------------------------------------

    def _take(self, link: _Link, request: Ad) -> None:
        work = self._errand(link, request)
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            work.close()
            work = self._tell(link, request, f"this host carries out {MAX_IN_FLIGHT} requests")
        task = asyncio.get_running_loop().create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, (GlasnostError, OSError)):
                log.error("a bug of ours", exc_info=error)

    async def _errand(self, link: _Link, request: Ad) -> None:
        try:
            sock, peer = await self._dial_back(link, request)
        except (GlasnostError, OSError) as error:
            why = sentence(error)
            log.info("for %s: %s", shown(str(request.get("Name", ""))), shown(why))
            await self._tell(link, request, f"failed to connect: {why}")
            return
        self._serve(sock, f"{peer} for {shown(str(request.get('Name', '')))}", _relayed(request))
        await self._tell(link, request, "")

    async def _dial_back(self, link: _Link, request: Ad) -> tuple[socket.socket, str]:
        """A connection with the hello written, and where it leads, for people."""
        to = read_address(str(request.get("MyAddress", "")))
        sock = await dial(to, DIAL_TIME, functools.partial(self._why_not, link))
        stream = CedarStream(sock)
        with closed_on_error(sock):
            await send_ad(stream, ads.hello(request), Command.CCB_REVERSE_CONNECT)
            return stream.detach(), address_text(sock.getpeername())

    def _why_not(self, link: _Link, ip: str) -> str | None:
        """Why this is not dialled. A broker's own address is, which it names to relay; and a
        broker on this host may name what only this host reaches."""
        if ip == link.own or ipaddress.ip_address(link.own).is_loopback:
            return None
        return why_not(ip, [ipaddress.ip_network(one, strict=False) for one in self._ranges()])

    async def _tell(self, link: _Link, request: Ad, error: str) -> None:
        await send_ad(link.stream, ads.told(request, error))

    # --- the core's driver ----------------------------------------------------------------------

    def _handle(self, broker: str, event: Event) -> None:
        self._run(self._core.handle(broker, event, self._clock()))

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Connect(broker):
                    task = asyncio.get_running_loop().create_task(self._keep(broker))
                    self._tasks[task] = broker
                    task.add_done_callback(self._kept)
                case Drop(broker):
                    for task in [one for one, name in self._tasks.items() if name == broker]:
                        task.cancel()
        self._alarm.set(self._core.deadline())

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a bug of ours", exc_info=error)


def _relayed(request: Ad) -> bool:
    """Whether a broker copies: one names itself as a hop where it does, and only there."""
    return "CCBPriorHop" in request


def _ip_of(stream: CedarStream) -> str:
    """The IP address at the other end."""
    return str(stream.sock.getpeername()[0])
