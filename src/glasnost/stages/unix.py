"""``unix:PATH``, ``unix:@NAME``: a unix socket of this machine, followed only where our settings
allow, and to whom they trust there."""

from __future__ import annotations

import os
import pwd
import socket
from fnmatch import fnmatchcase

from glasnost.core.routes.traits import Traits
from glasnost.errors import Refused, SettingsError
from glasnost.net.sockets import ABSTRACT, connect_unix
from glasnost.settings import Settings
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Connect, if the socket lies where we look for some, and belongs to whom we trust there."""
    assert sock is None, "an origin stage opens its own socket"
    path = step.stage.args[0]
    if not path.startswith(ABSTRACT):
        path = _resolved(path)
        if os.path.dirname(path) in step.means.socket_directories:
            return await connect_unix(path, step.means.socket_owners)
    user = _user(path, step.means.settings)
    if user is None:
        raise Refused("forbidden", f"{path} lies nowhere that [sockets] of the settings allow")
    return await connect_unix(path, frozenset({_number(user)}))


def _user(path: str, settings: Settings) -> str | None:
    """Whom the settings trust at this place; None: it is no place of theirs."""
    for place, user in settings.sockets.items():
        if path.startswith(ABSTRACT):
            found = fnmatchcase(path, place)
        else:
            found = os.path.dirname(path) == os.path.realpath(place)
        if found:
            return user
    return None


def _number(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise SettingsError(f"[sockets] of the settings: there is no user {user}") from None


def _resolved(path: str) -> str:
    """The path without symbolic links, which must not lead elsewhere."""
    try:
        return os.path.realpath(path)
    except ValueError:  # a byte of zero in it
        raise Refused("forbidden", f"{path!r} can be no path") from None


UNIX = Kind(Traits(role="origin", protocol="unix"), cross, "connect")
