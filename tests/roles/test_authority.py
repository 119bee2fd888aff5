"""The authority: who is let in, who is not, and what is said to them, over real sockets too."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sqlite3
import stat
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.core.wire.frames import encode_frame
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import (
    AUTHORITY,
    Codec,
    Directory,
    Enrol,
    Enrolled,
    Ping,
    RenewNode,
    Root,
    RootIs,
    encode,
)
from glasnost.errors import (
    AddressError,
    BadName,
    PathCut,
    Refused,
    SettingsError,
    TrustError,
    Unavailable,
)
from glasnost.net.dialogue import (
    accept_dialogue,
    open_dialogue,
    receive_in_clear,
    send_in_clear,
)
from glasnost.net.port import Incoming
from glasnost.roles import authority as module
from glasnost.roles.authority import Authority, create_token
from glasnost.roles.enrol import MAX_FRAME, join, renew
from glasnost.trust import checks
from glasnost.trust.certificates import check_node, issue_authority, issue_node, make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key, public_bytes
from glasnost.trust.tokens import JoinToken

DOMAIN = "lab.glasnost.internal"
ADDRESS = "public/ip4:203.0.113.9:9618/service:authority"
DIRECTORIES = (Directory(f"directory.node1.{DOMAIN}", "public/ip4:203.0.113.9:9618"),)
DAY = 86_400.0
Key = ec.EllipticCurvePrivateKey


class Clock:
    """Tells the time that it was told."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Lab:
    """An authority in a directory of its own, with a clock to turn."""

    def __init__(self, home: Path, node_lifetime: float = 7 * DAY) -> None:
        self.home = home / "authority"
        self.clock = Clock(float(int(time.time())))  # certificates have whole seconds
        Authority.create(self.home, "lab", self.clock.now)
        self.authority = Authority(self.home, lambda: DIRECTORIES, node_lifetime, self.clock)

    def token(
        self, node: str = "node7", *, lifetime: float = 3600, replace: bool = False
    ) -> JoinToken:
        return create_token(
            self.home, node, ADDRESS, ["lab"], lifetime, replace=replace, now=self.clock.now
        )

    def enrol(self, token: JoinToken, key: Key) -> Enrolled:
        question = Enrol(token=token.id, secret=token.secret, csr=make_csr(key))
        return self.authority.enrol(question)

    def joined(self, node: str = "node7") -> tuple[Key, Enrolled]:
        key = new_key()
        return key, self.enrol(self.token(node), key)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def certificate(enrolled: Enrolled) -> x509.Certificate:
    return checks.read_certificate(enrolled.certificate)


def refusal(attempt: Callable[[], object]) -> str:
    """The code of the refusal that this must end in."""
    with pytest.raises(Refused) as caught:
        attempt()
    assert caught.value.why, "a refusal has a sentence"
    return caught.value.code


# --- its state -----------------------------------------------------------------------------------


def test_the_state_is_private(lab: Lab) -> None:
    assert stat.S_IMODE(lab.home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in lab.home.iterdir()}
    assert set(modes) == {"root.key", "root.crt", "authority.sqlite"}
    assert modes["root.key"] == modes["authority.sqlite"] == 0o600
    assert [path.name for path in lab.home.parent.iterdir()] == ["authority"]  # nothing half made


