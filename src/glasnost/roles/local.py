"""What a program may ask of its host's agent, which runs apart or in the same process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cryptography import x509

from glasnost.core.routes import Vantage
from glasnost.core.wire.messages import Changes, Entry, List, Offer, Record, Watch
from glasnost.net.port import Incoming
from glasnost.stages.base import Expectation

#: Takes a connection for a service, and owns its socket from then on.
Take = Callable[[Incoming], None]


class Offering(Protocol):
    """A service that is registered, until it is withdrawn."""

    full: str

    def withdraw(self) -> None:
        """No more connections; the name is free again."""


class LocalAgent(Protocol):
    """The agent of this host. Errors of its own are `Unavailable`, its refusals `Refused`."""

    @property
    def domain(self) -> str:
        """The pool's."""

    @property
    def node(self) -> str:
        """This host's name in the pool."""

    @property
    def user(self) -> str:
        """Who the caller is on this host."""

    @property
    def root(self) -> x509.Certificate:
        """The pool's root."""

    async def offer(self, offer: Offer, take: Take) -> Offering:
        """Register a service. `Refused` with code ``taken`` where another has its name."""

    async def announce(self, entries: Sequence[Entry]) -> list[str]:
        """Publish records of this node's that lead elsewhere, until they are retracted or the
        caller has gone. For each nothing, or why it is not: ``code: sentence``."""

    async def retract(self, names: Sequence[str]) -> None:
        """Withdraw some that the caller has announced, by label."""

    async def certify(self, kind: str, name: str, csr: bytes) -> list[x509.Certificate]:
        """A chain for the caller's own key: of a service it has offered, or of itself."""

    async def resolve(self, name: str) -> tuple[Record, float]:
        """What a full name means, and how many seconds ago its owner said so."""

    async def listing(self, glob: str) -> list[tuple[Record, float]]:
        """Every record whose full name matches, with its age."""

    async def query(self, question: List) -> list[tuple[Record, float]]:
        """The same for what a `Query` asks for: also by label, and by who reaches whom."""

    async def directories(self) -> list[str]:
        """The pool's directories that this host was told of, by full name."""

    async def watch(self, question: Watch) -> Changes:
        """What has changed at one of them; every record is verified. `Refused` with code
        ``too-old`` where it is not known any more."""

    async def where(self) -> Vantage:
        """What this host can reach, and how it can be reached."""

    async def expect(self, timeout: float) -> Expectation:
        """A reply name for one dial-back."""

    async def status(self) -> dict[str, Any]:
        """What the agent would tell a person."""

    async def close(self) -> None:
        """Let go; services that were offered are withdrawn."""
