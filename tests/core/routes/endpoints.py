"""Endpoints for the tests of matchmaking: short ways to write them, and generated ones."""

from hypothesis import strategies as st

from glasnost.core.address import Landing, Route, Stage, parse_reach
from glasnost.core.routes import Endpoint, Traits
from tests.core.routes import worlds

KINDS = worlds.KINDS | {"dns": Traits("origin", protocol="ip")}
NETWORKS = st.sampled_from(["public", "lab", "host.a", "host.b"])
LANDINGS = st.builds(Landing, st.sampled_from(["ip4", "ip6", "unix"]), NETWORKS)
REACHES = st.none() | st.frozensets(LANDINGS, max_size=4)
#: Few literals, so that endpoints share some.
ORIGINS = st.sampled_from(
    list(
        map(
            Stage.parse,
            (
                "ip4:192.0.2.1:9618",
                "ip4:192.0.2.2:9618",
                "ip6:[2001:db8::1]:9618",
                "unix:%2Frun%2Fport",
                "dns:a.example:1",
            ),
        )
    )
)
ODD_STAGES = ("mirror", "mirror:reach=x", "mirror:reach=ip4@host.a", "pigeon:7", "knock:x")
STAGES = st.one_of(
    st.builds(Stage.service, st.sampled_from(["a", "b"])),
    st.builds(Stage.ccb, st.sampled_from(["n1", "n2"]), REACHES),
    st.sampled_from(list(map(Stage.parse, (*ODD_STAGES, "service:a:X=1", "service:a:b")))),
)
ROUTES = st.builds(
    lambda network, origin, stages: Route(network, (origin, *stages)),
    NETWORKS,
    ORIGINS,
    st.lists(STAGES, max_size=3),
)
ENDPOINTS = st.builds(Endpoint, st.lists(ROUTES, max_size=4).map(tuple), REACHES, st.booleans())


def endpoint(routes: str = "", reach: str | None = None, relay: bool = True) -> Endpoint:
    """``routes`` with spaces between them; ``reach`` as in an address, None: unknown."""
    return Endpoint(
        tuple(map(Route.parse, routes.split())),
        None if reach is None else parse_reach(reach),
        relay,
    )
