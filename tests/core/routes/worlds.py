"""Small worlds for the tests of planning: stage kinds, short ways to write, generated cases."""

from hypothesis import strategies as st

from glasnost.core.address import Address, Landing, Route, Stage, parse_reach
from glasnost.core.routes import Exit, Target, Traits, Vantage

KINDS: dict[str, Traits] = {
    "ip4": Traits("origin", protocol="ip4"),
    "ip6": Traits("origin", protocol="ip6"),
    "unix": Traits("origin", protocol="unix"),
    "service": Traits("forward", options=frozenset({"Version"})),
    "socks5": Traits("forward"),
    "knock": Traits(
        "prelude",
        check=lambda stage: None if stage.args == ("fw",) else "our settings know no such knock",
    ),
    "ccb": Traits(
        "reversing", ways=frozenset({"dial-back", "relay"}), options=frozenset({"reach"})
    ),
    "mirror": Traits("reversing", ways=frozenset({"dial-back"})),
}


def vantage(exits: str = "", returns: str = "") -> Vantage:
    """``ip4@public ip6@lab:5`` is two exits, the second at cost 5; returns are routes."""
    return Vantage(
        tuple(_exit(word) for word in exits.split()),
        tuple(map(Route.parse, returns.split())),
    )


def target(address: str, reach: str | None = None, relay: bool = True) -> Target:
    return Target(
        Address.parse(address), None if reach is None else parse_reach(reach), relay=relay
    )


def _exit(word: str) -> Exit:
    landing, _, cost = word.partition(":")
    return Exit(Landing.parse(landing), cost=float(cost or 0))


ORIGINS = {
    "ip4": Stage.ip("192.0.2.1", 9618),
    "ip6": Stage.ip("2001:db8::1", 9618),
    "unix": Stage.unix("/run/port"),
}
NETWORKS = st.sampled_from(["public", "lab", "host.a"])
LANDINGS = st.builds(Landing, st.sampled_from(["ip4", "ip6"]), NETWORKS)
REACHES = st.frozensets(LANDINGS, max_size=3)
STAGES = st.one_of(
    st.just(Stage.service("a")),
    st.builds(Stage.ccb, st.just("node7"), st.none() | REACHES),
    st.builds(Stage.ccb, st.just("gate2"), REACHES),
)
ODD_TEXTS = ("pigeon:7", "service:a:Must=1", "service:a:b", "knock:fw", "knock:x", "mirror")
ODD_STAGES = st.sampled_from(
    [*map(Stage.parse, ODD_TEXTS), Stage.parse("mirror:reach=x"), *ORIGINS.values()]
)


def _route(landing: Landing, stages: list[Stage]) -> Route:
    return Route(landing.network, (ORIGINS[landing.protocol], *stages))


SOUND_ROUTES = st.builds(_route, LANDINGS, st.lists(STAGES, max_size=4))
ODD_ROUTES = st.builds(
    lambda landing, stages: Route(landing.network, tuple(stages)),
    LANDINGS,
    st.lists(ODD_STAGES | STAGES, min_size=1, max_size=4),
)
RETURNS = st.builds(_route, LANDINGS, st.lists(st.just(Stage.service("reply")), max_size=1))
EXITS = st.builds(Exit, LANDINGS, st.just(()), st.integers(0, 2))
VANTAGES = st.builds(
    Vantage,
    st.lists(EXITS, max_size=4).map(tuple),
    st.lists(RETURNS, max_size=3).map(tuple),
)
ADDRESSES = st.lists(SOUND_ROUTES, min_size=1, max_size=4).map(lambda few: Address(tuple(few)))
ODD_ADDRESSES = st.lists(SOUND_ROUTES | ODD_ROUTES, min_size=1, max_size=4).map(
    lambda few: Address(tuple(few))
)
