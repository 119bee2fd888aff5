"""Methods in detail: TLS inside CEDAR, SciTokens, and what FS does not do for anybody."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from glasnost.condor.security.methods import fs, tls
from glasnost.condor.security.methods.base import Doorkeeper, Login, MethodFailed, Peer, Proven
from glasnost.condor.security.methods.tls_records import OK, TlsRecords
from glasnost.condor.stream import CedarStream
from glasnost.errors import ProtocolError
from tests.condor.pairs import streams
from tests.net.pairs import LOOPS, run
from tests.stages.fronts import Front, certificate

pytestmark = pytest.mark.parametrize("loop", LOOPS)
PEER = Peer("192.0.2.1:9618", alias="gate.example.org")


def both(
    loop: str,
    client: Callable[[CedarStream], Awaitable[object]],
    server: Callable[[CedarStream], Awaitable[object]],
) -> list[object]:
    """What comes of the two sides of a dialogue; one that gives up closes."""
    found: list[object] = [None, None]

    async def scenario() -> None:
        async def one(at: int, stream: CedarStream, side: Callable[..., Awaitable[object]]) -> None:
            try:
                found[at] = await side(stream)
            except Exception as error:
                found[at] = error
                stream.sock.shutdown(1)

        with streams() as (ours, theirs):
            async with asyncio.timeout(10):
                await asyncio.gather(one(0, ours, client), one(1, theirs, server))

    run(loop, scenario())
    return found


def knows(front: Front) -> Callable[[], ssl.SSLContext]:
    return lambda: ssl.create_default_context(cafile=str(front.authority))


def shows(front: Front, asks: bool = False) -> Callable[[], ssl.SSLContext]:
    def context() -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(front.authority, front.key)
        if asks:
            made.load_verify_locations(front.authority)
            made.verify_mode = ssl.CERT_OPTIONAL
        return made

    return context


def test_ssl_agrees_on_a_secret(loop: str, tmp_path: Path) -> None:
    front = certificate(tmp_path)
    ours, theirs = both(
        loop,
        lambda stream: tls.client(stream, Login(tls=knows(front)), PEER),
        lambda stream: tls.server(stream, Doorkeeper(tls=shows(front)), PEER),
    )
    assert isinstance(ours, Proven)
    assert isinstance(theirs, Proven)
    assert ours.secret == theirs.secret
    assert ours.secret is not None
    assert len(ours.secret) == 256
    assert theirs.user == "unauthenticated@unmapped"


def test_a_clients_certificate_makes_it_known(loop: str, tmp_path: Path) -> None:
    front = certificate(tmp_path)

    def with_mine() -> ssl.SSLContext:
        context = knows(front)()
        context.load_cert_chain(front.authority, front.key)
        return context

    keeper = Doorkeeper(
        tls=shows(front, asks=True),
        map_subject=lambda subject: {"CN=gate.example.org": "gate@wire.test"}.get(subject),
    )
    _, theirs = both(
        loop,
        lambda stream: tls.client(stream, Login(tls=with_mine), PEER),
        lambda stream: tls.server(stream, keeper, PEER),
    )
    assert isinstance(theirs, Proven)
    assert theirs.user == "gate@wire.test"


TLS_FAILS = [
    # name, the client's view, what it says
    ("another name", lambda front: (knows(front), replace(PEER, alias="other.org")), "mismatch"),
    ("no name", lambda front: (knows(front), replace(PEER, alias="")), "no name"),
    ("nobody's", lambda front: (ssl.create_default_context, PEER), "does not hold"),
]


@pytest.mark.parametrize(
    ("view", "says"), [c[1:] for c in TLS_FAILS], ids=[c[0] for c in TLS_FAILS]
)
def test_a_server_that_is_not_believed(
    loop: str,
    tmp_path: Path,
    view: Callable[[Front], tuple[Callable[[], ssl.SSLContext], Peer]],
    says: str,
) -> None:
    front = certificate(tmp_path)
    context, peer = view(front)
    ours, theirs = both(
        loop,
        lambda stream: tls.client(stream, Login(tls=context), peer),
        lambda stream: tls.server(stream, Doorkeeper(tls=shows(front)), PEER),
    )
    assert isinstance(ours, MethodFailed)
    assert says in str(ours)
    assert isinstance(theirs, MethodFailed)


@pytest.mark.parametrize("taken", [True, False])
def test_a_scitoken_is_said_inside(loop: str, tmp_path: Path, taken: bool) -> None:
    """The server of the test takes or refuses what it hears: our own has no issuers to ask."""
    front = certificate(tmp_path)
    heard = bytearray()

    async def server(stream: CedarStream) -> None:
        keeper = Doorkeeper(tls=shows(front))
        writer = stream.writer()
        writer.integer(OK)
        await stream.send(writer)
        assert (await stream.receive()).integer() == OK
        assert keeper.tls is not None
        records = TlsRecords(stream, keeper.tls(), True, None)
        await records.phase(records.handshake, ours_first=False)
        await records.phase(records.writing(bytes(256)), ours_first=True)
        read = records.reading(heard, 4 + 9)

        def judged() -> bool:
            if read() and not taken:
                raise MethodFailed("nobody knows its issuer")
            return len(heard) == 13

        await records.phase(judged, ours_first=False)

    ours, _ = both(
        loop,
        lambda stream: tls.scitokens_client(
            stream, Login(tls=knows(front), scitoken="sci.token"), PEER
        ),
        server,
    )
    assert bytes(heard) == (9).to_bytes(4, "big") + b"sci.token"
    assert isinstance(ours, Proven if taken else MethodFailed)


def test_tls_that_comes_to_no_end(loop: str, tmp_path: Path) -> None:
    front = certificate(tmp_path)

    async def server(stream: CedarStream) -> None:
        records = TlsRecords(stream, shows(front)(), True, None)
        await records.phase(lambda: False, ours_first=False)

    async def client(stream: CedarStream) -> None:
        records = TlsRecords(stream, knows(front)(), False, PEER.alias)
        await records.phase(lambda: False, ours_first=True)

    ours, theirs = both(loop, client, server)
    assert isinstance(ours, ProtocolError)
    assert isinstance(theirs, ProtocolError)


# --- FS ----------------------------------------------------------------------------------------


async def names(stream: CedarStream, path: str) -> int:
    """A server that names a path: what the client answers."""
    writer = stream.writer()
    writer.string(path)
    await stream.send(writer)
    answer = (await stream.receive()).integer()
    writer = stream.writer()
    writer.integer(0)
    await stream.send(writer)
    return answer


NAMED = [
    ("elsewhere", "/etc/FS_192.0.2.1_9618_x_"),
    ("by a way around", "{}/../FS_192.0.2.1_9618_x_"),
    ("not FS", "{}/evil_"),
    ("nothing", ""),
    ("of another server", "{}/FS_192.0.2.9_9618_x"),
    ("in a directory that is not there", "{}/FS_no/FS_x_"),
    ("of a zero byte's neighbour", "{}/FS_" + "x" * 4000 + "_"),
]


@pytest.mark.parametrize("path", [case[1] for case in NAMED], ids=[case[0] for case in NAMED])
def test_a_client_makes_no_other_directory(loop: str, tmp_path: Path, path: str) -> None:
    login = Login(fs_directory=str(tmp_path))
    ours, answer = both(
        loop,
        lambda stream: fs.client(stream, login, PEER),
        lambda stream: names(stream, path.format(tmp_path)),
    )
    assert isinstance(ours, MethodFailed)
    assert answer == -1
    assert list(tmp_path.iterdir()) == []


def test_a_daemons_id_leads_to_no_directory_of_another(loop: str, tmp_path: Path) -> None:
    """An ad's id ends the name; whoever has made what stands before it could have it lead to the
    directory that a third, real server waits for."""
    (tmp_path / "FS_x_192.0.2.1:9618?sock=").mkdir()
    peer = replace(PEER, shared_port_id="/../FS_of_another_server")
    ours, answer = both(
        loop,
        lambda stream: fs.client(stream, Login(fs_directory=str(tmp_path)), peer),
        lambda stream: names(stream, f"{tmp_path}/FS_x_"),
    )
    assert isinstance(ours, MethodFailed) and "no shared port id" in str(ours)
    assert answer == -1
    assert [one.name for one in tmp_path.iterdir()] == ["FS_x_192.0.2.1:9618?sock="]


@pytest.mark.parametrize("name", ["FS_192.0.2.1_9618_x", "FS_XXXabc_"])
def test_a_client_makes_the_directory_and_takes_it_away(
    loop: str, tmp_path: Path, name: str
) -> None:
    login = Login(fs_directory=str(tmp_path))
    ours, answer = both(
        loop,
        lambda stream: fs.client(stream, login, PEER),
        lambda stream: names(stream, f"{tmp_path}/{name}"),
    )
    assert isinstance(ours, Proven)
    assert answer == 0
    assert list(tmp_path.iterdir()) == []


def make(kind: str, path: str) -> None:
    match kind:
        case "a directory":
            os.mkdir(path, 0o700)
        case "open to all":
            os.mkdir(path, 0o700)
            os.chmod(path, 0o755)
        case "a link":
            os.mkdir(path + "real", 0o700)
            os.symlink(path + "real", path)
        case "a file":
            os.close(os.open(path, os.O_CREAT, 0o700))
        case "with more in it":
            os.makedirs(path + "/more", 0o700)


MADE = [
    ("a directory", "192.0.2.1:9618", True),
    ("a directory", "192.0.2.1:9618?sock=collector", True),
    ("a directory", "203.0.113.1:80", True),
    ("a directory", "192.0.2.9:9618", False),
    ("a directory", "", False),
    ("a directory", "/../x", False),
    ("open to all", "192.0.2.1:9618", False),
    ("a link", "192.0.2.1:9618", False),
    ("a file", "192.0.2.1:9618", False),
    ("with more in it", "192.0.2.1:9618", False),
    ("nothing", "192.0.2.1:9618", False),
]


@pytest.mark.parametrize(("kind", "extension", "good"), MADE)
def test_what_a_server_looks_at(
    loop: str, tmp_path: Path, kind: str, extension: str, good: bool
) -> None:
    async def client(stream: CedarStream) -> int:
        path = (await stream.receive()).string()
        if "/.." not in extension:
            make(kind, path + extension)
        writer = stream.writer()
        writer.integer(0)
        writer.string(extension)
        await stream.send(writer)
        return (await stream.receive()).integer()

    peer = Peer("192.0.2.1:9618", "collector", public_endpoints=("203.0.113.1:80",))
    keeper = Doorkeeper("wire.test", fs_directory=str(tmp_path))
    answer, theirs = both(loop, client, lambda stream: fs.server(stream, keeper, peer))
    assert answer == (0 if good else -1)
    assert isinstance(theirs, Proven if good else MethodFailed)
