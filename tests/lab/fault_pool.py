"""A small pool to break, and what every fault test asks of it.

::

    cm       public      authority, directory, broker
    alice    public      services web (sealed) and raw (plain)
    node7    one NAT     services jupyter (sealed) and tty (plain)
    laptop   another     its way to node7 is a relay, to alice a direct one
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from glasnost.testing.census import Census
from glasnost.testing.lab import Host, Lab
from glasnost.testing.traffic import Traffic
from glasnost.testing.world import World

DAEMONS = ("agent", "authority", "directory", "broker")
#: Characters of each host's logs that the report of a failed test shows.
LAST_WORDS = 6000
#: Seconds of silence after which a peer is taken for dead: half the usual, which a test waits for.
DEAD_AFTER = 20
NAMES = ("web.alice", "raw.alice", "jupyter.node7", "tty.node7")


class FaultPool:
    """The pool, all of whose parts run: whoever breaks one mends it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.lab = lab = self._stack.enter_context(Lab())
        self.world = world = self._stack.enter_context(World(lab, f"dead_after = {DEAD_AFTER}"))
        self.home = lab.site("home", nat="masquerade", inbound="drop")
        self.office = lab.site("office", nat="random", inbound="drop")
        self.cm = lab.host("cm")
        self.alice = lab.host("alice")
        self.node7 = lab.host("node7", self.home)
        self.laptop = lab.host("laptop", self.office)
        lab.up()
        world.found(self.cm)
        for role in DAEMONS:
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, [f"{role}.cm" for role in DAEMONS[1:]])
        world.join(self.cm, self.members, {})
        for host in self.members:
            world.start(host, "agent")
        world.wait_for_agents(self.members)
        world.serve(self.alice, "web")
        world.serve(self.alice, "raw", "plain")
        world.serve(self.node7, "jupyter")
        world.serve(self.node7, "tty", "plain", "any-relay")
        world.wait_for_names(self.cm, NAMES, brokered=NAMES)
        self._before = self._census()

    @property
    def members(self) -> list[Host]:
        return [self.alice, self.node7, self.laptop]

    def listed(self) -> set[str]:
        """The names that the directory has, short."""
        found = json.loads(self.world.glasnost(self.cm, "ls", "--json"))
        return {".".join(one["name"].split(".")[:2]) for one in found}

    def logs(self) -> str:
        """The last words of everything that ran."""
        hosts = (self.cm, *self.members)
        return "\n".join(f"=== {one.name}\n{self.world.log(one)[-LAST_WORDS:]}" for one in hosts)

    def close(self) -> None:
        self._stack.close()

    @contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Transfers of all kinds from the laptop while the block lasts, and streams that are held:
        two direct ones, two relayed ones, sealed and plain. None of all that may hang, or end with
        bytes missing."""
        hold = ("web.alice", "raw.alice", "jupyter.node7", "tty.node7")
        traffic = self.world.load(self.laptop, names=NAMES, workers=3, hold=hold, seed=7)
        ways = [one.way for one in traffic.report().held]
        assert ways == ["direct", "direct", "relay", "relay"], ways
        yield traffic
        report = traffic.stop()
        assert report.faults == [], (report, self.world.log(self.laptop))
        assert report.whole, report

    def wait_until_nothing_grew(self) -> None:
        """Wait until the pool holds no more than before anything was broken in it."""
        self.world.wait_until_nothing_grew(self._before)

    def _census(self) -> Census:
        """What the pool holds once every kind of connection has been made and let go."""
        with self.traffic() as traffic:
            self.world.wait_for("transfers of all kinds", traffic.more(20))
        return self.world.census_at_rest()
