"""Serves one name: gives each caller's stream to a handler, sealed or plain."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType

from glasnost.core.text import printable
from glasnost.core.wire import header
from glasnost.core.wire.messages import Offer
from glasnost.errors import GlasnostError, TrustError
from glasnost.net.bridge import Stream
from glasnost.net.port import Incoming
from glasnost.net.sentences import sentence
from glasnost.net.sockets import tune
from glasnost.net.tls import secure
from glasnost.roles.admission import Handshakes
from glasnost.roles.local import LocalAgent
from glasnost.roles.registration import Registration, turn_away
from glasnost.trust.identity import Identity, identity_of

log = logging.getLogger("glasnost.server")

#: Callers that one service lets in at a time: a TLS handshake costs 2 ms of CPU and lasts at most
#: its own timeout.
MAX_HANDSHAKES = 512
#: Of these, those from one address: others find a place whatever one of them does.
PER_SOURCE = MAX_HANDSHAKES // 2

#: Owns a caller's stream; ``identity`` is who it is (None: a plain service asks nobody).
StreamHandler = Callable[[Stream, Identity | None], Awaitable[None]]


class Server:
    """One service of this program. ``reopen`` finds the agent again after it was lost."""

    def __init__(
        self,
        offer: Offer,
        handler: StreamHandler,
        reopen: Callable[[], Awaitable[LocalAgent]],
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._offer = offer
        self._handler = handler
        self._registration = Registration(offer, reopen)
        self._on_close = on_close
        self._tasks: set[asyncio.Task[None]] = set()
        refuse = functools.partial(turn_away, offer)
        self._entering = Handshakes(self._serve, MAX_HANDSHAKES, PER_SOURCE, refuse)
        self._closed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Server {self.name or self._offer.name}, {len(self._tasks)} callers>"

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def name(self) -> str:
        """The full name."""
        return self._registration.full

    async def start(self, local: LocalAgent) -> None:
        """Register. Raises `Refused` where another service has the name."""
        await self._registration.start(local)
        self._registration.give(self._entering.take)

    async def close(self) -> None:
        """Withdraw the name; callers that are being served are served on."""
        await self._registration.close()
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            await on_close()
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until `close` was called."""
        await self._closed.wait()

    async def serve_forever(self) -> None:
        """Serve until cancelled, then close."""
        try:
            await self._closed.wait()
        finally:
            await self.close()

    async def _serve(self, incoming: Incoming) -> None:
        """Own one caller's connection."""
        try:
            stream, identity = await self._let_in(incoming)
        except (GlasnostError, OSError) as error:
            why = printable(sentence(error))
            log.info("%s: caller %s: %s", self._offer.name, printable(incoming.peer), why)
            return
        finally:
            self._entering.entered()
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._served)
        await self._handler(stream, identity)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, (GlasnostError, OSError, EOFError)):  # a caller that went away
            log.info("%s: a caller was lost: %s", self._offer.name, printable(sentence(error)))
        elif error is not None:
            log.error("%s: a handler failed", self._offer.name, exc_info=error)

    async def _let_in(self, incoming: Incoming) -> tuple[Stream, Identity | None]:
        if self._offer.protection == "plain":
            return tune(incoming.sock), None  # and so its accept leaves, if we listen first
        credentials = self._registration.credentials
        assert credentials is not None, "a sealed service has a certificate"
        context = credentials.server_context()
        transport = await secure(incoming.sock, context, server_side=True)
        try:
            identity = identity_of(transport.get_extra_info("peercert"), credentials.domain)
        except TrustError as error:
            await transport.refuse(header.Answer("untrusted", str(error)))
            raise
        transport.write(header.ACCEPTED)
        return transport, identity
