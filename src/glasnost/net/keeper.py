"""Keeps one setup up while it has users, of all processes of this host: a process of its own.

Who needs the setup connects to ``setups/NAME.sock`` in the run directory, and is answered ``up``,
or ``no`` and a sentence. As long as it stays connected it is a user; before it goes, it may say
which socket was connected meanwhile, by inode number: that one is a user until no process has it
open any more. So the kernel counts, whoever is killed.

``NAME.lock`` lets one keeper live at a time, ``NAME.mark`` says that something was begun,
``NAME.log`` is what the keeper has said and ``NAME.said`` what its commands have.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from glasnost.core.protocols import setup as s
from glasnost.errors import GlasnostError
from glasnost.net.bringing import Bringing
from glasnost.net.held import open_sockets
from glasnost.net.said import Said
from glasnost.net.sentences import sentence
from glasnost.net.setups import ANOTHER
from glasnost.net.sockets import listen_unix, private_directory
from glasnost.setups import SetupSetting

log = logging.getLogger("glasnost.setup")

#: Bytes of a keeper's log that the next one goes on with: some thousand uses.
MAX_LOG = 1_000_000


class Keeper:
    """Carries out what `core.protocols.setup` decides."""

    def __init__(
        self, setting: SetupSetting, mark: Path, said: Said, listener: socket.socket
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._core = s.Setup(setting.grace, self._loop.time())
        self._bringing = Bringing(setting, mark, said, lambda why: self._tell(s.Broke(why)))
        self._listener = listener
        self._users: dict[int, socket.socket] = {}
        self._numbers = iter(range(1, sys.maxsize))
        self._held: set[int] = set()
        self._work: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()

    async def serve(self) -> None:
        """Until it is down, and nobody wants it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._loop.add_signal_handler(number, self._tell, s.Quit())
        self._loop.add_reader(self._listener.fileno(), self._accept)
        self._run([])
        await self._over.wait()

    # --- users ----------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            log.warning("cannot accept a user: %s", sentence(error))
            return
        sock.setblocking(False)
        user = next(self._numbers)
        self._users[user] = sock
        self._loop.add_reader(sock.fileno(), self._hear, user)
        self._tell(s.Came(user))

    def _hear(self, user: int) -> None:
        try:
            said = self._users[user].recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said.isdigit():
            self._held.add(int(said))
        else:
            self._drop(user)
            self._tell(s.Left(user))

    def _drop(self, user: int) -> None:
        sock = self._users.pop(user)
        self._loop.remove_reader(sock.fileno())
        sock.close()

    def _say(self, user: int, why: str) -> None:
        with contextlib.suppress(OSError):  # it has gone, which we shall hear
            self._users[user].send(f"no {why}".encode() if why else b"up")
        if why:
            log.warning("it cannot be used: %s", why)
            self._drop(user)

    # --- effects --------------------------------------------------------------------------------

    def _tell(self, event: s.Event) -> None:
        self._run(self._core.handle(event, self._loop.time()))

    def _run(self, effects: list[s.Effect]) -> None:
        for effect in effects:
            self._carry_out(effect)
        if self._timer is not None:
            self._timer.cancel()
        at = self._core.deadline()
        self._timer = None if at is None else self._loop.call_at(at, self._tick, at)

    def _tick(self, at: float) -> None:
        self._run(self._core.tick(max(at, self._loop.time())))

    def _carry_out(self, effect: s.Effect) -> None:
        match effect:
            case s.Start():
                self._work = asyncio.create_task(self._start())
            case s.Stop():
                self._work = asyncio.create_task(self._stop(self._work))
            case s.Say(user, why):
                self._say(user, why)
            case s.Look():
                self._held = open_sockets(self._held, self._bringing.sources())
                # Not in this step: the timer is set when its effects are carried out.
                self._loop.call_soon(self._tell, s.Looked(bool(self._held)))
            case s.End():
                # Nobody comes any more in this very turn of the loop.
                self._loop.remove_reader(self._listener.fileno())
                self._over.set()

    async def _start(self) -> None:
        try:
            await self._bringing.start()
        except (GlasnostError, OSError) as error:
            self._tell(s.Broke(sentence(error)))
        except Exception as error:
            log.exception("a bug of ours")
            self._tell(s.Broke(f"its keeper failed: {sentence(error)}"))
        else:
            self._tell(s.Ready())

    async def _stop(self, starting: asyncio.Task[None] | None) -> None:
        if starting is not None:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        try:
            await self._bringing.stop()
        except Exception:  # what is left behind is marked, and there must be an end
            log.exception("it is not taken down")
        self._tell(s.Down())


def main(folder: Path, name: str) -> int:
    """Be the keeper of this setup, whose setting is read from stdin; this process ends when one
    listens, and another goes on."""
    folder = folder.resolve()
    private_directory(folder)
    lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ANOTHER
    setting = msgspec.json.decode(sys.stdin.buffer.read(), type=SetupSetting)
    listener = listen_unix(folder / f"{name}.sock", socket.SOCK_SEQPACKET)
    said = FileIO(folder / f"{name}.said", "w")
    if os.fork():
        return 0
    os.setsid()
    os.chdir("/")
    log_file = folder / f"{name}.log"
    longer = log_file.exists() and log_file.stat().st_size > MAX_LOG
    with open(os.devnull, "r+b") as nothing, log_file.open("wb" if longer else "ab") as told:
        for number, end in ((0, nothing), (1, told), (2, told)):
            os.dup2(end.fileno(), number)
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", level="INFO")
    _keep(_serve(setting, folder, name, said, listener))
    return 0


async def _serve(
    setting: SetupSetting, folder: Path, name: str, file: FileIO, listener: socket.socket
) -> None:
    try:
        with Said(file) as said:
            await Keeper(setting, folder / f"{name}.mark", said, listener).serve()
    finally:
        # Who is connected and not accepted yet hears the end, and asks the next keeper.
        (folder / f"{name}.sock").unlink(missing_ok=True)
        listener.close()


def _keep(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except Exception:
        log.exception("the keeper died")
        os._exit(1)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
    except (GlasnostError, OSError) as error:
        sys.exit(sentence(error))
