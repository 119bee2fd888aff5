"""Where a program stands for HTCondor's daemons: what it reaches, and how they dial it back."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import pytest

from glasnost.condor import reaching as module
from glasnost.condor.doorstep import Doorstep
from glasnost.condor.reaching import Reaching, routes_to
from glasnost.condor.stages.ccb import return_address
from glasnost.condor.stages.sock import connect_message
from glasnost.core.address import Route
from glasnost.core.routes import Exit, Vantage
from glasnost.core.wire.header import TOKEN_SIZE, Call
from glasnost.errors import SinfulError, Unavailable
from glasnost.net.exact import write_call
from glasnost.net.interfaces import HostFacts, InterfaceAddress
from glasnost.net.sockets import connect_tcp
from glasnost.roles.experience import Experience
from glasnost.roles.standing import Standing
from glasnost.settings import Settings
from glasnost.stages import Means
from glasnost.tables import CondorSetting
from tests.condor.daemon import config
from tests.net.pairs import until
from tests.roles.broker_lab import read
from tests.stages.crossing import play

BOTH = (("ip4", "10.0.0.7"), ("ip6", "fd00::7"))
BROKERED = "<192.0.2.7:9618?CCBID=192.0.2.1:9618#5>"


def facts(*addresses: tuple[str, str]) -> HostFacts:
    entries = tuple(InterfaceAddress("eth0", protocol, text) for protocol, text in addresses)
    return HostFacts("4f2a91", entries, frozenset())


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what addresses this host has; none of them is public, and there is no default route."""

    def has(*addresses: tuple[str, str]) -> None:
        monkeypatch.setattr(module, "read_host", lambda: facts(*addresses))

    return has


def standing(means: Means | None = None, *returns: str, **settings: object) -> Standing:
    known = Settings(**settings)  # type: ignore[arg-type]
    means = dataclasses.replace(means or Means(), settings=known)
    return Standing(Vantage((), tuple(map(Route.parse, returns))), means, Experience())


def lands(text: str, here: Standing | None = None, **condor: str) -> list[str]:
    with Reaching(here or standing(), config(**condor)) as reaching:
        seen = reaching.towards(routes_to(text))
    return [str(one.lands) for one in seen.vantage.exits]


def test_every_protocol_that_a_host_has_leads_to_htcondors_internet(
    host: Callable[..., None],
) -> None:
    host(*BOTH)
    assert lands("<192.0.2.7:1>", PRIVATE_NETWORK_NAME="lab") == [
        "ip4@public",
        "ip6@public",
        "ip4@lab",
        "ip6@lab",
    ]
    host(BOTH[0])
    assert lands("<192.0.2.7:1>", PRIVATE_NETWORK_NAME="") == ["ip4@public"]
    assert lands("<[::1]:1>", PRIVATE_NETWORK_NAME="No name") == ["ip4@public", "ip6@public"]
    host()
    assert lands("<192.0.2.7:1>", PRIVATE_NETWORK_NAME="") == []


def test_what_is_switched_off_is_not_used(host: Callable[..., None]) -> None:
    host(*BOTH)
    assert lands("<192.0.2.7:1>", PRIVATE_NETWORK_NAME="", ENABLE_IPV6="false") == ["ip4@public"]
    only6 = standing(enable_ipv4=False)
    assert lands("<192.0.2.7:1>", only6, PRIVATE_NETWORK_NAME="") == ["ip6@public"]


def test_exits_that_are_there_stay_as_they_are(host: Callable[..., None]) -> None:
    host(BOTH[0])
    own = Exit.from_dict({"lands": "ip4@public", "source": "10.0.0.7"})
    proxied = Exit.from_dict({"lands": "ip6@public", "stages": ["ip4:10.0.0.1:1080", "socks5"]})
    here = standing()._replace(vantage=Vantage((own, proxied)))
    with Reaching(here, config(PRIVATE_NETWORK_NAME="")) as reaching:
        assert reaching.towards(routes_to("<192.0.2.7:1>")).vantage.exits == (own, proxied)


def test_a_port_is_opened_where_a_broker_is_asked_and_closed_again(
    host: Callable[..., None],
) -> None:
    host(*BOTH)

    async def scenario() -> None:
        with Reaching(standing(), config()) as reaching:
            assert reaching.towards(routes_to("<192.0.2.7:1>")).means.expect is None
            seen = reaching.towards(routes_to(BROKERED))
            again = reaching.towards(routes_to(BROKERED))
            assert seen.means.expect is not None
            assert seen.vantage.returns == again.vantage.returns
            hosts = [route.stages[0].args[0] for route in seen.vantage.returns]
            assert hosts == ["10.0.0.7", "fd00::7"]

    play(scenario)


