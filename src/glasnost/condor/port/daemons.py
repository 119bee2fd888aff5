"""HTCondor's own daemons on this host: each listens at a unix socket that is named by its id."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Final

from glasnost.condor.port.connect import Connect
from glasnost.net.handover import PATIENCE, Handovers
from glasnost.net.sockets import ABSTRACT, MAX_UNIX_PATH

#: What stands before the descriptor: one frame with the command SHARED_PORT_PASS_SOCK.
PASS_SOCK: Final = bytes.fromhex("0100000008000000000000004c")
#: Where HTCondor's master tells its children the name of their abstract sockets.
COOKIE: Final = "CONDOR_PRIVATE_SHARED_PORT_COOKIE"
_COOKIE: Final = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)


class Daemons:
    """Those whose sockets lie in ``directory`` (None: there is none), or are abstract ones that
    begin with ``cookie``. Whoever owns the directory is trusted as we are ourselves."""

    def __init__(self, directory: Path | None, cookie: str = "") -> None:
        self._directory = directory
        self._cookie = cookie if _COOKIE.fullmatch(cookie) else ""
        self._handovers = Handovers(_owners(directory))

    def __repr__(self) -> str:
        return f"<Daemons in {self._directory}, {len(self._handovers)} under way>"

    @property
    def counts(self) -> dict[str, int]:
        """What came of hand-overs so far, and how many are under way."""
        return {**self._handovers.counts, "pending": len(self._handovers)}

    def take(self, sock: socket.socket, connect: Connect) -> bool:
        """Hand the connection to the daemon it calls; False where there can be none. Who calls
        itself goes round in circles."""
        places = self._places(connect.id)
        if not places or _calls_itself(connect):
            return False
        patience = connect.deadline if connect.deadline >= 0 else PATIENCE
        self._handovers.give(sock, places, PASS_SOCK, patience)
        return True

    def close(self) -> None:
        """Give up what is under way."""
        self._handovers.close()

    def _places(self, id: str) -> list[str]:
        places = []
        if self._cookie:
            places.append(f"{ABSTRACT}{self._cookie}/{id}")
        if self._directory is not None and id not in (os.curdir, os.pardir):
            places.append(str(self._directory / id))
        return [place for place in places if len(os.fsencode(place)) <= MAX_UNIX_PATH]


def _owners(directory: Path | None) -> frozenset[int]:
    owners = {0, os.getuid()}
    if directory is not None and directory.exists():
        owners.add(directory.stat().st_uid)
    return frozenset(owners)


def _calls_itself(connect: Connect) -> bool:
    """Whether the client's name shows it: "SCHEDD <203.0.113.9:9618?sock=schedd_381_0d4b>"."""
    return bool(re.search(rf"[?&]sock={re.escape(connect.id)}[&>]", connect.client))