def test_an_authority_is_not_overwritten(lab: Lab) -> None:
    key = (lab.home / "root.key").read_bytes()
    with pytest.raises(SettingsError, match=r"there is an authority in .* already"):
        Authority.create(lab.home, "lab", lab.clock.now)
    assert (lab.home / "root.key").read_bytes() == key
    assert [path.name for path in lab.home.parent.iterdir()] == ["authority"]


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SettingsError, match="cannot make"):
        Authority.create(tmp_path, "lab", 0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_pool_needs_a_name_that_can_be(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="pool's name"):
        Authority.create(tmp_path / "authority", "Not A Name", 0.0)


def test_without_a_state_there_is_no_authority(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="`glasnost init` makes one"):
        Authority(tmp_path, lambda: ())
    with pytest.raises(Unavailable, match="`glasnost init` makes one"):
        create_token(tmp_path, "node7", ADDRESS)


def test_a_root_key_that_others_may_read_is_refused(lab: Lab) -> None:
    (lab.home / "root.key").chmod(0o644)
    with pytest.raises(TrustError, match="chmod 600"):
        Authority(lab.home, lambda: ())


def test_somebody_elses_database_is_not_written(lab: Lab) -> None:
    ledger = lab.home / "authority.sqlite"
    ledger.unlink()
    with pytest.raises(Unavailable, match="is not there: restore a copy"):
        lab.token()
    assert not ledger.exists()
    other = sqlite3.connect(ledger)
    other.execute("CREATE TABLE music (title TEXT)")
    other.close()
    with pytest.raises(SettingsError, match="something else"):
        lab.token()


def test_the_status_counts(lab: Lab) -> None:
    lab.joined()
    lab.token("node8")
    status = lab.authority.status()
    assert status["domain"] == DOMAIN
    assert status["fingerprint"] == checks.fingerprint(lab.authority.root).hex()
    assert (status["nodes"], status["open_tokens"], status["dialogues"]) == (1, 1, 0)


# --- tokens --------------------------------------------------------------------------------------


def test_a_token_lets_its_node_in(lab: Lab) -> None:
    key, token = new_key(), JoinToken.parse(str(lab.token()))
    enrolled = lab.enrol(token, key)
    assert check_node(lab.authority.root, certificate(enrolled), lab.clock.now) == "node7"
    assert certificate(enrolled).public_key() == key.public_key()
    assert enrolled.directories == DIRECTORIES
    assert enrolled.networks == token.networks == ("lab",)
    assert checks.fingerprint(checks.read_certificate(enrolled.root)) == token.fingerprint


def test_a_wrong_secret_and_an_unknown_token_are_refused_alike(lab: Lab) -> None:
    token = lab.token()
    sentences = set()
    for wrong in (
        msgspec.structs.replace(token, secret=bytes(16)),
        msgspec.structs.replace(token, id="0" * 16),
        msgspec.structs.replace(token, id="0" * 16, secret=b""),
    ):
        with pytest.raises(Refused) as caught:
            lab.enrol(wrong, new_key())
        sentences.add((caught.value.code, caught.value.why))
    assert [code for code, _ in sentences] == ["wrong-token"]
    lab.enrol(token, new_key())  # and guessing has not used it up


def test_a_token_is_good_for_one_use(lab: Lab) -> None:
    token = lab.token()
    lab.enrol(token, new_key())
    assert refusal(lambda: lab.enrol(token, new_key())) == "used-token"
    lab.clock.now += 2 * DAY
    assert refusal(lambda: lab.enrol(token, new_key())) == "used-token"


def test_of_many_uses_at_once_one_succeeds(lab: Lab) -> None:
    token = lab.token()

    def use(key: Key) -> str:
        try:
            lab.enrol(token, key)
        except Refused as error:
            return error.code
        return "enrolled"

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(use, [new_key() for _ in range(8)]))
    assert sorted(results) == ["enrolled"] + ["used-token"] * 7


def test_a_token_expires(lab: Lab) -> None:
    token = lab.token(lifetime=60)
    assert token.not_after == lab.clock.now + 60
    lab.clock.now += 61
    assert refusal(lambda: lab.enrol(token, new_key())) == "expired-token"


def test_a_token_is_forgotten_in_the_end(lab: Lab) -> None:
    token = lab.token(lifetime=60)
    lab.clock.now += 60 + 30 * DAY + 1
    lab.token("node8")
    assert refusal(lambda: lab.enrol(token, new_key())) == "wrong-token"


def test_secrets_are_not_kept(lab: Lab) -> None:
    token = lab.token()
    assert token.secret not in (lab.home / "authority.sqlite").read_bytes()


def test_a_request_that_is_none_does_not_use_the_token(lab: Lab) -> None:
    token = lab.token()
    with pytest.raises(TrustError, match="no certificate request"):
        lab.authority.enrol(Enrol(token=token.id, secret=token.secret, csr=b"please"))
    lab.enrol(token, new_key())


@pytest.mark.parametrize("node", ["authority", "Authority", "", "a.b", "*", "node 7"])
def test_no_token_is_made_for(lab: Lab, node: str) -> None:
    with pytest.raises(BadName):
        lab.token(node)


def test_a_token_needs_an_address_and_networks_that_can_be(lab: Lab) -> None:
    with pytest.raises(AddressError):
        create_token(lab.home, "node7", "http://example.org/")
    with pytest.raises(BadName):
        create_token(lab.home, "node7", ADDRESS, ["not a network"])


# --- one name, one node --------------------------------------------------------------------------


def test_a_name_is_taken_once(lab: Lab) -> None:
    first, second = lab.token(), lab.token()  # made before either was used
    lab.enrol(first, new_key())
    assert refusal(lambda: lab.enrol(second, new_key())) == "name-taken"
    with pytest.raises(Refused, match="--replace") as caught:
        lab.token()
    assert caught.value.code == "name-taken"


def test_the_same_key_may_join_again(lab: Lab) -> None:
    key = new_key()
    first, second = lab.token(), lab.token()
    lab.enrol(first, key)
    lab.enrol(second, key)


