"""FS: the client shows which account of this host it has by making a directory.

The server names one that does not exist, the client makes it, and the kernel says whose it is. A
name that ends with an underscore asks the client to add as what it sees the server's endpoint, so
that nobody between them can have the one name what the other has asked for.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

from glasnost.condor.security.methods.base import Doorkeeper, Login, MethodFailed, Peer, Proven
from glasnost.condor.stream import CedarStream

#: No path is longer, an endpoint with an id less.
MAX_PATH: Final = 4096
_MODE: Final = 0o700
#: A name that asks for the endpoint.
_BINDS: Final = "_"


async def client(stream: CedarStream, login: Login, peer: Peer) -> Proven:
    named = await stream.receive(limit=MAX_PATH + 64)
    path = named.string()
    named.end()
    extension = _seen(peer) if path.endswith(_BINDS) else ""
    reason = _why_not(path, login, peer)
    made = False
    try:
        if not reason:
            reason = _make(path + extension)
            made = not reason
        answer = stream.writer()
        answer.integer(0 if made else -1)
        if made and extension:
            answer.string(extension)
        await stream.send(answer)
        if (await stream.receive(limit=64)).integer() != 0:
            reason = reason or "the server has not seen our directory"
    finally:
        if made:
            with contextlib.suppress(OSError):
                os.rmdir(path + extension)
    if reason:
        raise MethodFailed(reason)
    return Proven("")


def _seen(peer: Peer) -> str:
    """The server's endpoint as we see it."""
    return peer.endpoint + (f"?sock={peer.shared_port_id}" if peer.shared_port_id else "")


def _why_not(path: str, login: Login, peer: Peer) -> str:
    """What is wrong with a path that a server has named: it may be anywhere, and we shall write."""
    directory, name = os.path.split(path)
    if not peer.endpoint:
        return "the connection has no endpoint to bind a directory to"
    if not name.startswith("FS_"):
        return "the server names no directory"
    if "/" in peer.shared_port_id:
        # It becomes part of the name, and is an ad's word: it could lead to another's directory,
        # one that some other server has asked for.
        return f"no shared port id is {peer.shared_port_id!r}"
    if os.path.normpath(directory) != os.path.normpath(login.fs_directory):
        return f"the server names a directory outside {login.fs_directory}"
    plain = f"FS_{_in_name(peer.endpoint)}_"
    if login.fs_channel_binding and not name.endswith(_BINDS) and not name.startswith(plain):
        return "the server's directory is not bound to this connection"
    return ""


def _make(path: str) -> str:
    try:
        os.mkdir(path, _MODE)
        os.chmod(path, _MODE)  # whatever the umask is
    except (OSError, ValueError) as error:
        return f"no directory can be made for FS: {error}"
    return ""


async def server(stream: CedarStream, keeper: Doorkeeper, peer: Peer) -> Proven:
    name = f"FS_{_in_name(peer.endpoint)}_{stream.chance.name('fs')}{_BINDS}"
    path = os.path.join(keeper.fs_directory, name)
    named = stream.writer()
    named.string(path)
    await stream.send(named)
    answer = await stream.receive(limit=MAX_PATH + 64)
    made = answer.integer() == 0
    extension = answer.string() if answer.left else ""
    answer.end()
    try:
        if not made:
            raise MethodFailed("the client could not make the directory")
        user = _owner(path, extension, keeper, peer)
    except MethodFailed:
        await _say(stream, -1)
        raise
    await _say(stream, 0)
    return Proven(f"{user}@{keeper.uid_domain}" if keeper.uid_domain else user)


def _in_name(endpoint: str) -> str:
    """An endpoint as part of a directory's name."""
    return endpoint.translate(str.maketrans(":", "_", "[]"))


async def _say(stream: CedarStream, result: int) -> None:
    writer = stream.writer()
    writer.integer(result)
    await stream.send(writer)


def _owner(path: str, extension: str, keeper: Doorkeeper, peer: Peer) -> str:
    """Whose directory it is. Nothing but the directory that we have named counts."""
    endpoints = (peer.endpoint, *peer.public_endpoints)
    ways = ("", f"?sock={peer.shared_port_id}") if peer.shared_port_id else ("",)
    if extension not in {endpoint + way for endpoint in endpoints for way in ways}:
        raise MethodFailed("the client has come by another endpoint than ours")
    try:
        found = os.lstat(path + extension)
    except (OSError, ValueError) as error:
        raise MethodFailed(f"the client's directory is not to be seen: {error}") from None
    if not stat.S_ISDIR(found.st_mode) or stat.S_IMODE(found.st_mode) != _MODE:
        raise MethodFailed("the client has made something else than a directory of its own")
    if found.st_nlink not in (1, 2):
        raise MethodFailed("the client's directory has more in it than it may")
    return keeper.account(found.st_uid)
