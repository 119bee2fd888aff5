"""The authority over real sockets: what is said to whom, and what becomes of strangers."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import msgspec
import pytest

from glasnost.core.wire.frames import encode_frame
from glasnost.core.wire.messages import (
    AUTHORITY,
    Codec,
    Enrol,
    Enrolled,
    Ping,
    RenewNode,
    Root,
    RootIs,
    encode,
)
from glasnost.errors import (
    PathCut,
    Refused,
    TrustError,
)
from glasnost.net.dialogue import (
    accept_dialogue,
    open_dialogue,
    receive_in_clear,
    send_in_clear,
)
from glasnost.roles import authority as module
from glasnost.roles.enrol import MAX_FRAME, join, renew
from glasnost.trust import checks
from glasnost.trust.certificates import check_node, issue_authority, issue_node, make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key, public_bytes
from glasnost.trust.tokens import JoinToken
from tests.roles.authority_lab import (
    DAY,
    DIRECTORIES,
    DOMAIN,
    Lab,
    at_end,
    certificate,
    connect,
    pair,
    run,
    tcp_pair,
)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_node_joins_and_renews(lab: Lab) -> None:
    key, token = new_key(), lab.token()

    async def scenario() -> None:
        enrolled = await join(connect(lab.authority), token, key)
        assert enrolled.directories == DIRECTORIES
        assert enrolled.networks == ("lab",)
        root, own = checks.read_certificate(enrolled.root), certificate(enrolled)
        assert checks.fingerprint(root) == token.fingerprint
        renewed = await renew(connect(lab.authority), root, DOMAIN, own, key)
        assert certificate(renewed).serial_number != own.serial_number
        assert check_node(root, certificate(renewed), lab.clock.now) == "node7"

    run(lab, scenario)


def test_a_node_joins_over_tcp(lab: Lab) -> None:
    async def scenario() -> None:
        await join(connect(lab.authority, tcp_pair), lab.token(), new_key())

    run(lab, scenario)


def test_refusals_arrive_as_they_were_said(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    token = lab.token()
    wrong = msgspec.structs.replace(token, secret=bytes(16))

    async def refused(token: JoinToken) -> str:
        with pytest.raises(Refused) as caught:
            await join(connect(lab.authority), token, new_key())
        assert caught.value.why
        return caught.value.code

    async def scenario() -> None:
        assert await refused(wrong) == "wrong-token"
        await join(connect(lab.authority), token, new_key())
        assert await refused(token) == "used-token"
        late = lab.token("node8")
        lab.clock.now += 3601
        assert await refused(late) == "expired-token"

    with caplog.at_level(logging.DEBUG, "glasnost"):
        run(lab, scenario)
    assert lab.authority.status()["refused"] == 3
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said[0] == "refused: this authority has made no such join token"
    assert not any(record.exc_info for record in caplog.records)


def test_an_untrusted_renewal_is_refused_with_a_sentence(lab: Lab) -> None:
    key, enrolled = lab.joined()
    lab.clock.now += 60 * DAY

    async def scenario() -> None:
        own, root = certificate(enrolled), lab.authority.root
        # The clock of the authority alone is late here, so its own certificate is not yet valid
        # for us; ask it in process for what it would say.
        answer = lab.authority._answer(
            RenewNode(id=5, certificate=checks.to_der(own), csr=make_csr(key)), "peer"
        )
        assert (answer.id, answer.code, answer.why) == (  # type: ignore[attr-defined]
            5,
            "untrusted",
            "the certificate has expired",
        )
        with pytest.raises(TrustError, match="not yet valid"):
            await renew(connect(lab.authority), root, DOMAIN, own, key)

    run(lab, scenario)


def test_a_false_authority_learns_no_secret(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "false").mkdir()
    false, token = Lab(tmp_path / "false"), lab.token()

    async def scenario() -> None:
        ours, theirs = pair()
        joining = asyncio.create_task(join(ours, token, new_key()))
        question = await receive_in_clear(theirs, Codec(AUTHORITY), 4096)
        assert question == Root(id=1)
        root = checks.to_der(false.authority.root)
        await send_in_clear(theirs, RootIs(id=1, certificate=root))
        with pytest.raises(TrustError, match=r"fingerprint is another; nothing secret was sent"):
            await joining
        assert await at_end(theirs) == b""  # not even a ClientHello

    run(lab, scenario)


def test_a_root_without_its_key_learns_no_secret(lab: Lab) -> None:
    """The root certificate is public: an impostor shows it, and a leaf that it has not signed."""
    token, key = lab.token(), new_key()
    false_key = new_key()
    root = lab.authority.root
    leaf = issue_authority(false_key, root, DOMAIN, key.public_key(), lab.clock.now, DAY)
    impostor = Credentials(root, DOMAIN, key, [leaf]).server_context(require_client=False)

    async def scenario() -> None:
        ours, theirs = pair()
        joining = asyncio.create_task(join(ours, token, new_key()))
        await receive_in_clear(theirs, Codec(AUTHORITY), 4096)
        await send_in_clear(theirs, RootIs(id=1, certificate=checks.to_der(root)))
        with pytest.raises(TrustError, match="the peer ended the handshake"):
            await accept_dialogue(theirs, impostor, Codec(AUTHORITY), 4096)
        with pytest.raises(TrustError, match="certificate verify failed"):
            await joining

    run(lab, scenario)


def impostor_answers(lab: Lab, answer: Enrolled) -> None:
    """Join at somebody who has the authority's identity, and answers this."""
    key, token = new_key(), lab.token()
    leaf = issue_authority(
        lab.authority._root_key, lab.authority.root, DOMAIN, key.public_key(), lab.clock.now, DAY
    )
    own = Credentials(lab.authority.root, DOMAIN, key, [leaf]).server_context(False)

    async def scenario() -> None:
        ours, theirs = pair()
        joining = asyncio.create_task(join(ours, token, new_key()))
        await receive_in_clear(theirs, Codec(AUTHORITY), 4096)
        root = checks.to_der(lab.authority.root)
        await send_in_clear(theirs, RootIs(id=1, certificate=root))
        dialogue = await accept_dialogue(theirs, own, Codec(AUTHORITY), 16_384)
        assert isinstance(await dialogue.receive(), Enrol)
        await dialogue.send(answer)
        try:
            await joining
        finally:
            dialogue.close()

    run(lab, scenario)


