"""The broker as handlers of commands: a core, the streams of targets and requesters, and relays.

A target's stream stays for as long as it is registered; a requester's until it is answered, or
becomes one side of a relayed stream. Whoever asks is let in by `condor.server`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import resource
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from glasnost.condor.ccb import ads, core
from glasnost.condor.ccb.file import ReconnectFile
from glasnost.condor.ccb.registry import Registry
from glasnost.condor.ccb.streams import Streams
from glasnost.condor.ccb.words import (
    NOT_PERMITTED,
    Drop,
    Effect,
    Ended,
    Event,
    Forward,
    Gone,
    Hello,
    Join,
    Limits,
    Registering,
    Reply,
    Welcome,
    ip_of,
)
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.security.ad_messages import send_ad
from glasnost.condor.server.call import Call, Then
from glasnost.condor.server.settings import Served
from glasnost.condor.stream import CedarStream
from glasnost.core.protocols.record_rules import shown
from glasnost.core.text import facts
from glasnost.errors import GlasnostError
from glasnost.net.alarm import Alarm
from glasnost.net.relay import IDLE
from glasnost.net.sockets import keep_alive
from glasnost.net.waiting import Waiting

log = logging.getLogger("glasnost.condor")

#: Messages to one target that it has not read: what the kernel holds, and these. It is asked some
#: hundred times a second at most.
MAX_UNSENT: Final = 1_000
#: Cookies: HTCondor's are 10 digits; these are as long as it keeps them, and hexadecimal.
_COOKIE: Final = 16


@dataclass(eq=False)
class _Link:
    """A target's stream, and what waits to be sent on it, in order."""

    stream: CedarStream
    name: str
    unsent: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(eq=False)
class _Leg:
    """A connection that a target has dialled, and its hello."""

    stream: CedarStream
    hello: Ad
    taken: bool = False


@dataclass(eq=False)
class _Requester:
    """Somebody who waits: for an error (none: an empty one), a leg, or nothing, if he has gone."""

    outcome: asyncio.Future[str | tuple[int, _Leg] | None]


