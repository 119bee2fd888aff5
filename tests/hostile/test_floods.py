"""Callers who say nothing, many of them from one address: others are served meanwhile.

The shared port's own limits are in tests/net/test_port.py, those of broker and directory in
tests/roles/test_fairness.py; here are the roles behind it that anybody may call.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from glasnost.core.wire.header import Call
from glasnost.errors import Refused
from glasnost.net.port import Incoming
from glasnost.net.tls import secure
from glasnost.roles import authority, server
from glasnost.roles.enrol import join
from glasnost.trust.keys import new_key
from tests.net.pairs import turns, until
from tests.roles.agent_lab import answer_of, everything
from tests.roles.authority_lab import Lab, pair
from tests.roles.test_registration import Local
from tests.roles.test_server import WEB, alice, echo, play, serving, speak

FLOOD = "203.0.113.5"
OTHER = "203.0.113.6:4711"


def called(to: Lab, peer: str) -> socket.socket:
    ours, theirs = pair()
    to.authority.take(Incoming(Call(to="authority"), theirs, peer))
    return ours


@pytest.mark.parametrize("said", [b"", b"\0", b"\x16\x03\x01", b"\0\0\0\x09\x82\xa1t"])
def test_an_authority_lets_others_join_while_one_address_floods_it(
    tmp_path: Path, said: bytes
) -> None:
    """Nothing said, part of a length, part of a TLS hello, part of a question in the clear."""
    site = Lab(tmp_path)

    async def scenario() -> None:
        flood = []
        for number in range(3 * authority.MAX_DIALOGUES):
            flood.append(called(site, f"{FLOOD}:{number}"))
            flood[-1].send(said)
        most = authority.DIALOGUES_PER_SOURCE
        assert site.authority.status()["dialogues"] == most
        for sock in flood[most:]:
            assert answer_of(await everything(sock)).code == "busy"
        with pytest.raises(Refused, match=f"{most} handshakes with {FLOOD}"):
            await join(called(site, f"{FLOOD}:9"), site.token(), new_key())
        assert (await join(called(site, OTHER), site.token(), new_key())).certificate
        for sock in flood[:most]:
            sock.close()
        await until(lambda: not site.authority.status()["dialogues"])
        # And then that address may come again.
        again = site.token("node8")
        assert (await join(called(site, f"{FLOOD}:9"), again, new_key())).certificate
        await site.authority.close()
        await turns()

    asyncio.run(scenario())


def test_a_service_lets_others_in_while_one_address_floods_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "PER_SOURCE", 5)
    monkeypatch.setattr(server, "MAX_HANDSHAKES", 8)

    def call(local: Local, peer: str) -> socket.socket:
        ours, theirs = pair()
        assert local.take is not None
        local.take(Incoming(Call(to="web"), theirs, peer))
        return ours

    async def scenario() -> None:
        async with serving(echo) as local:
            flood = [call(local, f"{FLOOD}:{number}") for number in range(20)]
            for sock in flood[5:]:
                refused = answer_of(await everything(sock))
                assert refused.code == "busy"
                assert f"5 handshakes with {FLOOD}" in refused.why
            # And so another: together they would have all the places there are.
            flood[5:] = [call(local, f"203.0.113.7:{number}") for number in range(3)]
            stream = await secure(call(local, OTHER), alice().client_context(), server_name=WEB)
            assert await speak(stream) == b"alice@node8: hello"
            for sock in flood:
                sock.close()
            await turns()
            stream = await secure(
                call(local, f"{FLOOD}:9"), alice().client_context(), server_name=WEB
            )
            assert await speak(stream) == b"alice@node8: hello"

    play(scenario)
