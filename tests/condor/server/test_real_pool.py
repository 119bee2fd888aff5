"""What a real pool said to our collector, said to it again: its answers are as they were then."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from glasnost.condor.cedar.frames import HEADER, Packets
from glasnost.condor.cedar.values import Reader
from glasnost.condor.classad import Ad
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.collector.own import Own
from glasnost.condor.security.sessions import Identity
from tests.condor.server.desk import all_of, desk
from tests.net.pairs import until

POOL = json.loads((Path(__file__).parents[2] / "vectors/condor/real_pool.json").read_text("utf-8"))
OWN = Own(POOL["pool"], POOL["machine"], "<127.0.0.1:9618>", "{}", 0)
#: When an ad came is another time now.
TIMES = ("LastHeardFrom",)


def messages(data: bytes) -> Iterator[bytes]:
    packets, body = Packets(), b""
    packets.feed(data)
    while (packet := packets.next()) is not None:
        header, part = packet
        body += part
        if HEADER.unpack(header)[0]:
            yield body
            body = b""


def told(answer: bytes) -> list[Ad]:
    """The ads of an answer, without their times."""
    (message,) = messages(answer)
    reader = AnswerReader(encrypted=False)
    ads = reader.feed(message)
    reader.finish()
    return [ad.without(*TIMES) for ad in ads]


async def as_many(heard: list[int], said: list[bytes]) -> None:
    await until(lambda: len(heard) == len(said))


def test_a_real_pool_is_told_what_it_was_told() -> None:
    async def scenario() -> None:
        async with desk(own=OWN) as here, contextlib.AsyncExitStack() as stack:
            heard: list[int] = []
            said: list[bytes] = []
            hear = here.collector.hear

            async def noted(command: int, message: Reader, identity: Identity) -> bool:
                kept = await hear(command, message, identity)
                heard.append(command)
                return kept

            here.collector.hear = noted  # type: ignore[method-assign]
            sockets = {
                number: stack.enter_context(here.connect())
                for number in {event["connection"] for event in POOL["events"]}
            }
            answered = {e["connection"] for e in POOL["events"] if e["dir"] == "server->client"}
            for event in POOL["events"]:
                sock, data = sockets[event["connection"]], bytes.fromhex(event["bytes"])
                if event["dir"] == "server->client":
                    ours = await all_of(sock, len(data))
                    assert told(ours) == told(data)
                    continue
                sock.send(data)
                if event["connection"] not in answered:
                    said += messages(data)
                    await as_many(heard, said)
            assert heard == [2, 0, 77, 0, 77, 0, 77, 0, 15, 13, 13, 51]
            assert here.collector.counts == {"Collector": 1, "Accounting": 1}

    asyncio.run(scenario())


def test_the_real_startd_sends_what_the_reference_says() -> None:
    """Its private ad comes in the same message, and its daemon's ad by the same command."""
    first = next(one for one in POOL["events"] if one["connection"] == 2)
    found = []
    for message in messages(bytes.fromhex(first["bytes"])):
        reader = Reader(message)
        command, ads = reader.integer(), []
        while reader.left:
            ads.append(Ad.from_lines(reader.ad()))
        found.append((command, [ad.get("MyType") for ad in ads]))
    assert found == [(0, ["Machine", "Machine"])]
