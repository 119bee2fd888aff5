"""The pool's authority as a library: lets nodes in by token, and renews their certificates.

One dialogue with each peer: perhaps `Root` in the clear, then TLS in which only the authority
shows a certificate, then `Enrol` or `RenewNode`. Whoever asks proves its right inside: by a
token's secret, or by the certificate and key that it has.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from glasnost.core.text import facts
from glasnost.core.wire.messages import (
    AUTHORITY,
    Codec,
    Directory,
    Enrol,
    Enrolled,
    Failed,
    Message,
    RenewNode,
    Root,
    RootIs,
    Unreadable,
)
from glasnost.errors import GlasnostError, ProtocolError, Refused, TrustError
from glasnost.net.dialogue import (
    TLS_HANDSHAKE,
    accept_dialogue,
    receive_in_clear,
    send_in_clear,
)
from glasnost.net.exact import peek
from glasnost.net.port import Incoming
from glasnost.roles import authority_state
from glasnost.roles.admission import Handshakes
from glasnost.roles.authority_state import create_token
from glasnost.roles.enrol import MAX_CLEAR, MAX_FRAME
from glasnost.roles.enrol import TIMEOUT as DIALOGUE_TIMEOUT
from glasnost.roles.registrar import NODE_LIFETIME, Registrar
from glasnost.trust import checks
from glasnost.trust.certificates import issue_authority
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key

__all__ = ["Authority", "create_token"]

log = logging.getLogger("glasnost.authority")

#: Dialogues at once: each costs two signatures and a sync of the disk, some milliseconds.
MAX_DIALOGUES: Final = 32
#: Of these, those with one address: who says nothing keeps its place for half a minute, and must
#: not keep everybody else from joining and renewing.
DIALOGUES_PER_SOURCE: Final = 8


class Authority(Registrar):
    """A registrar that can be reached: give it connections by `take`."""

    def __init__(
        self,
        state_dir: Path,
        directories: Callable[[], tuple[Directory, ...]],
        node_lifetime: float = NODE_LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(state_dir, directories, node_lifetime, clock)
        self._codec = Codec(AUTHORITY)
        self._credentials = self._new_credentials()
        self._dialogues = Handshakes(self._serve, MAX_DIALOGUES, DIALOGUES_PER_SOURCE)
        self._refused: Counter[str] = Counter()
        self._issued = {"enrolled": 0, "renewed": 0}

    def __repr__(self) -> str:
        return f"<Authority of {self.domain}, {len(self._dialogues)} dialogues>"

    @staticmethod
    def create(state_dir: Path, pool: str, now: float) -> x509.Certificate:
        """Make the authority of a new pool, and its root. See `authority_state.create`."""
        return authority_state.create(state_dir, pool, now)

    def status(self) -> dict[str, Any]:
        return {
            **super().status(),
            "dialogues": len(self._dialogues),
            "refused": self._refused.total(),
            "refusals": dict(self._refused),
            "issued": dict(self._issued),
            "certificate_not_after": self._credentials.not_after,
        }

    # --- how it is asked ------------------------------------------------------------------------

    def take(self, incoming: Incoming) -> None:
        """Serve this connection; its socket is ours from here on."""
        self._dialogues.take(incoming)

    async def close(self) -> None:
        """End every dialogue."""
        await self._dialogues.close()

    async def _serve(self, incoming: Incoming) -> None:
        try:
            async with asyncio.timeout(DIALOGUE_TIMEOUT):
                try:
                    await self._introduce(incoming)
                except BaseException:
                    incoming.sock.close()
                    raise
                await self._converse(incoming)
        except TimeoutError:
            log.info("%s: no end after %.0f s", incoming.peer, DIALOGUE_TIMEOUT)
        except (GlasnostError, OSError) as error:
            log.info("%s: %s", incoming.peer, error)

    async def _introduce(self, incoming: Incoming) -> None:
        """Before TLS: tell who asks which root is ours."""
        if await peek(incoming.sock, 1) == TLS_HANDSHAKE:
            return
        question = await receive_in_clear(incoming.sock, self._codec, MAX_CLEAR)
        if not isinstance(question, Root):
            raise ProtocolError("something else than a question for the root came in the clear")
        await send_in_clear(incoming.sock, self._root_is(question.id))

    async def _converse(self, incoming: Incoming) -> None:
        context = self._current().server_context(require_client=False, control=True)
        dialogue = await accept_dialogue(incoming.sock, context, self._codec, MAX_FRAME)
        try:
            while (question := await dialogue.receive()) is not None:
                await dialogue.send(await asyncio.to_thread(self._answer, question, incoming.peer))
        finally:
            dialogue.close()

    def _answer(self, question: Message, peer: str) -> Message:
        """In a thread: a transaction waits for the disk."""
        try:
            match question:
                case Enrol():
                    enrolled = self.enrol(question)
                    self._issued["enrolled"] += 1
                    return _numbered(enrolled, question.id)
                case RenewNode():
                    enrolled = self.renew(question)
                    self._issued["renewed"] += 1
                    return _numbered(enrolled, question.id)
                case Root():
                    return self._root_is(question.id)
                case Unreadable():
                    raise Refused("unknown-message", question.why)
                case _:
                    raise Refused("unknown-message", "the authority answers no such question")
        except GlasnostError as error:
            code = _code(error)
            self._refused[code] += 1
            log.warning("refused: %s", error, extra=facts(code=code, peer=peer))
            return Failed(id=question.id, code=code, why=str(error))

    def _root_is(self, number: int) -> RootIs:
        return RootIs(id=number, certificate=checks.to_der(self.root), now=self._clock())

    # --- its own certificate --------------------------------------------------------------------

    def _current(self) -> Credentials:
        """Our credentials, renewed when half of their life is over."""
        now = self._clock()
        if now >= self._renew_at:
            fresh = self._new_credentials()
            self._credentials.replace(fresh.key, fresh.chain)
        return self._credentials

    def _new_credentials(self) -> Credentials:
        now, key = self._clock(), new_key()
        leaf = issue_authority(
            self._root_key, self.root, self.domain, key.public_key(), now, self._node_lifetime
        )
        made = Credentials(self.root, self.domain, key, [leaf])
        self._renew_at = made.renew_at(now)
        return made


def _numbered(answer: Enrolled, number: int) -> Enrolled:
    return Enrolled(number, answer.certificate, answer.directories, answer.networks, answer.root)


def _code(error: GlasnostError) -> str:
    match error:
        case Refused():
            return error.code
        case TrustError():
            return "untrusted"
        case _:
            return "unavailable"  # our own ledger cannot be used