class CcbServer:
    """One broker. ``own`` gives its address, without ``<`` and ``>``, when it is asked; ``kept``
    is where ids outlive it. ``idle`` ends a relayed stream on which nothing moves, in seconds."""

    def __init__(
        self,
        own: Callable[[], str],
        kept: ReconnectFile | None = None,
        *,
        limits: Limits | None = None,
        idle: float = IDLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own, self._kept, self._clock = own, kept, clock
        registry = Registry(kept.load() if kept is not None else (), clock())
        self._core = core.Broker(registry, limits or _affordable())
        self._numbers = itertools.count(1)
        self._targets: dict[int, _Link] = {}
        self._requesters: dict[int, _Requester] = {}
        self._legs: dict[int, _Leg] = {}
        self._streams = Streams(idle, self._stream_ended)
        self._alarm = Alarm(self._tick, clock)

    def __repr__(self) -> str:
        return f"<CcbServer {self._core!r}>"

    @property
    def counts(self) -> dict[str, int]:
        """How much there is of everything."""
        return self._core.counts

    def commands(self) -> dict[int, Served]:
        """What it answers, with the permissions that HTCondor has for it."""
        handlers = {
            Command.CCB_REGISTER: self._register,
            Command.CCB_REQUEST: self._request,
            Command.CCB_REVERSE_CONNECT: self._reverse_connect,
            Command.CCB_PROXY_CONNECT: self._proxy_connect,
        }
        return {command: Served.of(command, handler) for command, handler in handlers.items()}

    async def close(self) -> None:
        """End: relayed streams are cut, so that both sides see it. Targets and requesters are
        their connections', which whoever serves those closes."""
        self._alarm.cancel()
        await self._streams.close()

    # --- handlers -------------------------------------------------------------------------------

    async def _register(self, call: Call) -> Then:
        """Serve a target for as long as it stays."""
        name, old, cookie = ads.read_registration(await _payload(call))
        ip = ip_of(call.address)
        peer = next(self._numbers)
        link = self._targets[peer] = _Link(call.stream, name)
        keep_alive(call.stream.sock)
        log.info("target %s registers", shown(name), extra=facts(peer=call.address))
        try:
            fresh = secrets.token_hex(_COOKIE)
            self._handle(Registering(peer, name, ip, fresh, old, cookie))
            while peer in self._targets:
                message = await call.stream.receive_or_end(ads.MAX_AD)
                if message is None:
                    break
                ad = ads.read(message)
                if ads.is_alive(ad):
                    self._tell(peer, ads.ALIVE)
                else:
                    self._handle(ads.read_result(ad, peer))
        finally:
            self._targets.pop(peer, None)
            for task in link.unsent:
                task.cancel()
            self._handle(Gone(peer))
        return Then.CLOSE

    async def _request(self, call: Call) -> Then:
        call.exact()
        peer = next(self._numbers)
        ad = await _payload(call)
        wanted = ads.read_request(ad, peer, call.address, call.identity.user)
        requester = _Requester(asyncio.get_running_loop().create_future())
        self._requesters[peer] = requester
        watch = Waiting(call.stream.sock, functools.partial(self._hung_up, peer))
        try:
            self._handle(wanted)
            outcome = await requester.outcome
        finally:
            watch.release()
            del self._requesters[peer]
            self._handle(Gone(peer))
        if isinstance(outcome, str):
            await send_ad(call.stream, ads.result(outcome))
        elif outcome is not None:
            return await self._join(call.stream, *outcome)
        return Then.CLOSE

    def _hung_up(self, peer: int) -> None:
        outcome = self._requesters[peer].outcome
        if not outcome.done():
            outcome.set_result(None)

    async def _reverse_connect(self, call: Call) -> Then:
        call.exact()
        hello = await _payload(call)
        peer = next(self._numbers)
        leg = self._legs[peer] = _Leg(call.stream, hello)
        try:
            self._handle(Hello(peer, *ads.read_hello(hello)))
        finally:
            del self._legs[peer]
        return Then.TAKEN if leg.taken else Then.CLOSE

    async def _proxy_connect(self, call: Call) -> Then:
        """We dial for nobody."""
        await _payload(call)
        await send_ad(call.stream, ads.result(NOT_PERMITTED))
        return Then.CLOSE

    # --- streams --------------------------------------------------------------------------------

    async def _join(self, stream: CedarStream, number: int, leg: _Leg) -> Then:
        """Begin a stream: the last two messages to the requester, then bytes."""
        try:
            await send_ad(stream, ads.STREAMING)
            await send_ad(stream, leg.hello, Command.CCB_REVERSE_CONNECT)
        except BaseException:
            leg.stream.close()
            self._handle(Ended(number))
            raise
        self._streams.begin(number, stream.detach(), leg.stream.detach())
        return Then.TAKEN

    def _stream_ended(self, number: int) -> None:
        self._handle(Ended(number))

    # --- the core's driver ----------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        self._run(self._core.handle(event, self._clock()))

    def _tick(self, now: float) -> None:
        self._run(self._core.tick(now))

    def _run(self, effects: list[Effect]) -> None:
        self._keep()
        for effect in effects:
            self._carry_out(effect)
        self._alarm.set(self._core.deadline())

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Welcome(peer, ccbid, cookie):
                self._tell(peer, ads.registered(f"{self._own()}#{ccbid}", cookie))
            case Forward(peer, request, wanted):
                self._tell(peer, ads.forwarded(wanted, request, self._own()))
            case Reply(peer, error) if peer in self._requesters:
                self._finish(peer, error)
            case Join(request, peer, leg):
                self._legs[leg].taken = True
                self._finish(peer, (request, self._legs[leg]))
            case Drop(peer, why) if (link := self._targets.pop(peer, None)) is not None:
                log.warning("target %s is dropped: %s", shown(link.name), why)
                with contextlib.suppress(OSError):  # whoever reads from it sees the end
                    link.stream.sock.shutdown(socket.SHUT_RDWR)
            case Drop(_, why):
                log.info("a connection is closed: %s", why)

    def _finish(self, peer: int, outcome: str | tuple[int, _Leg]) -> None:
        future = self._requesters[peer].outcome
        if not future.done():
            future.set_result(outcome)
        elif not isinstance(outcome, str):  # he hung up in this moment
            outcome[1].stream.close()
            self._handle(Ended(outcome[0]))

    def _tell(self, peer: int, ad: Ad) -> None:
        """Send to a target, behind what it is being sent already."""
        link = self._targets.get(peer)
        if link is None:
            return
        if len(link.unsent) >= MAX_UNSENT:
            self._carry_out(Drop(peer, "it does not read what it is sent"))
            return
        task = asyncio.get_running_loop().create_task(send_ad(link.stream, ad))
        link.unsent.add(task)
        task.add_done_callback(functools.partial(self._told, peer, link))

    def _told(self, peer: int, link: _Link, task: asyncio.Task[None]) -> None:
        link.unsent.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, (GlasnostError, OSError)):
                log.error("a bug of ours", exc_info=error)
            if self._targets.get(peer) is link:
                self._carry_out(Drop(peer, str(error)))

    def _keep(self) -> None:
        """Have new ids outlive us, before anybody is told of them."""
        new, forgot = self._core.registry.take_changes()
        if self._kept is None:
            return
        if forgot:
            self._kept.rewrite(self._core.registry.entries())
        elif new:
            self._kept.append(new)


async def _payload(call: Call) -> Ad:
    return ads.read(await call.payload(ads.MAX_AD))


def _affordable() -> Limits:
    """The usual limits, as far as this process may have descriptors for them."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Limits() if descriptors == resource.RLIM_INFINITY else Limits().within(descriptors)