def test_a_certificate_that_was_not_asked_for_is_not_taken(lab: Lab) -> None:
    key = new_key().public_key()
    root_key, root, now = lab.authority._root_key, lab.authority.root, lab.clock.now
    other = issue_node(root_key, root, "node7", DOMAIN, key, now, DAY)
    with pytest.raises(TrustError, match="something else than node7 and its key"):
        impostor_answers(lab, Enrolled(certificate=checks.to_der(other)))
    with pytest.raises(TrustError, match="no certificate"):
        impostor_answers(lab, Enrolled(certificate=b"junk"))


def test_an_authority_of_another_pool_is_not_asked_to_renew(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "false").mkdir()
    false = Lab(tmp_path / "false")
    key, enrolled = lab.joined()

    async def scenario() -> None:
        sock = connect(false.authority)
        with pytest.raises(TrustError, match="certificate verify failed"):
            await renew(sock, lab.authority.root, DOMAIN, certificate(enrolled), key)
        await false.authority.close()

    run(lab, scenario)


GARBAGE = [
    ("another protocol", b"GET / HTTP/1.1\r\n\r\n"),
    ("a frame too long", (4097).to_bytes(4, "big")),
    ("no message", encode_frame(b"\xc1")),
    ("an unknown message", encode_frame(b"\x81\xa1t\xa3foo")),
    ("the secret in the clear", encode_frame(encode(Enrol(token="x", secret=bytes(16))))),
    ("TLS that is none", b"\x16\x03\x01\x00\x05hello"),
]


