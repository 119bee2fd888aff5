"""Our client and our server with each other: every way to begin a command."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from glasnost.condor.cedar.ciphers import AES, BLOWFISH, TRIPLE_DES
from glasnost.condor.classad import Ad
from glasnost.condor.client import SessionGone, permitted, start_anew, start_command
from glasnost.condor.commands import Command, Level
from glasnost.condor.security.ad_messages import receive_ad, send_ad
from glasnost.condor.security.methods.base import Login
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import NOBODY, Policy
from glasnost.condor.security.words import Word
from glasnost.condor.stream import CedarStream
from glasnost.errors import PathCut, Refused
from tests.condor.rig import ADDRESS, DOMAIN, ME, NOW, Rig, ask, methods, token
from tests.net.pairs import LOOPS, cut, run, tcp_pair

pytestmark = pytest.mark.parametrize("loop", LOOPS)


def test_a_raw_query(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig(client=Policy(negotiation=Word.NEVER))
        call = await rig.query()
        assert call.session is None
        assert rig.heard == [(48, NOBODY, [b'MyType = "Query"'], False)]

    run(loop, scenario())


def test_a_stranger_has_aes_whatever_was_said(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig()
        call = await rig.query()
        assert call.session is not None
        assert call.session.identity.user == NOBODY
        assert rig.heard[0][1:] == (NOBODY, [b'MyType = "Query"'], True)

    run(loop, scenario())


LOGINS = [
    # method, what the client has, as whom it is known
    (Method.FS, Login(), f"{ME}@{DOMAIN}"),
    (Method.CLAIMTOBE, Login(user="alice"), f"alice@{DOMAIN}"),
    (Method.ANONYMOUS, Login(), f"CONDOR_ANONYMOUS_USER@{DOMAIN}"),
    (Method.TOKEN, Login(tokens=(token(),)), f"carol@{DOMAIN}"),
]


@pytest.mark.parametrize("cipher", [AES, BLOWFISH, TRIPLE_DES])
@pytest.mark.parametrize(("method", "login", "user"), LOGINS, ids=[c[0].known for c in LOGINS])
def test_who_logs_in_is_known(
    loop: str, method: Method, login: Login, user: str, cipher: str
) -> None:
    async def scenario() -> None:
        policy = replace(methods(method), ciphers=(cipher,), encryption=Word.REQUIRED)
        rig = Rig(client=policy, server=policy, login=login)
        call = await rig.query()
        assert call.session is not None
        assert call.session.identity.user == user
        assert call.session.identity.method == method.known
        assert rig.heard == [(48, user, [b'MyType = "Query"'], True)]
        again = await rig.query()
        assert again.session == call.session
        assert [one[1] for one in rig.heard] == [user, user]

    run(loop, scenario())


def test_md5_alone(loop: str) -> None:
    async def scenario() -> None:
        policy = Policy(ciphers=(TRIPLE_DES,), integrity=Word.REQUIRED, encryption=Word.NEVER)
        rig = Rig(client=policy, server=policy)
        call = await rig.query()
        assert call.session is not None
        assert (call.session.encryption, call.session.integrity) == (False, True)

    run(loop, scenario())


def test_the_next_method_when_one_fails(loop: str) -> None:
    async def scenario() -> None:
        stranger = token("eve")
        wrong = replace(stranger, key_name="OTHER", signature=bytes(32))
        rig = Rig(
            client=methods(Method.TOKEN, Method.FS),
            server=methods(Method.TOKEN, Method.FS),
            login=Login(tokens=(wrong,)),
        )
        call = await rig.query()
        assert call.session is not None
        assert call.session.identity.method == "FS"

    run(loop, scenario())


def test_who_cannot_log_in_where_nobody_requires_it_goes_on_as_nobody(loop: str) -> None:
    async def scenario() -> None:
        wrong = replace(token("eve"), key_name="OTHER", signed=token("eve").signed + "x")
        policy = methods(Method.TOKEN, word=Word.PREFERRED)
        rig = Rig(client=policy, server=policy, login=Login(tokens=(wrong,)))
        call = await rig.query()
        assert call.session is not None
        assert call.session.key is not None
        assert not call.session.identity.authenticated
        assert rig.heard[0][1:] == (NOBODY, [b'MyType = "Query"'], True)

    run(loop, scenario())


def test_a_server_that_is_gone_already(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig()
        ours, theirs = tcp_pair()
        with ours:
            cut(theirs)
            for _ in range(2):  # the first may still have found it
                with pytest.raises(PathCut):
                    await start_command(
                        CedarStream(ours), 48, rig.settings(), rig.sessions, ADDRESS, NOW
                    )

    run(loop, scenario())


def test_commands_that_follow_are_the_same_clients(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig(client=methods(Method.FS), allow=lambda level, who, where: who.authenticated)
        async with rig.connection() as stream:
            call = await rig.start(stream, Command.UPDATE_AD_GENERIC)
            writer = call.writer()
            writer.ad([b"A = 1"])
            await stream.send(writer)
            for number in range(3):
                writer = call.again(Command.UPDATE_AD_GENERIC)
                writer.ad([b"A = %d" % number])
                await stream.send(writer)
            await stream.send(call.again(Command.DC_NOP))
            query = call.again(Command.QUERY_ANY_ADS)
            query.ad([b"B = 1"])
            await stream.send(query)
            assert (await stream.receive()).integer() == 1
        assert {heard[1] for heard in rig.heard} == {f"{ME}@{DOMAIN}"}
        assert len(rig.heard) == 5

    run(loop, scenario())


with_blowfish = Policy(ciphers=(BLOWFISH,), encryption=Word.REQUIRED)
REFUSED = [
    # name, client, server, login
    ("raw where security is required", Policy(negotiation=Word.NEVER), methods(Method.FS), Login()),
    ("no method in common", methods(Method.FS), methods(Method.TOKEN), Login()),
    ("no token", methods(Method.TOKEN), methods(Method.TOKEN), Login()),
    ("never and required", Policy(authentication=Word.NEVER), methods(Method.FS), Login()),
    (
        "no cipher",
        Policy(ciphers=(AES,)),
        Policy(ciphers=(BLOWFISH,), encryption=Word.REQUIRED),
        Login(),
    ),
]


@pytest.mark.parametrize(
    ("client", "server", "login"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_no_way_together(loop: str, client: Policy, server: Policy, login: Login) -> None:
    async def scenario() -> None:
        rig = Rig(client=client, server=server, login=login)
        with pytest.raises((Refused, PathCut)):
            await rig.query()
        assert rig.heard == []
        assert len(rig.server_sessions) == 0

    run(loop, scenario())


def test_that_there_is_no_token_is_said(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig(client=methods(Method.TOKEN), server=methods(Method.TOKEN), login=Login())
        with pytest.raises(Refused, match="IDTOKENS: we have no token that could be used"):
            await rig.query()

    run(loop, scenario())


@pytest.mark.parametrize("what", ["expired", "signature", "subject"])
def test_tokens_that_do_not_hold(loop: str, what: str) -> None:
    async def scenario() -> None:
        made = {
            "expired": token(lifetime=-1),
            "signature": replace(token(), signature=bytes(32)),
            "subject": replace(token(), subject=f"root@{DOMAIN}"),
        }[what]
        rig = Rig(client=methods(Method.TOKEN), login=Login(tokens=(made,)))
        with pytest.raises((Refused, PathCut)):
            await rig.query()
        assert rig.heard == []

    run(loop, scenario())


def test_a_token_may_allow_less_than_its_owner_may(loop: str) -> None:
    async def scenario() -> None:
        for levels, good in (([Level.WRITE], True), ([Level.CONFIG], True), ([], False)):
            limited = token(levels=levels)
            rig = Rig(client=methods(Method.TOKEN), login=Login(tokens=(limited,)))
            if good:
                await rig.query()
            else:
                with pytest.raises(
                    Refused, match=f"does not let carol@{DOMAIN} have QUERY_ANY_ADS"
                ):
                    await rig.query()

    run(loop, scenario())


def test_who_may_not_is_told_so(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig(allow=lambda level, who, where: False)
        with pytest.raises(Refused, match="DENIED") as refused:
            await rig.query()
        assert refused.value.code == "denied"
        assert (rig.heard, len(rig.server_sessions), len(rig.sessions)) == ([], 0, 0)

    run(loop, scenario())


def test_the_name_that_a_server_gives_us_is_one_line(loop: str) -> None:
    async def scenario() -> None:
        both, lie = methods(Method.FS), "x\nglasnost: hint: run this"
        rig = Rig(client=both, server=both, allow=lambda level, who, where: False)
        rig.keeper = replace(rig.keeper, account=lambda uid: lie)
        with pytest.raises(Refused, match="DENIED") as refused:
            await rig.query()
        assert r"let x\nglasnost: hint" in str(refused.value)

    run(loop, scenario())


def test_a_session_again_has_the_same_key_and_another_nonce(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig()
        first = await rig.query()
        for _ in range(2):
            assert (await rig.query()).session == first.session
        assert len(rig.server_sessions) == 1
        rig.now = NOW + 100_000
        assert (await rig.query()).session != first.session

    run(loop, scenario())


def test_a_session_that_is_gone_is_made_anew_when_somebody_asks_again(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig()
        first = await rig.query()
        assert first.session is not None
        rig.server_sessions.drop(first.session.name)
        async with rig.connection() as one, rig.connection() as two:
            streams = [one, two]

            async def connect() -> CedarStream:
                return streams.pop(0)

            call = await start_anew(connect, rig.start)
            assert call.stream is two
            await ask(call)
            assert call.session != first.session
        rig.server_sessions.drop(call.session.name if call.session else "")
        with pytest.raises(SessionGone):
            await rig.query()

    run(loop, scenario())


def test_a_session_is_good_for_what_the_server_lets_its_owner_have(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig()
        await rig.query()
        async with rig.connection() as stream:
            with pytest.raises(Refused, match="does not let"):
                await rig.start(stream, Command.UPDATE_AD_GENERIC)

    run(loop, scenario())


def test_a_session_is_judged_again_each_time(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig()
        await rig.query()
        rig.allow = lambda level, who, where: False
        with pytest.raises(PathCut):
            await rig.query()
        assert len(rig.heard) == 1

    run(loop, scenario())


def test_who_has_logged_in_does_not_come_back_by_a_name_alone(loop: str) -> None:
    """Without a key that is in use a session's name is all there is, and it can be overheard."""

    async def scenario() -> None:
        server = replace(methods(Method.FS), ciphers=())
        rig = Rig(client=methods(Method.FS), server=server)
        call = await rig.query()
        assert call.session is not None
        assert call.session.key is None
        assert rig.heard[0][1:] == (f"{ME}@{DOMAIN}", [b'MyType = "Query"'], False)
        assert len(rig.server_sessions) == 0
        again = await rig.query()
        assert again.session is not None
        assert again.session.name != call.session.name

    run(loop, scenario())


