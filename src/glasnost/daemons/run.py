"""Runs a daemon: its loop, its signals, its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from glasnost.daemons import logs
from glasnost.net.heartbeat import Heartbeat
from glasnost.net.loops import fast_loop
from glasnost.net.sockets import address_text
from glasnost.net.systemd import Notifier
from glasnost.settings import Settings

if TYPE_CHECKING:
    from glasnost.daemons.host import Roles

log = logging.getLogger("glasnost.host")

Daemon = Callable[[], AbstractAsyncContextManager["Roles"]]


def run(
    daemon: Daemon,
    settings: Settings,
    verbose: bool = False,
    metrics: tuple[str, int] | None = None,
) -> None:
    """Run until SIGINT, SIGTERM or a terminal that is closed, then leave the context: everything
    is closed in order. ``metrics``: where the roles that it consists of can be measured."""
    lines = logs.set_up(settings.log, "debug" if verbose else settings.log_level)
    _allow_descriptors()
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
) -> AsyncIterator[None]:
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
        yield
        systemd.tell(STOPPING=1, STATUS="ending: what was begun is finished")


async def _until_told(daemon: Callable[[], AbstractAsyncContextManager[None]]) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    whole = asyncio.current_task()
    assert whole is not None
    up = False

    def tell() -> None:
        told.set()
        if not up:
            whole.cancel()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, tell)
    try:
        async with daemon():
            up = True
            await told.wait()
            # A second signal while closing ends it at once.
            for number in numbers:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)
    except asyncio.CancelledError:
        if not told.is_set():
            raise
        raise KeyboardInterrupt from None  # told while it was starting