@pytest.mark.parametrize("name, data", GARBAGE, ids=[case[0] for case in GARBAGE])
def test_garbage_ends_the_dialogue_without_a_traceback(
    lab: Lab, name: str, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        sock = connect(lab.authority)
        await asyncio.get_running_loop().sock_sendall(sock, data)
        await at_end(sock)

    with caplog.at_level(logging.DEBUG, "glasnost"):
        run(lab, scenario)
    assert not any(record.exc_info for record in caplog.records)
    assert lab.authority.status()["dialogues"] == 0


def test_who_leaves_early_leaves_nothing(lab: Lab) -> None:
    async def scenario() -> None:
        for data in (b"", b"\x00", b"\x00\x00\x00\x10half", b"\x16\x03"):
            sock = connect(lab.authority)
            await asyncio.get_running_loop().sock_sendall(sock, data)
            sock.shutdown(socket.SHUT_WR)
            await at_end(sock)

    run(lab, scenario)


def test_inside_tls_too_a_strange_question_is_answered(lab: Lab) -> None:
    async def scenario() -> None:
        credentials = lab.authority._current()
        dialogue = await open_dialogue(
            connect(lab.authority),
            credentials.client_context(),
            f"authority.{DOMAIN}",
            Codec(AUTHORITY),
            16_384,
        )
        for strange in (Ping(id=3), RootIs(id=4)):
            with pytest.raises(Refused) as caught:
                await dialogue.ask(strange)
            assert caught.value.code == "unknown-message"
        answer = await dialogue.ask(Root(id=5))  # and the dialogue goes on
        assert isinstance(answer, RootIs) and answer.now == lab.clock.now
        dialogue.close()

    run(lab, scenario)


def test_a_frame_over_the_limit_ends_the_dialogue(lab: Lab) -> None:
    async def scenario() -> None:
        context = lab.authority._current().client_context()
        name = f"authority.{DOMAIN}"
        unlimited = 1 << 20
        dialogue = await open_dialogue(
            connect(lab.authority), context, name, Codec(AUTHORITY), unlimited
        )
        with pytest.raises(PathCut, match="before it answered"):
            await dialogue.ask(Enrol(csr=bytes(MAX_FRAME)))
        dialogue.close()

    run(lab, scenario)


def test_one_too_many_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DIALOGUES", 2)
    lab = Lab(tmp_path)
    key, enrolled = lab.joined("node1")

    async def scenario() -> None:
        waiting = [connect(lab.authority) for _ in range(2)]
        with pytest.raises(Refused, match="2 handshakes are under way") as caught:
            await join(connect(lab.authority), lab.token(), new_key())
        assert caught.value.code == "busy"
        own, root = certificate(enrolled), lab.authority.root
        with pytest.raises(Refused, match="2 handshakes are under way"):
            await renew(connect(lab.authority, tcp_pair), root, DOMAIN, own, key)
        for sock in waiting:
            sock.shutdown(socket.SHUT_WR)
            assert await at_end(sock) == b""  # the dialogue is over
        await join(connect(lab.authority), lab.token(), new_key())

    run(lab, scenario)


def test_a_silent_peer_is_not_waited_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DIALOGUE_TIMEOUT", 0.01)

    async def scenario() -> None:
        assert await at_end(connect(lab.authority)) == b""

    run(lab, scenario)


def test_a_silent_authority_is_not_waited_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glasnost.roles.enrol.TIMEOUT", 0.01)

    async def scenario() -> None:
        ours, theirs = pair()
        with theirs, pytest.raises(PathCut, match="did not answer"):
            await join(ours, lab.token(), new_key())
        assert ours.fileno() == -1

    run(lab, scenario)


def test_closing_ends_every_dialogue(lab: Lab) -> None:
    async def scenario() -> None:
        begun = connect(lab.authority)
        await asyncio.get_running_loop().sock_sendall(begun, b"\x00")
        fresh = connect(lab.authority)  # cancelled before its first step
        await lab.authority.close()
        assert await at_end(begun) == b""
        assert await at_end(fresh) == b""

    run(lab, scenario)


def test_its_own_certificate_renews_at_half_life(tmp_path: Path) -> None:
    lab = Lab(tmp_path, node_lifetime=10)
    before = lab.authority._current().chain[0]
    lab.clock.now += 4
    assert lab.authority._current().chain[0] is before
    lab.clock.now += 1
    renewed = lab.authority._current()
    assert checks.not_after(renewed.chain[0]) == lab.clock.now + 10
    assert public_bytes(renewed.key.public_key()) != public_bytes(before.public_key())  # type: ignore[arg-type]
