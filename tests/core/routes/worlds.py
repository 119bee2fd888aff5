"""Small worlds for the tests of planning: stage kinds, short ways to write, generated cases."""

from hypothesis import strategies as st

from glasnost.core.address import Address, Landing, Route, Stage, parse_reach
from glasnost.core.routes import Exit, Policy, Target, Traits, Vantage

KINDS: dict[str, Traits] = {
    "ip4": Traits("origin", protocol="ip4"),
    "ip6": Traits("origin", protocol="ip6"),
    "unix": Traits("origin", protocol="unix"),
    "service": Traits("forward", options=frozenset({"Version"})),
    "dns": Traits("origin", protocol="ip"),
    "socks5": Traits("forward", onward=frozenset({"ip4", "ip6", "dns"})),
    "knock": Traits(
        "prelude",
        check=lambda stage: None if stage.args == ("fw",) else "our settings know no such knock",
    ),
    "setup": Traits("prelude", ours=True),
    "ccb": Traits(
        "reversing", ways=frozenset({"dial-back", "relay"}), options=frozenset({"reach"})
    ),
    "hub": Traits(
        "reversing", ways=frozenset({"dial-back", "meet", "relay"}), options=frozenset({"reach"})
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
ODD_TEXTS = (
    *(
        "pigeon:7",
        "service:a:Must=1",
        "service:a:b",
        "knock:fw",
        "knock:x",
        "setup:vpn",
        "mirror",
        "hub:n",
    ),
    *("hub:n:reach=ip4@lab", "socks5", "dns:a.example.org:9618"),
)
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
ADDRESSES4 = st.sampled_from(["192.0.2.9", "10.0.0.9", "169.254.1.9"])
ADDRESSES6 = st.sampled_from(["2001:db8::9", "fd00::9", "fe80::9", "2002:c000:201::9"])
PROXY = (Stage.ip("198.51.100.4", 1080), Stage("socks5"))
EXITS = st.builds(
    Exit,
    LANDINGS,
    st.just(()),
    st.integers(0, 2),
    sources=st.lists(ADDRESSES4 | ADDRESSES6, max_size=3).map(tuple),
)
ODD_EXITS = st.builds(
    Exit, LANDINGS, st.sampled_from([(), PROXY, (Stage("warp"),), PROXY[:1]]), st.integers(0, 2)
)
VANTAGES = st.builds(
    Vantage,
    st.lists(EXITS, max_size=4).map(tuple),
    st.lists(RETURNS, max_size=3).map(tuple),
)
ODD_VANTAGES = st.builds(
    Vantage,
    st.lists(EXITS | ODD_EXITS, max_size=4).map(tuple),
    st.lists(RETURNS, max_size=3).map(tuple),
)
POLICIES = st.builds(
    Policy,
    st.lists(st.sampled_from(["public", "lab", "host.*", "*"]), max_size=2).map(tuple),
    st.lists(st.sampled_from(["public", "lab", "host.a"]), max_size=2).map(tuple),
    st.dictionaries(st.sampled_from(["public", "l*"]), st.integers(0, 2), max_size=2),
    st.sampled_from(["ip4", "ip6"]),
    st.booleans(),
    st.booleans(),
)
ADDRESSES = st.lists(SOUND_ROUTES, min_size=1, max_size=4).map(lambda few: Address(tuple(few)))
ODD_ADDRESSES = st.lists(SOUND_ROUTES | ODD_ROUTES, min_size=1, max_size=4).map(
    lambda few: Address(tuple(few))
)
