"""What a server of HTCondor's commands answers, to whom, and what it remembers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from glasnost.condor.commands import Command, Level, levels_of
from glasnost.condor.security.methods.base import Doorkeeper
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.security.sessions import Identity, ServerSessions, Session
from glasnost.condor.server.call import Call, Then

#: Permissions that everybody has, as `use security:recommended` has it.
_GUESTS: Final = frozenset({Level.ALLOW, Level.READ, Level.WRITE})
Handler = Callable[[Call], Awaitable[Then]]
#: Whether somebody at an address may do something.
Authorize = Callable[[Level, Identity, str], bool]


@dataclass(frozen=True)
class Served:
    """A command that a server answers."""

    handler: Handler
    levels: tuple[Level, ...]

    @property
    def of_members(self) -> bool:
        """Whether who may have it has more to do here than to ask, and may stay."""
        return _GUESTS.isdisjoint(self.levels)

    @classmethod
    def of(cls, command: Command, handler: Handler) -> Served:
        """With the permissions that HTCondor has for it."""
        return cls(handler, levels_of(command))


@dataclass
class Server:
    """What one server answers, to whom, and what it remembers."""

    commands: Mapping[int, Served]
    authorize: Authorize
    #: What is wanted of a connection for a permission.
    policy: Callable[[Level], Policy]
    me: Callable[[], Myself]
    keeper: Doorkeeper
    clock: Callable[[], float]
    sessions: ServerSessions = field(default_factory=ServerSessions)

    def allowed(self, command: int, identity: Identity, address: str) -> bool:
        """Whether somebody may have a command: by one of its permissions, within what their token
        is limited to."""
        served = self.commands.get(command)
        return served is not None and any(
            level is Level.ALLOW
            or (
                (identity.limits is None or level in identity.limits)
                and self.authorize(level, identity, address)
            )
            for level in served.levels
        )

    def is_enough(self, command: int, session: Session | None) -> bool:
        """Whether a connection is as secure as the policy wants it for a command. What is
        anybody's always is: a target that dials its broker for a stream comes raw."""
        served = self.commands.get(command)
        if served is not None and Level.ALLOW in served.levels:
            return True
        policy = self.policy_of(command)
        return session.is_enough(policy) if session is not None else not policy.requires

    def valid_commands(self, session: Session, address: str) -> frozenset[int]:
        """All that somebody may have in this session."""
        return frozenset(
            one
            for one in self.commands
            if self.is_enough(one, session) and self.allowed(one, session.identity, address)
        )

    def policy_of(self, command: int) -> Policy:
        served = self.commands.get(command)
        return self.policy(served.levels[0] if served is not None else Level.READ)
