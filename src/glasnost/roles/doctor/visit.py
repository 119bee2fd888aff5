"""What asking others takes: this host's agent, channels to services, and whose clock says what."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from glasnost.core.address import Address, Route, Stage
from glasnost.core.doctor.facts import Sample
from glasnost.core.routes import Target, Vantage
from glasnost.core.text import in_one_line
from glasnost.core.wire import messages as m
from glasnost.errors import ConnectFailed, GlasnostError, Unavailable
from glasnost.net.channel import Channel, open_channel
from glasnost.net.sentences import sentence
from glasnost.roles.dialler import as_socket, connect
from glasnost.roles.enrol import ask_time
from glasnost.roles.home import Pool
from glasnost.roles.local import LocalAgent
from glasnost.settings import Settings
from glasnost.stages import Means

#: Seconds for reaching one service, and for each of its answers: two lost packets.
PATIENCE: Final = 8.0
#: The year 10000, in seconds since 1970.
LAST_MOMENT: Final = 253_402_300_800.0


@dataclass(frozen=True)
class Service:
    """One of the pool's own: its full name, and where it is met."""

    name: str
    address: Address


@dataclass
class Visit:
    """One round through the pool, by way of this host's agent (or of what stands in for it).

    ``means`` are for crossing stages, ``status`` is the agent's, ``vantage`` its own.
    """

    local: LocalAgent
    means: Means
    pool: Pool
    settings: Settings
    status: Mapping[str, Any]
    vantage: Vantage
    clock: Callable[[], float] = time.time
    samples: list[Sample] = field(default_factory=list)

    def short(self, name: str) -> str:
        """A name as people say it."""
        return name.removesuffix(f".{self.local.domain}")

    def address(self, service: str, text: str) -> Address:
        """Where one of the pool's own services is; no text: on this host, at its first door."""
        if text:
            return Address.parse(text)
        doors = [Route.parse(door) for door in self.status["doors"][:1]]
        if not doors:
            raise Unavailable("it is on this host, and no agent runs here")
        return Address((doors[0].then(Stage.service(service)),))

    @asynccontextmanager
    async def channel(
        self, service: Service, codec: m.Codec, vantage: Vantage | None = None
    ) -> AsyncIterator[Channel]:
        """A control channel, closed in the end; ``vantage``: with these exits alone."""
        credentials = self.means.credentials
        if credentials is None:
            raise Unavailable("this host has no certificate that holds")

        async def finish(sock: socket.socket) -> Channel:
            return await open_channel(sock, credentials, service.name, codec)

        connected = await connect(
            service.name,
            Target(service.address),
            vantage or self.vantage,
            self.means,
            finish,
            Channel.close,
            policy=self.settings.policy(),
            delay=self.settings.attempt_delay,
            timeout=PATIENCE,
        )
        try:
            yield connected.result
        finally:
            connected.result.close()

    # --- clocks ---------------------------------------------------------------------------------

    async def ping(self, name: str, channel: Channel) -> float:
        """The round trip, with a sample of the peer's clock, if it says the time."""
        begun, before = time.monotonic(), self.clock()
        answer = await channel.ask(m.Ping(), PATIENCE)
        took = since(begun)
        if isinstance(answer, m.Pong):
            self._sample(name, answer.now, before, took, proven=True)
        return took

    async def ask_authority(self) -> None:
        """The time in the clear, for where no certificate lets anybody be asked."""
        try:
            connected = await connect(
                "authority",
                Target(self.address("authority", self.pool.authority)),
                self.vantage,
                self.means,
                as_socket,
                socket.socket.close,
                policy=self.settings.policy(),
                timeout=PATIENCE,
            )
            begun, before = time.monotonic(), self.clock()
            now = await ask_time(connected.result)
        except (GlasnostError, OSError):  # then nobody says the time, which is told
            return
        self._sample("the authority", now, before, since(begun), proven=False)

    def _sample(self, name: str, now: float, before: float, took: float, proven: bool) -> None:
        """Theirs was read somewhere between our question and its answer. Who says nothing says 0,
        and what is no moment at all says nothing."""
        if 0 < now < LAST_MOMENT:
            self.samples.append(Sample(name, now - before - took / 2, took / 2, proven))


def since(begun: float) -> float:
    """Seconds from a moment of the clock that is never set."""
    return time.monotonic() - begun


def why(error: BaseException) -> str:
    """One line, also of an error that tells of every attempt."""
    if isinstance(error, ConnectFailed):
        return "; ".join(map(str, error.traces or error.discarded)) or "no route leads there"
    return in_one_line(sentence(error))
