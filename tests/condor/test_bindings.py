"""HTCondor's own bindings with our server: every security mode, over IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import os
import pwd
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from glasnost.condor.commands import Command, Level
from glasnost.condor.security.methods.base import Doorkeeper
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import NOBODY, Policy
from glasnost.condor.security.tokens import make_token, signing_key
from glasnost.condor.security.words import Word
from tests.condor.bindings import Daemon, bindings
from tests.stages.fronts import certificate

KEY = signing_key("POOL", bytes(range(64)))
ACCOUNT = f"{pwd.getpwuid(os.geteuid()).pw_name}@wire.test"
AD = {"Name": "a", "MyType": "Scheduler", "Machine": "m", "ClaimId": "x", "_condor_privX": 1}
QUERY = [b'MyType = "Query"', b'Projection = "Name X"', b'TargetType = "Scheduler"']


def logs_in(method: str, **more: str) -> dict[str, str]:
    return {
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION_METHODS": method,
        **more,
    }


def ciphers(name: str, encryption: str, integrity: str) -> dict[str, str]:
    return {
        "SEC_CLIENT_CRYPTO_METHODS": name,
        "SEC_CLIENT_ENCRYPTION": encryption,
        "SEC_CLIENT_INTEGRITY": integrity,
    }


@dataclass(frozen=True)
class Mode:
    """How the client is set, and what our server then sees."""

    name: str
    config: dict[str, str]
    user: str = NOBODY
    method: str = ""
    encrypted: bool = True
    #: What is left of an ad's private attributes.
    private: list[bytes] = field(default_factory=lambda: [b'ClaimId = "x"', b"_condor_privX = 1"])
    sessions: int = 1


MODES = [
    Mode("as installed", {}),
    Mode(
        "raw",
        {"SEC_CLIENT_NEGOTIATION": "NEVER"},
        encrypted=False,
        private=[b'ClaimId = "x"'],
        sessions=0,
    ),
    Mode("FS", logs_in("FS"), ACCOUNT, "FS"),
    Mode("IDTOKENS", logs_in("IDTOKENS"), "carol@wire.test", "IDTOKENS"),
    Mode("CLAIMTOBE", logs_in("CLAIMTOBE"), ACCOUNT, "CLAIMTOBE", sessions=2),
    Mode("ANONYMOUS", logs_in("ANONYMOUS"), "CONDOR_ANONYMOUS_USER@wire.test", "ANONYMOUS"),
    Mode(
        "SSL",
        logs_in("SSL", AUTH_SSL_CLIENT_CAFILE="$(LOCAL_DIR)/front.crt"),
        method="SSL",
    ),
    Mode("BLOWFISH", ciphers("BLOWFISH", "REQUIRED", "OPTIONAL")),
    Mode("3DES", ciphers("3DES", "REQUIRED", "OPTIONAL")),
    Mode("3DES, MD5", ciphers("3DES", "REQUIRED", "REQUIRED")),
    Mode("MD5 alone", ciphers("BLOWFISH", "NEVER", "REQUIRED"), encrypted=False),
    Mode("an idle key", ciphers("BLOWFISH", "OPTIONAL", "OPTIONAL"), encrypted=False),
    Mode(
        "FS, an idle key",
        logs_in("FS", SEC_CLIENT_CRYPTO_METHODS="BLOWFISH"),
        ACCOUNT,
        "FS",
        encrypted=False,
        sessions=0,
    ),
]


def daemon(folder: Path, policy: Policy | None = None) -> Daemon:
    front = certificate(folder, "localhost")

    def tls() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(front.authority, front.key)
        return context

    keeper = Doorkeeper("wire.test", "wire.test", {"POOL": KEY}, tls=tls, clock=time.time)
    (folder / "tokens.d").mkdir(mode=0o700)
    token = make_token(KEY, "POOL", "wire.test", "carol@wire.test", os.urandom(16), time.time())
    file = folder / "tokens.d/carol"
    file.write_text(token.text())
    file.chmod(0o600)
    return Daemon(policy or Policy(methods=tuple(Method), duration=3600), keeper)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_queries_and_updates(tmp_path: Path, mode: Mode, host: str) -> None:
    """A query, one more (in the same session where there is one), and two updates on one
    connection, the second of them raw."""

    async def scenario() -> None:
        server = daemon(tmp_path)
        async with server.listening(host) as endpoint:
            address = f"<{endpoint}?alias=localhost>"
            found = await bindings(
                tmp_path,
                mode.config,
                [["query", address], ["query", address], ["advertise", address, [AD, AD]]],
            )
        one = [{"Name": "s0", "X": "1 + 2", "Y": "y" * 40}]
        assert found == [one, one, "advertised"]
        who = (mode.user, mode.method, mode.encrypted)
        queries, updates = server.heard[:2], server.heard[2:]
        for name, *seen, lines in queries:
            assert (name, tuple(seen)) == ("QUERY_SCHEDD_ADS", who)
            assert lines == [*QUERY, b"Requirements = ((X > 1))"]
        assert len(updates) == 2
        for name, *seen, lines in updates:
            assert (name, tuple(seen)) == ("UPDATE_SCHEDD_AD", who)
            private = [line for line in lines if b"ClaimId" in line or b"_priv" in line]
            assert private == mode.private
        assert len(server.sessions) == mode.sessions

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_long_answer(tmp_path: Path, mode: Mode) -> None:
    """Two megabytes, in packets sixteen times as long as HTCondor's own."""

    async def scenario() -> None:
        server = daemon(tmp_path)
        server.ads = 400
        async with server.listening("127.0.0.1") as endpoint:
            address = f"<{endpoint}?alias=localhost>"
            [found] = await bindings(tmp_path, mode.config, [["query", address]])
        assert [ad["Name"] for ad in found] == [f"s{number}" for number in range(400)]

    asyncio.run(scenario())


