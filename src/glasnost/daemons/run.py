"""Runs a daemon: its loop, its signals, its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, cast

from glasnost.daemons import logs
from glasnost.errors import SettingsError
from glasnost.net.heartbeat import Heartbeat
from glasnost.net.loops import fast_loop
from glasnost.net.sockets import address_text
from glasnost.net.systemd import Notifier
from glasnost.settings import Settings

if TYPE_CHECKING:
    from glasnost.daemons.host import Roles
    from glasnost.roles.agent import Agent

log = logging.getLogger("glasnost.host")

Daemon = Callable[[], AbstractAsyncContextManager["Roles"]]


def run(
    daemon: Daemon,
    settings: Settings,
    verbose: bool = False,
    metrics: tuple[str, int] | None = None,
) -> None:
    """Run until SIGINT, SIGTERM or a terminal that is closed, then leave the context: everything
    is closed in order. Without a terminal, SIGHUP has an agent read its settings again, as daemons
    do. ``metrics``: where the roles that it consists of can be measured."""
    lines = logs.set_up(settings.log, "debug" if verbose else settings.log_level)
    _allow_descriptors()
    # Who starts us may have blocked those that end us, as HTCondor's master does for its children.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_until_told(lambda: _measured(daemon, lines, metrics)))
    finally:
        lines.settle(ending=True)


def _allow_descriptors() -> None:
    """Take as many descriptors as the system lets us have: each connection is one or two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS says "unlimited" and means less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@asynccontextmanager
async def _measured(
    daemon: Daemon, lines: logs.Lines, place: tuple[str, int] | None
) -> AsyncIterator[Roles]:
    systemd = Notifier()

    def beat() -> None:
        lines.settle()
        systemd.alive()

    heartbeat = Heartbeat(beat=beat)
    heartbeat.start()
    async with AsyncExitStack() as stack:
        stack.callback(systemd.close)
        stack.callback(heartbeat.stop)
        systemd.tell(STATUS="starting")
        roles = await stack.enter_async_context(daemon())
        if place is not None:
            from glasnost.daemons.exporter import Exporter  # only for who wants it: 30 ms

            server = Exporter(roles, heartbeat).server
            stack.push_async_callback(server.close)
            server.listen(*place)
            log.info("metrics at http://%s/metrics", address_text((place[0], server.port)))
        systemd.tell(READY=1, STATUS=f"serving: {', '.join(roles)}" if roles else "serving")
        yield roles
        systemd.tell(STOPPING=1, STATUS="ending: what was begun is finished")


async def _until_told(daemon: Daemon) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    whole = asyncio.current_task()
    assert whole is not None
    up = False
    agent: Agent | None = None
    has_terminal = _has_terminal()

    def tell() -> None:
        told.set()
        if not up:
            whole.cancel()

    def hang_up() -> None:
        if has_terminal or (up and agent is None):
            tell()
        elif agent is not None:
            with contextlib.suppress(SettingsError):  # the log says it
                agent.reload()

    numbers = [signal.SIGINT, signal.SIGTERM]
    for number in numbers:
        loop.add_signal_handler(number, tell)
    # Under nohup, a terminal that is closed is to be ignored.
    if not has_terminal or signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        async with daemon() as roles:
            up = True
            agent = cast("Agent | None", roles.get("agent"))
            await told.wait()
            # A second signal while closing ends it at once.
            for number in numbers:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)
    except asyncio.CancelledError:
        if not told.is_set():
            raise
        raise KeyboardInterrupt from None  # told while it was starting


def _has_terminal() -> bool:
    """Whether a terminal could be closed on us: SIGHUP says that, or else what daemons take it
    for."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
