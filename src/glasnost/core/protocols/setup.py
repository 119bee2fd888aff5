"""Something that is up while it has users: a VPN for its first one, until after its last.

Knows users by number, and phases. What brings it up and down, and who is a user still after having
let go of us (an open connection, which only the kernel knows of), is the driver's business
(net/keeper.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

#: While nobody holds it, the kernel is asked so often, seconds, whether it is used.
LOOK_EVERY: Final = 1.0
#: Who has started it to use it comes within this time, seconds, or has died.
NOBODY: Final = 10.0


class Phase(Enum):
    """Where it is between down and up."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Came:
    """Somebody wants it, and holds it from now on."""

    user: int


@dataclass(frozen=True, slots=True)
class Left:
    """A user has let go: its connection is made, or given up, or it has died."""

    user: int


@dataclass(frozen=True, slots=True)
class Ready:
    """What `Start` has begun is up."""


@dataclass(frozen=True, slots=True)
class Broke:
    """It did not come up, or is up no more by itself."""

    why: str


@dataclass(frozen=True, slots=True)
class Down:
    """What `Stop` has begun is done, well or not."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer to `Look`."""

    used: bool


@dataclass(frozen=True, slots=True)
class Quit:
    """Take it down whoever uses it."""


@dataclass(frozen=True, slots=True)
class Start:
    """Bring it up; `Ready` or `Broke` follows."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Take it down, or end what `Start` has begun; `Down` follows."""


@dataclass(frozen=True, slots=True)
class Say:
    """Tell a user who waits that it is up; or why it is not, and let go of it."""

    user: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """Does any connection use it?"""


@dataclass(frozen=True, slots=True)
class End:
    """Nothing is left to do."""


Event = Came | Left | Ready | Broke | Down | Looked | Quit
Effect = Start | Stop | Say | Look | End


class Setup:
    """``grace``: so many seconds it stays up after its last user."""

    def __init__(self, grace: float, now: float) -> None:
        self._grace = grace
        self.phase = Phase.DOWN
        self._waiting: list[int] = []
        self._holding: set[int] = set()
        self._quitting = False
        self._unused_since: float | None = None
        self._at: float | None = now + NOBODY

    def __repr__(self) -> str:
        return f"<Setup {self.phase.value}, {len(self._waiting)} wait, {len(self._holding)} hold>"

    def handle(self, event: Event, now: float) -> list[Effect]:
        match event:
            case Came(user):
                return self._came(user)
            case Left(user):
                return self._left(user, now)
            case Ready() if self.phase is Phase.STARTING:
                self.phase = Phase.UP
                return self._say("")
            case Broke(why) if self.phase in (Phase.STARTING, Phase.UP):
                return [*self._say(why), *self._stop()]
            case Down():
                self.phase = Phase.DOWN
                return self._begin() if self._waiting else [End()]
            case Looked(used) if self._idle:
                return self._looked(used, now)
            case Quit():
                self._quitting = True
                says = self._say("it is being ended")
                return says + ([End()] if self.phase is Phase.DOWN else self._stop())
        return []  # what came too late: it is being stopped, or used again

    def deadline(self) -> float | None:
        """When `tick` is to be called."""
        return self._at

    def tick(self, now: float) -> list[Effect]:
        """The deadline has come."""
        if self._at is None or now < self._at:
            return []
        self._at = None
        if self.phase is Phase.DOWN:
            return [End()]
        return [Look()] if self._idle else []

    @property
    def _idle(self) -> bool:
        return self.phase is Phase.UP and not self._holding

    def _came(self, user: int) -> list[Effect]:
        if self._quitting:
            return [Say(user, "it is being ended")]
        self._at = None
        self._unused_since = None
        if self.phase is Phase.UP:
            self._holding.add(user)
            return [Say(user)]
        self._waiting.append(user)
        return self._begin() if self.phase is Phase.DOWN else []

    def _left(self, user: int, now: float) -> list[Effect]:
        self._holding.discard(user)
        if user in self._waiting:
            self._waiting.remove(user)
        if self.phase is Phase.STARTING and not self._waiting:
            return self._stop()
        if self._idle:
            self._at = now
        return []

    def _looked(self, used: bool, now: float) -> list[Effect]:
        if used:
            self._unused_since = None
        elif self._unused_since is None:
            self._unused_since = now
        since = now if self._unused_since is None else self._unused_since
        if not used and now - since >= self._grace:
            return self._stop()
        self._at = now + LOOK_EVERY if used else min(now + LOOK_EVERY, since + self._grace)
        return []

    def _begin(self) -> list[Effect]:
        self.phase = Phase.STARTING
        return [Start()]

    def _stop(self) -> list[Effect]:
        self._at = self._unused_since = None
        if self.phase is Phase.STOPPING:
            return []
        self.phase = Phase.STOPPING
        return [Stop()]

    def _say(self, why: str) -> list[Effect]:
        waiting, self._waiting = self._waiting, []
        if not why:
            self._holding.update(waiting)
        return [Say(user, why) for user in waiting]
