"""What is said to and by a broker."""

from __future__ import annotations

from typing import ClassVar, Final

from glasnost.core.wire.messages.base import Done, Failed, Message, Ping, Pong


class Register(Message, frozen=True):
    """A target to its broker: dial me through this connection. The contact is its certificate's
    node name, and behind a dot the ``program``: one of a host without an agent, where each is a
    target by itself. A newer registration replaces an older one of the same contact."""

    program: str = ""


class Registered(Message, frozen=True):
    """``lease`` seconds of silence end the registration; ``observed`` is the target's address as
    the broker sees it."""

    contact: str = ""
    lease: float = 0.0
    observed: str = ""


class Request(Message, frozen=True):
    """A requester to a broker: bring me together with ``contact``.

    ``way`` is ``dial-back`` (the target connects to one of ``returns``, texts of routes, and
    calls the reply name ``reply``) or ``relay``. ``timeout`` in seconds.
    """

    contact: str = ""
    way: str = "dial-back"
    reply: bytes = b""
    returns: tuple[str, ...] = ()
    timeout: float = 0.0


class DialBack(Message, frozen=True):
    """The broker to a target: connect to one of these return routes, call this reply name."""

    reply: bytes = b""
    returns: tuple[str, ...] = ()
    caller: str = ""
    timeout: float = 0.0


class Leg(Message, frozen=True):
    """The broker to a target: open a fresh connection to me and call with this relay token."""

    token: bytes = b""
    caller: str = ""
    timeout: float = 0.0


class Relay(Message, frozen=True):
    """The broker to a requester: open a fresh connection to me and call with this token."""

    token: bytes = b""


class Probe(Message, frozen=True):
    """A member to a broker: can I be reached from where you are? Connect once to the address that
    you see me at, at this port, and call the reply name ``reply``."""

    since: ClassVar[int] = 2

    port: int = 0
    reply: bytes = b""


class Probed(Message, frozen=True):
    """What came of it. ``observed`` is the asker's address as the broker sees it; ``outcome`` is
    ``connected`` (if it was the asker's port that took the call, the asker knows), ``refused``,
    ``timeout``, ``unreachable``, or ``not-dialled``; ``why`` a sentence; ``seconds`` the time
    that connecting took."""

    since: ClassVar[int] = 2

    observed: str = ""
    outcome: str = ""
    why: str = ""
    seconds: float = 0.0


#: What asks, and so is never taken for an answer.
QUESTIONS: Final = (
    Register,
    Request,
    DialBack,
    Leg,
    Probe,
)

#: What may arrive in this conversation: its decoder accepts this list and nothing else.
BROKER = (
    Register
    | Registered
    | Request
    | Relay
    | DialBack
    | Leg
    | Probe
    | Probed
    | Done
    | Failed
    | Ping
    | Pong
)
