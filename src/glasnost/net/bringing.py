"""Brings one setup up and takes it down: its commands, how it is seen to be up, and what a crash
has left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
import psutil

from glasnost.errors import GlasnostError, Unavailable
from glasnost.net.commands import begin, end, ended, run, whole_end
from glasnost.net.interfaces import read_host
from glasnost.net.said import Said
from glasnost.net.sentences import sentence
from glasnost.net.sockets import connect_tcp
from glasnost.setups import SetupSetting

log = logging.getLogger("glasnost.setup")

#: Seconds that taking it down may take.
STOP_TIMEOUT: Final = 10.0
#: How often it is looked whether it is up yet, and the longest that one look may take, seconds.
LOOK_EVERY: Final = 0.1
LOOK: Final = 2.0


class Begun(msgspec.Struct, frozen=True):
    """What stands in a file from before something is brought up until it is down: how to take it
    down, and what runs or was started for it, by number and birth."""

    stop: tuple[str, ...] = ()
    pid: int = 0
    born: float = 0.0


class Bringing:
    """``mark`` is the file that says that something was begun; ``said`` is whom commands tell.
    ``broke`` is told when what runs has ended by itself."""

    def __init__(
        self,
        setting: SetupSetting,
        mark: Path,
        said: Said,
        broke: Callable[[str], None],
    ) -> None:
        self._setting = setting
        self._mark = mark
        self._said = said
        self._broke = broke
        self._process: Process | None = None
        self._watching: asyncio.Task[None] | None = None

    def sources(self) -> list[str]:
        """The addresses of its interface: what is connected from there goes over it."""
        name = self._setting.interface
        return [one.address for one in read_host().addresses if one.interface == name]

    async def start(self) -> None:
        """Bring it up. Raises `Unavailable` with the reason; then `stop` has to be called."""
        await self._heal()
        setting = self._setting
        if setting.seen:
            with contextlib.suppress(GlasnostError, OSError):
                await self._see()
                log.info("it is up already, and not ours to take down")
                return
        until = asyncio.get_running_loop().time() + setting.timeout
        self._note(Begun(setting.stop))
        start = self._said.size()
        if setting.start:
            await run(setting.start, self._said, setting.timeout, self._note_process)
        else:
            self._process = await begin(setting.run, self._said)
            self._note_process(self._process)
        await self._until_seen(until, start)
        if self._process is not None:
            self._watching = asyncio.create_task(self._watch(self._process, start))
        log.info("it is up")

    async def stop(self) -> None:
        """Take down what `start` has begun; what cannot be taken down is logged, and tried again
        before the next start."""
        if self._watching is not None:
            self._watching.cancel()
        if self._process is not None:
            await end(self._process)
            self._process = None
        if self._mark.exists():
            await self._clean_up(self._setting.stop)

    # --- up -------------------------------------------------------------------------------------

    async def _until_seen(self, until: float, start: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await self._see()
            except (GlasnostError, OSError) as error:
                why = sentence(error)
            if self._process is not None and self._process.returncode is not None:
                raise Unavailable(
                    ended(self._setting.run[0], self._process.returncode, self._said, start)
                )
            if loop.time() >= until:
                said = self._said.last_line(start)
                why += f" (said last: {said})" if said else ""
                raise Unavailable(f"it is not up within {self._setting.timeout:g} s: {why}")
            await asyncio.sleep(LOOK_EVERY)

    async def _see(self) -> None:
        """Whether it is up; an error says why not."""
        setting = self._setting
        if setting.interface and not self.sources():
            raise Unavailable(f"there is no interface {setting.interface} with an address")
        if setting.reaches:
            await _within(_reach(*setting.place()), f"{setting.reaches} does not answer")
        if setting.check:
            with Said() as said:  # not what the program itself says
                await run(setting.check, said, LOOK)

    async def _watch(self, process: Process, start: int) -> None:
        status = await whole_end(process)
        self._broke(ended(self._setting.run[0], status, self._said, start))

    # --- down -----------------------------------------------------------------------------------

    async def _heal(self) -> None:
        """Take down what somebody before us has begun, who was killed or could not."""
        if not self._mark.exists():
            return
        log.warning("it was left behind, and is taken down first")
        try:
            begun = msgspec.json.decode(self._mark.read_bytes(), type=Begun)
        except ValueError:  # killed while writing: nothing had been begun yet
            begun = Begun(self._setting.stop)
        if begun.pid and _born(begun.pid) == begun.born:
            await _end_left(begun.pid)
        await self._clean_up(begun.stop)

    async def _clean_up(self, stop: tuple[str, ...]) -> None:
        try:
            if stop:
                await run(stop, self._said, STOP_TIMEOUT)
            if self._setting.interface:
                await _within(self._gone(), f"it leaves {self._setting.interface} behind")
        except (GlasnostError, OSError) as error:
            log.warning("it is not taken down: %s", sentence(error))
        else:
            log.info("it is down")
            self._mark.unlink(missing_ok=True)

    async def _gone(self) -> None:
        # The kernel tells of it only by a socket, and this happens once.
        while self._setting.interface in psutil.net_if_addrs():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY)

    def _note_process(self, process: Process) -> None:
        self._note(Begun(self._setting.stop, process.pid, _born(process.pid)))

    def _note(self, begun: Begun) -> None:
        written = self._mark.with_suffix(".new")
        written.write_bytes(msgspec.json.encode(begun))
        written.replace(self._mark)


async def _reach(host: str, port: int) -> None:
    (await connect_tcp(host, port)).close()


async def _within(work: Awaitable[None], otherwise: str) -> None:
    try:
        async with asyncio.timeout(LOOK):
            await work
    except TimeoutError:
        raise Unavailable(otherwise) from None


def _born(pid: int) -> float:
    """When a process began, by which it is told from a later one of its number; 0: it is gone."""
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return 0.0


async def _end_left(pid: int) -> None:
    """End a program that is not our child, and its group."""
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 1.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
        until = time.monotonic() + patience
        # Only its parent is told of its end, and that is not us.
        while _born(pid) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY)
