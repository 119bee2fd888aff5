"""What a host has, read from files and from the system."""

from __future__ import annotations

import re
import socket
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from glasnost.net import interfaces
from glasnost.net.interfaces import InterfaceAddress, read_host


class Entry(NamedTuple):
    """As psutil's are."""

    family: int
    address: str


ROUTE4 = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t0008A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
{}"""
DEFAULT4 = "eth0\t00000000\t0108A8C0\t{}\t0\t0\t0\t{}\t0\t0\t0\n"
DEFAULT6 = f"{'0' * 32} {{}} {'0' * 32} 00 fe80{'0' * 27}1 00000400 1 0 {{}} {{}}\n"

ROUTES = [
    ("none", "", "", set()),
    ("both", DEFAULT4.format("0003", "00000000"), DEFAULT6.format("00", "00000003", "eth0"),
     {"ip4", "ip6"}),
    ("half the Internet is not all of it", DEFAULT4.format("0003", "00000080"),
     DEFAULT6.format("01", "00000003", "eth0"), set()),
    ("down", DEFAULT4.format("0002", "00000000"), DEFAULT6.format("00", "00000002", "eth0"), set()),
    ("rejecting", DEFAULT4.format("0203", "00000000"), DEFAULT6.format("00", "00200200", "lo"),
     set()),
]  # fmt: skip


@pytest.mark.parametrize("name, four, six, expected", ROUTES, ids=[case[0] for case in ROUTES])
def test_default_routes(
    monkeypatch: pytest.MonkeyPatch, name: str, four: str, six: str, expected: set[str]
) -> None:
    files = {"route": ROUTE4.format(four), "ipv6_route": six}
    monkeypatch.setattr(
        interfaces, "_lines", lambda path: files[path.rpartition("/")[2]].splitlines()
    )
    assert set(interfaces._default_routes()) == expected


def test_a_host_without_these_files_has_no_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "_lines", lambda path: [])
    assert interfaces._default_routes() == []


def test_addresses_that_others_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "lo": [Entry(socket.AF_INET, "127.0.0.1"), Entry(socket.AF_INET6, "::1")],
        "eth0": [
            Entry(socket.AF_PACKET, "02:00:00:00:00:01"),
            Entry(socket.AF_INET, "192.168.8.7"),
            Entry(socket.AF_INET6, "2001:DB8:0::7"),
            Entry(socket.AF_INET6, "fe80::1%eth0"),
        ],
        "down0": [Entry(socket.AF_INET, "10.0.0.1")],
        "docker0": [Entry(socket.AF_INET, "172.17.0.1")],
    }
    states = {name: SimpleNamespace(isup=name != "down0") for name in found if name != "docker0"}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: states)
    assert interfaces._addresses() == [
        InterfaceAddress("docker0", "ip4", "172.17.0.1"),
        InterfaceAddress("eth0", "ip4", "192.168.8.7"),
        InterfaceAddress("eth0", "ip6", "2001:db8::7"),
    ]


def test_this_host_reads_the_same_twice() -> None:
    facts = read_host()
    assert facts == read_host()
    assert re.fullmatch("[0-9a-f]{12}", facts.host_id)
    assert facts.default_routes <= {"ip4", "ip6"}


def test_another_boot_is_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_host().host_id
    monkeypatch.setattr(interfaces, "_lines", lambda path: ["something else"])
    assert read_host().host_id != before


def test_a_host_without_namespaces_has_a_name_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_such_file(path: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr("os.stat", no_such_file)
    assert re.fullmatch("[0-9a-f]{12}", interfaces._host_id())
