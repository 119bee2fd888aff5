"""Which probes a broker makes: single connections to where a member itself stands, at its wish.

The address is the one that the member's question came from, so nobody can be made to connect to
a third party; it must be globally routable, as what a broker reaches inside its own site says
nothing of outside. What a probe sends is one `Call`, of a fixed size and smaller than its question.
Knows no sockets and no clock; whoever dials is told where, and says when it has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from glasnost.core.dialpolicy import Network, why_not
from glasnost.core.wire.header import TOKEN_SIZE
from glasnost.core.wire.messages import Failed, Probe, Probed

#: How long a probe waits for its connection, seconds: two lost SYNs cost 3 s.
TIMEOUT: Final = 5.0
#: Probes of one member within `WINDOW` seconds: two protocols, two published ports each, and three
#: times that by somebody who is setting up a firewall.
PER_MEMBER: Final = 12
WINDOW: Final = 60.0
#: Probes at a time: a descriptor each, for `TIMEOUT` at most.
AT_A_TIME: Final = 64


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect here, and say `Probes.ended` when that is over."""

    host: str
    port: int


class Probes:
    """The probes of one broker. ``own``: ranges that count as public though they are not global.

    >>> Probes().wanted("node7", "8.8.8.8:40001", Probe(port=9618, reply=bytes(16)), now=0.0)
    Dial(host='8.8.8.8', port=9618)
    """

    def __init__(self, own: Sequence[Network] = ()) -> None:
        self._own = tuple(own)
        self._recent: dict[str, deque[float]] = {}
        self._under_way = 0

    def __repr__(self) -> str:
        return f"<Probes {self._under_way} under way>"

    @property
    def counts(self) -> dict[str, int]:
        """How much is held: what is under way, and members that have asked lately."""
        return {"under_way": self._under_way, "members": len(self._recent)}

    def wanted(self, node: str, observed: str, probe: Probe, now: float) -> Dial | Probed | Failed:
        """A member on ``node``, whom we see at ``observed``, asks: where to dial, or the answer."""
        if not 0 < probe.port < 65536:
            return Failed(probe.id, "bad-request", f"{probe.port} is no port (1 to 65535)")
        if len(probe.reply) != TOKEN_SIZE:
            why = f"a reply name has {TOKEN_SIZE} bytes, not {len(probe.reply)}"
            return Failed(probe.id, "bad-request", why)
        host = observed.rpartition(":")[0].strip("[]")
        if (why_we_do_not := why_not(host, self._own)) is not None:
            return Probed(probe.id, observed, "not-dialled", why_we_do_not)
        times = self._times(node, now - WINDOW)
        if len(times) >= PER_MEMBER:
            why = f"{node} has asked for {len(times)} probes within {WINDOW:g} s, its limit"
            return Failed(probe.id, "quota", why)
        if self._under_way >= AT_A_TIME:
            return Failed(probe.id, "busy", f"{AT_A_TIME} probes are under way here, the limit")
        times.append(now)
        self._recent.pop(node, None)
        self._recent[node] = times  # behind the others: who asked last stands last
        self._under_way += 1
        return Dial(host, probe.port)

    def ended(self) -> None:
        """A probe is over, whatever came of it."""
        self._under_way -= 1

    def _times(self, node: str, after: float) -> deque[float]:
        """When this member has asked since then; who has not asked since then is forgotten."""
        while (first := next(iter(self._recent), None)) and self._recent[first][-1] <= after:
            del self._recent[first]
        return deque(at for at in self._recent.get(node, ()) if at > after)
