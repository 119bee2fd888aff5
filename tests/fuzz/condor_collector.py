"""What a collector is told and asked, message by message, and entries of its lists of users."""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import strategies as st

from glasnost.condor.cedar.values import Reader, Writer
from glasnost.condor.central.access import Entry
from glasnost.condor.classad import Ad, Expression
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.classad.limits import MAX_ATTRIBUTES
from glasnost.condor.collector import Channel, Collector, CollectorLimits, kinds
from glasnost.condor.collector.own import Own
from glasnost.condor.commands import Command
from glasnost.condor.security.sessions import Identity
from glasnost.condor.server.collector import CollectorServer
from glasnost.errors import GlasnostError
from tests.fuzz.parser import Parser, mutated, text_of

_OWN = Own("pool", "host", "<192.0.2.1:9618>", "{}", 0)
_LIMITS = CollectorLimits(ads=3, generic_tables=2)


def _said(command: int, *ads: Ad) -> bytes:
    writer = Writer()
    writer.integer(command)
    for ad in ads:
        writer.ad(ad.lines())
    return writer.message()


SLOT = Ad({"MyType": "Machine", "Name": "s", "MyAddress": "<h:1>", "X": Expression("Y + 1")})
UPDATES = [
    _said(Command.UPDATE_STARTD_AD, SLOT, Ad({"ClaimId": "c"})),
    _said(Command.UPDATE_SCHEDD_AD, SLOT),
    _said(Command.MERGE_STARTD_AD, Ad({"Name": "s", "X": 3})),
    _said(Command.UPDATE_AD_GENERIC, Ad({"MyType": "T", "Name": "s"})),
    _said(Command.INVALIDATE_STARTD_ADS, Ad({"Name": "s"})),
    _said(Command.INVALIDATE_ADS_GENERIC, Ad({"TargetType": "T", "Requirements": True})),
]
QUERIES = [
    _said(Command.QUERY_STARTD_ADS, Ad({"MyType": "Query", "Projection": "X", "LimitResults": 1})),
    _said(Command.QUERY_MULTIPLE_ADS, Ad({"TargetType": "Machine,T", "MachineProjection": "Y"})),
    _said(Command.QUERY_STARTD_PVT_ADS, Ad({"Requirements": Expression('Name == "s"')})),
    _said(Command.QUERY_GENERIC_ADS, Ad({"TargetType": "T"})),
    _said(Command.QUERY_ANY_ADS, Ad({"SendPrivateAttributes": True})),
]


def check_told(data: bytes) -> bool:
    """Whatever a daemon says, the collector keeps something or refuses it, within its limits, and
    what it keeps can be told."""

    async def tell() -> bool:
        here = CollectorServer(lambda: _OWN, lambda who, where: True, limits=_LIMITS)
        message = Reader(data)
        try:
            return await here.hear(message.integer(), message, Identity())
        except GlasnostError:
            return False
        finally:
            assert sum(here.counts.values()) <= 1
            await here.close()

    return asyncio.run(tell())


def check_asked(data: bytes) -> bool:
    """Whatever is asked, the answer can be read."""
    collector = Collector(_LIMITS)
    collector.update(kinds.MACHINE.update, SLOT, 0, private=Ad({"ClaimId": "c"}))
    message = Reader(data)
    try:
        command, ad = message.integer(), Ad.from_lines(message.ad(MAX_ATTRIBUTES))
        answer = collector.query(command, ad, trusted=True)
    except GlasnostError:
        return False
    verdicts = [[True] * len(work.rows) for work in answer.work]
    for channel in (Channel(), Channel(encrypted=True, knows_private=True)):
        reader = AnswerReader(encrypted=channel.encrypted)
        for piece in answer.pieces(channel, verdicts):
            for found in reader.feed(piece):
                assert len(found) <= 30
        reader.finish()
    return True


def check_entry(text: str) -> bool:
    with contextlib.suppress(ValueError):
        Entry.of(text).means("condor@pool", "10.1.2.3")
        return True
    return False


ENTRIES = [b"condor@*/10.0.0.0/8", b"*", b"2001:db8:*", b"a@b/2001:db8::/32"]

PARSERS = [
    Parser(
        "what a collector is told",
        ("glasnost.condor.server.collector.CollectorServer.hear",),
        check_told,
        st.binary(max_size=60) | mutated(UPDATES),
        seeds=lambda: UPDATES,
    ),
    Parser(
        "what a collector is asked",
        ("glasnost.condor.collector.question.questions",),
        check_asked,
        st.binary(max_size=60) | mutated(QUERIES),
        seeds=lambda: QUERIES,
    ),
    Parser(
        "entries of users and addresses",
        ("glasnost.condor.central.access.Entry.of",),
        check_entry,
        st.text(max_size=30) | mutated(ENTRIES).map(text_of),
        of=text_of,
        seeds=lambda: ENTRIES,
    ),
]
