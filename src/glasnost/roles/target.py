"""A target as a library: one agent that is registered with brokers, and does what they ask.

Asked to dial back, it connects to the first return route that its dial policy allows and that
answers; asked for a leg, it opens a fresh connection to that broker. Either way the connection is
then given to the agent's shared port, as if it had been accepted there.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import random
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from glasnost.core.dialpolicy import Network
from glasnost.core.protocols.record_rules import shown
from glasnost.core.protocols.returns import Return, choose
from glasnost.core.protocols.target import (
    ATTEMPT,
    Connect,
    Drop,
    Effect,
    Event,
    Lost,
    Registrations,
    State,
    Welcomed,
)
from glasnost.core.wire.header import MAX_WHY, TOKEN_SIZE, Call
from glasnost.core.wire.messages import DialBack, Done, Failed, Leg, Message, Register, Registered
from glasnost.errors import GlasnostError, PathCut, ProtocolError, Refused
from glasnost.net import race
from glasnost.net.alarm import Alarm
from glasnost.net.channel import Channel, OnClose, OnMessage
from glasnost.net.exact import write_call
from glasnost.net.sentences import sentence
from glasnost.net.sockets import address_text, connect_tcp

log = logging.getLogger("glasnost.target")

#: Requests carried out at a time: each holds a descriptor or two for some round trips, and a
#: broker passes on at most some hundred a second to one target.
MAX_IN_FLIGHT: Final = 256
#: Of these, those of one broker: whatever it asks for, another finds room.
PER_BROKER: Final = MAX_IN_FLIGHT // 2
#: Characters of what a broker has said that are kept and told: some lines for each path of a
#: connect that failed. The status of an agent must fit a packet, whatever its brokers say.
MAX_KEPT: Final = 1000
#: The longest one may take, whatever the broker says (its own bound is the same).
MAX_TIMEOUT: Final = 30.0
#: Of the time that a request has: the rest is for our reason to get there before the broker's
#: own "timeout", which knows none.
OUR_SHARE: Final = 0.8

#: Opens a control channel to a broker, named as in `Target.follow`, with these two ears.
OpenBroker = Callable[[str, OnMessage, OnClose], Awaitable[Channel]]
#: Opens a fresh connection to that broker and writes the call with this relay token.
OpenLeg = Callable[[str, bytes], Awaitable[socket.socket]]
#: Connects to a literal address and a port.
Dial = Callable[[str, int], Awaitable[socket.socket]]
#: Owns a connection as if it had been accepted; the text says whose it is, for people, and the
#: last whether a broker relays it.
Serve = Callable[[socket.socket, str, bool], None]


class Target:
    """Keeps registered with the brokers that `follow` names, and serves their requests.

    ``program`` tells one of a host without an agent from the others; ``ranges`` gives the networks
    this host is on, as texts, when asked; ``on_change`` is called when the set of brokers that know
    us has changed (`registered`).
    """

    def __init__(
        self,
        *,
        open_broker: OpenBroker,
        open_leg: OpenLeg,
        serve: Serve,
        program: str = "",
        ranges: Callable[[], Iterable[str]] = tuple,
        dial: Dial = connect_tcp,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._open_broker, self._open_leg, self._dial = open_broker, open_leg, dial
        self._serve, self._ranges, self._on_change = serve, ranges, on_change
        self._program = program
        self._clock, self._jitter = clock, jitter
        self._core = Registrations((), clock())
        self._attempts: dict[str, asyncio.Task[None]] = {}
        self._channels: dict[str, Channel] = {}
        self._errands: dict[asyncio.Task[None], str] = {}
        self._in_flight: Counter[str] = Counter()  # by broker
        self._parting: dict[str, str] = {}
        self._counts = {"dial_backs": 0, "legs": 0, "failed": 0}
        self._alarm = Alarm(self._tick, clock)

    def __repr__(self) -> str:
        return f"<Target {self._core!r}, {len(self._errands)} in flight>"

    @property
    def registered(self) -> tuple[str, ...]:
        """The brokers that know us now."""
        return tuple(self._channels)

    def follow(self, brokers: Iterable[str]) -> None:
        """Register with these brokers and no others: whatever names them to ``open_broker``."""
        now = self._clock()
        self._run(self._core.follow(brokers, now) + self._core.tick(now))

    def check(self) -> None:
        """Look at once whether all brokers are there: this host has slept, or was moved."""
        for channel in list(self._channels.values()):
            channel.check()
        self._run(self._core.hurry(self._clock(), self._jitter()))

    async def close(self) -> None:
        """Leave all brokers, and end what is under way."""
        ending = [*self._attempts.values(), *self._errands]
        self.follow(())
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._alarm.cancel()

    def status(self) -> dict[str, Any]:
        """What there is, for people and machines to read; ``since`` in seconds ago."""
        now = self._clock()
        return {
            "brokers": [
                {
                    "broker": one.broker,
                    "state": one.state.value,
                    "since": now - one.since,
                    "failures": one.failures,
                    "why": "" if one.state is State.REGISTERED else one.why,
                    "contact": one.contact,
                    "observed": one.observed,
                }
                for one in self._core.status()
            ],
            "in_flight": len(self._errands),
            "served": self._counts["dial_backs"] + self._counts["legs"],
            "counts": dict(self._counts),
        }

    # --- registering ----------------------------------------------------------------------------

    async def _attempt(self, broker: str) -> None:
        """Connect and register, once."""
        channel: Channel | None = None
        self._parting.pop(broker, None)
        try:
            async with asyncio.timeout(ATTEMPT):
                hear = functools.partial(self._hear, broker)
                lost = functools.partial(self._lost, broker)
                channel = await self._open_broker(broker, hear, lost)
                answer = await channel.ask(Register(program=self._program), ATTEMPT)
            if not isinstance(answer, Registered):
                raise ProtocolError(f"a broker answers Register with {type(answer).__name__}")
            if channel.closed:
                raise PathCut(self._parting.pop(broker, "the broker closed the connection"))
        except (GlasnostError, OSError) as error:
            del self._attempts[broker]
            log.info("broker %s: %s", broker, shown(sentence(error)))
            self._handle(broker, Lost(sentence(error)[:MAX_KEPT], self._jitter()))
        else:
            del self._attempts[broker]
            self._channels[broker], channel = channel, None
            log.info("broker %s: registered as %s", broker, shown(answer.contact))
            contact, observed = answer.contact[:MAX_KEPT], answer.observed[:MAX_KEPT]
            self._handle(broker, Welcomed(contact, observed))
            self._on_change()
        finally:
            if channel is not None:
                channel.close()

    def _lost(self, broker: str, channel: Channel, error: BaseException | None) -> None:
        if self._channels.get(broker) is not channel:
            return  # its attempt says so, or we left it ourselves
        del self._channels[broker]
        why = self._parting.pop(broker, "") or str(error or "the broker closed the connection")
        log.info("broker %s: lost: %s", broker, shown(why))
        self._handle(broker, Lost(why, self._jitter()))
        self._on_change()

    # --- what brokers ask -----------------------------------------------------------------------

    def _hear(self, broker: str, channel: Channel, message: Message) -> None:
        match message:
            case DialBack() | Leg() if len(self._errands) >= MAX_IN_FLIGHT:
                why = f"this target carries out {MAX_IN_FLIGHT} requests already"
                channel.tell(Failed(message.id, "busy", why))
            case DialBack() | Leg() if self._in_flight[broker] >= PER_BROKER:
                why = f"this target carries out {PER_BROKER} requests of this broker already"
                channel.tell(Failed(message.id, "busy", why))
            case DialBack() | Leg():
                errand = self._errand(broker, channel, message)
                task = asyncio.get_running_loop().create_task(errand)
                self._errands[task] = broker
                self._in_flight[broker] += 1
                task.add_done_callback(self._errand_ended)
            case Failed(_, code, why):  # its last words: it closes
                self._parting[broker] = (why or code)[:MAX_KEPT]
            case _:
                log.info("broker %s: %s is no question", broker, type(message).__name__)

    def _errand_ended(self, task: asyncio.Task[None]) -> None:
        broker = self._errands.pop(task)
        self._in_flight[broker] -= 1
        if not self._in_flight[broker]:
            del self._in_flight[broker]

    async def _errand(self, broker: str, channel: Channel, message: DialBack | Leg) -> None:
        timeout = message.timeout if 0 < message.timeout < MAX_TIMEOUT else MAX_TIMEOUT
        timeout *= OUR_SHARE
        caller = shown(message.caller)
        try:
            if isinstance(message, DialBack):
                sock, peer = await self._dial_back(message, timeout)
            else:
                async with asyncio.timeout(timeout):
                    sock, peer = await self._open_leg(broker, message.token), "relayed"
        except (GlasnostError, OSError) as error:
            code = error.code if isinstance(error, Refused) else "unreachable"
            why = sentence(error)[:MAX_WHY]
            self._counts["failed"] += 1
            log.info("broker %s: for %s: %s", broker, caller, shown(why))
            channel.tell(Failed(message.id, code, why))
        else:
            self._counts["legs" if isinstance(message, Leg) else "dial_backs"] += 1
            self._serve(sock, f"{peer} for {caller}", isinstance(message, Leg))
            channel.tell(Done(message.id))

    async def _dial_back(self, message: DialBack, within: float) -> tuple[socket.socket, str]:
        """A connection to the requester with its call written, and its address for people."""
        if len(message.reply) != TOKEN_SIZE:
            raise Refused("bad-request", f"a reply name has {TOKEN_SIZE} bytes")
        allowed, refused = choose(message.returns, _networks(tuple(self._ranges())))
        if not allowed:
            raise Refused("no-return-route", "; ".join(refused) or "there is no return route")
        try:
            attempts = [functools.partial(self._dial, to.host, to.port) for to in allowed]
            won = await race.race(attempts, lambda sock: sock.close(), timeout=within)
        except race.Lost as lost:
            failures = [f"{_text(allowed[f.index])}: {sentence(f.error)}" for f in lost.failures]
            raise Refused("unreachable", "; ".join(failures + refused)) from None
        to, sock = allowed[won.index], won.result
        try:
            await write_call(sock, Call(to=to.service, reply=message.reply))
        except BaseException:
            sock.close()
            raise
        return sock, _text(to)

    # --- the core's driver ----------------------------------------------------------------------

    def _handle(self, broker: str, event: Event) -> None:
        self._run(self._core.handle(broker, event, self._clock()))

    def _tick(self, now: float) -> None:
        self._run(self._core.tick(now))

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Connect(broker):
                    task = asyncio.get_running_loop().create_task(self._attempt(broker))
                    self._attempts[broker] = task
                case Drop(broker):
                    self._drop(broker)
        self._alarm.set(self._core.deadline())

    def _drop(self, broker: str) -> None:
        if (attempt := self._attempts.pop(broker, None)) is not None:
            attempt.cancel()
        if (channel := self._channels.pop(broker, None)) is not None:
            channel.close()
            self._on_change()


@functools.lru_cache(1)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks that these texts say: seldom others than the last time."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _text(to: Return) -> str:
    return address_text((to.host, to.port))
