"""``setup`` in exits: brought up, held by the connection behind it, and one path lost where not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from glasnost.core.address import Address, Landing, Stage
from glasnost.core.routes import Exit, Target, Trace, Vantage, plan
from glasnost.errors import ConnectFailed, StageFailed
from glasnost.roles.dialler import as_socket, connect
from glasnost.settings import Settings
from glasnost.setups import SetupSetting
from glasnost.stages import Means, traits
from glasnost.stages.walk import walk
from tests.net.setup_place import Place, place, play, until
from tests.stages.crossing import path

__all__ = ["place"]

VPN = Exit(Landing("ip4", "lab"), (Stage("setup", ("vpn",)),), name="the VPN")
OTHER = Exit(Landing("ip4", "lab"), cost=1)


def means(place: Place, setting: SetupSetting) -> Means:
    return Means(settings=Settings(setups={"vpn": setting}, run=str(place.run)))


def test_the_connection_keeps_it_up_and_its_end_takes_it_down(place: Place) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            to = f"lab/ip4:127.0.0.1:{listener.getsockname()[1]}"
            on = path(to, via="lab/setup:vpn", lands="ip4")
            begun: list[tuple[int, str]] = []
            sock = await walk(
                on, means(place, place.setting()), reached=lambda *mark: begun.append(mark)
            )
            assert begun == [(-1, "bring up"), (0, "connect")]
            assert place.told() == ["start"]
            sock.close()
            await until(lambda: place.told() == ["start", "stop"])

    play(scenario)


def test_where_nothing_is_connected_it_goes_down(place: Place) -> None:
    async def scenario() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            to = f"lab/ip4:127.0.0.1:{nobody.getsockname()[1]}"
            on = path(to, via="lab/setup:vpn", lands="ip4")
            with pytest.raises(StageFailed, match=r"^stage 1 \(ip4:.*connection refused"):
                await walk(on, means(place, place.setting()))
        await until(lambda: place.told() == ["start", "stop"])

    play(scenario)


@pytest.mark.parametrize("exits", [(VPN,), (VPN, OTHER)], ids=["alone", "beside another way"])
def test_one_that_fails_costs_its_own_path_and_says_why(
    place: Place, exits: tuple[Exit, ...]
) -> None:
    async def scenario() -> None:
        setting = place.setting("echo no such gate >&2; exit 3")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            to = Target(Address.parse(f"lab/ip4:127.0.0.1:{listener.getsockname()[1]}"))
            try:
                connected = await connect(
                    "web",
                    to,
                    Vantage(exits),
                    means(place, setting),
                    as_socket,
                    socket.socket.close,
                    delay=10,
                )
            except ConnectFailed as error:
                assert exits == (VPN,)
                (failed,) = error.traces
            else:
                connected.result.close()
                assert connected.path.exit == OTHER
                (failed,) = connected.failed
        assert isinstance(failed, Trace)
        assert failed.why == "sh has ended with status 3: no such gate"
        await until(lambda: place.told() == ["start", "stop"])

    play(scenario)


def test_one_that_is_slow_is_given_up_when_another_way_has_won(place: Place) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            to = Target(Address.parse(f"lab/ip4:127.0.0.1:{listener.getsockname()[1]}"))
            connected = await connect(
                "web",
                to,
                Vantage((VPN, OTHER)),
                means(place, place.setting("sleep 60")),
                as_socket,
                socket.socket.close,
                delay=1,
            )
            connected.result.close()
        assert connected.path.exit == OTHER
        await until(lambda: place.told() == ["start", "stop"] and not place.runs())

    play(scenario)


def test_a_setup_that_our_settings_do_not_have_is_discarded_in_planning() -> None:
    to = Target(Address.parse("lab/ip4:192.0.2.1:9618"))
    (rejected,) = plan(Vantage((VPN,)), to, kinds=traits(Settings())).rejected
    says = "stage 1 (setup:vpn): there is no [setups.vpn] in the settings of this host"
    assert rejected.reason == f"it cannot be crossed: {says}"


def test_no_route_of_others_brings_anything_up(place: Place) -> None:
    """Planning discards it, and it is not crossed either."""

    async def scenario() -> None:
        with pytest.raises(StageFailed, match="only an exit of our own settings"):
            await walk(path("lab/setup:vpn/ip4:127.0.0.1:1"), means(place, place.setting()))
        assert place.told() == []

    play(scenario)


def test_it_goes_into_a_run_directory_whose_path_is_short_enough(tmp_path: Path) -> None:
    async def scenario() -> None:
        deep = Place(tmp_path / ("deep" * 30))
        setting = SetupSetting(start=("true",))
        on = path("lab/ip4:127.0.0.1:1", via="lab/setup:vpn", lands="ip4")
        with pytest.raises(StageFailed, match=r"^exit \(setup:vpn\): .*too long"):
            await walk(on, means(deep, setting))

    play(scenario)
