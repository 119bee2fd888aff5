"""Clients of version 1 at today's broker, directory, authority, agent and port: all are served."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from glasnost.core.wire.messages import Signed
from glasnost.net.fdpass import receive_packet
from glasnost.net.sockets import connect_tcp
from glasnost.trust import checks
from glasnost.trust.certificates import check_node, issue_node_leaf, make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key, sign
from tests.net.pairs import turns, until
from tests.roles.agent_lab import Program, known_host, readable, running
from tests.roles.authority_lab import DOMAIN, Key, Lab, connect, tcp_pair
from tests.roles.broker_lab import Site, read
from tests.roles.directory_lab import full, quiet, served
from tests.trust.pool import lab, node7, node8
from tests.versions.old_peer import OldPeer, call, record, said

__all__ = ["known_host"]
REPLY = bytes(range(16))


async def at_broker(site: Site, credentials: Credentials) -> OldPeer:
    sock = await connect_tcp("127.0.0.1", site.door.number)
    await asyncio.get_running_loop().sock_sendall(sock, call("a service", to="broker"))
    return await OldPeer.connect(sock, credentials, None, "broker")


def test_a_broker_serves_an_old_target_and_an_old_requester() -> None:
    """Registering, dial-back and a relayed stream, with nothing but version 1's bytes."""

    async def scenario() -> None:
        site = Site()
        broker = site.start()
        target = await at_broker(site, lab().agent(node7()))
        requester = await at_broker(site, lab().agent(node8()))
        registered = await target.ask("Register", id=1)
        assert (registered["t"], registered["id"], registered["contact"]) == (
            "registered",
            1,
            "node7",
        )
        assert registered["lease"] > 0

        requester.say("Request", id=2)  # the vector's: a dial-back to node7
        dialling = await target.hear()
        assert dialling["t"] == "dialback"
        assert dialling["reply"] == REPLY
        assert dialling["returns"] == [
            "public/ip4:198.51.100.4:9618",
            "public/ip6:[2001:db8::4]:9618",
        ]
        target.say("Done", id=dialling["id"])
        done = await requester.hear()
        assert (done["t"], done["id"]) == ("done", 2)

        requester.say("Request", id=3, way="relay")
        leg, relay = await target.hear(), await requester.hear()
        assert (leg["t"], relay["t"], relay["id"]) == ("leg", "relay", 3)
        ends = []
        for message in (leg, relay):
            sock = await connect_tcp("127.0.0.1", site.door.number)
            header = call("a leg of a relayed stream", relay=message["token"])
            await asyncio.get_running_loop().sock_sendall(sock, header)
            ends.append(sock)
        theirs, ours = ends
        for one, other, data in ((theirs, ours, b"there"), (ours, theirs, b"and back")):
            await asyncio.get_running_loop().sock_sendall(one, data)
            assert await read(other, len(data)) == data
        for sock in ends:
            sock.close()

        refused = await requester.ask("Request", id=4, contact="nobody")
        assert (refused["t"], refused["id"], refused["code"]) == ("failed", 4, "not-registered")
        pong = await requester.ask("Ping", id=5)
        assert (pong["t"], pong["id"]) == ("pong", 5)
        assert target.greased and requester.greased  # they bore what they did not know
        for peer in (target, requester):
            peer.close()
        await until(lambda: not broker.status()["channels"])
        site.door.close()
        await site.stop()
        await turns()

    asyncio.run(scenario())


def signed(name: str, sequence: int) -> dict[str, bytes]:
    """A record of version 1, signed as version 1 signed."""
    payload = record(
        "a record with everything",
        name=full(name),
        sequence=sequence,
        not_after=int(time.time()) + 3600,
    )
    signature = sign(node7().key, b"glasnost record 1\0" + payload)
    certificate = checks.to_der(node7().cert)
    return {"payload": payload, "signature": signature, "certificate": certificate}


def test_a_directory_serves_an_old_publisher_and_reader() -> None:
    async def scenario() -> None:
        async with served() as (site, today):
            name = site.credentials.identity.full
            old = await OldPeer.connect(site.dial(), lab().agent(node7()), name, "directory")
            mine = signed("web.node7", 1)
            published = await old.ask("Publish", id=1, records=[mine])
            assert (published["t"], published["refused"]) == ("published", [""])
            found = await old.ask("Lookup", id=2, name=full("web.node7"))
            assert (found["t"], found["record"]) == ("found", mine)  # every byte of it
            assert (await today.lookup(full("web.node7"))).record == Signed(**mine)
            listing = await old.ask("List", id=3, glob="*", after="", limit=10)
            assert (listing["t"], listing["records"]) == ("listing", [mine])
            fitting = await old.ask(
                "Query",
                id=4,
                glob="*",
                selector=["role=web"],
                reachable_from=None,
                reachable_to=None,
            )
            assert (fitting["t"], fitting["records"]) == ("listing", [mine])
            renewed = await old.ask("Renew", id=5, names=[full("web.node7"), full("db.node7")])
            assert (renewed["t"], renewed["unknown"]) == ("renewed", [full("db.node7")])
            again = await old.ask("Publish", id=6, records=[signed("web.node7", 0)])
            assert again["refused"][0].startswith("stale: ")
            done = await old.ask("Withdraw", id=7, names=[full("web.node7")])
            assert (done["t"], done["id"]) == ("done", 7)
            gone = await old.ask("Lookup", id=8, name=full("web.node7"))
            assert (gone["t"], gone["code"]) == ("failed", "unknown-name")
            assert old.greased
            old.close()
            await quiet()

    asyncio.run(scenario())


