"""``http-connect``: ask an HTTP proxy to connect onward (RFC 9110, section 9.3.6).

Basic authentication (RFC 7617), where the settings have a login for this proxy. A proxy that wants
TLS is written as such: ``ip4:198.51.100.4:443/tls:proxy.example.org/http-connect``.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from typing import Final

import h11

from glasnost.core.routes.traits import Traits
from glasnost.errors import ProtocolError, Refused
from glasnost.net.exact import read_until
from glasnost.net.sockets import closed_on_error
from glasnost.stages.base import Kind, Step, no_login

#: The longest answer's head: what common servers take, and far more than any proxy says.
MAX_HEAD: Final = 16 * 1024
#: Heads that may come, the answer's included: a stream of them would keep us busy for ever, as one
#: that has arrived is read without waiting.
MAX_HEADS: Final = 16
#: 407 is what a proxy says (RFC 9110, section 15.5.8); tinyproxy says 401 of a wrong password.
_NO_LOGIN: Final = (401, 407)
#: Characters of the proxy's own reason that are passed on.
_MAX_REASON: Final = 100


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Nothing is to be said to the proxy before it is told where to connect to."""
    assert sock is not None, "a forward stage needs a stream"
    return sock


async def onward(step: Step, sock: socket.socket) -> socket.socket:
    """Have the proxy connect to an origin."""
    with closed_on_error(sock):
        talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        await asyncio.get_running_loop().sock_sendall(sock, talk.send(_request(step)) or b"")
        await asyncio.get_running_loop().sock_sendall(sock, talk.send(h11.EndOfMessage()) or b"")
        answer = await _answer(sock, talk)
        if answer.status_code in _NO_LOGIN:
            raise no_login(step.login)
        if not 200 <= answer.status_code < 300:
            reason = bytes(answer.reason)[:_MAX_REASON].decode("latin-1")
            raise Refused("proxy", f"the proxy says: {answer.status_code} {reason}".strip())
    return sock


def _request(step: Step) -> h11.Request:
    host, port = step.stage.args
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = [("Host", target)]
    if (login := step.login) is not None:
        word = base64.b64encode(":".join(login).encode()).decode()
        headers.append(("Proxy-Authorization", f"Basic {word}"))
    return h11.Request(method="CONNECT", target=target, headers=headers)


async def _answer(sock: socket.socket, talk: h11.Connection) -> h11.Response:
    """The answer, and not a byte more: what follows is the stream's."""
    for _ in range(MAX_HEADS):
        talk.receive_data(await read_until(sock, b"\r\n\r\n", MAX_HEAD))
        try:
            event = talk.next_event()
        except h11.RemoteProtocolError as error:
            raise ProtocolError(f"it does not answer like an HTTP proxy: {error}") from None
        if isinstance(event, h11.Response):
            return event  # else 100 to 199: more is to come
    raise ProtocolError(f"the proxy has begun {MAX_HEADS} times to answer, and has not answered")


HTTP_CONNECT = Kind(
    Traits(role="forward", onward=frozenset({"ip4", "ip6", "dns"})), cross, "", onward
)
