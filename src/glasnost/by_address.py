"""Connects to an address that was given as such: a Glasnost address, or one of HTCondor's.

There is no name, so nobody is asked what it means, and no record, so nothing is known of who
answers: what comes back is a plain stream, which its user has to protect. What the address's own
last stage says of an accept holds: a shared port of ours (``service``) answers with one, before
the stream; where nothing answers, the connection itself has to do.
"""

from __future__ import annotations

import socket

from glasnost.core.address import Address
from glasnost.core.routes import Plan, Target, plan
from glasnost.errors import Unavailable
from glasnost.net.exact import read_answer
from glasnost.net.interfaces import read_host
from glasnost.net.sockets import closed_on_error
from glasnost.roles.dialler import Connected, as_socket, connect
from glasnost.roles.standing import Standing
from glasnost.stages import traits

#: What stands in every address, and in no name.
_MARKS = ("/", ":", "<", "{")
#: How the texts of HTCondor's addresses begin, in either notation.
_HTCONDOR = ("<", "{")


def is_address(text: str) -> bool:
    """Whether a text is an address, and not a name.

    >>> is_address("jupyter.node7"), is_address("<192.0.2.1:9618?sock=x>")
    (False, True)
    >>> is_address("public/ip4:192.0.2.1:9618"), is_address("ip4:192.0.2.1:9618")
    (True, True)
    """
    return any(mark in text for mark in _MARKS)


async def open_address(text: str, standing: Standing, timeout: float) -> Connected[socket.socket]:
    """Race the paths to what the address says. Raises `AddressError`, `ConnectFailed`,
    `Unavailable`."""
    address, standing = _read(text, standing)
    settings = standing.means.settings
    ends = {route.stages[-1].kind == "service" for route in address}
    if len(ends) > 1:
        raise Unavailable(f"some routes of {text} end at a service and some do not: give one sort")
    return await connect(
        text,
        Target(address),
        standing.vantage,
        standing.means,
        _accepted if ends == {True} else as_socket,
        socket.socket.close,
        policy=settings.policy(),
        experience=standing.experience,
        delay=settings.attempt_delay,
        timeout=timeout,
    )


def plan_address(text: str, standing: Standing) -> Plan:
    """What would be tried, and why. Raises `AddressError`, `Unavailable`."""
    address, standing = _read(text, standing)
    settings, known = standing.means.settings, standing.experience
    return plan(
        standing.vantage,
        Target(address),
        settings.policy(),
        known.history,
        known.now(),
        kinds=traits(settings),
    )


def _read(text: str, standing: Standing) -> tuple[Address, Standing]:
    """The routes, and from where they are seen: HTCondor sees fewer networks than we do."""
    if not text.startswith(_HTCONDOR):
        return Address.parse(text), standing
    from glasnost.condor.reaching import routes_to, seen_by_htcondor

    address = routes_to(text)
    return address, seen_by_htcondor(standing, address, read_host())


async def _accepted(sock: socket.socket) -> socket.socket:
    with closed_on_error(sock):
        await read_answer(sock)
    return sock
