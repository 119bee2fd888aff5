"""``dns``: a host name, over the protocol of the exit."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from typing import Any

import pytest

from glasnost.core.address import Address, Landing, Route
from glasnost.core.routes import Exit, Path, Target, Vantage, plan
from glasnost.errors import StageFailed
from glasnost.net.sockets import MAX_ADDRESSES
from glasnost.stages import Means, traits
from glasnost.stages.walk import walk
from tests.stages.crossing import play


def on(route: str, protocol: str) -> Path:
    return Path(Exit(Landing(protocol, "public")), 1, Route.parse(route), 1)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names mean here: addresses of both protocols."""
    known: dict[str, list[str]] = {}

    async def getaddrinfo(
        loop: object, host: str, port: None, *, family: int, type: int
    ) -> list[Any]:
        either, six = family == socket.AF_UNSPEC, family == socket.AF_INET6
        fit = [one for one in known.get(host, ()) if either or (":" in one) == six]
        if not fit:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(family, type, 6, "", (one, 0)) for one in fit]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize(("protocol", "host"), [("ip4", "127.0.0.1"), ("ip6", "::1")])
def test_the_exits_protocol_says_which_addresses_are_asked_for(
    answers: dict[str, list[str]], protocol: str, host: str
) -> None:
    answers["db.example.org"] = ["127.0.0.1", "::1"]

    async def scenario() -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as listener:
            port = listener.getsockname()[1]
            seen: list[str] = []
            path = on(f"public/dns:db.example.org:{port}", protocol)
            with await walk(path, Means(), reached=lambda _, deed: seen.append(deed)) as sock:
                assert sock.getpeername()[:2] == (host, port)
            assert seen == ["look up", "connect"]

    play(scenario)


def test_the_way_to_an_exits_proxy_is_asked_for_by_either(answers: dict[str, list[str]]) -> None:
    """By which protocol the exit comes out is another question."""
    answers["gate.example.org"] = ["127.0.0.1"]

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            via = Route.parse(f"public/dns:gate.example.org:{listener.getsockname()[1]}").stages
            leads = Exit(Landing("ip6", "public"), via)
            path = Path(leads, 1, Route.parse("public/ip6:[2001:db8::7]:22"), 1)
            with await walk(path, Means(), stop=0) as sock:
                assert sock.getpeername()[0] == "127.0.0.1"

    play(scenario)


def test_planning_races_both_protocols() -> None:
    here = Vantage((Exit(Landing("ip4", "public")), Exit(Landing("ip6", "public"))))
    found = plan(here, Target(Address.parse("public/dns:db.example.org:5432")), kinds=traits())
    assert [path.exit.lands.protocol for path in found.candidates] == ["ip6", "ip4"]


def test_the_addresses_of_one_protocol_are_raced(answers: dict[str, list[str]]) -> None:
    """Nobody listens at the first; the exit's source is used for all."""
    answers["db.example.org"] = ["127.0.0.9", "127.0.0.8", "127.0.0.8"]

    async def scenario() -> None:
        with socket.create_server(("127.0.0.8", 0)) as listener:
            path = on(f"public/dns:db.example.org:{listener.getsockname()[1]}", "ip4")
            path = dataclasses.replace(
                path, exit=dataclasses.replace(path.exit, source="127.0.0.7")
            )
            with await walk(path, Means()) as sock:
                assert sock.getpeername()[0] == "127.0.0.8"
                assert sock.getsockname()[0] == "127.0.0.7"

    play(scenario)


def test_where_none_answers_each_is_named(answers: dict[str, list[str]]) -> None:
    answers["db.example.org"] = ["127.0.0.9", "127.0.0.8"]

    async def scenario() -> None:
        with pytest.raises(StageFailed) as caught:
            await walk(on("public/dns:db.example.org:1", "ip4"), Means())
        assert str(caught.value) == (
            "stage 1 (dns:db.example.org:1): "
            "127.0.0.9: connection refused; 127.0.0.8: connection refused"
        )

    play(scenario)


def test_a_name_with_very_many_addresses_is_tried_at_some(answers: dict[str, list[str]]) -> None:
    answers["db.example.org"] = [f"127.0.1.{number}" for number in range(1, 100)]

    async def scenario() -> None:
        with pytest.raises(StageFailed) as caught:
            await walk(on("public/dns:db.example.org:1", "ip4"), Means())
        assert caught.value.why.count("connection refused") == MAX_ADDRESSES

    play(scenario)


def test_a_name_without_such_an_address_is_said_to_be_none(answers: dict[str, list[str]]) -> None:
    answers["db.example.org"] = ["127.0.0.1"]

    async def scenario() -> None:
        with pytest.raises(StageFailed, match="name or service not known"):
            await walk(on("public/dns:db.example.org:1", "ip6"), Means())

    play(scenario)