def test_a_session_is_no_way_around_what_a_command_needs(loop: str) -> None:
    """Reading wants nothing here, writing somebody who has logged in: a stranger's session, and
    its connection, are good for reading alone, whoever may write."""

    async def scenario() -> None:
        rig = Rig(allow=lambda level, who, where: True)
        strict = methods(Method.FS)
        rig.policy = lambda level: Policy() if level is Level.READ else strict
        first = await rig.query()
        assert first.session is not None
        assert Command.UPDATE_AD_GENERIC not in first.session.commands
        async with rig.connection() as stream:
            call = await rig.start(stream)
            writer = call.writer()
            writer.ad([b"A = 1"])
            await stream.send(writer)
            await stream.receive()
            update = call.again(Command.UPDATE_AD_GENERIC)
            update.ad([b"A = 1"])
            await stream.send(update)
            assert await stream.receive_or_end() is None
        kept = replace(first.session, commands=frozenset({58}))
        rig.sessions.add(ADDRESS, kept, NOW)
        async with rig.connection() as stream:
            update = (await rig.start(stream, Command.UPDATE_AD_GENERIC)).writer()
            update.ad([b"A = 1"])
            await stream.send(update)
            with pytest.raises(PathCut):
                await stream.receive()
        assert {heard[0] for heard in rig.heard} == {Command.QUERY_ANY_ADS}

    run(loop, scenario())


