"""Keeps one service registered at the host's agent, with a certificate that is always fresh."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from glasnost.core.wire.messages import Offer
from glasnost.errors import GlasnostError
from glasnost.net.exact import refuse
from glasnost.net.port import Incoming
from glasnost.net.sentences import sentence
from glasnost.roles.agent_client import AgentClient
from glasnost.roles.local import LocalAgent, Offering, Take
from glasnost.trust.certificates import make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key

log = logging.getLogger("glasnost.server")

#: After an agent has gone it is looked for again, after so many seconds at first and at most.
RECONNECT = (0.2, 5.0)
#: A certificate is looked after at least so often, seconds, since clocks are set.
LOOK_EVERY = 60.0
#: Connections that may wait for a service that is starting: it takes some milliseconds.
MAX_EARLY = 256


class Registration:
    """One service at an agent; ``reopen`` finds the agent again after it was lost.

    After `start`, ``credentials`` are there (with ``certified``), and renew in place; connections
    wait until `give` says who owns them.
    """

    def __init__(
        self,
        offer: Offer,
        reopen: Callable[[], Awaitable[LocalAgent]],
        *,
        certified: bool = True,
    ) -> None:
        self.credentials: Credentials | None = None
        self.full = ""
        self._offer, self._reopen = offer, reopen
        self._take: Take | None = None
        self._certified = certified and offer.protection != "plain"
        self._offering: Offering | None = None
        self._local: LocalAgent | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._early: list[Incoming] = []

    def __repr__(self) -> str:
        return f"<Registration {self.full or self._offer.name}>"

    async def start(self, local: LocalAgent) -> None:
        """Register. Raises `Refused` where another service has the name."""
        await self._register(local)
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    def give(self, take: Take) -> None:
        """From here on ``take`` owns every connection, those that came early first."""
        self._take = take
        early, self._early = self._early, []
        for incoming in early:
            take(incoming)

    async def close(self) -> None:
        """Withdraw the name."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._withdraw()

    def _withdraw(self) -> None:
        offering, self._offering = self._offering, None
        if offering is not None:
            offering.withdraw()
        early, self._early = self._early, []
        for incoming in early:
            turn_away(self._offer, incoming, "gone", f"service {self.full} has not started")

    async def _register(self, local: LocalAgent) -> None:
        self._offering = await local.offer(self._offer, self._arrived)
        self._local = local
        self.full = self._offering.full
        try:
            if self._certified:
                await self._certify()
        except BaseException:
            self._withdraw()
            raise

    def _arrived(self, incoming: Incoming) -> None:
        if self._take is not None:
            self._take(incoming)
        elif len(self._early) < MAX_EARLY:
            self._early.append(incoming)
        else:
            turn_away(self._offer, incoming, "busy", f"service {self.full} is just starting")

    async def _certify(self) -> None:
        assert self._local is not None
        key = new_key()
        chain = await self._local.certify("service", self._offer.name, make_csr(key))
        if self.credentials is None:
            self.credentials = Credentials(self._local.root, self._local.domain, key, chain)
        else:
            self.credentials.replace(key, chain)

    async def _keep(self) -> None:
        """Renew the certificate at half-life, and come back when the agent does."""
        while True:
            lost = self._local.lost if isinstance(self._local, AgentClient) else None
            await _either(lost, self._until_look())
            try:
                if lost is not None and lost.cancelled():
                    return  # it was not lost: this program has let go of it
                if lost is not None and lost.done():
                    await self._return()
                elif self.credentials is not None and self.credentials.is_due(time.time()):
                    await self._certify()
            except (GlasnostError, OSError) as error:
                log.warning("%s: %s", self._offer.name, sentence(error))
                await asyncio.sleep(RECONNECT[1])

    def _until_look(self) -> float:
        if self.credentials is None:
            return LOOK_EVERY
        now = time.time()
        return min(max(self.credentials.renew_at(now) - now, 0.1), LOOK_EVERY)

    async def _return(self) -> None:
        """Look for the agent until it is there again, and has our name free."""
        wait, told = RECONNECT[0], ""
        log.info("%s: the agent has gone; looking for it", self._offer.name)
        while True:
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(wait * 2, RECONNECT[1])
            try:
                await self._register(await self._reopen())
            except (GlasnostError, OSError) as error:
                if told != (told := sentence(error)):  # each reason once
                    log.warning("%s: %s", self._offer.name, told)
            else:
                log.info("%s: registered again", self._offer.name)
                return


def turn_away(offer: Offer, incoming: Incoming, code: str, why: str) -> None:
    """Refuse a caller; one of a plain service was accepted by the port already, and what would
    follow now were bytes of the service's own."""
    if offer.protection == "plain":
        incoming.sock.close()
    else:
        refuse(incoming.sock, code, why, incoming.peer)


async def _either(lost: asyncio.Future[None] | None, seconds: float) -> None:
    """Wait for whichever comes first."""
    if lost is None:
        await asyncio.sleep(seconds)
    else:
        await asyncio.wait([lost], timeout=seconds)
