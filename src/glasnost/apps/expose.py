"""Gives an ordinary TCP service a name."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from glasnost.net.bridge import Stream, bridge, dispose
from glasnost.net.sentences import sentence
from glasnost.net.sockets import connect_host
from glasnost.node import Node
from glasnost.roles.server import Server
from glasnost.trust.identity import Identity

log = logging.getLogger("glasnost.expose")


async def expose(
    node: Node,
    name: str,
    host: str,
    port: int,
    *,
    protection: str,
    relay: str,
    labels: Mapping[str, str] | None = None,
) -> Server:
    """Serve ``name`` by connecting each caller to ``host:port``. Raises `Refused`."""

    async def serve(stream: Stream, identity: Identity | None) -> None:
        try:
            sock = await connect_host(host, port)
        except OSError as error:
            log.warning("%s port %d: %s", host, port, sentence(error))
            dispose(stream)
            return
        copied = await bridge(stream, sock)
        who = identity or "somebody"
        log.info("%s: %d bytes in, %d bytes out", who, copied.forth, copied.back)

    return await node.serve(serve, name, protection=protection, relay=relay, labels=labels)
