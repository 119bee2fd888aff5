"""The services of one host: who is registered under which name, and who is called."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from glasnost.core.protocols.record_rules import MAX_LABEL, MAX_LABELS
from glasnost.core.wire.messages import PROTECTIONS, RELAYS, Offer, may_be_relayed
from glasnost.errors import Refused
from glasnost.net.exact import accept_now, refuse
from glasnost.net.port import Incoming
from glasnost.roles.agent.names import Names
from glasnost.roles.local import Take

log = logging.getLogger("glasnost.agent")

#: Callers that wait for services to return, after a restart: as many as a listener's backlog.
MAX_HELD = 1024


@dataclass
class Service:
    """One registered service. ``ready`` says whether its process takes connections; ``deliver``
    owns the socket of an `Incoming` when it returns True."""

    offer: Offer
    ready: Callable[[], bool]
    deliver: Callable[[Incoming], bool]
    calls: int = 0


class Services:
    """The registry, and the dispatch of the shared port. ``changed`` is told of changes."""

    def __init__(self, node: str, changed: Callable[[], None]) -> None:
        self._node = node
        #: Those of the services, and of what else is published here.
        self.names = Names(node)
        self.changed = changed
        self._services: dict[str, Service] = {}
        self.handed_over = 0
        self._held: dict[str, list[Incoming]] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    def __len__(self) -> int:
        return len(self._services)

    def add(self, service: Service) -> None:
        """Register. Raises `Refused`: ``taken``, ``bad-name``, ``bad-offer``, ``quota``."""
        offer = service.offer
        if offer.protection not in PROTECTIONS or offer.relay not in RELAYS:
            given = f"{offer.protection[:20]!r}, {offer.relay[:20]!r}"
            raise Refused("bad-offer", f"no such protection or relay: {given}")
        # What no directory would take must not keep the host's other records from being taken.
        texts = (*offer.labels, *offer.labels.values())
        if len(offer.labels) > MAX_LABELS or any(len(text) > MAX_LABEL for text in texts):
            limits = f"{MAX_LABELS} labels, of {MAX_LABEL} characters each"
            raise Refused("bad-offer", f"a service has at most {limits}")
        self.names.take(offer.name)
        self._services[offer.name] = service
        log.info("service %s registered (%s)", offer.name, offer.protection)
        self.changed()
        if self._held is not None and offer.name in self._held:
            # Soon, for its process is first to hear that it has the name.
            asyncio.get_running_loop().call_soon(self._give, self._held.pop(offer.name))

    def offer(self, offer: Offer, take: Take, full: str) -> OwnOffering:
        """Register a service of the agent's own process, called ``full`` in full."""

        def deliver(incoming: Incoming) -> bool:
            take(incoming)
            return True

        service = Service(offer, lambda: True, deliver)
        self.add(service)
        return OwnOffering(full, self, service)

    def remove(self, service: Service) -> None:
        """Withdraw, if it is this one that holds the name."""
        if self._services.get(service.offer.name) is service:
            del self._services[service.offer.name]
            self.names.free(service.offer.name)
            log.info("service %s withdrawn", service.offer.name)
            self.changed()

    def hold(self, seconds: float) -> None:
        """For so long, have callers of names that nobody has wait for their services."""
        self._held = {}
        self._timer = asyncio.get_running_loop().call_later(seconds, self.close)

    def close(self) -> None:
        """Nobody waits any more."""
        held, self._held = self._held, None
        if self._timer is not None:
            self._timer.cancel()
        for waiting in (held or {}).values():
            self._give(waiting)

    def _give(self, waiting: Iterable[Incoming]) -> None:
        for incoming in waiting:
            self.call(incoming)

    def _holds(self, incoming: Incoming) -> bool:
        if self._held is None or sum(map(len, self._held.values())) >= MAX_HELD:
            return False
        self._held.setdefault(incoming.call.to, []).append(incoming)
        return True

    def call(self, incoming: Incoming) -> None:
        """Hand a connection to the service it calls, or say why not."""
        name = incoming.call.to
        service = self._services.get(name)
        if service is None and self._holds(incoming):
            return
        if service is None:
            known = f"no service {name[:63]!r} is registered on {self._node}"
            refuse(incoming.sock, "no-service", known, incoming.peer)
        elif incoming.relayed and not may_be_relayed(service.offer.protection, service.offer.relay):
            refuse(
                incoming.sock, "no-relay", f"service {name!r} is not to be relayed", incoming.peer
            )
        elif not service.ready():
            refuse(
                incoming.sock,
                "busy",
                f"service {name!r} does not take its connections",
                incoming.peer,
            )
        elif service.offer.protection == "plain":
            self.handed_over += _accept(service, incoming)
        elif service.deliver(incoming):
            service.calls += 1
            self.handed_over += 1
        else:
            refuse(incoming.sock, "gone", f"service {name!r} has just gone", incoming.peer)

    def give_bare(self, incoming: Incoming) -> bool:
        """Hand a connection that expects no word of ours to the plain service it calls; False
        where there is none that takes it, and the socket is still the caller's."""
        service = self._services.get(incoming.call.to)
        if service is None or service.offer.protection != "plain" or not service.ready():
            return False
        offer = service.offer
        if incoming.relayed and not may_be_relayed(offer.protection, offer.relay):
            return False
        if not service.deliver(incoming):
            return False
        service.calls += 1
        self.handed_over += 1
        return True


@dataclass
class OwnOffering:
    """A service of the agent's own process, as `LocalAgent.offer` gives it."""

    full: str
    _services: Services
    _service: Service

    def withdraw(self) -> None:
        self._services.remove(self._service)


def _accept(service: Service, incoming: Incoming) -> bool:
    """Tell a plain service's caller that it was accepted, and hand it over. From then on every
    byte is the service's own: if it has gone meanwhile, the connection ends without a word."""
    if accept_now(incoming.sock) and service.deliver(incoming):
        service.calls += 1
        return True
    incoming.sock.close()
    return False
