"""Commands by datagram: what HTCondor sends, and what is dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasnost.condor.cedar.ciphers import AES, SessionKey
from glasnost.condor.cedar.datagrams import Datagram, decode_datagram, sealed
from glasnost.condor.cedar.values import Writer
from glasnost.condor.commands import Command
from glasnost.condor.security.negotiation import NOBODY, Policy
from glasnost.condor.security.sessions import Identity, Session
from glasnost.condor.security.words import Word
from glasnost.condor.server.datagrams import open_datagram
from glasnost.errors import ProtocolError, Refused
from tests.condor.cedar.vectors import AES_KEY, cedar
from tests.condor.rig import NOW, Rig

KEY = SessionKey(AES, AES_KEY)
CAROL = Identity("carol@wire.test", "IDTOKENS")


def rig() -> Rig:
    made = Rig(allow=lambda level, who, where: where.startswith("192.0.2."))
    made.server_sessions.add(Session("s:1", KEY, identity=CAROL, duration=60), NOW)
    made.server_sessions.add(Session("clear", None, identity=CAROL, duration=60), NOW)
    return made


def update(encrypted: bool = False) -> bytes:
    writer = Writer(encrypted)
    writer.integer(Command.UPDATE_AD_GENERIC)
    writer.ad([b'Name = "n1"'])
    return writer.message()


def resumed(session: str, encrypted: bool = False) -> bytes:
    writer = Writer(encrypted)
    writer.integer(Command.DC_AUTHENTICATE)
    lines = ["Command = 58", "AuthCommand = 58", f'Sid = "{session}"', 'UseSession = "YES"']
    writer.ad([line.encode() for line in lines])
    writer.ad([b'Name = "n1"'])
    return writer.message()


GOOD = [
    # name, datagram, who has sent it
    ("a stranger", update(), NOBODY),
    ("a session named in its ad", resumed("clear"), NOBODY),
    ("a session with a key, named in clear", resumed("s:1"), NOBODY),
    ("enciphered", sealed(resumed("s:1", True), "s:1", KEY), CAROL.user),
    ("enciphered, with its sender's address", sealed(update(True), "s:1,<h:1>", KEY), CAROL.user),
]


@pytest.mark.parametrize(("data", "user"), [case[1:] for case in GOOD], ids=[c[0] for c in GOOD])
def test_updates(data: bytes, user: str) -> None:
    call = open_datagram(decode_datagram(data), rig().answering(), "192.0.2.1:5")
    assert (call.command, call.identity.user) == (58, user)
    assert call.message.ad() == [b'Name = "n1"']
    call.message.end()


def test_htcondors_own() -> None:
    """An update by a session without encryption, and the nop that is sent behind every update."""
    here = rig()
    [update, nop] = [bytes.fromhex(text) for text in cedar()["udp"]["session_no_encryption"]]
    here.server_sessions.add(Session("srv:29804:1795397187:1", None, duration=60), NOW)
    server = here.answering()
    server.commands = {**server.commands, 1: server.commands[58]}
    call = open_datagram(Datagram(update), server, "192.0.2.1:5")
    assert (call.command, len(call.message.ad())) == (1, 4)
    assert open_datagram(Datagram(nop), server, "192.0.2.1:5").command == Command.DC_NOP


BAD = [
    ("a session that is not there", resumed("other"), Refused),
    ("a header's session that is not there", sealed(update(True), "other", KEY), Refused),
    ("enciphered by a session without a key", sealed(update(True), "clear", KEY), ProtocolError),
    ("one session within another", sealed(resumed("clear", True), "s:1", KEY), ProtocolError),
    ("nonsense", b"\xff" * 40, Refused),
    ("no ad", (60010).to_bytes(8, "big") + b"\xff" * 8, ProtocolError),
]


@pytest.mark.parametrize(("data", "error"), [case[1:] for case in BAD], ids=[c[0] for c in BAD])
def test_what_is_dropped(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        open_datagram(decode_datagram(data), rig().answering(), "192.0.2.1:5")


def test_strangers_where_more_is_wanted_and_those_who_may_not() -> None:
    here = rig()
    with pytest.raises(Refused, match="may not have"):
        open_datagram(Datagram(update()), here.answering(), "198.51.100.1:5")
    here.server = replace(Policy(), encryption=Word.REQUIRED)
    with pytest.raises(Refused, match="without the security"):
        open_datagram(Datagram(update()), here.answering(), "192.0.2.1:5")
    open_datagram(decode_datagram(GOOD[3][1]), here.answering(), "192.0.2.1:5")