def test_an_authority_enrols_and_renews_an_old_node(tmp_path: Path) -> None:
    site = Lab(tmp_path)
    token, key = site.token(), new_key()

    async def ask_root() -> bytes:
        sock = connect(site.authority, tcp_pair)
        loop = asyncio.get_running_loop()
        body = said("Root", id=1)
        await loop.sock_sendall(sock, len(body).to_bytes(4, "big") + body)
        size = int.from_bytes(await read(sock, 4), "big")
        answer = msgspec.msgpack.decode(await read(sock, size))
        sock.close()
        assert (answer["t"], answer["id"]) == ("rootis", 1)
        assert isinstance(answer["certificate"], bytes)
        return answer["certificate"]

    async def scenario() -> None:
        root = checks.read_certificate(await ask_root())
        assert root == site.authority.root
        anybody = Credentials(root, DOMAIN, *_someone(site))
        asked: dict[str, dict[str, object]] = {
            "Enrol": {"token": token.id, "secret": token.secret},
            "RenewNode": {"certificate": b""},
        }
        certificate: x509.Certificate | None = None
        for question, values in asked.items():
            if certificate is not None:
                values = {"certificate": checks.to_der(certificate)}
            old = await OldPeer.connect(
                connect(site.authority, tcp_pair), anybody, f"authority.{DOMAIN}", "authority"
            )
            enrolled = await old.ask(question, id=1, csr=make_csr(key), **values)
            assert (enrolled["t"], enrolled["id"]) == ("enrolled", 1)
            certificate = checks.read_certificate(enrolled["certificate"])
            assert check_node(root, certificate, time.time()) == "node7"
            assert old.greased
            old.close()
        await site.authority.close()
        await turns()

    asyncio.run(scenario())


def _someone(site: Lab) -> tuple[Key, list[x509.Certificate]]:
    """A client's certificate, which the authority does not ask for."""
    key, enrolled = site.joined("node9")
    node = checks.read_certificate(enrolled.certificate)
    own = new_key()
    return own, [issue_node_leaf(key, node, own.public_key(), site.clock.now, 3600), node]


@pytest.mark.usefixtures("known_host")
def test_an_agent_serves_an_old_program(tmp_path: Path) -> None:
    """A program that registers a plain service and is handed a caller, who is of version 1, too."""

    async def hear(program: Program) -> tuple[dict[str, object], object]:
        await readable(program.sock)
        data, passed = receive_packet(program.sock)
        return msgspec.msgpack.decode(data), passed

    async def scenario() -> None:
        async with running(tmp_path) as agent:
            program = Program(agent)
            asked: list[tuple[str, dict[str, object], str]] = [
                ("Hello", {}, "welcome"),
                ("Offer", {"name": "web"}, "offered"),
                ("Certify", {"kind": "user", "csr": make_csr(new_key())}, "certified"),
                ("Expect", {}, "expected"),
                ("Where", {}, "whereis"),
                ("Status", {}, "statusis"),
                ("Ping", {}, "pong"),
            ]
            for question, values, answer in asked:
                program.sock.send(said(question, id=9, **values))
                heard, _ = await hear(program)
                assert (heard["t"], heard["id"]) == (answer, 9)
                if answer == "welcome":
                    assert heard.get("v", 1) == 1

            assert agent.port_number is not None
            caller = await connect_tcp("127.0.0.1", agent.port_number)
            await asyncio.get_running_loop().sock_sendall(caller, call("a service") + b"hello")
            heard, passed = await hear(program)
            assert (heard["t"], heard["call"]) == ("arrived", {"to": "web"})
            assert await read(passed, 5) == b"hello"  # type: ignore[arg-type]
            # A plain service's accept: the vector's own bytes.
            assert await read(caller, 7) == bytes.fromhex("ab470102000180")
            passed.close()  # type: ignore[attr-defined]
            caller.close()

            nobody = await connect_tcp("127.0.0.1", agent.port_number)
            await asyncio.get_running_loop().sock_sendall(nobody, call("a service", to="none"))
            prefix = await read(nobody, 6)
            assert prefix[:4] == b"\xabG\1\2"
            body = msgspec.msgpack.decode(await read(nobody, int.from_bytes(prefix[4:], "big")))
            assert body["code"] == "no-service"
            nobody.close()
            program.close()
        await turns()

    asyncio.run(scenario())
