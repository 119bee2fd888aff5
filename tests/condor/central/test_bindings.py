"""HTCondor's own bindings with our collector, through our port, in every security mode."""

from __future__ import annotations

import asyncio
import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.commands import Level
from tests.condor.bindings import bindings
from tests.condor.central.rig import DOMAIN, Manager, manager
from tests.net.pairs import until
from tests.stages.fronts import certificate

ACCOUNT = f"{pwd.getpwuid(os.geteuid()).pw_name}@{DOMAIN}"
CONDOR = f"condor@{DOMAIN}"
OPEN = {"secure": False, "allow": {"DAEMON": ("*",)}}
#: What `use security:recommended` comes to; a program that may not log in as itself has a token.
RECOMMENDED = {
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_DEFAULT_ENCRYPTION": "REQUIRED",
    "SEC_DEFAULT_INTEGRITY": "REQUIRED",
    "SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
}
LOCATED = {"MyAddress", "CondorVersion", "Name", "Machine"}


def logs_in(method: str, **more: str) -> dict[str, str]:
    word = {"SEC_CLIENT_AUTHENTICATION": "REQUIRED"}
    return {**word, "SEC_CLIENT_AUTHENTICATION_METHODS": method, **more}


@dataclass(frozen=True)
class Mode:
    """How the client is set, how we are, and as whom its ads are kept."""

    name: str
    client: dict[str, str]
    condor: dict[str, Any] = field(default_factory=dict)
    user: str = "unauthenticated@unmapped"
    method: str | None = None


MODES = [
    Mode("nothing wanted", {}, OPEN),
    Mode("raw", {"SEC_CLIENT_NEGOTIATION": "NEVER"}, OPEN),
    Mode(
        "no key at all",
        {"SEC_CLIENT_CRYPTO_METHODS": "BLOWFISH", "SEC_CLIENT_ENCRYPTION": "NEVER"},
        OPEN,
    ),
    Mode("FS", logs_in("FS"), {"allow": {"DAEMON": (ACCOUNT,)}}, ACCOUNT, "FS"),
    Mode("a token", logs_in("IDTOKENS"), {}, CONDOR, "IDTOKENS"),
    Mode("as recommended", RECOMMENDED, {}, CONDOR),
    Mode("BLOWFISH", logs_in("IDTOKENS", SEC_CLIENT_CRYPTO_METHODS="BLOWFISH"), {}, CONDOR),
    Mode(
        "CLAIMTOBE",
        logs_in("CLAIMTOBE"),
        {"methods": ("CLAIMTOBE",), "allow": {"DAEMON": (ACCOUNT,)}},
        ACCOUNT,
        "CLAIMTOBE",
    ),
    Mode(
        "SSL",
        logs_in("SSL", AUTH_SSL_CLIENT_CAFILE="$(LOCAL_DIR)/front.crt"),
        {"allow": {"DAEMON": ("unauthenticated@unmapped",)}},
        method="SSL",
    ),
]


def schedd(name: str, **more: Any) -> dict[str, Any]:
    return {
        "MyType": "Scheduler",
        "Name": name,
        "Machine": "m",
        "MyAddress": "<192.0.2.1:9618?sock=s>",
        "CondorVersion": "$CondorVersion: 25.14.1 2026-09-24 BuildID: x $",
        **more,
    }