def test_a_replacement_takes_the_name_over(lab: Lab) -> None:
    old, enrolled = lab.joined()
    key = new_key()
    lab.enrol(lab.token(replace=True), key)
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(old))
    assert refusal(lambda: lab.authority.renew(question)) == "replaced"


def test_the_first_node_needs_no_token(lab: Lab) -> None:
    key = new_key()
    enrolled = lab.authority.enrol_local("node1", make_csr(key), ("lab",))
    assert check_node(lab.authority.root, certificate(enrolled), lab.clock.now) == "node1"
    assert enrolled.networks == ("lab",)
    lab.authority.enrol_local("node1", make_csr(key))  # at every start
    other = make_csr(new_key())
    assert refusal(lambda: lab.authority.enrol_local("node1", other)) == "name-taken"
    lab.authority.enrol_local("node1", other, replace=True)
    with pytest.raises(TrustError, match="cannot be a node's name"):
        lab.authority.enrol_local("authority", other)


# --- renewal -------------------------------------------------------------------------------------


def test_certificates_of_ten_seconds_renew_at_half_life(tmp_path: Path) -> None:
    lab = Lab(tmp_path, node_lifetime=10)
    begun = lab.clock.now
    key, enrolled = lab.joined()
    ends = []
    for _ in range(3):
        current = certificate(enrolled)
        half = (checks.issued(current) + checks.not_after(current)) / 2
        lab.clock.now = half
        question = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
        enrolled = lab.authority.renew(question)
        ends.append(checks.not_after(certificate(enrolled)) - begun)
        assert check_node(lab.authority.root, certificate(enrolled), half) == "node7"
    assert ends == [15, 20, 25]
    assert enrolled.networks == ("lab",)


CASES = [
    # name                   days after expiry  ends in
    ("a month switched off", 30.0, ""),
    ("more than a month", 30.1, "has expired"),
]


@pytest.mark.parametrize("name, days, says", CASES, ids=[case[0] for case in CASES])
def test_an_expired_certificate_renews_for_30_days(
    lab: Lab, name: str, days: float, says: str
) -> None:
    key, enrolled = lab.joined()
    lab.clock.now += (7 + days) * DAY
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
    if says:
        with pytest.raises(TrustError, match=says):
            lab.authority.renew(question)
    else:
        renewed = certificate(lab.authority.renew(question))
        assert check_node(lab.authority.root, renewed, lab.clock.now) == "node7"


def test_a_revoked_node_renews_no_more(lab: Lab) -> None:
    key, enrolled = lab.joined()
    lab.authority.revoke("node7")
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
    assert refusal(lambda: lab.authority.renew(question)) == "revoked"
    assert refusal(lambda: lab.enrol(lab.token(replace=True), key)) == "revoked"
    lab.enrol(lab.token(replace=True), new_key())  # a new key may
    assert refusal(lambda: lab.authority.revoke("node9")) == "unknown-node"


def test_a_renewal_needs_the_same_key(lab: Lab) -> None:
    _, enrolled = lab.joined()
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(new_key()))
    with pytest.raises(TrustError, match="another key"):
        lab.authority.renew(question)


def test_a_foreign_certificate_renews_nothing(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    key, enrolled = Lab(tmp_path / "other").joined()
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
    with pytest.raises(TrustError, match="not issued by this pool"):
        lab.authority.renew(question)
    with pytest.raises(TrustError, match="no certificate"):
        lab.authority.renew(RenewNode(certificate=b"?", csr=make_csr(key)))


def test_an_authority_that_lost_its_ledger_still_renews(lab: Lab) -> None:
    key, enrolled = lab.joined()
    from_backup = sqlite3.connect(lab.home / "authority.sqlite")
    with from_backup:
        from_backup.execute("DELETE FROM nodes")
    from_backup.close()
    lab.authority.renew(RenewNode(certificate=enrolled.certificate, csr=make_csr(key)))
    assert refusal(lambda: lab.token()) == "name-taken"


# --- over a socket -------------------------------------------------------------------------------


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def connect(
    authority: Authority, make_pair: Callable[[], tuple[socket.socket, socket.socket]] = pair
) -> socket.socket:
    """A connection that an authority has taken."""
    ours, theirs = make_pair()
    authority.take(Incoming(Call(to="authority"), theirs, "203.0.113.5:4711"))
    return ours


def run(lab: Lab, scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario()
        await lab.authority.close()

    asyncio.run(whole())


async def at_end(sock: socket.socket) -> bytes:
    """All that comes until the other side closes, be it before it has read everything."""
    data = b""
    with sock, contextlib.suppress(ConnectionResetError):
        while chunk := await asyncio.get_running_loop().sock_recv(sock, 65536):
            data += chunk
    return data


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
