"""``ccb:CONTACT``: ask the broker at the other end to bring us together with a target.

Dial-back: the target connects to one of our return routes and calls the reply name we registered.
Relay: both sides open a fresh connection to the broker, each with a one-time token. Either way,
the stream that comes out leads to the target's shared port.
"""

from __future__ import annotations

import asyncio
import functools
import socket

from glasnost.core.routes.traits import Traits
from glasnost.core.wire.messages import BROKER, Codec, Message, Relay, Request
from glasnost.errors import GlasnostError, ProtocolError, Unavailable
from glasnost.net.channel import Channel, open_channel
from glasnost.stages.base import Expectation, Kind, Step
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
    """Wait for the dial-back; the broker's word, if it is a refusal, says that it will not come."""
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
    asking.add_done_callback(functools.partial(_answered, expectation))
    try:
        async with asyncio.timeout(timeout):
            return await expectation.arrival()
    except TimeoutError:
        raise TimeoutError(f"the target did not dial back within {timeout:g} s") from None
    finally:
        # Nothing here may await: what has arrived is on its way to the caller.
        expectation.cancel()
        asking.cancel()


def _answered(expectation: Expectation, asking: asyncio.Future[Message]) -> None:
    """ "Done" only means that the connection is near, and time is measured elsewhere."""
    if not asking.cancelled() and isinstance(error := asking.exception(), GlasnostError):
        expectation.fail(error)


CCB = Kind(
    Traits(
        role="reversing",
        options=frozenset({"reach"}),
        ways=frozenset({"dial-back", "relay"}),
    ),
    cross,
    deed="",
)
