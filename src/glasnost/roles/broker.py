"""The broker as a library: a core, the channels of targets and requesters, and relayed streams.

A connection that is handed to `take` is either a control connection (TLS, certificates on both
sides) or, when its call holds a relay token, one leg of a relayed stream: then its bytes are for
the other leg, whoever they belong to. Dead peers are noticed by the channels' keep-alive.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import resource
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from glasnost.core.protocols import broker as core
from glasnost.core.protocols.broker_words import (
    Close,
    Effect,
    Ended,
    Event,
    Gone,
    Join,
    Joined,
    LegArrived,
    LegLost,
    Limits,
    RefuseLeg,
    Said,
    Send,
    Wanted,
)
from glasnost.core.protocols.effort import QUESTION
from glasnost.core.wire.header import TOKEN_SIZE
from glasnost.core.wire.messages import (
    BROKER,
    Codec,
    DialBack,
    Done,
    Failed,
    Leg,
    Message,
    Probe,
    Registered,
    Request,
)
from glasnost.errors import Refused
from glasnost.net.alarm import Alarm
from glasnost.net.buffers import Buffers
from glasnost.net.channel import SILENCE, Channel
from glasnost.net.exact import refuse
from glasnost.net.port import Incoming
from glasnost.net.relay import IDLE, Relay
from glasnost.net.waiting import Waiting
from glasnost.roles.admission import Handshakes, let_in
from glasnost.roles.broker_probes import Probing
from glasnost.roles.turns import TakingTurns
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity

log = logging.getLogger("glasnost.broker")

#: TLS handshakes at a time. One costs 2 ms of CPU, so that 1,000 take 2 s: when a broker comes
#: back and all its targets with it, nobody who was let in runs into the handshake's timeout.
MAX_HANDSHAKES: Final = 1_000

#: Codes of failures that are counted apart.
MAX_CODES: Final = 50


class Broker:
    """One broker of a pool. ``limits``: by default what this process has descriptors for.

    ``clock`` gives seconds that never go back; ``idle`` ends a relayed stream on which nothing
    moves, and ``silence`` a control connection, in seconds: it is the lease that targets are told.
    ``public``: ranges of addresses that are probed though they are not global.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        clock: Callable[[], float] = time.monotonic,
        limits: Limits | None = None,
        idle: float = IDLE,
        public: Iterable[str] = (),
        silence: float = SILENCE,
    ) -> None:
        self._credentials = credentials
        self._silence = silence
        self._clock = clock
        self._idle = idle
        self._codec = Codec(BROKER)
        self._core = core.Broker(limits or _affordable(), silence)
        self._probing = Probing(public, clock=clock)
        self._numbers = itertools.count(1)
        self._peers: dict[Channel, int] = {}
        self._channels: dict[int, Channel] = {}
        self._handshakes = Handshakes(self._accept, MAX_HANDSHAKES)
        self._legs: dict[int, Waiting] = {}
        self._buffers = Buffers()
        self._relays: dict[int, tuple[Relay, asyncio.Task[None]]] = {}
        self._finished = {"streams": 0, "bytes": 0}
        self._sent: Counter[type[Message]] = Counter()
        self._failed: Counter[str] = Counter()
        self._turns: TakingTurns[Message] = TakingTurns(self._serve)
        self._alarm = Alarm(self._tick, clock)
        self._closing = False

    def __repr__(self) -> str:
        return f"<roles.Broker {self._core!r}>"

    def take(self, incoming: Incoming) -> None:
        """Serve this connection; its socket is ours from here on."""
        if self._closing:
            refuse(
                incoming.sock, "busy", "this broker is ending; try another, or again", incoming.peer
            )
        elif incoming.call.relay:
            self._take_leg(incoming)
        else:
            self._handshakes.take(incoming)

    async def close(self) -> None:
        """End: relayed streams are cut, so that both sides see it; targets and requesters go."""
        self._closing = True
        self._alarm.cancel()
        await self._handshakes.close()
        for leg in list(self._legs):
            refuse(self._legs.pop(leg).release(), "busy", "this broker is ending")
        tasks = [task for _, task in self._relays.values()]
        for relay, _ in list(self._relays.values()):
            relay.cut("the broker ended")
        for channel in list(self._peers):
            channel.close()
        await asyncio.gather(*tasks, self._probing.close(), return_exceptions=True)

    def check(self) -> None:
        """Look at once whether all peers are there: this host has slept."""
        for channel in list(self._peers):
            channel.check()

    def status(self) -> dict[str, Any]:
        """What there is, for people and machines to read; bytes are of both directions."""
        counts = self._core.counts
        tallies = [relay.tally for relay, _ in self._relays.values()]
        moved = sum(tally.bytes_ab + tally.bytes_ba for tally in tallies)
        return {
            "certificate_not_after": self._credentials.not_after,
            "channels": len(self._peers),
            "handshakes": len(self._handshakes),
            "targets": counts["targets"],
            "requests": counts["requests"],
            "waiting_legs": counts["waiting_legs"],
            "streams": counts["streams"],
            "streams_ended": self._finished["streams"],
            "bytes": self._finished["bytes"] + moved,
            "buffered": self._buffers.kept,
            "probes": self._probing.counts["under_way"],
            "registrations": self._sent[Registered],
            "dial_backs_asked": self._sent[DialBack],
            "legs_asked": self._sent[Leg],
            "done": self._sent[Done],
            "failed": dict(self._failed),
        }

    def _countable(self, code: str) -> str:
        """The code, as long as there are few: some are what targets have said."""
        return code if code in self._failed or len(self._failed) < MAX_CODES else "other"

    # --- channels -------------------------------------------------------------------------------

    async def _accept(self, incoming: Incoming) -> None:
        channel = await let_in(
            incoming,
            self._credentials,
            self._codec,
            self._hear,
            self._lost,
            self._admit,
            log,
            self._silence,
        )
        if channel is not None:
            self._number(channel)

    def _admit(self, peer: Identity) -> None:
        refusal = self._core.refuses(peer.node)
        if refusal is not None:
            raise Refused(*refusal)

    def _number(self, channel: Channel) -> int:
        """What the core calls this peer, which it is told of now if it has not heard of it: a
        first message may come before `accept_channel` returns."""
        number = self._peers.get(channel)
        if number is None:
            number = self._peers[channel] = next(self._numbers)
            self._channels[number] = channel
            peer = channel.peer
            agent = not (peer.service or peer.user)
            self._handle(Joined(number, peer.node, str(peer), agent, channel.observed))
        return number

    def _hear(self, channel: Channel, message: Message) -> None:
        self._number(channel)
        if not self._turns.ask(channel, QUESTION, message):
            why = f"{channel.peer.node} has said too much at once; try again"
            channel.tell(Failed(message.id, "busy", why))

    def _serve(self, channel: Channel, message: Message) -> None:
        """It is this member's turn."""
        number = self._peers.get(channel)
        if number is None:  # it has gone meanwhile
            return
        if isinstance(message, Request):
            tokens = secrets.token_bytes(TOKEN_SIZE), secrets.token_bytes(TOKEN_SIZE)
            self._handle(Wanted(number, message, tokens))
        elif isinstance(message, Probe):
            self._probing.take(channel, message)
        else:
            self._handle(Said(number, message))

    def _lost(self, channel: Channel, error: BaseException | None) -> None:
        number = self._peers.pop(channel, None)
        if number is not None:
            del self._channels[number]
            # Who goes without a word is worth one of ours: perhaps its network is down.
            level = logging.DEBUG if error is None else logging.INFO
            log.log(level, "%s: gone: %s", channel.peer, error or "closed")
            self._handle(Gone(number))

    # --- legs -----------------------------------------------------------------------------------

    def _take_leg(self, incoming: Incoming) -> None:
        leg = next(self._numbers)
        self._legs[leg] = Waiting(incoming.sock, functools.partial(self._leg_lost, leg))
        self._handle(LegArrived(incoming.call.relay, leg))

    def _leg_lost(self, leg: int) -> None:
        self._legs.pop(leg).release().close()
        self._handle(LegLost(leg))

    def _join(self, join: Join) -> None:
        one, two = (self._legs.pop(leg).release() for leg in join.legs)
        relay = Relay(one, two, buffers=self._buffers, idle=self._idle)
        task = asyncio.get_running_loop().create_task(self._relay(join, relay))
        self._relays[join.stream] = relay, task
        task.add_done_callback(functools.partial(self._relayed, join.stream))

    async def _relay(self, join: Join, relay: Relay) -> None:
        log.info("stream %d: relaying between %s and %s", join.stream, *join.owners)
        tally = await relay.run()
        end = tally.error or "both sides ended"
        moved = tally.bytes_ab, tally.bytes_ba
        log.info("stream %d: %d bytes forth, %d back: %s", join.stream, *moved, end)

    def _relayed(self, stream: int, task: asyncio.Task[None]) -> None:
        relay, _ = self._relays.pop(stream)
        relay.cut("the relay was stopped")  # if it never began; else nothing happens
        self._finished["streams"] += 1
        self._finished["bytes"] += relay.tally.bytes_ab + relay.tally.bytes_ba
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("stream %d: a bug of ours", stream, exc_info=error)
        self._handle(Ended(stream))

    # --- the core's driver ----------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        self._run(self._core.handle(event, self._clock()))

    def _tick(self, now: float) -> None:
        self._run(self._core.tick(now))

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out(effect)
        if not self._closing:
            self._alarm.set(self._core.deadline())

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send(peer, message) if peer in self._channels:
                if isinstance(message, Registered):
                    log.info("%s: registered from %s", message.contact, message.observed)
                self._sent[type(message)] += 1
                if isinstance(message, Failed):
                    self._failed[self._countable(message.code)] += 1
                self._channels[peer].tell(message)
            case Close(peer, code, why) if peer in self._channels:
                channel = self._channels[peer]
                log.info("%s: closed: %s", channel.peer, why)
                channel.tell(Failed(code=code, why=why))
                channel.close()
            case RefuseLeg(leg, code, why) if leg in self._legs:
                refuse(self._legs.pop(leg).release(), code, why)
            case Join():
                self._join(effect)


def _affordable() -> Limits:
    """The usual limits, as far as this process may have descriptors for them."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Limits() if descriptors == resource.RLIM_INFINITY else Limits().within(descriptors)
