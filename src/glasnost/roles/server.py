"""Serves one name: gives each caller's stream to a handler, sealed or plain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType

from glasnost.core.wire import header
from glasnost.core.wire.messages import Offer
from glasnost.errors import GlasnostError, TrustError
from glasnost.net.bridge import Stream
from glasnost.net.exact import refuse
from glasnost.net.port import Incoming
from glasnost.net.tls import secure
from glasnost.roles.local import LocalAgent
from glasnost.roles.registration import Registration
from glasnost.stages.walk import sentence
from glasnost.trust.identity import Identity, identity_of

log = logging.getLogger("glasnost.server")

#: TLS handshakes of strangers that one service bears at a time: each costs 2 ms of CPU and lasts
#: at most the handshake's own timeout.
MAX_HANDSHAKES = 512

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
        self._handshakes = 0
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
        self._registration.give(self._take)

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

    def _take(self, incoming: Incoming) -> None:
        """Own one caller's connection."""
        if self._offer.protection != "plain" and self._handshakes >= MAX_HANDSHAKES:
            refuse(incoming.sock, "busy", f"{MAX_HANDSHAKES} callers are shaking hands already")
            return
        task = asyncio.get_running_loop().create_task(self._serve(incoming))
        self._tasks.add(task)
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: a handler failed", self._offer.name, exc_info=task.exception())

    async def _serve(self, incoming: Incoming) -> None:
        try:
            stream, identity = await self._let_in(incoming)
        except (GlasnostError, OSError) as error:
            log.info("%s: caller %s: %s", self._offer.name, incoming.peer, sentence(error))
            return
        await self._handler(stream, identity)

    async def _let_in(self, incoming: Incoming) -> tuple[Stream, Identity | None]:
        if self._offer.protection == "plain":
            return incoming.sock, None
        credentials = self._registration.credentials
        assert credentials is not None, "a sealed service has a certificate"
        self._handshakes += 1
        try:
            context = credentials.server_context()
            transport = await secure(incoming.sock, context, server_side=True)
        finally:
            self._handshakes -= 1
        try:
            identity = identity_of(transport.get_extra_info("peercert"), credentials.domain)
        except TrustError as error:
            transport.write(header.encode_answer(header.Answer("untrusted", str(error))))
            transport.close()
            raise
        transport.write(header.ACCEPTED)
        return transport, identity
