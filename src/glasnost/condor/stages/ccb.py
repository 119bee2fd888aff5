"""``condor.ccb:ID``: ask HTCondor's broker (CCB) to bring us together with a daemon.

Dial-back: the daemon connects to one of our return routes, where a shared port finds us by the id
that is our reply name. Relay ("streaming"): the broker has the daemon connect to itself, and copies
bytes on the connection that we asked on. Either way the daemon's hello comes first, with the
connect id that only it was told; the stream that comes out begins behind it, in clear, and we are
the client on it.

A broker that is itself behind a broker is a daemon like any other, so nothing more is needed for
contacts within contacts: each is asked in its own way, over the stream that the one before gave.
"""

from __future__ import annotations

import asyncio
import functools
import hmac
import secrets
import socket
from collections.abc import Sequence
from typing import Final

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.from_address import from_address
from glasnost.condor.addresses.sinful import SOCK, Sinful
from glasnost.condor.caller import Caller, current_caller
from glasnost.condor.classad import Ad
from glasnost.condor.client import start_anew
from glasnost.condor.commands import Command
from glasnost.condor.port.door import reply_id
from glasnost.condor.stages.sock import CLIENT
from glasnost.condor.stream import CedarStream
from glasnost.core.address import Address, Route
from glasnost.core.text import printable
from glasnost.errors import GlasnostError, ProtocolError, Refused, Unavailable
from glasnost.net.sockets import closed_on_error
from glasnost.stages.base import Expectation, Step

#: Since when brokers relay.
RELAYS_SINCE: Final = (25, 12, 0)
#: Bytes of a connect id: as many as HTCondor's own have.
_CONNECT_ID: Final = 20
#: Bytes of a broker's answer and of a hello, and attributes: some addresses and names.
_MAX_MESSAGE: Final = 64 * 1024
_MAX_LINES: Final = 100
#: Characters of its reason that are said on: HTCondor's own have some 150.
_MAX_SAID: Final = 300


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Be brought together with the daemon in the way that this path has chosen."""
    assert sock is None, "a reversing stage finds its own way to its broker"
    connect_id = secrets.token_hex(_CONNECT_ID)
    if step.crossing.way == "relay":
        async with asyncio.timeout(step.means.timeout):
            return await _relayed(step, current_caller(), connect_id)
    return await _dialled_back(step, current_caller(), connect_id)


# --- relay ----------------------------------------------------------------------------------------


async def _relayed(step: Step, caller: Caller, connect_id: str) -> socket.socket:
    stream = await _ask(step, caller, {"CCBStreamingRequired": True, "MyAddress": ""}, connect_id)
    with closed_on_error(stream.sock):
        answer = await _answer(stream)
        if answer.get("ProxyMode") is not True:
            raise ProtocolError("the broker does not say that it relays")
        await _hello(stream, connect_id)
        return stream.detach()


# --- dial-back ------------------------------------------------------------------------------------


async def _dialled_back(step: Step, caller: Caller, connect_id: str) -> socket.socket:
    """Wait for the dial-back; the broker's word, if it is a refusal, says that it will not come."""
    timeout = step.means.timeout
    if step.means.expect is None:
        raise Unavailable("this client has no port that a daemon could dial back to")
    expectation = await step.means.expect(timeout)
    address = return_address(step.crossing.returns, reply_id(expectation.reply))
    asking = asyncio.ensure_future(_be_dialled(step, caller, address, connect_id))
    asking.add_done_callback(functools.partial(_answered, expectation))
    try:
        async with asyncio.timeout(timeout):
            sock = await expectation.arrival()
            with closed_on_error(sock):
                await _hello(stream := CedarStream(sock), connect_id)
                return stream.detach()
    except TimeoutError:
        raise TimeoutError(f"the daemon did not dial back within {timeout:g} s") from None
    finally:
        # Nothing here may await: what has arrived is on its way to the caller.
        expectation.cancel()
        asking.cancel()