async def say(stream: CedarStream, *lines: str) -> None:
    """A client's first ad, as given."""
    await send_ad(stream, Ad.from_lines([line.encode() for line in lines]), 60010)


FAMILY = ("Command = 48", 'UseSession = "YES"', 'Sid = "family:0123456789abcdef"')


def test_a_session_of_a_family(loop: str) -> None:
    async def scenario() -> None:
        async with Rig().connection() as stream:
            await say(stream, *FAMILY, "ResumeResponse = true")
            assert (await receive_ad(stream))["ReturnCode"] == "SID_NOT_FOUND"
            assert await stream.receive_or_end() is None

    run(loop, scenario())


def test_a_resumption_without_an_answer(loop: str) -> None:
    """As peers before 9.9 have it: the key is on behind the client's ad."""

    async def scenario() -> None:
        rig = Rig()
        first = await rig.query()
        assert first.session is not None
        assert first.session.key is not None
        async with rig.connection() as stream:
            sid = f'Sid = "{first.session.name}"'
            await say(stream, "Command = 48", 'UseSession = "YES"', sid)
            stream.secure(first.session.key)
            await ask(replace(first, stream=stream))
        async with rig.connection() as stream:
            await say(stream, *FAMILY)
            assert await stream.receive_or_end() is None

    run(loop, scenario())


