"""A central manager that does not come up says why, and one that does has its address in its ad."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.central.role import Central
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.stages.sock import connect_message
from glasnost.errors import SettingsError
from glasnost.net.datagrams import Datagrams
from glasnost.net.sockets import connect_tcp
from glasnost.settings import CondorSetting, Settings
from tests.condor.central.rig import manager
from tests.condor.server.desk import message, schedd
from tests.daemons.test_metrics import scrape
from tests.net.pairs import nothing_left_open, until


def central(home: Path, number: int = 9618, **condor: Any) -> Central:
    settings = Settings(listen=("127.0.0.1", "::1"), condor=CondorSetting(**condor))
    return Central(home, settings, "lab.glasnost.internal", number)


WRONG = [
    ({"methods": ("FS", "ROT13")}, r"condor\.methods: ROT13 is none of CLAIMTOBE, FS,"),
    ({"allow": {"DEAMON": ("*",)}}, r"condor\.allow: DEAMON is none of READ,"),
    ({"allow": {"READ": ("cm.example.org",)}}, "'cm.example.org' is none of USER@DOMAIN"),
    ({"certificate": "/no/where", "key": "/no/where"}, "cannot use /no/where: .*No such file"),
]


@pytest.mark.parametrize("condor, words", WRONG)
def test_what_is_wrong_in_the_settings_is_said(
    tmp_path: Path, condor: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        central(tmp_path, **condor)


def test_a_certificate_without_its_key_is_wrong() -> None:
    with pytest.raises(ValueError, match="a certificate and its key come together"):
        CondorSetting(certificate="/x")


def test_a_udp_port_that_is_taken_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    async def scenario() -> None:
        other = Datagrams("127.0.0.1", 0)
        here = central(tmp_path, other.number, udp=True)
        with pytest.raises(SettingsError, match=r"cannot listen on 127\.0\.0\.1 UDP port"):
            here.start()
        await here.close()
        other.close()

    with nothing_left_open():
        asyncio.run(scenario())


@pytest.mark.parametrize(
    "condor, rest",
    [
        ({}, "&noUDP&sock=collector"),
        ({"alias": "cm.example.org"}, "&alias=cm.example.org&noUDP&sock=collector"),
        ({"udp": True, "alias": "cm.example.org"}, "&alias=cm.example.org"),
    ],
)
def test_where_it_is_met(tmp_path: Path, condor: dict[str, Any], rest: str) -> None:
    """Who takes datagrams says no id, since a datagram has none."""
    place = "127.0.0.1:9618?addrs=127.0.0.1-9618+[--1]-9618"
    assert str(central(tmp_path, **condor).address()) == f"<{place}{rest}>"


def test_metrics_count_what_it_has(tmp_path: Path) -> None:
    """An ad, a target, somebody who says nothing; and what is left when they have gone."""
    registering = message(Command.CCB_REGISTER, Ad({"Command": 67, "Name": "PYTEST"}))
    said = [message(Command.UPDATE_SCHEDD_AD, schedd("s")), registering, b""]

    async def scenario() -> None:
        async with manager(tmp_path, secure=False, allow={"DAEMON": ["*"]}) as here:
            socks = []
            for one in said:
                socks.append(await connect_tcp("127.0.0.1", here.number))
                socks[-1].send(connect_message("collector", 20) + one)
            central = here.central
            await until(lambda: len(central.endpoint) == 3 and central.endpoint.guests == 1)
            await until(lambda: central.broker.counts["targets"] and central.collector.counts)
            found = scrape(**here.roles)
            assert found["glasnost_collector_connections"] == 3
            assert found["glasnost_collector_guests"] == 1
            assert found["glasnost_collector_ads"] == {"Scheduler": 1}
            assert 0 < found["glasnost_collector_ads_bytes"] < 20_000
            assert found["glasnost_ccb_targets"] == 1
            assert found["glasnost_ccb_requests"] == found["glasnost_ccb_streams"] == 0
            for sock in socks:
                sock.close()
            await until(lambda: not len(central.endpoint))
            found = scrape(**here.roles)
            assert found["glasnost_ccb_targets"] == found["glasnost_collector_guests"] == 0
            assert found["glasnost_collector_sessions"] == 0

    asyncio.run(scenario())
