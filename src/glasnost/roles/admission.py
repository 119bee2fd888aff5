"""Lets a caller in: the first step of every role that is spoken with over control channels."""

from __future__ import annotations

import logging
from collections.abc import Callable

from glasnost.core.protocols.record_rules import shown
from glasnost.core.wire.messages import Codec
from glasnost.errors import GlasnostError
from glasnost.net.channel import Channel, OnClose, OnMessage, accept_channel
from glasnost.net.port import Incoming
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity


async def let_in(
    incoming: Incoming,
    credentials: Credentials,
    codec: Codec,
    on_message: OnMessage,
    on_close: OnClose,
    admit: Callable[[Identity], None],
    log: logging.Logger,
) -> Channel | None:
    """The caller's channel; None, and a line in the log, for one that proves to be nobody, is
    refused by ``admit``, or has gone again."""
    try:
        channel = await accept_channel(
            incoming.sock, credentials, codec, on_message, on_close, admit=admit
        )
    except (GlasnostError, OSError) as error:  # TimeoutError is an OSError
        log.info("%s: not let in: %s", shown(incoming.peer), shown(str(error) or "too slow"))
        return None
    return None if channel.closed else channel