def test_the_recommended_settings(tmp_path: Path) -> None:
    """What 24 and later install: encryption and integrity are required, of both sides."""

    async def scenario() -> None:
        policy = Policy(
            Word.OPTIONAL, Word.REQUIRED, Word.REQUIRED, methods=(Method.FS, Method.TOKEN)
        )
        server = daemon(tmp_path, policy)
        async with server.listening("127.0.0.1") as endpoint:
            found = await bindings(tmp_path, {"use security": "recommended"}, [["query", endpoint]])
            raw = {"SEC_CLIENT_NEGOTIATION": "NEVER"}
            [refused] = await bindings(tmp_path, raw, [["query", endpoint]])
        assert len(found[0]) == 1
        assert refused.startswith("HTCondorException")
        assert len(server.heard) == 1

    asyncio.run(scenario())


def test_permission_is_asked_about(tmp_path: Path) -> None:
    """By the numbers of the commands that do nothing: each level's is the one that we have."""
    levels = [level for level in Level if level not in (Level.ALLOW,)]

    async def scenario() -> None:
        asked: list[Level] = []
        server = daemon(tmp_path)

        def allow(level: Level, who: object, where: str) -> bool:
            asked.append(level)
            return level is not Level.CONFIG

        server.allow = allow
        async with server.listening("127.0.0.1") as endpoint:
            found = await bindings(
                tmp_path,
                logs_in("FS"),
                [["ping", f"<{endpoint}>", level.value] for level in levels],
            )
        for level, ad in zip(levels, found, strict=True):
            assert int(ad["AuthCommand"]) == Command[f"DC_NOP_{level.value}"]
            assert ad["AuthorizationSucceeded"] == str(level is not Level.CONFIG)
            assert ad["MyRemoteUserName"] == ACCOUNT
        assert set(levels) <= set(asked)

    asyncio.run(scenario())


def test_who_may_not_is_told_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = daemon(tmp_path)
        server.allow = lambda level, who, where: level is Level.READ
        async with server.listening("127.0.0.1") as endpoint:
            address = f"<{endpoint}>"
            found = await bindings(
                tmp_path,
                logs_in("IDTOKENS"),
                [["advertise", address, [AD]], ["query", address]],
            )
        assert found[0].startswith("HTCondorException")
        assert len(found[1]) == 1
        assert [heard[0] for heard in server.heard] == ["QUERY_SCHEDD_ADS"]

    asyncio.run(scenario())


def test_a_session_that_our_server_has_forgotten(tmp_path: Path) -> None:
    """The client is told so, gives that command up, and negotiates for the next one."""

    async def scenario() -> None:
        server = daemon(tmp_path)
        server.sessions.find = lambda name, now: None  # type: ignore[method-assign]
        async with server.listening("127.0.0.1") as endpoint:
            found = await bindings(tmp_path, {}, [["query", endpoint]] * 3)
        assert len(found[0]) == len(found[2]) == 1
        assert found[1].startswith("HTCondorException")

    asyncio.run(scenario())


def test_a_forged_token_is_not_believed(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = daemon(tmp_path)
        forged = make_token(bytes(32), "POOL", "wire.test", "root@wire.test", b"x", time.time())
        (tmp_path / "tokens.d/carol").write_text(forged.text())
        async with server.listening("127.0.0.1") as endpoint:
            [found] = await bindings(tmp_path, logs_in("IDTOKENS"), [["query", endpoint]])
        assert found.startswith("HTCondorException")
        assert server.heard == []

    asyncio.run(scenario())


def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = daemon(tmp_path)
        config = logs_in("SSL", AUTH_SSL_CLIENT_CAFILE="$(LOCAL_DIR)/front.crt")
        async with server.listening("127.0.0.1") as endpoint:
            address = f"<{endpoint}?alias=elsewhere.example.org>"
            [found] = await bindings(tmp_path, config, [["query", address]])
        assert found.startswith("HTCondorException")
        assert server.heard == []

    asyncio.run(scenario())
