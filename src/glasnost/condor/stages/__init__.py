"""HTCondor's stages: ``condor.sock``, its shared port, and ``condor.ccb``, its broker.

This is what the table of kinds holds: their traits, as values, and the way to the code that
crosses them. That is imported when one of them is first crossed, so a program that never meets
HTCondor does not pay for it. Node, daemons and commands `glasnost.stages.register` these.
"""

from __future__ import annotations

import socket
from typing import Final

from glasnost.core.routes.traits import Traits
from glasnost.stages.base import Kind, Kinds, Step


async def _cross_sock(step: Step, sock: socket.socket | None) -> socket.socket:
    from glasnost.condor.stages.sock import cross

    return await cross(step, sock)


async def _cross_ccb(step: Step, sock: socket.socket | None) -> socket.socket:
    from glasnost.condor.stages.ccb import cross

    return await cross(step, sock)


SOCK: Final = Kind(Traits(role="forward"), _cross_sock, "send connect message")
CCB: Final = Kind(
    Traits(
        role="reversing",
        options=frozenset({"reach"}),
        ways=frozenset({"dial-back", "relay"}),
    ),
    _cross_ccb,
    deed="",
)

KINDS: Final[Kinds] = {"condor.sock": SOCK, "condor.ccb": CCB}
