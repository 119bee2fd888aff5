"""Callers who speak another protocol, and so expect no word of ours: no accept, and no refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glasnost.net.foreign import Foreign
from glasnost.net.port import Incoming
from glasnost.roles.agent.replies import Replies
from glasnost.roles.agent.services import Services


@dataclass(frozen=True)
class Bare:
    """Whom they may call on this host."""

    services: Services
    replies: Replies

    def give(self, incoming: Incoming) -> bool:
        """Hand a connection over: to a plain service, or to who expects this dial-back. False
        where nobody takes it; its socket is the caller's then."""
        if incoming.call.reply:
            return self.replies.arrive_bare(incoming)
        return self.services.give_bare(incoming)


#: Makes what knows another protocol at the port of an agent, given whom its callers may call.
Other = Callable[[Bare], Foreign]
