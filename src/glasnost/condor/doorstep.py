"""A port of one program's own, at which HTCondor's daemons find it when they dial back.

A host's port serves for that where an agent runs and serves HTCondor; this is for all others. It
is a shared port that knows reply names and nobody else.
"""

from __future__ import annotations

from itertools import islice

import msgspec

from glasnost.condor.port.daemons import Daemons
from glasnost.condor.port.door import Door
from glasnost.condor.port.own import own_addresses
from glasnost.core.address import PUBLIC, Route, Stage
from glasnost.core.routes.limits import MAX_RETURNS
from glasnost.net.interfaces import HostFacts
from glasnost.net.port import Incoming, SharedPort
from glasnost.roles.agent.listening import Listening
from glasnost.roles.agent.replies import LocalExpectation, Replies
from glasnost.settings import FOUND, Settings


class Doorstep:
    """Open from the beginning; `close` it. Raises `SettingsError` where it cannot listen."""

    def __init__(self, settings: Settings) -> None:
        # What is advertised leads to the host's port, and this is another.
        self._settings = msgspec.structs.replace(settings, advertise=(FOUND,))
        self._replies = Replies()
        foreign = Door(self, Daemons(None), {}, default="")
        self._port = SharedPort(self._replies.arrive, foreign=foreign)
        self._listening = Listening(settings, 0, None, self._port, lambda sock: False, None)
        try:
            self._listening.open()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Doorstep at port {self._listening.number}, {len(self._replies)} expected>"

    def returns(self, facts: HostFacts) -> tuple[Route, ...]:
        """Where it is met, as HTCondor's own programs would say of themselves."""
        number = self._listening.number
        found = () if number is None else own_addresses(facts, self._settings, number)
        routes = (Route(PUBLIC, (Stage.ip(one.ip, one.port),)) for one in found)
        return tuple(islice(routes, MAX_RETURNS))

    async def expect(self, timeout: float) -> LocalExpectation:
        """A reply name for one dial-back."""
        return LocalExpectation(self._replies, timeout)

    def give(self, incoming: Incoming) -> bool:
        """Hand a dial-back to who expects it."""
        return bool(incoming.call.reply) and self._replies.arrive_bare(incoming)

    def close(self) -> None:
        self._listening.close()
        self._replies.close()
