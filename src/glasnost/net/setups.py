"""Needs a setup: asks its keeper, which is started where there is none, and holds it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from glasnost.errors import Unavailable
from glasnost.net.fdpass import connect_packets
from glasnost.net.sentences import sentence
from glasnost.net.sockets import closed_on_error
from glasnost.setups import SetupSetting

#: The status of a keeper that is not needed, because another one lives.
ANOTHER: Final = 3
#: Seconds beyond its own time limit within which something has come up, or its keeper has said
#: why not: what was there before may have to be taken down first.
BEYOND: Final = 30.0
#: The longest sentence of a keeper.
_SENTENCE: Final = 1024
#: A keeper is there, or has gone, within this time, seconds; then it is asked again.
_AGAIN: Final = 0.02
_BEGIN: Final = 20.0


class Hold:
    """Keeps a setup up until it is given a connection that does, or let go."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def give(self, sock: socket.socket) -> None:
        """From now on it stays up as long as any process has this connection open."""
        with contextlib.suppress(OSError):  # its keeper is gone: nobody counts
            self._sock.send(str(os.fstat(sock.fileno()).st_ino).encode())
        self._sock.close()

    def release(self) -> None:
        """It is not needed any more."""
        self._sock.close()


async def bring_up(name: str, setting: SetupSetting, run: Path) -> Hold:
    """Wait until the setup is up. Raises `Unavailable` with the reason where it is not."""
    try:
        async with asyncio.timeout(setting.timeout + BEYOND):
            while True:
                sock = await _keeper(name, setting, run / "setups")
                with closed_on_error(sock):
                    answer = await _answer(sock)
                    if answer == "up":
                        return Hold(sock)
                    if answer:
                        raise Unavailable(answer.removeprefix("no "))
                sock.close()  # it was about to end: the next one is asked
    except TimeoutError:
        raise Unavailable("its keeper does not say whether it is up") from None


async def _answer(sock: socket.socket) -> str:
    try:
        answer = await asyncio.get_running_loop().sock_recv(sock, _SENTENCE)
    except ConnectionError:
        return ""
    return answer.decode("utf-8", "replace")


async def _keeper(name: str, setting: SetupSetting, folder: Path) -> socket.socket:
    """A connection to the keeper of this setup."""
    while True:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            sock = connect_packets(folder / f"{name}.sock")
            sock.setblocking(False)
            return sock
        if await asyncio.to_thread(_begin, name, setting, folder):
            continue
        await asyncio.sleep(_AGAIN)


def _begin(name: str, setting: SetupSetting, folder: Path) -> bool:
    """Start a keeper; False: another one lives, and does not listen yet or any more."""
    # -P: what lies in the directory we happen to be in is no module of ours.
    command = [sys.executable, "-P", "-m", "glasnost.net.keeper", str(folder), name]
    try:
        done = subprocess.run(
            command, input=msgspec.json.encode(setting), capture_output=True, timeout=_BEGIN
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"no keeper can be started for it: {sentence(error)}") from error
    if done.returncode not in (0, ANOTHER):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Unavailable(f"no keeper can be started for it: {said[-1] if said else 'it died'}")
    return done.returncode == 0
