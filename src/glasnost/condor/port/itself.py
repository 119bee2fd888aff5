"""What HTCondor's programs ask the shared port itself (its id is ``self``): whether it is there,
and what they may do. Only who may read may anything, and that is everybody."""

from __future__ import annotations

import os
import time

from glasnost.condor.commands import Level
from glasnost.condor.security.methods.base import Doorkeeper
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.server.command import nops
from glasnost.condor.server.endpoint import Endpoint
from glasnost.condor.server.settings import Server

#: Its id.
SELF = "self"


def own_endpoint() -> Endpoint:
    """Answers pings; nobody is asked to log in, and everybody is encrypted."""
    server = Server(
        commands=nops(),
        authorize=lambda level, who, where: level is Level.READ,
        policy=lambda level: Policy(methods=()),
        me=lambda: Myself(subsystem="SHARED_PORT", pid=os.getpid()),
        keeper=Doorkeeper(),
        clock=time.monotonic,
    )
    return Endpoint(server, SELF)
