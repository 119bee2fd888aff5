"""``knock`` at a firewall that opens only to knockd's sequence."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasnost.core.address import Address, Landing
from glasnost.core.routes import Exit, Target, Trace, Vantage
from glasnost.errors import ConnectFailed
from glasnost.roles.dialler import as_socket, connect
from glasnost.settings import KnockSetting, Settings
from glasnost.stages import Means
from glasnost.testing.lab import Lab
from tests.lab import servers
from tests.lab.conftest import eventually

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

ECHO, OPEN = 9000, 9001
ANY = ("0.0.0.0/0",)
KNOCKS = {
    "fw": KnockSetting(("7000/tcp", "8000/udp", "9100/tcp"), ANY, delay=0.02, wait=0.2),
    "fw-wrong": KnockSetting(("9100/tcp", "8000/udp"), ANY, delay=0.02, wait=0.2),
    "fw-short": KnockSetting(("7000/tcp", "8000/udp"), ANY, delay=0.02, wait=0.2),
}


class Castle:
    """A host behind a firewall of nft's that drops what comes to the port of ``ECHO``, until
    knockd has heard its sequence; a port of another service, which is open; a client."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.castle, self.client = lab.host("castle", ip6=False), lab.host("client", ip6=False)
        lab.up()
        servers.echo(self.castle, ECHO, folder)
        servers.echo(self.castle, OPEN, folder)
        self._nft("add set inet lab welcome { type ipv4_addr; }")
        self.castle.firewall(f'iifname != "lo" tcp dport {ECHO} ip saddr != @welcome counter drop')
        config = folder / "knockd.conf"
        config.write_text(
            """\
[options]
  UseSyslog

[open]
  sequence = 7000:tcp,8000:udp,9100:tcp
  seq_timeout = 5
  tcpflags = syn
  command = nft add element inet lab welcome { %IP% }
"""
        )
        log = folder / "knockd.log"
        command = ["knockd", "-v", "-D", "-i", self.castle.legs[0].interface, "-c", str(config)]
        with log.open("w") as told:
            process = self.castle.popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)

        def listens() -> bool:
            assert process.poll() is None, log.read_text()
            return "listening on" in log.read_text()

        assert eventually(listens), log.read_text()

    def close_gates(self) -> None:
        self._nft("flush set inet lab welcome")

    def _nft(self, text: str) -> None:
        self.castle.run(["nft", "-f", "-"], input=text + "\n", text=True, check=True)

    def connect(self, *routes: str, timeout: float = 15) -> tuple[bytes, tuple[Trace, ...]]:
        """What answers by the first of these routes that leads there, and those that failed."""

        async def scenario() -> tuple[bytes, tuple[Trace, ...]]:
            made = await connect(
                "castle",
                Target(Address.parse(",".join(routes))),
                Vantage((Exit(Landing("ip4", "public")),)),
                Means(settings=Settings(knocks=KNOCKS)),
                as_socket,
                socket.socket.close,
                timeout=timeout,
            )
            with made.result as sock:
                return await servers.asks(sock), made.failed

        with self.client.inside():
            return asyncio.run(scenario())

    def at(self, port: int, knock: str = "") -> str:
        return f"public/{f'knock:{knock}/' if knock else ''}ip4:{self.castle.ip4}:{port}"


@pytest.fixture(scope="module")
def castles(lab_reason: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Castle]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("knockd")
    with Lab() as lab:
        yield Castle(lab, tmp_path_factory.mktemp("knockd"))


@pytest.fixture
def castle(castles: Castle) -> Castle:
    """With its gates closed."""
    castles.close_gates()
    return castles


def test_the_right_knock_opens_the_firewall(castle: Castle) -> None:
    answer, failed = castle.connect(castle.at(ECHO, "fw"))
    assert (answer, failed) == (b"are you there?", ())


@pytest.mark.parametrize("knock", ["", "fw-wrong", "fw-short"])
def test_without_it_nothing_answers(castle: Castle, knock: str) -> None:
    with pytest.raises(ConnectFailed) as caught:
        castle.connect(castle.at(ECHO, knock), timeout=1.5)
    (trace,) = caught.value.traces
    assert isinstance(trace, Trace)
    assert (trace.number, trace.why) == (2 if knock else 1, "no answer")


def test_a_knock_that_has_no_effect_costs_one_route_and_the_others_go_on(castle: Castle) -> None:
    """The wrong one first, then the same place by the right knock, which comes in its turn."""
    answer, _ = castle.connect(castle.at(ECHO, "fw-wrong"), castle.at(ECHO, "fw"))
    assert answer == b"are you there?"
    castle.close_gates()
    answer, _ = castle.connect(castle.at(ECHO, "fw-short"), castle.at(OPEN))
    assert answer == b"are you there?"
