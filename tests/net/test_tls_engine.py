"""TLS in memory: engines that share their buffers, and what each of them keeps for itself."""

from __future__ import annotations

import threading

import pytest

from glasnost.core.wire import header
from glasnost.errors import ProtocolError, Refused, TrustError
from glasnost.net.tls_engine import PIECE, Engine, _wire
from tests.net.pairs import WEB, agent, web


def pair() -> tuple[Engine, Engine]:
    """Client and server before their handshake."""
    client = Engine(agent().client_context(), False, WEB)
    return client, Engine(web().server_context(), True, None)


def shake_hands(client: Engine, server: Engine) -> None:
    client.handshake()
    while not server.secured:
        server.handshake(client.take_outgoing())
        if not client.secured:
            client.handshake(server.take_outgoing())
    server.decrypt()


def say(server: Engine, data: bytes) -> bytes:
    """What the wire then carries."""
    server.encrypt(memoryview(data))
    return server.take_outgoing()


def connected() -> tuple[Engine, Engine]:
    client, server = pair()
    shake_hands(client, server)
    return client, server


def nothing_shared_is_left() -> bool:
    return not _wire.incoming.pending and not _wire.outgoing.pending


def test_many_streams_at_once_do_not_mix() -> None:
    """Byte by byte in turn, so that each is in the middle of a record while the others go on."""
    pairs = [connected() for _ in range(3)]
    said = [say(server, header.ACCEPTED + bytes([n]) * 5000) for n, (_, server) in enumerate(pairs)]
    for at in range(max(map(len, said))):
        for (client, _), data in zip(pairs, said, strict=True):
            client.decrypt(data[at : at + 1])
            assert nothing_shared_is_left()
    for n, (client, _) in enumerate(pairs):
        assert client.let_in and client.plain == bytes([n]) * 5000


def test_what_is_enough_leaves_the_rest_with_its_own_engine() -> None:
    (client, server), (other, its_server) = connected(), connected()
    more = client.decrypt(say(server, header.ACCEPTED + bytes(1 << 20)))
    assert more and client.held > len(client.plain) > 0
    assert nothing_shared_is_left()
    other.decrypt(say(its_server, header.ACCEPTED + b"hello"))
    assert other.plain == b"hello"
    size = 0
    while more:
        size += len(client.plain)
        client.plain.clear()
        more = client.decrypt()
    assert size + len(client.plain) == 1 << 20 and not client.held - len(client.plain)


def test_a_thread_has_buffers_of_its_own() -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(_wire.incoming))
    thread.start()
    thread.join()
    assert seen and seen[0] is not _wire.incoming


@pytest.mark.parametrize("size", [1, 1000])
def test_a_refusal_in_place_of_the_hello(size: int) -> None:
    client, _ = pair()
    client.handshake()
    answer = header.encode_answer(header.Answer("no-such-service", "nobody"))
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    for piece in pieces[:-1]:
        client.handshake(piece)
    with pytest.raises(Refused, match="nobody"):
        client.handshake(pieces[-1])


def test_a_refusal_inside_and_what_is_none() -> None:
    client, server = connected()
    answer = header.encode_answer(header.Answer("denied", "not you"))
    client.decrypt(say(server, answer[:7]))
    assert not client.let_in and not client.plain
    with pytest.raises(Refused, match="not you"):
        client.decrypt(say(server, answer[7:]))
    client, server = connected()
    with pytest.raises(ProtocolError):
        client.decrypt(say(server, b"no status"))


def test_the_alert_waits_behind_the_error() -> None:
    client, server = pair()
    client.handshake()
    server.handshake(client.take_outgoing())
    broken = bytearray(server.take_outgoing())
    broken[-1] ^= 1
    with pytest.raises(TrustError):
        client.handshake(bytes(broken))
    assert client.take_outgoing() and nothing_shared_is_left()


def test_an_end_does_not_lose_what_has_come_and_says_so_once() -> None:
    client, server = connected()
    client.decrypt(say(server, header.ACCEPTED + b"last words"))
    client.end()
    server.decrypt(client.take_outgoing())
    assert server.finished and client.plain == b"last words" and not client.finished


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5, 1 << 20])
def test_whatever_comes_at_once_is_taken_in_pieces_and_in_order(size: int) -> None:
    client, server = connected()
    sent = bytes(range(256)) * (size // 256 + 1)
    wire = say(server, header.ACCEPTED + sent[:size])
    server.end()
    wire += server.take_outgoing()
    got, largest = bytearray(), 0
    more = client.decrypt(wire)
    while True:
        largest = max(largest, len(client.plain))
        got += client.plain
        client.plain.clear()
        if not more:
            break
        more = client.decrypt()
    assert bytes(got) == sent[:size] and client.finished
    assert largest < 2 * PIECE and client.held == 0


def test_what_came_before_the_end_of_ours_is_kept_however_much_it_is() -> None:
    client, server = connected()
    more = client.decrypt(say(server, header.ACCEPTED + bytes(5 * PIECE)))
    assert more and client.held > PIECE
    client.end()
    assert len(client.plain) == 5 * PIECE
