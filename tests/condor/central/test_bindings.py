"""HTCondor's own bindings with our collector, through our port, in every security mode."""

from __future__ import annotations

import asyncio
import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.condor.bindings import bindings
from tests.condor.central.rig import DOMAIN, Manager, manager
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
