"""The brokers of one host: which ones, kept registered, and the doors they give it."""

from __future__ import annotations

import hashlib
import logging
import secrets
import socket
import time
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any

from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.names import Name
from glasnost.core.protocols.broker_words import contact_of
from glasnost.core.routes import Path
from glasnost.core.wire.messages import BROKER, Codec
from glasnost.errors import AddressError, GlasnostError, Unavailable
from glasnost.net.channel import Channel, OnClose, OnMessage
from glasnost.roles.agent.lookups import Answer, Lookups
from glasnost.roles.target import Target
from glasnost.stages.walk import walk

if TYPE_CHECKING:
    from glasnost.roles.agent.agent import Agent

log = logging.getLogger("glasnost.agent")

_CODEC = Codec(BROKER)
#: A broker list that changed is noticed within this time, seconds.
EVERY = 30.0
#: While no broker is known, the directories are asked more often: at start they may be coming up.
EVERY_AT_FIRST = 1.0
#: Routes through one broker that are published: its front doors, and room for the others' in an
#: address of 32.
MAX_DOORS = 8
#: A broker is kept for so many seconds after it was listed last. Its process, its host or the
#: directory may be restarting, and what is published of it must stay true meanwhile; one that was
#: taken away costs callers a refused request as long.
UNLISTED = 120.0


class Brokers:
    """Chooses brokers from what the directories list, and registers this host with them.

    ``clock`` gives seconds that never go back.
    """

    def __init__(self, agent: Agent, clock: Callable[[], float] = time.monotonic) -> None:
        self._agent, self._clock = agent, clock
        self._addresses: dict[str, Address] = {}
        self._listed: dict[str, float] = {}  # when it was last
        self._paths: dict[str, Path] = {}
        # A program that is embedded shares its node with others, and with an agent that may come:
        # under the node's own contact, each would take the place of the one before.
        program = secrets.token_hex(6) if agent.run is None else ""
        self._contact = contact_of(agent.node, program)
        self._target = Target(
            program=program,
            open_broker=self._open,
            open_leg=self._open_leg,
            serve=agent.serve,
            ranges=agent.dial_ranges,
        )

    def __repr__(self) -> str:
        return f"<Brokers {', '.join(self._addresses) or 'none'}>"

    @property
    def pause(self) -> float:
        """After how many seconds the directories should be asked again."""
        return EVERY if self._addresses else EVERY_AT_FIRST

    async def look(self, lookups: Lookups) -> None:
        """Ask the directories which brokers there are now. Raises `Unavailable`, `UnknownName`."""
        found = await self._wanted(lookups)
        now = self._clock()
        for answer in found:
            try:
                self._addresses[answer.record.name] = Address.parse(answer.record.address)
            except AddressError as error:
                log.warning("broker %s: %s", answer.record.name, error)
            else:
                self._listed[answer.record.name] = now
        for name in [name for name, at in self._listed.items() if now - at >= UNLISTED]:
            del self._listed[name], self._addresses[name]
            self._paths.pop(name, None)
        self._target.follow(self._addresses)

    def doors(self) -> list[Route]:
        """Where this host is met through its brokers. They stay true while a broker restarts."""
        given = {one["broker"]: one["contact"] for one in self._target.status()["brokers"]}
        return [
            door
            for name, address in self._addresses.items()
            for door in self._behind(address, given.get(name))
        ]

    def _behind(self, broker: Address, given: str | None) -> list[Route]:
        # An older broker knows a node only.
        contact = self._agent.node if given == self._agent.node else self._contact
        own = {route.stages[0] for route in self._agent.vantage().returns}
        found = []
        for route in [one for one in broker if _leads_on(one, own, contact)][:MAX_DOORS]:
            try:
                found.append(route.then(Stage.ccb(contact)))
            except AddressError as error:  # it, or our contact, is as long as it may be
                log.debug("a route of a broker is left out: %s", error)
        return found

    def status(self) -> dict[str, Any]:
        """By broker, the state of the registration there."""
        return {one.pop("broker"): one for one in self._target.status()["brokers"]}

    def check(self) -> None:
        """Look at once whether the brokers are there."""
        self._target.check()

    @property
    def counts(self) -> dict[str, int]:
        """What was done for brokers so far."""
        counts: dict[str, int] = self._target.status()["counts"]
        return counts

    async def close(self) -> None:
        await self._target.close()

    async def _wanted(self, lookups: Lookups) -> list[Answer]:
        named = self._agent.settings.brokers
        if named:
            return await self._named(lookups, named)
        listed = [
            one
            for one in await lookups.all(f"broker.*.{self._agent.domain}")
            # A broker on this very host is met at the same doors as the host itself.
            if Name.parse(one.record.name, self._agent.domain).node != self._agent.node
        ]
        listed.sort(key=lambda one: _weight(self._agent.node, one.record.name))
        return listed[: self._agent.settings.broker_count]

    async def _named(self, lookups: Lookups, names: Sequence[str]) -> list[Answer]:
        """Those of the settings: one that is not to be found does not keep us from the others."""
        found, problem = [], None
        for name in names:
            try:
                found.append(await lookups.lookup(str(Name.parse(name, self._agent.domain))))
            except GlasnostError as error:
                log.warning("broker %s: %s", name, error)
                problem = error
        if problem is not None and not found:
            raise problem
        return found

    async def _open(self, broker: str, on_message: OnMessage, on_close: OnClose) -> Channel:
        address = self._addresses.get(broker)
        if address is None:
            raise Unavailable(f"{broker} is not listed any more")
        opened = await self._agent.dialling.control(broker, address, _CODEC, on_message, on_close)
        self._paths[broker] = opened.path
        return opened.result

    async def _open_leg(self, broker: str, token: bytes) -> socket.socket:
        """By the path of the registration: a token that were tried on two would be used up by the
        one that loses."""
        path = self._paths.get(broker)
        if path is None:
            raise Unavailable(f"there is no path to {broker}")
        return await walk(path, self._agent.dialling.means(), relay=token)


def _leads_on(route: Route, own: Container[Stage], contact: str) -> bool:
    """Whether a route to a broker is one for others. Two brokers whose hosts are registered with
    each other lead through each other: who could walk through us need not walk on."""
    through_us = route.stages[0] in own or Stage.ccb(contact) in route.stages
    return not route.network.startswith("host.") and not through_us


def _weight(node: str, broker: str) -> bytes:
    """Rendezvous hashing: each node prefers other brokers, and keeps its own when one goes."""
    return hashlib.sha256(f"{node}\0{broker}".encode()).digest()