def put_token(folder: Path, cm: Manager, *args: Any, **more: Any) -> None:
    (folder / "tokens.d").mkdir(mode=0o700, exist_ok=True)
    file = folder / "tokens.d/own"
    file.touch(0o600)
    file.write_text(cm.token(*args, **more).text())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_whoever_may_advertises_asks_and_locates(tmp_path: Path, mode: Mode, host: str) -> None:
    condor = dict(mode.condor)
    if "SSL" in mode.name:
        front = certificate(tmp_path, "localhost")
        condor |= {"certificate": str(front.authority), "key": str(front.key)}

    async def scenario() -> None:
        async with manager(tmp_path, **condor) as cm:
            put_token(tmp_path, cm)
            place = f"<{cm.endpoint(host)}?alias=localhost>"
            ads = [schedd("a", X=1, ClaimId="x"), schedd("b", X=2), schedd("c", X=3)]
            told, some, one, every, gone = await bindings(
                tmp_path,
                mode.client,
                [
                    ["advertise", place, ads],
                    ["ask", place, "Schedd", "X > 1", ["Name", "X", "AuthenticatedIdentity"]],
                    ["locate", place, "Schedd", "b"],
                    ["locateAll", place, "Schedd"],
                    ["ask", place, "Schedd", 'Name == "zz"'],
                ],
            )
        assert told == "advertised"
        assert [(ad["Name"], ad["X"]) for ad in some] == [("b", "2"), ("c", "3")]
        assert {ad["AuthenticatedIdentity"] for ad in some} == {mode.user}
        assert [ad["Name"] for ad in one] == ["b"] and one[0].keys() >= LOCATED
        assert [ad["Name"] for ad in every] == ["a", "b", "c"]
        assert gone == []

    asyncio.run(scenario())


def slot(name: str, **more: Any) -> dict[str, Any]:
    return {
        "MyType": "Machine",
        "Name": name,
        "Machine": "m",
        "MyAddress": "<192.0.2.1:9618>",
        **more,
    }


DATAGRAMS = [
    ("raw", {"SEC_CLIENT_NEGOTIATION": "NEVER"}, OPEN, "unauthenticated@unmapped"),
    ("in a session of nobody's", {}, OPEN, "unauthenticated@unmapped"),
    ("enciphered", logs_in("IDTOKENS"), {}, CONDOR),
]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    ("client", "condor", "user"), [one[1:] for one in DATAGRAMS], ids=[one[0] for one in DATAGRAMS]
)
def test_datagrams_are_updates_too(
    tmp_path: Path, client: dict[str, str], condor: dict[str, Any], user: str, host: str
) -> None:
    """One that fits into a datagram, and one that comes in fragments."""
    small = {"UDP_LOOPBACK_FRAGMENT_SIZE": "1000"}

    async def scenario() -> None:
        async with manager(tmp_path, udp=True, **condor) as cm:
            put_token(tmp_path, cm)
            place = f"<{cm.endpoint(host)}>"
            ads = [schedd("a"), schedd("b", X="x" * 20_000)]
            told = await bindings(
                tmp_path, client | small, [["advertise", place, ads, "UPDATE_SCHEDD_AD", False]]
            )
            assert told == ["advertised"]
            await until(lambda: cm.counts.get("Scheduler") == 2)
            asked = ["ask", place, "Schedd", "true", ["Name", "X", "AuthenticatedIdentity"]]
            (found,) = await bindings(tmp_path, client, [asked])
        assert [(ad["Name"], len(ad.get("X", ""))) for ad in found] == [("a", 0), ("b", 20_000)]
        assert {ad["AuthenticatedIdentity"] for ad in found} == {user}

    asyncio.run(scenario())


def test_a_datagram_in_clear_is_nothing_where_everything_is_encrypted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with manager(tmp_path, udp=True) as cm:
            place = f"<{cm.endpoint()}>"
            raw = {"SEC_CLIENT_NEGOTIATION": "NEVER"}
            told = ["advertise", place, [schedd("a")], "UPDATE_SCHEDD_AD", False]
            assert await bindings(tmp_path, raw, [told]) == ["advertised"]
            put_token(tmp_path, cm)
            told = ["advertise", place, [schedd("b")], "UPDATE_SCHEDD_AD", False]
            assert await bindings(tmp_path, logs_in("IDTOKENS"), [told]) == ["advertised"]
            await until(lambda: cm.counts)
            assert cm.counts == {"Scheduler": 1}

    asyncio.run(scenario())


