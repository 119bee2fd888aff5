"""Keeps a node's certificate valid, and with it the leaf that its agent shows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from glasnost.core.wire.messages import Enrolled
from glasnost.errors import GlasnostError
from glasnost.net.sentences import sentence
from glasnost.roles.home import NodeIdentity

log = logging.getLogger("glasnost.agent")

#: How long to wait after a renewal that failed: a tenth of the time to the certificate's end (or
#: since then), within these bounds, in seconds.
RETRY: Final = (1.0, 600.0)
#: The clock is looked at this often, in seconds: one that is set must not find us asleep for days,
#: nor busy all the time.
LOOK: Final = (0.2, 60.0)


class Upkeep:
    """``fetch`` gets the next certificate from the authority, ``renewed`` is told of each."""

    def __init__(
        self,
        identity: NodeIdentity,
        fetch: Callable[[], Awaitable[Enrolled]],
        renewed: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._fetch = fetch
        self._renewed = renewed
        self._retry_at = 0.0  # by the loop's clock, which is never set
        #: Why the last renewal failed; empty: it did not, or none was due yet.
        self.problem = ""
        self.renewals = 0
        self.failures = 0

    @property
    def counts(self) -> dict[str, int]:
        """How often it was done, and how often it could not be."""
        return {"done": self.renewals, "failed": self.failures}

    async def keep(self) -> None:
        """Look after both, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._pause())

    async def look(self) -> None:
        """Do what is due: each of the two by itself, for the authority may be away for longer
        than the leaf lasts."""
        identity, loop = self._identity, asyncio.get_running_loop()
        if identity.clock() >= identity.renew_at() and loop.time() >= self._retry_at:
            try:
                identity.renewed(await self._fetch())
            except (GlasnostError, OSError) as error:
                self.problem = sentence(error)
                self.failures += 1
                log.warning("the node's certificate cannot be renewed: %s", self.problem)
                self._retry_at = loop.time() + self._wait()
            else:
                self.problem = ""
                self.renewals += 1
                log.info("the node's certificate was renewed")
                self._renewed()
        now = identity.clock()
        if now < identity.not_after and identity.credentials.is_due(now):
            identity.refresh()

    def _wait(self) -> float:
        left = abs(self._identity.not_after - self._identity.clock())
        return min(max(left / 10, RETRY[0]), RETRY[1])

    def _pause(self) -> float:
        identity = self._identity
        now, retry_in = identity.clock(), self._retry_at - asyncio.get_running_loop().time()
        until_node = max(identity.renew_at() - now, retry_in)
        until_leaf = identity.credentials.renew_at(now) - now
        if now >= identity.not_after:
            until_leaf = until_node  # nothing can be signed before that is renewed
        return min(max(min(until_node, until_leaf), LOOK[0]), LOOK[1])
