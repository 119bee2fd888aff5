"""What nobody may guess: drawn here, or told by a test that repeats a recorded conversation."""

from __future__ import annotations

import secrets
from typing import Protocol

from glasnost.condor.security.keys import DrawnExchange, Exchange


class Chance(Protocol):
    """Where random bytes come from; ``what`` they are for is said, so that a test can tell them
    apart."""

    def octets(self, size: int, what: str) -> bytes: ...

    def name(self, what: str) -> str:
        """Some letters and digits that nobody guesses."""

    def exchange(self) -> Exchange:
        """One side of a new Diffie-Hellman exchange."""


class SystemChance:
    """The system's randomness."""

    def octets(self, size: int, what: str) -> bytes:
        return secrets.token_bytes(size)

    def name(self, what: str) -> str:
        return secrets.token_hex(8)

    def exchange(self) -> Exchange:
        return DrawnExchange()


SYSTEM = SystemChance()
