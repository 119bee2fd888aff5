"""``ccb:CONTACT``: ask the broker at the other end to bring us together with a target.

Dial-back: the target connects to one of our return routes and calls the reply name we registered.
Relay: both sides open a fresh connection to the broker, each with a one-time token. Either way,
the stream that comes out leads to the target's shared port.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from typing import Any

from glasnost.core.routes.traits import Traits
from glasnost.core.wire.messages import BROKER, Codec, Relay, Request
from glasnost.errors import ProtocolError, Unavailable
from glasnost.net.channel import Channel, open_channel
from glasnost.stages.base import Kind, Step
from glasnost.stages.shared import SharedChannels

_CODEC = Codec(BROKER)


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Be brought together with the target in the way that this path has chosen."""
    assert sock is None, "a reversing stage finds its own way to its broker"
    shared = step.means.shared or SharedChannels()
    try:
        if shared.has(step.prefix):
            step.doing("share connection to broker")
        broker = await shared.get(step.prefix, functools.partial(_open, step))
        if step.crossing.way == "relay":
            return await _relay(step, broker)
        return await _dial_back(step, broker)
    finally:
        if step.means.shared is None:
            shared.close()


async def _open(step: Step) -> Channel:
    """A control channel to the broker that this stage is about."""
    credentials = step.means.credentials
    if credentials is None:
        raise Unavailable("this host has joined no pool, and brokers serve members only")
    sock = await step.reopen(b"")
    step.doing("TLS with broker")
    return await open_channel(sock, credentials, "broker.*", _CODEC, timeout=step.means.timeout)


async def _relay(step: Step, broker: Channel) -> socket.socket:
    timeout = step.means.timeout
    step.doing("ask for relay")
    request = Request(contact=step.stage.args[0], way="relay", timeout=timeout)
    answer = await broker.ask(request, timeout)
    if not isinstance(answer, Relay):
        raise ProtocolError(f"the broker answers a request with {type(answer).__name__}")
    return await step.reopen(answer.token)


async def _dial_back(step: Step, broker: Channel) -> socket.socket:
    """Wait for the dial-back and for the broker's word, whichever comes first."""
    timeout = step.means.timeout
    if step.means.expect is None:
        raise Unavailable("this client has no port that a target could dial back to")
    step.doing("dial-back")
    expectation = await step.means.expect(timeout)
    returns = tuple(str(route) for route in step.crossing.returns)
    request = Request(
        contact=step.stage.args[0],
        way="dial-back",
        reply=expectation.reply,
        returns=returns,
        timeout=timeout,
    )
    asking = asyncio.ensure_future(broker.ask(request, timeout))
    coming = asyncio.ensure_future(expectation.arrival())
    try:
        await asyncio.wait({asking, coming}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            asking.result()  # a refusal ends it here; "done" means that the connection is near
            await asyncio.wait({coming}, timeout=timeout)
        if not coming.done():
            raise TimeoutError(f"the target did not dial back within {timeout:g} s")
        return coming.result()
    except BaseException:
        if _has_result(coming):
            coming.result().close()
        raise
    finally:
        # Nothing here may await: what has arrived is on its way to the caller.
        expectation.cancel()
        for task in (asking, coming):
            task.cancel()
            task.add_done_callback(_has_result)


def _has_result(task: asyncio.Future[Any]) -> bool:
    """Whether a task has ended well. Asking is enough for asyncio not to complain of an error
    that nobody took."""
    return task.done() and not task.cancelled() and task.exception() is None


CCB = Kind(
    Traits(
        role="reversing",
        options=frozenset({"reach"}),
        ways=frozenset({"dial-back", "relay"}),
    ),
    cross,
    deed="",
)
