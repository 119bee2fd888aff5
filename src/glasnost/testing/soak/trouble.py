"""What goes wrong in a soak, when, and for how long: drawn from a seed before it begins, so that
the same seed brings the same trouble."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glasnost.testing.soak.hosts import CENTRAL, Pool

#: Seconds from one trouble to the next, on average.
BETWEEN = 3.0
#: Seconds until one is mended, at least and at most (of a short soak a fifth): from what TCP hides
#: to nearly as long as a client tries.
LASTING = (0.3, 12.0)
#: Seconds of peace for a place that was mended: a process that starts again needs some on a machine
#: that does other things too.
PEACE = 5.0


@dataclass(frozen=True)
class Trouble:
    """At ``at`` seconds something happens to a host or site, and is mended ``lasting`` later.

    ``what``: ``kill`` the processes named in ``parts``, ``boot`` (kill all, and lose the run
    directory), ``stop`` (they hang), ``cut`` (the cable).
    """

    at: float
    lasting: float
    place: str
    what: str
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = f" {' and '.join(self.parts)}" if self.parts else ""
        return f"{self.what}{parts} at {self.place}"


def draw(pool: Pool, seed: int, seconds: float) -> list[Trouble]:
    """All the trouble of a soak, in order. A place has one trouble at a time.

    What is never killed shows whether memory grows: half of the members, the second broker.
    """
    chance = random.Random(seed)
    drawn: list[Trouble] = []
    mended: dict[str, float] = {}
    at, choices = 0.0, _choices(pool)
    longest = min(LASTING[1], seconds / 5)
    while (at := at + chance.expovariate(1 / BETWEEN)) < seconds - longest:
        place, what, parts = chance.choice(choices)
        lasting = chance.uniform(LASTING[0], longest)
        if mended.get(place, -PEACE) + PEACE < at:
            mended[place] = at + lasting
            drawn.append(Trouble(at, lasting, place, what, parts))
    return drawn


def _choices(pool: Pool) -> list[tuple[str, str, tuple[str, ...]]]:
    services = {host.name: f"service-{service}" for host, service in pool.services}
    central = pool.central.name
    choices: list[tuple[str, str, tuple[str, ...]]] = [
        *((central, "kill", (role,)) for role in CENTRAL),
        (central, "kill", ("agent", "broker")),
        (central, "boot", CENTRAL),
        (central, "cut", ()),
        *((site.name, "cut", ()) for site in pool.sites),
        *((host.name, "cut", ()) for host in pool.members[1::2]),
    ]
    for host in pool.members[0::2]:
        choices.append((host.name, "kill", ("agent",)))
        if service := services.get(host.name):
            choices.append((host.name, "kill", (service,)))
            choices.append((host.name, "stop", (service,)))
    return choices


class Troubles:
    """Brings trouble about when it is due, and mends it."""

    def __init__(self, pool: Pool, drawn: Sequence[Trouble]) -> None:
        self._pool = pool
        self._coming = list(drawn)
        self._hosts = {host.name: host for host in pool.hosts}
        self._nodes = {node.name: node for node in (*pool.hosts, *pool.sites)}
        self.now: dict[Trouble, float] = {}  # until when
        self.kinds: Counter[str] = Counter()

    def step(self, elapsed: float) -> Iterator[str]:
        """Do what is due; a sentence for each thing done. On a busy machine all comes later, and
        still a place has one trouble at a time, and has it for as long as was drawn."""
        for trouble, until in list(self.now.items()):
            if until <= elapsed:
                del self.now[trouble]
                self._mend(trouble)
                yield f"mended: {trouble}"
        broken = {trouble.place for trouble in self.now}
        while self._coming and self._coming[0].at <= elapsed:
            if self._coming[0].place in broken:
                break
            trouble = self._coming.pop(0)
            self._bring(trouble)
            self.now[trouble] = elapsed + trouble.lasting
            broken.add(trouble.place)
            self.kinds[f"{trouble.what} {' and '.join(trouble.parts)}".strip()] += 1
            yield f"{trouble}, for {trouble.lasting:.1f} s"

    def mend_all(self) -> None:
        """Nothing is broken any more, and nothing will be."""
        self._coming.clear()
        while self.now:
            self._mend(self.now.popitem()[0])

    def _bring(self, trouble: Trouble) -> None:
        world, place = self._pool.world, trouble.place
        match trouble.what:
            case "cut":
                self._nodes[place].unplug()
            case "stop":
                world.processes[place, trouble.parts[0]].send_signal(signal.SIGSTOP)
            case _:
                world.kill(self._hosts[place], *trouble.parts)
                if trouble.what == "boot":
                    shutil.rmtree(world.folder / place / "run")

    def _mend(self, trouble: Trouble) -> None:
        world, place = self._pool.world, trouble.place
        match trouble.what:
            case "cut":
                self._nodes[place].plug()
            case "stop":
                world.processes[place, trouble.parts[0]].send_signal(signal.SIGCONT)
            case _:
                world.restart(self._hosts[place], *trouble.parts)
