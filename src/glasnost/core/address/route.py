"""One way in: the network it starts on, then the stages to cross, nearest first."""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern
from typing import Final

from glasnost.core.address.kinds import KNOWN
from glasnost.core.address.landing import Landing
from glasnost.core.address.limits import MAX_ROUTE_TEXT, MAX_STAGES
from glasnost.core.address.spelling import WORD, bad_word, moved
from glasnost.core.address.stage import Stage
from glasnost.errors import AddressError

#: The network of a route that names none: the Internet.
PUBLIC: Final = "public"

_SIZE: Final = f"a route of 1 to {MAX_STAGES} stages and at most {MAX_ROUTE_TEXT} characters"


@dataclass(frozen=True, slots=True, repr=False)
class Route:
    """One way in: the network it starts on, then the stages to cross, nearest first."""

    network: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.network):
            raise bad_word(self.network, "a network")
        if not 1 <= len(self.stages) <= MAX_STAGES or len(str(self)) > MAX_ROUTE_TEXT:
            raise AddressError(str(self), 1, _SIZE)

    @classmethod
    def parse(cls, text: str) -> Route:
        """Read what ``str()`` writes, and a route that leaves its network out.

        >>> str(Route.parse("ip4:192.0.2.1:9618/carrier-pigeon:7/service:queue"))
        'public/ip4:192.0.2.1:9618/carrier-pigeon:7/service:queue'
        """
        return cls.parse_sharing(text, {})

    @classmethod
    def parse_sharing(cls, text: str, stages: dict[str, Stage]) -> Route:
        """`parse`, with stages that were read before taken from ``stages``, and new ones left
        there: the routes of one endpoint have much in common."""
        words = text.split("/")
        if len(words) > MAX_STAGES + 1:  # before any work is done for them
            raise AddressError(text, 1, _SIZE)
        network, start = PUBLIC, 0
        if ":" not in words[0]:  # "A first word that contains ":" is a stage"
            network = words.pop(0)
            start = len(network) + 1
            _check_network(network, text, alone=not words)
        found = []
        for word in words:
            stage = stages.get(word)
            if stage is None:
                try:
                    stage = stages[word] = Stage.parse(word)
                except AddressError as error:
                    raise moved(error, text, start) from None
            found.append(stage)
            start += len(word) + 1
        try:
            return cls(intern(network), tuple(found))
        except AddressError as error:
            raise AddressError(text, 1, error.expected) from None

    def landings(self) -> tuple[Landing, ...]:
        """Where the route may begin: its network, with the protocols of its first origin stage.

        >>> list(map(str, Route.parse("lab/dns:cm.example.org:9618").landings()))
        ['ip4@lab', 'ip6@lab']
        """
        for stage in self.stages:
            if stage.kind in KNOWN and (protocols := KNOWN[stage.kind].protocols):
                return tuple([Landing(protocol, self.network) for protocol in protocols])
        return ()

    def landing(self) -> Landing | None:
        """Where the route begins, None if that is not one landing.

        >>> str(Route.parse("lab/knock:fw-7/ip4:10.8.0.5:9618").landing())
        'ip4@lab'
        """
        landings = self.landings()
        return landings[0] if len(landings) == 1 else None

    def then(self, *stages: Stage) -> Route:
        """The route that goes on from the end of this one."""
        return Route(self.network, self.stages + stages)

    def __str__(self) -> str:
        return "/".join([self.network, *[stage.text for stage in self.stages]])

    def __repr__(self) -> str:
        return f"Route.parse({str(self)!r})"


def _check_network(network: str, text: str, *, alone: bool) -> None:
    if not network:
        raise AddressError(text, 1, "a network or a stage")
    if not WORD.fullmatch(network):
        raise moved(bad_word(network, "a network, or a stage with its arguments"), text, 0)
    if alone:
        raise AddressError(text, len(text) + 1, f'"/" and a stage on network {network!r}')
