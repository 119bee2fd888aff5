"""Being told that this host's addresses have changed."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Coroutine
from typing import Any

import pytest

from glasnost.net import netlink
from glasnost.net.interfaces import read_host
from glasnost.net.netlink import HostChanges
from glasnost.testing.lab import Host, Lab
from glasnost.testing.lab.pytest_plugin import lab, lab_reason, needs_lab
from tests.net.pairs import LOOPS, descriptors, run

__all__ = ["lab", "lab_reason", "needs_lab"]

#: Longer than any test: who returns was told.
NEVER = 1000.0
both_loops = pytest.mark.parametrize("loop", LOOPS)


@pytest.fixture
def host(lab: Lab) -> Host:
    host = lab.host("mobile")
    lab.up()
    return host


def inside(host: Host, loop: str, scenario: Coroutine[Any, Any, None]) -> None:
    with host.inside():
        run(loop, scenario)


def ip(words: str) -> None:
    """One command of iproute2, in the network that the calling thread is in."""
    subprocess.run(["ip", *words.split()], check=True)


def has(address: str) -> bool:
    return any(entry.address == address for entry in read_host().addresses)


@pytest.mark.lab
@both_loops
@pytest.mark.parametrize("address", ["10.1.2.3", "2001:db8::3"])
def test_an_address_that_comes_and_goes_is_told_of(loop: str, host: Host, address: str) -> None:
    async def scenario() -> None:
        with HostChanges() as changes:
            for word in ("add", "del"):
                told = changes.told
                ip(f"addr {word} {address} dev eth0 nodad" if ":" in address and word == "add"
                   else f"addr {word} {address} dev eth0")  # fmt: skip
                await changes.wait(NEVER)
                assert has(address) == (word == "add")
                assert changes.told > told

    before = descriptors()
    inside(host, loop, scenario())
    assert descriptors() == before


@pytest.mark.lab
@both_loops
def test_links_and_routes_are_told_of_too(loop: str, host: Host) -> None:
    async def scenario() -> None:
        with HostChanges() as changes:
            ip("route del default")
            await changes.wait(NEVER)
            assert "ip4" not in read_host().default_routes
            ip("link set eth0 down")
            await changes.wait(NEVER)
            assert read_host().addresses == ()

    inside(host, loop, scenario())


@pytest.mark.lab
@both_loops
def test_an_interface_that_flaps_is_read_once(loop: str, host: Host) -> None:
    """A hundred changes that come together are one reading, and the last of them is in it."""

    async def scenario() -> None:
        with HostChanges() as changes:
            lines = "".join(
                f"addr add 10.1.2.{n} dev eth0\naddr del 10.1.2.{n} dev eth0\n" for n in range(50)
            )
            text = lines + "addr add 10.9.9.9 dev eth0\n"
            subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)
            await changes.wait(NEVER)
            assert changes.told >= 101 and has("10.9.9.9")
            quiet = asyncio.ensure_future(changes.wait(NEVER))
            await asyncio.sleep(0)
            assert not quiet.done()
            quiet.cancel()

    inside(host, loop, scenario())


@pytest.mark.lab
@both_loops
def test_what_the_kernel_could_not_keep_is_read_all_the_same(loop: str, host: Host) -> None:
    """The socket's buffer is full, so most messages are lost; those that are not are enough."""

    async def scenario() -> None:
        with HostChanges() as changes:
            assert changes._sock is not None
            changes._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # its least: 2 kB
            text = "".join(f"addr add 10.1.{n}.1 dev eth0\n" for n in range(100))
            subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)
            await changes.wait(NEVER)
            assert 0 < changes.told < 100
            assert has("10.1.99.1")
            # It goes on being told.
            told = changes.told
            ip("addr add 10.7.7.7 dev eth0")
            await changes.wait(NEVER)
            assert changes.told > told and has("10.7.7.7")

    inside(host, loop, scenario())


@both_loops
def test_where_nobody_tells_us_we_look_again_and_again(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK")
    monkeypatch.setattr(netlink, "POLL", 0.0)

    async def scenario() -> None:
        with HostChanges() as changes:
            assert changes.polls and "polling" in repr(changes)
            await changes.wait(NEVER)

    run(loop, scenario())


@both_loops
def test_a_sandbox_without_netlink_is_polled(
    loop: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As below systemd's ``RestrictAddressFamilies``: the kernel knows no such family then."""
    monkeypatch.setattr(socket, "AF_NETLINK", 99)
    monkeypatch.setattr(netlink, "POLL", 0.0)

    async def scenario() -> None:
        with HostChanges() as changes:
            assert changes.polls
            await changes.wait(NEVER)

    run(loop, scenario())
    assert "changes of addresses are looked for every" in caplog.text


@both_loops
def test_nothing_changes_and_the_time_is_over(loop: str) -> None:
    async def scenario() -> None:
        with HostChanges() as changes:
            await changes.wait(0.0)

    run(loop, scenario())