async def _be_dialled(step: Step, caller: Caller, address: Sinful, connect_id: str) -> None:
    """Ask, and hear what the broker has to say. It says it when the daemon has told it how it
    went, so the dial-back may well come first."""
    stream = await _ask(step, caller, {"MyAddress": str(address)}, connect_id)
    with stream.sock:
        await _answer(stream)


def _answered(expectation: Expectation, asking: asyncio.Future[None]) -> None:
    if asking.cancelled() or (error := asking.exception()) is None:
        return
    if not isinstance(error, GlasnostError):
        error = Unavailable(f"the broker cannot be asked: {error}")
    expectation.fail(error)


def return_address(returns: Sequence[Route], sock: str) -> Sinful:
    """Where a daemon is to connect to: it chooses one of these, and asks a shared port there for
    ``sock``.

    >>> str(return_address([Route.parse("public/ip4:192.0.2.1:9618")], "reply_1"))
    '<192.0.2.1:9618?sock=reply_1>'
    """
    places = (route.stages[0].args for route in returns)
    addresses = (IpPort.of(host, int(port)) for host, port in places)
    found = list(dict.fromkeys(one for one in addresses if one is not None))
    if not found:
        raise Unavailable("no return route is an address that HTCondor can dial")
    found.sort(key=lambda one: one.six)  # as HTCondor writes them
    addrs = found if len(found) > 1 else []
    return Sinful.of(found[0].ip, str(found[0].port), {SOCK: sock}, addrs)


# --- what is said ---------------------------------------------------------------------------------


async def _ask(
    step: Step, caller: Caller, wish: dict[str, str | bool], connect_id: str
) -> CedarStream:
    """The broker, with our request on its way to it."""
    relay = "CCBStreamingRequired" in wish
    broker = broker_of(step)

    async def reopen() -> CedarStream:
        sock = await step.reopen(b"")
        step.doing("log in at broker")
        return CedarStream(sock)

    call = await start_anew(
        reopen, lambda stream: caller.start(stream, Command.CCB_REQUEST, broker)
    )
    stream = call.stream
    with closed_on_error(stream.sock):
        if relay and stream.peer is not None and stream.peer < RELAYS_SINCE:
            version = ".".join(map(str, stream.peer))
            raise Unavailable(f"the broker runs HTCondor {version}, and relays since 25.12")
        step.doing("ask for relay" if relay else "dial-back")
        named = {"CCBID": step.stage.args[0], "ClaimId": connect_id, "Name": CLIENT}
        writer = call.writer()
        writer.ad(Ad({**named, **wish}).lines())
        await stream.send(writer)
    return stream


def broker_of(step: Step) -> str:
    """The address of the broker that this stage is about, which our sessions there go by."""
    route = Route(step.path.route.network, step.path.route.stages[: step.index])
    found = from_address(Address((route,))).result
    return str(route) if found is None else str(found)


async def _answer(stream: CedarStream) -> Ad:
    """What the broker says, if it is no refusal."""
    reader = await stream.receive(_MAX_MESSAGE)
    answer = Ad.from_lines(reader.ad(_MAX_LINES))
    reader.end()
    if answer.get("Result") is not True:
        why = answer.get("ErrorString")
        said = why if isinstance(why, str) and why else "it does not say why"
        told = printable(said.strip().removesuffix(".")[:_MAX_SAID], keep="")
        raise Refused("broker", f"the broker says: {told}")
    return answer


async def _hello(stream: CedarStream, connect_id: str) -> None:
    """The daemon's first message, which shows that it is the one we asked for."""
    reader = await stream.receive(_MAX_MESSAGE)
    command = reader.integer()
    hello = Ad.from_lines(reader.ad(_MAX_LINES))
    reader.end()
    claim = hello.get("ClaimId")
    said = claim.encode("utf-8", "surrogateescape") if isinstance(claim, str) else b""
    known = hmac.compare_digest(said, connect_id.encode())
    if command != Command.CCB_REVERSE_CONNECT or not known:
        raise ProtocolError("who connects does not know what only the daemon was told")