def test_each_sort_of_ads_and_what_is_asked_of_the_collector_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with manager(tmp_path) as cm:
            put_token(tmp_path, cm)
            place = f"<{cm.endpoint()}>"
            told = [
                ["advertise", place, [slot("s1@m"), slot("s2@m")], "UPDATE_STARTD_AD"],
                ["advertise", place, [slot("m", MyType="StartD")], "UPDATE_STARTD_AD"],
                ["advertise", place, [slot("m")], "UPDATE_MASTER_AD"],
                ["advertise", place, [slot("x", MyType="Gadget")], "UPDATE_AD_GENERIC"],
                ["advertise", place, [slot("n")], "UPDATE_NEGOTIATOR_AD"],
            ]
            asked = [
                ["ask", place, "Startd", 'Name == "s1@m"'],
                ["ask", place, "Slot"],
                ["ask", place, "StartDaemon"],
                ["ask", place, "Master"],
                ["ask", place, "Negotiator"],
                ["ask", place, "Any", 'MyType == "Gadget"'],
                ["ask", place, "Collector"],
                ["locate", place, "Startd", "s1@m"],
                ["locate", place, "Collector"],
                ["directQuery", place, "Collector"],
            ]
            found = await bindings(tmp_path, logs_in("IDTOKENS"), told + asked)
        assert found[:5] == ["advertised"] * 5
        names = [[ad["Name"] for ad in one] for one in found[5:]]
        own = found[11][0]
        itself = [own["Name"]]
        assert names == [
            *(["s1@m"], ["s1@m", "s2@m"], ["m"], ["m"], ["n"], ["x"]),
            *(itself, ["s1@m"], itself, itself),
        ]
        assert own["MyAddress"].startswith(f"<127.0.0.1:{cm.number}?addrs=127.0.0.1-{cm.number}+[")
        assert own["MyAddress"].endswith("&noUDP&sock=collector>")
        assert own["HostsTotal"] == "2" and "PrivAddr" not in own["AddressV1"]

    asyncio.run(scenario())


REFUSED = [
    ("who has no token", {}, (), {}),
    ("somebody who is nobody special", logs_in("IDTOKENS"), (f"alice@{DOMAIN}",), {}),
    ("a token for reading", logs_in("IDTOKENS"), (CONDOR,), {"levels": [Level.READ]}),
    ("a token that has expired", logs_in("IDTOKENS"), (CONDOR,), {"lifetime": -60}),
    ("raw", {"SEC_CLIENT_NEGOTIATION": "NEVER"}, (), {}),
]


@pytest.mark.parametrize(
    ("client", "identity", "limits"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED]
)
def test_who_may_not_advertise_may_not(
    tmp_path: Path, client: dict[str, str], identity: tuple[str, ...], limits: dict[str, Any]
) -> None:
    async def scenario() -> None:
        async with manager(tmp_path) as cm:
            if identity:
                put_token(tmp_path, cm, *identity, **limits)
            place = f"<{cm.endpoint()}>"
            told, asked = await bindings(
                tmp_path,
                client,
                [["advertise", place, [schedd("a")]], ["ask", place, "Schedd"]],
            )
        if "SEC_CLIENT_NEGOTIATION" in client:  # nobody answers, so it does not know
            assert told == "advertised"
            assert "HTCondorException" in asked
        else:
            assert "HTCondorException" in told
        assert cm.last == {}

    asyncio.run(scenario())


def test_a_token_that_is_limited_to_what_is_told_will_do(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with manager(tmp_path) as cm:
            put_token(tmp_path, cm, levels=[Level.ADVERTISE_SCHEDD])
            place = f"<{cm.endpoint()}>"
            told = ["advertise", place, [schedd("a")]]
            assert await bindings(tmp_path, logs_in("IDTOKENS"), [told]) == ["advertised"]
            await until(lambda: cm.counts == {"Scheduler": 1})

    asyncio.run(scenario())


def test_a_ping_says_what_somebody_may(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with manager(tmp_path) as cm:
            put_token(tmp_path, cm, f"alice@{DOMAIN}")
            place = f"<{cm.endpoint()}>"
            levels = ("READ", "WRITE", "DAEMON", "ADMINISTRATOR")
            answers = await bindings(
                tmp_path, logs_in("IDTOKENS"), [["ping", place, level] for level in levels]
            )
        may = [answer["AuthorizationSucceeded"] for answer in answers]
        assert may == ["True", "True", "False", "False"]
        assert {answer["MyRemoteUserName"] for answer in answers} == {f"alice@{DOMAIN}"}

    asyncio.run(scenario())
