"""The command around `connect`: its options, and the way where no agent runs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

import click

from glasnost.cli.common import run_async
from glasnost.cli.connect import copy, through_agent
from glasnost.errors import Unavailable
from glasnost.net.bridge import bridge
from glasnost.net.sockets import pair
from glasnost.node import Node

T = TypeVar("T")


@click.command()
@click.argument("name")
@click.option(
    "--fdpass", is_flag=True, help="Hand the connected socket over (ssh's ProxyUseFdpass)."
)
def connect(name: str, fdpass: bool) -> int:
    """Connect standard input and output to NAME.

    \b
      ssh -o ProxyCommand="glasnost connect ssh.HOST" me@HOST
    """
    status = through_agent(name, fdpass)
    if status is not None:
        return status
    if fdpass:
        raise Unavailable(
            "no agent runs on this host, and --fdpass needs one: "
            "start it with `glasnost up` or `glasnost agent`"
        )
    return run_async(_by_ourselves(name))


async def _by_ourselves(name: str) -> int:
    """Be the node ourselves, and copy beside the loop."""
    async with Node() as node:
        connected = await node.connect(name)
        ours, theirs = pair()
        copying = _in_a_thread(copy, theirs)
        copied = await bridge(connected.result, ours)
        problem = await copying
    if copied.error is not None or problem is not None:
        raise copied.error or problem or AssertionError("one of them is there")
    return 0


def _in_a_thread(work: Callable[[T], None], argument: T) -> asyncio.Future[Exception | None]:
    """Run ``work`` in a daemon thread, for which Ctrl-C need not wait; the error it ended with."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Exception | None] = loop.create_future()

    def finish(problem: Exception | None) -> None:
        if not done.done():
            done.set_result(problem)

    def run() -> None:
        problem = None
        try:
            work(argument)
        except Exception as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(finish, problem)

    threading.Thread(target=run, daemon=True).start()
    return done
