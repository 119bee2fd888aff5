"""Runs a daemon: its loop, its signals, its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from glasnost.core.text import printable

Daemon = Callable[[], AbstractAsyncContextManager[object]]


def run(daemon: Daemon, verbose: bool = False) -> None:
    """Run until SIGINT, SIGTERM or a terminal that is closed, then leave the context: everything
    is closed in order."""
    handler = logging.StreamHandler()
    if sys.stderr.isatty() and not verbose:  # somebody looks on, who knows which day it is
        handler.setFormatter(_Printable("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(_Printable("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    _allow_descriptors()
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_until_told(daemon))


class _Printable(logging.Formatter):
    """Escapes what a terminal would obey: much of what is logged was said by peers."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _allow_descriptors() -> None:
    """Take as many descriptors as the system lets us have: each connection is one or two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS says "unlimited" and means less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where it is installed; else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _until_told(daemon: Daemon) -> None:
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
