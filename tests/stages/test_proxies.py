"""``socks5`` and ``http-connect``: the whole conversation with a proxy, byte by byte.

Their crossing against proxies that others wrote is in tests/lab/test_proxies.py.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.core.address import Route
from glasnost.errors import ProtocolError, Refused, SettingsError, StageFailed, TrustError
from glasnost.settings import ProxySetting, Settings
from glasnost.stages import KINDS, Kind, Means
from glasnost.stages.http_connect import MAX_HEAD, MAX_HEADS
from glasnost.stages.walk import walk
from glasnost.testing.contracts import PROMISES, Talk, converse, path, play, step_on

PROXY = "ip4:198.51.100.4:1080"
LOGIN = Means(settings=Settings(proxies=(ProxySetting(PROXY, "ann", "pass word"),)))

SOCKS = f"public/{PROXY}/socks5/"
HTTP = f"public/{PROXY}/http-connect/"
EVIL = "public/ip4:203.0.113.66:1080/socks5/"
HELLO, HELLO_OR_LOGIN, CHOSEN_NONE = b"\5\1\0", b"\5\2\0\2", b"\5\0"
TO4 = b"\5\1\0\1\xc0\x00\x02\x07\x00\x16"
GRANTED = b"\5\0\0\1\0\0\0\0\0\0"
CONNECT = b"CONNECT 192.0.2.7:22 HTTP/1.1\r\nHost: 192.0.2.7:22\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


GOOD = [
    Talk("IPv4", f"{SOCKS}ip4:192.0.2.7:22", ((HELLO, CHOSEN_NONE), (TO4, GRANTED))),
    Talk(
        "IPv6, and the proxy answers with an address of IPv6",
        f"{SOCKS}ip6:[2001:db8::7]:9618",
        (
            (HELLO, CHOSEN_NONE),
            (
                b"\5\1\0\4\x20\x01\x0d\xb8" + bytes(11) + b"\7\x25\x92",
                b"\5\0\0\4" + bytes(16) + b"\0\0",
            ),
        ),
    ),
    Talk(
        "a name, which the proxy looks up, and answers with one",
        f"{SOCKS}dns:db.example.org:5432",
        (
            (HELLO, CHOSEN_NONE),
            (b"\5\1\0\3\x0edb.example.org\x15\x38", b"\5\0\0\3\x03gwy\0\0"),
        ),
    ),
    Talk(
        "a password, where the proxy asks for it",
        f"{SOCKS}ip4:192.0.2.7:22",
        (
            (HELLO_OR_LOGIN, b"\5\2"),
            (b"\1\3ann\x09pass word", b"\1\0"),
            (TO4, GRANTED),
        ),
        LOGIN,
    ),
    Talk(
        "no password, where the proxy asks for none",
        f"{SOCKS}ip4:192.0.2.7:22",
        ((HELLO_OR_LOGIN, CHOSEN_NONE), (TO4, GRANTED)),
        LOGIN,
    ),
    Talk("HTTP", f"{HTTP}ip4:192.0.2.7:22", ((CONNECT, OK),)),
    Talk(
        "HTTP to IPv6, with fields and a body's length that mean nothing here",
        f"{HTTP}ip6:[2001:db8::7]:9618",
        (
            (
                b"CONNECT [2001:db8::7]:9618 HTTP/1.1\r\nHost: [2001:db8::7]:9618\r\n\r\n",
                b"HTTP/1.0 200 OK\r\nProxy-Agent: tinyproxy/1.11\r\nVia: 1.1 gw\r\n\r\n",
            ),
        ),
    ),
    Talk(
        "HTTP to a name, with a password, and told to wait at first",
        f"{HTTP}dns:db.example.org:5432",
        (
            (
                b"CONNECT db.example.org:5432 HTTP/1.1\r\nHost: db.example.org:5432\r\n"
                b"Proxy-Authorization: Basic YW5uOnBhc3Mgd29yZA==\r\n\r\n",
                b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
            ),
        ),
        LOGIN,
    ),
]

FAILS = [
    # name, conversation, error, what it says
    (
        Talk("wants a login", f"{SOCKS}ip4:192.0.2.7:22", ((HELLO, b"\5\xff"),)),
        TrustError,
        "the proxy wants a login",
    ),
    (
        Talk("wants another", f"{SOCKS}ip4:192.0.2.7:22", ((HELLO_OR_LOGIN, b"\5\1"),), LOGIN),
        TrustError,
        "does not accept our user and password",
    ),
    (
        Talk(
            "wrong password",
            f"{SOCKS}ip4:192.0.2.7:22",
            ((HELLO_OR_LOGIN, b"\5\2"), (b"\1\3ann\x09pass word", b"\1\1")),
            LOGIN,
        ),
        TrustError,
        "does not accept our user and password",
    ),
    (
        Talk(
            "refused by rule",
            f"{SOCKS}ip4:192.0.2.7:22",
            ((HELLO, CHOSEN_NONE), (TO4, b"\5\2\0\1\0\0\0\0\0\0")),
        ),
        Refused,
        "the proxy says: not allowed by its rules",
    ),
    (
        Talk(
            "a reply that nobody knows",
            f"{SOCKS}ip4:192.0.2.7:22",
            ((HELLO, CHOSEN_NONE), (TO4, b"\5\x63\0\1\0\0\0\0\0\0")),
        ),
        Refused,
        "the proxy says: reply 99",
    ),
    (
        Talk("no SOCKS5 at all", f"{SOCKS}ip4:192.0.2.7:22", ((HELLO, b"HT"),)),
        ProtocolError,
        "does not answer like a SOCKS5 proxy",
    ),
    (
        Talk(
            "an address of no kind",
            f"{SOCKS}ip4:192.0.2.7:22",
            ((HELLO, CHOSEN_NONE), (TO4, b"\5\0\0\7")),
        ),
        ProtocolError,
        "an address of kind 7",
    ),
    (
        Talk(
            "HTTP wants a login",
            f"{HTTP}ip4:192.0.2.7:22",
            ((CONNECT, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),),
        ),
        TrustError,
        "the proxy wants a login",
    ),
    (
        Talk(
            "HTTP knows another",
            f"{HTTP}ip4:192.0.2.7:22",
            (
                (
                    CONNECT[:-2] + b"Proxy-Authorization: Basic YW5uOnBhc3Mgd29yZA==\r\n\r\n",
                    b"HTTP/1.1 407 No\r\n\r\n",
                ),
            ),
            LOGIN,
        ),
        TrustError,
        "does not accept our user and password",
    ),
    (
        Talk(
            "as tinyproxy says it",
            f"{HTTP}ip4:192.0.2.7:22",
            ((CONNECT, b"HTTP/1.0 401 No\r\n\r\n"),),
        ),
        TrustError,
        "the proxy wants a login",
    ),
    (
        Talk(
            "HTTP refuses",
            f"{HTTP}ip4:192.0.2.7:22",
            ((CONNECT, b"HTTP/1.1 403 Filtered\r\nContent-Length: 4\r\n\r\nno\r\n"),),
        ),
        Refused,
        "the proxy says: 403 Filtered",
    ),
    (
        Talk("no HTTP at all", f"{HTTP}ip4:192.0.2.7:22", ((CONNECT, b"220 hi\r\n\r\n"),)),
        ProtocolError,
        "does not answer like an HTTP proxy",
    ),
    (
        Talk(
            "put off for ever", f"{HTTP}ip4:192.0.2.7:22", ((CONNECT, CONTINUE * (MAX_HEADS + 1)),)
        ),
        ProtocolError,
        f"has begun {MAX_HEADS} times to answer",
    ),
    (
        Talk(
            "put off often",
            f"{HTTP}ip4:192.0.2.7:22",
            ((CONNECT, CONTINUE * 15 + b"HTTP/1.1 504 No\r\n\r\n"),),
        ),
        Refused,
        "the proxy says: 504 No",
    ),
    (
        Talk("a head without end", f"{HTTP}ip4:192.0.2.7:22", ((CONNECT, b"x" * (MAX_HEAD + 1)),)),
        ProtocolError,
        f"no end within {MAX_HEAD} bytes",
    ),
]


def names(talks: list[Talk]) -> list[str]:
    return [talk.name for talk in talks]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("talk", GOOD, ids=names(GOOD))
def test_a_proxy_is_crossed_as_every_stage(
    talk: Talk, promise: Callable[[Kind, Talk], None]
) -> None:
    promise(kind_of(talk), talk)


@pytest.mark.parametrize(
    ("talk", "error", "says"), FAILS, ids=names([talk for talk, _, _ in FAILS])
)
def test_what_the_proxy_does_not_do_is_said_in_a_sentence(
    talk: Talk, error: type[Exception], says: str
) -> None:
    async def scenario() -> None:
        with pytest.raises(error, match=says):
            await converse(kind_of(talk), talk)

    play(scenario)


def test_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("pass word\n")
    proxy = ProxySetting(PROXY, "ann", password_file=str(file))
    assert proxy.login() == ("ann", "pass word")
    file.unlink()
    with pytest.raises(SettingsError, match=r"cannot read .*No such file"):
        proxy.login()


WHOSE = [
    # name, route, via, index of the proxy's stage, whether it is told who we are
    ("the route begins there", f"{SOCKS}ip4:192.0.2.7:22", "", 1, True),
    ("an exit leads there", "public/ip4:192.0.2.7:22", f"public/{PROXY}/socks5", -1, True),
    ("by another proxy of the exit", "public/ip4:192.0.2.7:22", f"{EVIL}{PROXY}/socks5", -1, True),
    ("by a proxy of our exit", f"{HTTP}ip4:192.0.2.7:22", EVIL[:-1], 1, True),
    ("by TLS", f"public/{PROXY}/tls:proxy/http-connect/ip4:192.0.2.7:22", "", 2, True),
    ("another proxy of the route claims to lead there", f"{EVIL}{PROXY}/socks5", "", 3, False),
    ("behind a knock", f"public/knock:fw/{PROXY}/socks5/ip4:192.0.2.7:22", "", 2, True),
    ("a plugin may have led there", f"public/pigeon:7/socks5/{PROXY}/socks5", "", 3, False),
    ("it is another", f"{EVIL}ip4:192.0.2.7:22", "", 1, False),
]


@pytest.mark.parametrize(
    ("route", "via", "index", "told"), [case[1:] for case in WHOSE], ids=[c[0] for c in WHOSE]
)
def test_a_login_is_for_the_proxy_itself(route: str, via: str, index: int, told: bool) -> None:
    step = step_on(path(route, via=via, lands="ip4"), index, LOGIN)
    assert step.login == (("ann", "pass word") if told else None)


def test_a_proxy_that_a_peer_names_is_not_told_our_login_at_another() -> None:
    """It grants a connection to our proxy, and then plays that."""

    async def scenario() -> None:
        loop, heard = asyncio.get_running_loop(), bytearray()

        async def evil(listener: socket.socket) -> None:
            sock, _ = await loop.sock_accept(listener)
            with sock:
                for answer in (CHOSEN_NONE, GRANTED):
                    heard.extend(await loop.sock_recv(sock, 1000))
                    await loop.sock_sendall(sock, answer)
                methods = await loop.sock_recv(sock, 1000)
                await loop.sock_sendall(sock, b"\5\2" if b"\2" in methods else b"\5\xff")
                heard.extend(methods + await loop.sock_recv(sock, 1000))

        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            playing = asyncio.create_task(evil(listener))
            port = listener.getsockname()[1]
            on = path(f"public/ip4:127.0.0.1:{port}/socks5/{PROXY}/socks5/ip4:192.0.2.7:22")
            with pytest.raises(StageFailed, match=r"stage 4 \(socks5\): the proxy wants a login"):
                await walk(on, LOGIN)
            await playing
        assert heard.endswith(HELLO) and b"pass word" not in heard

    play(scenario)


def kind_of(talk: Talk) -> Kind:
    return {**KINDS, **HTCONDOR}[Route.parse(talk.route).stages[1].kind]
