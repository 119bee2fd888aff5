"""Today's clients at a broker, directory, authority and agent of version 1."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from glasnost.core.wire.messages import BROKER, DIRECTORY, Codec, List, Lookup, Probe, Register
from glasnost.errors import Refused
from glasnost.net.channel import Channel, OnClose, OnMessage, open_channel
from glasnost.net.dialogue import receive_in_clear
from glasnost.net.sockets import connect_tcp, listen_tcp, listen_unix
from glasnost.roles.agent_client import AgentClient
from glasnost.roles.directory_client import DirectoryClient
from glasnost.roles.enrol import join
from glasnost.roles.target import Target
from glasnost.trust import checks
from glasnost.trust.certificates import issue_authority
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key
from glasnost.trust.records import Verifier, sign_record
from tests.net.pairs import turns, until
from tests.roles.authority_lab import DOMAIN, Lab, pair
from tests.roles.broker_lab import PUBLIC, Door, read
from tests.roles.directory_lab import full
from tests.roles.directory_lab import signed as signed_today
from tests.trust.pool import lab, node7
from tests.versions.old_peer import OldPeer, said


class Later(Lookup, frozen=True):
    """A question to a directory that version 1 does not know."""

    since: ClassVar[int] = 2


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


async def met(
    credentials: Credentials, server: Credentials, expect: str, codec: Codec, knows: str
) -> tuple[Channel, OldPeer]:
    """Our channel to an old server."""
    ours, theirs = tcp_pair()
    return await asyncio.gather(
        open_channel(ours, credentials, expect, codec), OldPeer.accept(theirs, server, knows)
    )


def service(node: str, name: str) -> Credentials:
    return lab().service(lab().node(node), name)


def test_a_target_registers_with_an_old_broker_and_dials_back() -> None:
    async def scenario() -> None:
        door, requester = Door(), listen_tcp("127.0.0.1", 0)
        broker: asyncio.Future[OldPeer] = asyncio.get_running_loop().create_future()

        async def open_broker(name: str, hear: OnMessage, lost: OnClose) -> Channel:
            ours, theirs = tcp_pair()
            channel, peer = await asyncio.gather(
                open_channel(ours, lab().agent(node7()), "broker.*", Codec(BROKER), hear, lost),
                OldPeer.accept(theirs, service("cm", "broker"), "broker"),
            )
            broker.set_result(peer)
            return channel

        async def dial(host: str, port: int) -> socket.socket:
            assert (host, port) == (PUBLIC, 9618)
            return await connect_tcp("127.0.0.1", requester.getsockname()[1])

        async def open_leg(name: str, token: bytes) -> socket.socket:
            raise AssertionError("nobody asks for a leg")

        target = Target(
            open_broker=open_broker,
            open_leg=open_leg,
            serve=door.port.serve,
            ranges=lambda: ["198.51.100.0/24"],
            dial=dial,
        )
        target.follow(["b1"])
        old = await broker
        question = await old.hear()
        assert question["t"] == "register"
        old.say("Registered", id=question["id"])
        await until(lambda: target.registered)
        old.say("DialBack", id=3)
        loop = asyncio.get_running_loop()
        sock, _ = await loop.sock_accept(requester)
        # The header is version 1's, but for a field that it ignores now and then.
        prefix = await read(sock, 6)
        assert prefix[:4] == b"\xabG\1\1"
        body = msgspec.msgpack.decode(await read(sock, int.from_bytes(prefix[4:], "big")))
        assert body["reply"] == bytes(range(16))
        done = await old.hear()
        assert (done["t"], done["id"]) == ("done", 3)
        assert old.greased
        sock.close()
        requester.close()
        await target.close()
        old.close()
        door.close()
        await turns()

    asyncio.run(scenario())


def test_what_an_old_broker_lacks_it_is_not_asked() -> None:
    async def scenario() -> None:
        channel, old = await met(
            lab().agent(node7()), service("cm", "broker"), "broker.*", Codec(BROKER), "broker"
        )
        assert channel.version == 1
        with pytest.raises(Refused, match=r"broker\.cm speaks version 1, and Probe came with"):
            await channel.ask(Probe(port=9618), 20)
        asking = asyncio.ensure_future(channel.ask(Register(), 20))
        question = await old.hear()
        assert question["t"] == "register"  # and nothing before it
        old.say("Registered", id=question["id"])
        assert (await asking).contact == "node7"  # type: ignore[attr-defined]
        channel.close()
        old.close()
        await turns()

    asyncio.run(scenario())


def test_a_directory_client_is_served_by_an_old_directory() -> None:
    async def scenario() -> None:
        server = service("cm", "directory")
        expect = server.identity.full
        opened: list[OldPeer] = []

        async def open_it() -> Channel:
            codec = Codec(DIRECTORY | Later)
            channel, old = await met(lab().agent(node7()), server, expect, codec, "directory")
            opened.append(old)
            return channel

        client = DirectoryClient(open_it)
        mine = signed_today("web.node7")
        as_map = msgspec.to_builtins(mine, builtin_types=(bytes,))

        async def during(work: Awaitable[Any], *words: tuple[str, str, dict[str, Any]]) -> Any:
            """What comes of it, while the directory hears and says these."""
            asking = asyncio.ensure_future(work)
            await until(lambda: opened)
            for heard, answer, values in words:
                question = await opened[0].hear()
                assert question["t"] == heard
                opened[0].say(answer, id=question["id"], **values)
            return await asking

        published = await during(
            client.publish([mine]), ("publish", "Published", {"refused": [""]})
        )
        assert published.refused == ("",)
        found = await during(
            client.lookup(full("web.node7")), ("lookup", "Found", {"record": as_map})
        )
        assert found.record == mine
        assert Verifier(lab().root, lab().domain).verify(found.record, time.time()).v == 1
        listed = await during(
            client.query(List(glob="*")),
            ("list", "Listing", {"records": [as_map], "ages": [1.0], "more": False}),
        )
        assert [signed for signed, _ in listed] == [mine]
        renewed = await during(
            client.renew([full("web.node7")]), ("renew", "Renewed", {"unknown": []})
        )
        assert renewed.unknown == ()
        with pytest.raises(Refused, match="version 1, and Later came with version 2"):
            await client.ask(Later(name="x"), List)
        await during(client.withdraw([full("web.node7")]), ("withdraw", "Done", {}))
        assert len(opened) == 1  # no refusal has cost the connection
        client.close()
        opened[0].close()
        await turns()

    asyncio.run(scenario())


def test_a_node_joins_at_an_old_authority(tmp_path: Path) -> None:
    site = Lab(tmp_path)
    token, key = site.token(), new_key()
    own = new_key()
    leaf = issue_authority(
        site.authority._root_key, site.authority.root, DOMAIN, own.public_key(), time.time(), 3600
    )
    server = Credentials(site.authority.root, DOMAIN, own, [leaf])

    async def scenario() -> None:
        from glasnost.core.wire.messages import AUTHORITY, Enrol

        ours, theirs = pair()
        joining = asyncio.ensure_future(join(ours, token, key))
        await receive_in_clear(theirs, Codec(AUTHORITY), 4096)
        root = said("RootIs", id=1, certificate=checks.to_der(site.authority.root))
        await asyncio.get_running_loop().sock_sendall(theirs, len(root).to_bytes(4, "big") + root)
        old = await OldPeer.accept(theirs, server, "authority")
        question = await old.hear()
        assert question["t"] == "enrol"
        known = {"token", "secret", "csr"}
        issued = site.authority.enrol(Enrol(**{name: question[name] for name in known}))
        old.say(
            "Enrolled",
            id=question["id"],
            certificate=issued.certificate,
            root=checks.to_der(site.authority.root),
        )
        enrolled = await joining
        assert enrolled.certificate == issued.certificate
        assert enrolled.directories[0].name == "directory.cm.lab.glasnost.internal"
        assert old.greased
        old.close()
        await site.authority.close()
        await turns()

    asyncio.run(scenario())


def test_a_program_is_served_by_an_old_agent(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with listen_unix(tmp_path / "run" / "agent.sock", socket.SOCK_SEQPACKET) as listener:
            connecting = asyncio.ensure_future(AgentClient.connect(tmp_path / "run"))
            await asyncio.sleep(0)
            sock, _ = listener.accept()
            sock.setblocking(False)
            with sock:

                async def answer(heard: str, name: str, **values: Any) -> dict[str, Any]:
                    question = msgspec.msgpack.decode(await loop.sock_recv(sock, 1 << 17))
                    assert question["t"] == heard
                    sock.send(said(name, id=question["id"], **values))
                    return question  # type: ignore[no-any-return]

                hello = await answer("hello", "Welcome", root=checks.to_der(lab().root))
                assert hello.get("v", 1) == 1  # what version 1 takes
                client = await connecting
                assert client.welcome.v == 1
                resolving = asyncio.ensure_future(client.resolve("web.node7"))
                known = sign_record(
                    Verifier(lab().root, lab().domain).verify(
                        signed_today("web.node7"), time.time()
                    ),
                    node7().key,
                    node7().cert,
                )
                await answer(
                    "resolve",
                    "Resolved",
                    record=msgspec.to_builtins(known, builtin_types=(bytes,)),
                )
                assert (await resolving)[0].name == full("web.node7")
                asking = asyncio.ensure_future(client._ask(Later(name="x"), List))
                with pytest.raises(Refused, match="this host's agent speaks version 1, and Later"):
                    await asking
                await client.close()
        await turns()

    asyncio.run(scenario())
