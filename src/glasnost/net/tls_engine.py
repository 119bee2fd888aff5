"""TLS in memory: bytes of the wire on one side, the application's on the other.

Knows no socket and no loop. It knows two things of Glasnost: an `Answer` in the clear where the
server's hello was expected is a refusal, and the first byte from the server inside TLS is its
status (core/wire/header.py).
"""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
from typing import Final

from glasnost.core.wire import header
from glasnost.errors import Refused, TrustError

#: How many bytes go through OpenSSL at a time, and are delivered at once. A few such pieces stay in
#: a processor's cache, and the allocator keeps their memory: with 256 kB, which a loop reads from a
#: socket, each byte cost twice the time (docs/topics/carried.md).
PIECE: Final = 64 * 1024
#: The longest record: OpenSSL gives no more at once.
_RECORD: Final = 16 * 1024


class _Wire(threading.local):
    """What OpenSSL reads from and writes to: one pair of buffers for all engines of a thread.

    Each step of an engine leaves them empty. With a pair of its own, every idle connection would
    keep the 5 kB that its handshake has needed.
    """

    def __init__(self) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()


_wire = _Wire()
_NOTHING: Final = memoryview(b"")
#: What stands around a reason that Python has no name for: ``[SSL] ... (_ssl.c:1006)``.
_UNNAMED: Final = re.compile(r"^\[\w+\] | \(_ssl\.c:\d+\)$")


class Engine:
    """One end of one TLS stream. Made and used in one thread.

    ``status``: a server of ours says first whether it lets its client in. What is to be sent waits
    for `take_outgoing`, after errors too: the alert tells the peer why.
    """

    __slots__ = (
        "_answer",
        "_incoming",
        "_outgoing",
        "_wire_in",
        "_wire_out",
        "finished",
        "let_in",
        "plain",
        "secured",
        "ssl",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        server_side: bool,
        server_name: str | None,
        status: bool = True,
    ) -> None:
        self._wire_in, self._wire_out = _wire.incoming, _wire.outgoing
        self.ssl = context.wrap_bio(
            self._wire_in, self._wire_out, server_side=server_side, server_hostname=server_name
        )
        self.secured = False  # the handshake is over
        self.let_in = server_side or not status  # a client is let in by the server's status
        self.finished = False  # the peer has said its proper end
        self.plain = bytearray()  # decrypted, and for the application
        self._incoming = _NOTHING  # not looked at yet
        self._outgoing = b""
        self._answer = b""  # what has come of a refusal

    @property
    def held(self) -> int:
        """How many bytes wait here to be taken by the application."""
        return len(self.plain) + len(self._incoming)

    def take_outgoing(self) -> bytes:
        """What is to be sent to the peer now."""
        data, self._outgoing = self._outgoing, b""
        return data

    def handshake(self, data: bytes = b"") -> None:
        """Begin, or go on with what has come; it is over once ``secured``. Raises `TrustError`, or
        `Refused` and `ProtocolError` for what stands in its place."""
        if not self.let_in and (self._answer or data[:1] == header.MAGIC[:1]):
            self._gather_answer(data)
            return
        self._feed(data)
        try:
            while not self._shake():
                if not self._incoming:
                    return
                self._feed()
            self.secured = True
        except ssl.SSLError as error:
            raise TrustError(tls_sentence(error)) from None
        finally:
            self._collect()

    def decrypt(self, data: bytes = b"") -> bool:
        """Take what has come, and add to ``plain`` until that is enough; whether there may be more.
        Raises as `handshake` does; what came before that is in ``plain``."""
        self._feed(data)
        try:
            more = self._decrypt()
        except ssl.SSLError as error:
            raise TrustError(tls_sentence(error)) from None
        finally:
            self._collect()
        if self.plain and not self.let_in:
            self._strip_status()
        return more

    def encrypt(self, data: memoryview) -> None:
        """Send this. Raises `TrustError`."""
        try:
            while data:
                data = data[self.ssl.write(data) :]
        except ssl.SSLError as error:
            raise TrustError(tls_sentence(error)) from None
        finally:
            self._collect()

    def end(self) -> None:
        """Send our proper end: TLS's close_notify, in one direction."""
        self._feed(most=len(self._incoming))
        # OpenSSL refuses data that it meets while it shuts down: decrypt everything held. It is no
        # more than one reading of the socket, and a `PIECE` before that.
        with contextlib.suppress(ssl.SSLError):
            while data := self.ssl.read(_RECORD):
                self.plain += data
        with contextlib.suppress(ssl.SSLError):
            self.ssl.unwrap()
        self._collect()

    def _shake(self) -> bool:
        """Go on with the handshake; whether it is over."""
        try:
            self.ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _feed(self, data: bytes = b"", most: int = PIECE) -> None:
        """Put what has come where OpenSSL reads it; what is more than ``most`` waits."""
        waiting = self._incoming
        if data:
            waiting = memoryview(b"".join((waiting, data)) if waiting else data)
        self._wire_in.write(waiting[:most])
        self._incoming = waiting[most:] if len(waiting) > most else _NOTHING

    def _collect(self) -> None:
        """Leave nothing of ours in the buffers that all share."""
        if self._wire_in.pending:
            self._incoming = memoryview(b"".join((self._wire_in.read(), self._incoming)))
        if self._wire_out.pending:
            self._outgoing += self._wire_out.read()

    def _decrypt(self) -> bool:
        while len(self.plain) < PIECE:
            try:
                data = self.ssl.read(_RECORD)
            except ssl.SSLWantReadError:
                return len(self._incoming) > 0
            except ssl.SSLZeroReturnError:  # what OpenSSL says once both ends have ended
                data = b""
            if not data:
                self.finished = True
                return False
            self.plain += data
        return True

    def _strip_status(self) -> None:
        """Take the server's status off the front of the stream."""
        if not self._answer and self.plain[:1] == header.ACCEPTED:
            del self.plain[:1]
            self.let_in = True
            return
        data = bytes(self.plain)
        self.plain.clear()
        self._gather_answer(data)

    def _gather_answer(self, data: bytes) -> None:
        """Gather an `Answer` that stands where something else was hoped for; once all of it is
        here, fail with the server's reason."""
        self._answer += data
        answer = header.answer_in(self._answer)
        if answer is not None:
            raise Refused(answer.code or "refused", answer.why)


def tls_sentence(error: ssl.SSLError) -> str:
    """OpenSSL's reason as a sentence: ``certificate verify failed: ...``."""
    detail = getattr(error, "verify_message", "")
    reason = (error.reason or _UNNAMED.sub("", str(error))).replace("_", " ").lower()
    # SSLV3_ALERT_CERTIFICATE_EXPIRED, TLSV1_ALERT_UNKNOWN_CA, TLSV13_ALERT_...
    if alert := re.fullmatch(r"(?:sslv3|tlsv1|tlsv13) alert (.+)", reason):
        return f"the peer ended the handshake: {alert[1]}"
    return f"TLS: {reason}: {detail}" if detail else f"TLS: {reason}"