@pytest.mark.parametrize(
    "lines",
    [
        ("Command = 48", 'Enact = "NO"', 'Cookie = "mine"'),
        ("Command = 48", 'NewSession = "YES"'),
        ("Command = 4711", 'Enact = "NO"'),
        ("Command = A + 1", 'Enact = "NO"'),
        ("Command = 60040", 'Enact = "NO"'),
    ],
    ids=["a cookie", "no Enact", "unknown", "an expression", "a query about nothing"],
)
def test_closed_without_a_word(loop: str, lines: tuple[str, ...]) -> None:
    async def scenario() -> None:
        async with Rig().connection() as stream:
            await say(stream, *lines)
            assert await stream.receive_or_end() is None

    run(loop, scenario())


def test_who_says_nothing_is_not_waited_for(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glasnost.condor.server.command.HANDSHAKE_TIME", 0.05)

    async def scenario() -> None:
        async with Rig().connection() as stream:
            assert await stream.receive_or_end() is None

    run(loop, scenario())


@pytest.mark.parametrize("allowed", [True, False])
def test_asking_for_permission(loop: str, allowed: bool) -> None:
    async def scenario() -> None:
        rig = Rig(allow=lambda level, who, where: allowed)
        async with rig.connection() as stream:
            meant = Command.QUERY_ANY_ADS
            call = await start_command(
                *(stream, Command.DC_SEC_QUERY, rig.settings(), rig.sessions, ADDRESS, NOW),
                auth_command=meant,
            )
            assert await permitted(call) is allowed
        assert call.session is not None

    run(loop, scenario())


def test_a_client_that_requires_more_than_the_server_does_goes_away(loop: str) -> None:
    async def scenario() -> None:
        rig = Rig(client=Policy(encryption=Word.REQUIRED, ciphers=()))
        with pytest.raises((Refused, PathCut)):
            await rig.query()
        rig = Rig(client=Policy(negotiation=Word.OPTIONAL, encryption=Word.REQUIRED))
        with pytest.raises(Refused, match="no negotiation"):
            await rig.query()

    run(loop, scenario())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\0\0\0\x08" + (60_099).to_bytes(8, "big"),
        b"\x01\0\0\0\x08" + (60_010).to_bytes(8, "big"),
        b"\x01\0\0\0\x03abc",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0" + bytes(500),
        b"\x00\0\0\0\x08" + (60_010).to_bytes(8, "big") + b"\x00\0\x10\0\0" + bytes(1 << 20),
    ],
    ids=["nothing", "unknown", "no ad", "no number", "HTTP", "TLS", "endless"],
)
def test_what_is_no_command_is_closed_without_a_word(loop: str, data: bytes) -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.connection() as stream:
            loop_ = asyncio.get_running_loop()
            try:
                await loop_.sock_sendall(stream.sock, data)
                if not data:
                    stream.sock.shutdown(1)
                assert await loop_.sock_recv(stream.sock, 100) == b""
            except ConnectionError:
                pass
        assert rig.heard == []

    run(loop, scenario())
