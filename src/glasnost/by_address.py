"""Connects to an address that was given as such: a Glasnost address, or one of HTCondor's.

There is no name, so nobody is asked what it means, and no record, so nothing is known of who
answers: what comes back is a plain stream, which its user has to protect. What the address's own
last stage says of an accept holds: a shared port of ours (``service``) answers with one, before
the stream; where nothing answers, the connection itself has to do.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from glasnost.core.address import Address
from glasnost.core.routes import Plan, Target
from glasnost.net.exact import read_answer
from glasnost.net.sockets import closed_on_error
from glasnost.roles.dialler import Connected, as_socket, connect
from glasnost.roles.finish import accepts
from glasnost.roles.standing import Standing

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
    with _read(text, standing) as (address, here):
        settings = here.means.settings
        return await connect(
            text,
            Target(address),
            here.vantage,
            here.means,
            _accepted if accepts(address) else as_socket,
            socket.socket.close,
            policy=settings.policy(),
            experience=here.experience,
            delay=settings.attempt_delay,
            timeout=timeout,
        )


def plan_address(text: str, standing: Standing) -> Plan:
    """What would be tried, and why. Raises `AddressError`, `Unavailable`."""
    with _read(text, standing) as (address, here):
        return here.plan(Target(address))


@contextlib.contextmanager
def _read(text: str, standing: Standing) -> Iterator[tuple[Address, Standing]]:
    """The routes, and from where they are seen: HTCondor's, as its own clients see them."""
    if not text.startswith(_HTCONDOR):
        yield Address.parse(text), standing
        return
    from glasnost.condor.caller import current_caller
    from glasnost.condor.reaching import Reaching, routes_to

    address = routes_to(text)
    with Reaching(standing, current_caller().config) as reaching:
        yield address, reaching.towards(address)


async def _accepted(sock: socket.socket) -> socket.socket:
    with closed_on_error(sock):
        await read_answer(sock)
    return sock