async def _expect(timeout: float) -> object:
    raise AssertionError("nobody dials back here")


def test_the_hosts_own_port_serves_where_it_serves_htcondor(host: Callable[..., None]) -> None:
    host(*BOTH)
    means = Means(expect=_expect)  # type: ignore[arg-type]
    door = "public/ip4:192.0.2.9:9618"

    async def scenario() -> None:
        for here, own in [
            (standing(means, door, condor=CondorSetting()), True),
            (standing(means, door), False),
            (standing(means, condor=CondorSetting()), False),
        ]:
            with Reaching(here, config()) as reaching:
                seen = reaching.towards(routes_to(BROKERED))
                assert (seen.means.expect is _expect) == own
                assert (list(map(str, seen.vantage.returns)) == [door]) == own

    play(scenario)


def test_who_assumes_a_firewall_listens_nowhere(host: Callable[..., None]) -> None:
    host(*BOTH)
    with Reaching(standing(), config(TOOLS_ASSUME_FIREWALLS="true")) as reaching:
        seen = reaching.towards(routes_to(BROKERED))
    assert seen.means.expect is None and seen.vantage.returns == ()


def test_addresses_without_a_way_there_are_refused() -> None:
    with pytest.raises(Unavailable, match="alias: an address has no host name"):
        routes_to("<?alias=h>")
    with pytest.raises(SinfulError):
        routes_to("<192.0.2.7:1")


# --- the port of one's own ------------------------------------------------------------------------


def at_home(scenario: Callable[[Doorstep, int], Awaitable[None]]) -> None:
    async def run() -> None:
        door = Doorstep(Settings(listen=("127.0.0.1",)))
        try:
            (route,) = door.returns(facts())
            await scenario(door, int(route.stages[0].args[1]))
        finally:
            door.close()

    play(run)


def test_each_dial_back_finds_who_expects_it() -> None:
    async def scenario(door: Doorstep, port: int) -> None:
        expected = [await door.expect(10) for _ in range(3)]
        address = return_address([Route.parse(f"public/ip4:127.0.0.1:{port}")], "x")
        assert address.port_number == port
        dialled = []
        for number, one in reversed(list(enumerate(expected))):
            sock = await connect_tcp("127.0.0.1", port)
            sock.send(connect_message(f"reply_{one.reply.hex()}", -1) + bytes([number]))
            dialled.append(sock)
        for number, one in enumerate(expected):
            with await one.arrival() as sock:
                assert await read(sock, 1) == bytes([number])
        for sock in dialled:
            sock.close()

    at_home(scenario)


@pytest.mark.parametrize("id", ["", "collector", "self", "reply_", f"reply_{'0' * 32}", "../x"])
def test_nobody_else_is_served(id: str) -> None:
    async def scenario(door: Doorstep, port: int) -> None:
        expected = await door.expect(10)
        with await connect_tcp("127.0.0.1", port) as sock:
            sock.send(connect_message(id, -1))
            assert await read(sock, 1) == b""
        expected.cancel()

    at_home(scenario)


def test_a_reply_name_works_once_and_callers_of_ours_are_told_why_not() -> None:
    async def scenario(door: Doorstep, port: int) -> None:
        expected = await door.expect(10)
        for served in (True, False):
            with await connect_tcp("127.0.0.1", port) as sock:
                sock.send(connect_message(f"reply_{expected.reply.hex()}", -1))
                if served:
                    (await expected.arrival()).close()
                assert await read(sock, 1) == b""
        with await connect_tcp("127.0.0.1", port) as sock:
            await write_call(sock, Call(reply=bytes(TOKEN_SIZE)))
            assert b"nobody expects this reply name" in await read(sock, 200)
        await until(lambda: not len(door._replies))

    at_home(scenario)


def test_nothing_is_left_of_who_has_gone() -> None:
    async def scenario(door: Doorstep, port: int) -> None:
        expected = await door.expect(10)
        with await connect_tcp("127.0.0.1", port) as sock:
            sock.send(connect_message(f"reply_{expected.reply.hex()}", -1))
            await asyncio.sleep(0)
            expected.cancel()
            assert await read(sock, 1) == b""

    at_home(scenario)
