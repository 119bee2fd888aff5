"""What a stage kind is, and what crossing one may use.

A kind is its traits (values that planning needs) and one async function that crosses it. Origin
kinds are given no socket and open one; forward kinds are given the socket so far. Whoever is given
a socket owns it: it is returned, or another one is and this one is closed, or it is closed.
Reversing kinds are given none either: they `Step.reopen` the way to their broker where they need a
connection of their own, and may share one that another path has opened. Preludes neither take nor
give a socket; what they did is done when they return, unless they `Step.hold` something for the
connection that is opened behind them.

A proxy is a forward kind with a second function: crossing it agrees with the proxy on everything
but the destination, and `Kind.onward` has it open the origin stage that follows.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from glasnost.core.address.kinds import KNOWN
from glasnost.core.address.stage import Stage
from glasnost.core.routes.path import Crossing, Path
from glasnost.core.routes.traits import Traits
from glasnost.errors import GlasnostError, TrustError, Unavailable
from glasnost.settings import Settings
from glasnost.stages.shared import SharedChannels
from glasnost.trust.credentials import Credentials


class Expectation(Protocol):
    """A reply name that somebody may call once, and the connection that will come of it."""

    reply: bytes

    async def arrival(self) -> socket.socket:
        """The dial-back, its header consumed; or what it failed with."""

    def fail(self, error: GlasnostError) -> None:
        """It will never come."""

    def cancel(self) -> None:
        """Nobody waits any more: a connection that comes later is closed."""


class Hold(Protocol):
    """What a prelude holds until the connection behind it is there, or given up."""

    def give(self, sock: socket.socket) -> None:
        """It is there, and held on by itself."""

    def release(self) -> None:
        """It is given up."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a client has for crossing stages.

    ``credentials`` are what brokers are shown (None: not enrolled), ``expect`` registers a reply
    name for so many seconds, ``timeout`` bounds the waiting for any one answer, in seconds,
    ``socket_owners`` are the users whose unix sockets are trusted, ``socket_directories`` where
    they may lie. ``settings`` hold what stages name: logins, knocks and the like. ``shared`` are
    the channels of the paths that are tried together.
    """

    credentials: Credentials | None = None
    expect: Callable[[float], Awaitable[Expectation]] | None = None
    timeout: float = 10.0
    socket_owners: frozenset[int] = frozenset()
    socket_directories: frozenset[str] = frozenset()
    settings: Settings = field(default_factory=Settings)
    shared: SharedChannels | None = None


def _untold(deed: str) -> None:
    """Nobody need know what a step is doing."""


def let_go(hold: Hold) -> None:
    """Nothing is opened behind this step."""
    hold.release()


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of one path, about to be crossed.

    ``index`` counts as `Path.stage` does: the route's stages from 0, the exit's below it.
    ``relay`` is the token to call with, where this is the last stage before a broker's relay.
    ``reopen`` opens the stages before this one (once more, perhaps), with such a token or none.
    ``doing`` is told of what begins, where crossing this stage is several things; ``hold`` takes
    what a prelude of ours holds; a plugin's is let go at once.
    """

    path: Path
    index: int
    stage: Stage
    means: Means
    reopen: Callable[[bytes], Awaitable[socket.socket]]
    relay: bytes = b""
    doing: Callable[[str], None] = _untold
    hold: Callable[[Hold], None] = let_go

    @property
    def crossing(self) -> Crossing:
        """How this reversing stage is to work on this path."""
        crossing = self.path.crossing(self.index)
        assert crossing is not None, "a path says how each of its reversing stages is crossed"
        return crossing

    @property
    def destination(self) -> Stage:
        """The next origin stage: what a prelude is about. Raises `Unavailable` where that is
        a plugin's."""
        following = range(self.index + 1, len(self.path.route.stages))
        stages = (self.path.stage(index) for index in following)
        found = (one for one in stages if one.kind in KNOWN and KNOWN[one.kind].protocols)
        if (origin := next(found, None)) is None:
            raise Unavailable("no stage behind it says what host it is about")
        return origin

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password for the proxy that is talked with: it stands where the last origin
        before this stage leads. None where something of the route has led there, as its first
        proxy would: it may have led us to whom it likes, and routes are others' words. (A knock
        leads nowhere.) Raises `SettingsError`."""
        for index in range(self.index - 1, self.path.first - 1, -1):
            stage = self.path.stage(index)
            if stage.kind in KNOWN and KNOWN[stage.kind].protocols:
                if any(one.kind != "knock" for one in self.path.route.stages[: max(index, 0)]):
                    return None
                at = str(stage)
                logins = (one.login() for one in self.means.settings.proxies if one.at == at)
                return next(logins, None)
        return None

    @property
    def prefix(self) -> Hashable:
        """What led to this stage, with every choice made: equal for paths that begin alike."""
        path = self.path
        before = tuple(one for one in path.crossings if one.stage_index < self.index)
        return path.exit, path.route.network, path.route.stages[: self.index], before


def no_login(login: tuple[str, str] | None) -> TrustError:
    """What is to be said where a proxy does not let us in with this login, or without any."""
    if login is None:
        return TrustError(
            "the proxy wants a login, and [[proxies]] of the settings has none for it, or it "
            "stands behind another proxy of the route, where no login is said"
        )
    return TrustError("the proxy does not accept our user and password")


#: Why a stage cannot be crossed with these settings, or None.
Check = Callable[[Stage, Settings], str | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A stage kind, as the table of kinds holds it. ``deed`` is what crossing it begins with, in a
    word or two, for whoever times it; empty: it says by `Step.doing`. ``onward`` is what a proxy
    has: it is given the origin stage that follows, and the stream to the proxy. ``check`` says why
    a stage cannot be crossed with these settings, or None; where no settings are at hand, all
    that is named in them is taken to exist. (What is wrong with a stage whatever the settings
    say, as with arguments of a kind that addresses do not know, is `Traits.check`'s.)"""

    traits: Traits
    cross: Callable[[Step, socket.socket | None], Awaitable[socket.socket | None]]
    deed: str = "cross"
    onward: Callable[[Step, socket.socket], Awaitable[socket.socket]] | None = None
    check: Check | None = None

    def __post_init__(self) -> None:
        assert (self.onward is None) == (not self.traits.onward), "what goes onward says how"


Kinds = Mapping[str, Kind]
