"""Where an endpoint seems to stand, by its record alone."""

from glasnost.core.address import Address, Landing, parse_reach
from glasnost.core.routes import Exit, Vantage
from glasnost.core.routes.afar import vantage_of
from glasnost.core.routes.endpoint import Endpoint

ROUTES = Address.parse(
    "host.4f2a91/unix:%2Frun%2Fp.sock/service:db,"
    "lab/ip4:10.0.0.7:9618/service:db,"
    "public/ip6:[2001:db8::7]:9618/service:db,"
    "public/ip6:[2001:db8::7]:9618/service:db2,"
    "public/ip4:192.0.2.1:9618/service:broker/ccb:node7/service:db,"
    "public/dns:db.example.org:9618/service:db"
).routes


def landing(text: str) -> Landing:
    return Landing.parse(text)


def test_it_comes_out_on_its_reach_and_its_own_machine() -> None:
    found = vantage_of(Endpoint(ROUTES, parse_reach("ip4@lab+ip4@public+ip6@public")))
    assert found.exits == (
        Exit(landing("ip4@lab"), sources=("10.0.0.7",)),
        Exit(landing("ip4@public")),
        Exit(landing("ip6@public"), sources=("2001:db8::7",)),
        Exit(landing("unix@host.4f2a91")),
    )


def test_it_is_dialled_back_at_its_own_literals_and_not_through_brokers() -> None:
    found = vantage_of(Endpoint(ROUTES, frozenset()))
    assert [str(route) for route in found.returns] == [
        "lab/ip4:10.0.0.7:9618",
        "public/ip6:[2001:db8::7]:9618",
    ]


def test_an_unknown_reach_is_taken_to_hold_where_it_is_met() -> None:
    found = vantage_of(Endpoint(ROUTES, None))
    assert found.reach == {
        landing("ip4@lab"),
        landing("ip6@public"),
        landing("unix@host.4f2a91"),
    }


def test_who_publishes_nothing_stands_nowhere() -> None:
    assert vantage_of(Endpoint()) == Vantage()


def test_a_reach_of_any_size_makes_a_vantage() -> None:
    reach = frozenset(Landing("ip4", f"n{number}") for number in range(100))
    assert len(vantage_of(Endpoint(ROUTES, reach)).exits) == 64
