"""One answer of a collector, ad by ad, and what comes of it: the records of a pool."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

from glasnost.condor.bridge.daemon import ATTRIBUTES, ROLES, Daemon, Heard, heard, read
from glasnost.condor.bridge.entry import Made, called, make, met
from glasnost.condor.bridge.places import Pool
from glasnost.condor.classad import Ad
from glasnost.condor.questions import Question, about
from glasnost.core.protocols.record_rules import RECORDS_PER_NODE
from glasnost.core.text import printable
from glasnost.core.wire.messages import Entry
from glasnost.errors import ProtocolError

#: Records of one bridge: those that a directory keeps of a node, less some for its own services.
MAX_BRIDGED: Final = RECORDS_PER_NODE - 100
#: Daemons that are told apart in one answer: more than pools have, at about 1 kB each.
MAX_DAEMONS: Final = 50_000
#: Ads that are looked at in one answer: those of 200,000 slots, and some.
MAX_ADS: Final = 300_000
#: Sentences about the ads of one answer.
MAX_SAID: Final = 20
#: An ad that is so much older than its lifetime, seconds, is told of because nobody has looked:
#: a collector clears up once in a lifetime, at a time of its own.
GRACE: Final = 60

ORDER: Final = {role: place for place, role in enumerate(dict.fromkeys(ROLES.values()))}


@dataclass(frozen=True)
class Found:
    """``made`` by daemon, in the order of what matters; ``incarnation`` is what tells one life of
    the collectors from the next; ``said`` are sentences about what is not as it should be."""

    pool: Pool
    made: dict[Daemon, Made]
    incarnation: tuple[object, ...]
    said: tuple[str, ...]
    left_out: int = 0

    @property
    def entries(self) -> dict[str, Entry]:
        """The records, by label."""
        return {one.entry.name: one.entry for one in self.made.values()}


def question(roles: Collection[str] = (), constraint: str = "") -> Question:
    """What to ask a collector: the daemons of these roles (none: all), and itself. Raises
    `ValueError` for a constraint that is no expression."""
    types = [one for one, role in ROLES.items() if not roles or role in roles]
    wanted = " || ".join(f'MyType == "{one}"' for one in types)
    if constraint:
        wanted = f"({wanted}) && ({constraint})"
    # Slots that come and go with jobs have the address of their startd, which others have, too.
    return about(
        "any",
        f'MyType == "collector" || ({wanted}) && (DynamicSlot =!= true)',
        ATTRIBUTES,
    )


class Gathering:
    """Takes ads as they come. ``wanted``: only these roles become records; none: all."""

    def __init__(self, pool: Pool, wanted: Collection[str] = ()) -> None:
        self._pool, self._wanted = pool, frozenset(wanted)
        self._daemons: dict[tuple[str, str], tuple[Daemon, Heard]] = {}
        self._odd: dict[str, None] = {}
        self._unsaid = False
        self._ads = self._crowd = 0

    def __repr__(self) -> str:
        return f"<Gathering of {self._ads} ads, {len(self._daemons)} daemons>"

    @property
    def full(self) -> bool:
        """Whether there is no sense in reading on."""
        return self._ads >= MAX_ADS

    def add(self, ad: Ad) -> None:
        """One ad."""
        self._ads += 1
        try:
            daemon, when = read(ad), heard(ad)
        except ProtocolError as error:
            self._say(f"an ad cannot be read: {error}")
            return
        if isinstance(daemon, str):
            self._say(daemon)
        elif daemon is not None:
            self._keep(daemon, when)

    def whole(self, limit: int = MAX_BRIDGED) -> Found:
        """What the answer says, now that all of it is there."""
        living = sorted(self._living(), key=lambda one: (ORDER[one.role], one.name, one.machine))
        collectors = [one for one in living if one.role == "collector"]
        pool = replace(self._pool, met=met((one.address for one in collectors), self._pool.places))
        wanted = [one for one in living if not self._wanted or one.role in self._wanted]
        made: dict[Daemon, Made] = {}
        labels: dict[str, Daemon] = {}
        left_out = self._crowd
        for daemon in wanted:
            if len(made) >= limit:
                left_out += 1
                continue
            one = make(daemon, pool)
            if isinstance(one, str):
                self._say(one)
            elif (other := labels.setdefault(one.entry.name, daemon)) is not daemon:
                self._say(f"{called(daemon)} would be called as {called(other)} is: left out")
            else:
                made[daemon] = one
                for why in one.lost:
                    self._say(f"{called(daemon)}: {why}")
        incarnation = tuple(
            sorted(
                (one.name, when.started)
                for one, when in self._daemons.values()
                if one.role == "collector"
            )
        )
        return Found(pool, made, incarnation, tuple(self._sentences(left_out, limit)), left_out)

    def _keep(self, daemon: Daemon, when: Heard) -> None:
        """Of several ads of one daemon, its slots, the first counts."""
        key = daemon.role, daemon.name
        kept = self._daemons.get(key)
        if kept is None and len(self._daemons) >= MAX_DAEMONS:
            self._crowd += 1
        elif kept is None:
            self._daemons[key] = daemon, when
        elif kept[0].address != daemon.address:
            # One of the two is old, or lies: the later word counts.
            self._say(f"{called(daemon)} has ads with two addresses")
            if when.at > kept[1].at:
                self._daemons[key] = daemon, when
        elif when.at > kept[1].at:
            self._daemons[key] = kept[0], when

    def _living(self) -> Iterator[Daemon]:
        """Those whose ads hold, by the collector's clock: it has heard nothing later than now."""
        now = max((when.at for _, when in self._daemons.values()), default=0)
        for daemon, when in self._daemons.values():
            if not when.at or now - when.at <= when.lifetime + GRACE:
                yield daemon

    def _say(self, sentence: str) -> None:
        if len(self._odd) < MAX_SAID:
            self._odd[printable(sentence[:300], keep="")] = None
        else:
            self._unsaid = True

    def _sentences(self, left_out: int, limit: int) -> Iterator[str]:
        yield from self._odd
        if self._unsaid:
            yield "there are more ads like these"
        if self.full:
            yield f"of the answer {MAX_ADS:,} ads were read, and there were more"
        if left_out:
            yield (
                f"{left_out:,} daemons are left out, masters first: a bridge has {limit} records; "
                "choose with --role, or run bridges on further nodes, each with a --constraint"
            )
