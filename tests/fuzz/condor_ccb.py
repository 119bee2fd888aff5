"""Parsers of HTCondor's broker: its ads, and the file of its ids."""

from __future__ import annotations

import contextlib

from hypothesis import strategies as st

from glasnost.condor.ccb import ads
from glasnost.condor.ccb.core import Broker
from glasnost.condor.ccb.file import parse_kept
from glasnost.condor.ccb.words import Hello, Registering, Wanted
from glasnost.condor.cedar.values import Reader, Writer
from glasnost.condor.classad import Ad
from glasnost.errors import ProtocolError
from tests.fuzz.parser import Parser, mutated, text_of

_CCB = "glasnost.condor.ccb"
OWN = "192.0.2.1:9618?noUDP&sock=collector"


def _said(*found: Ad) -> list[bytes]:
    """Messages with these ads."""
    messages = []
    for ad in found:
        writer = Writer()
        writer.ad(ad.lines())
        messages.append(writer.message())
    return messages


ADS = _said(
    Ad({"Command": 67, "Name": "STARTD", "CCBID": f"{OWN}#5", "ClaimId": "cookie"}),
    Ad({"CCBID": "1", "ClaimId": "c0ffee", "Name": "TOOL", "MyAddress": "<192.0.2.9:5>"}),
    Ad({"CCBID": "1", "ClaimId": "x", "CCBStreamingRequired": True, "CCBRoute": "4 5"}),
    Ad({"Result": True, "ClaimId": "c0ffee", "RequestID": "1", "MyAddress": "<192.0.2.9:5>"}),
    Ad({"Command": 441}),
)
FILES = [b"192.0.2.7 12 3189399647\n2001:db8::7 13 aa\n", b"nonsense\n"]


def check_ad(data: bytes) -> bool:
    """Whatever an ad says, the core has an answer, and holds nothing that it should not."""
    try:
        ad = ads.read(Reader(data))
    except ProtocolError:
        return False
    broker = Broker()
    broker.handle(Registering(1, "x", "192.0.2.7", "cookie"), 0)
    name, old, cookie = ads.read_registration(ad)
    broker.handle(Registering(2, name, "192.0.2.7", "other", old, cookie), 0)
    wanted: Wanted | None = None
    with contextlib.suppress(ProtocolError):
        wanted = ads.read_request(ad, 3, "192.0.2.9:5", "bob@pool")
        for effect in broker.handle(wanted, 0):
            assert len(str(effect)) < 40_000
        for line in ads.forwarded(wanted, 1, OWN).lines():
            assert b"\n" not in line or b"\n" in data
    broker.handle(ads.read_result(ad, 1), 0)
    broker.handle(Hello(4, *ads.read_hello(ad)), 0)
    assert sum(broker.counts.values()) <= 6
    return wanted is not None or ads.is_alive(ad)


def check_file(text: str) -> bool:
    kept = parse_kept(text)
    assert all(ccbid >= 0 and len(ip) <= 64 for ccbid, ip, _ in kept)
    return bool(kept)


PARSERS = [
    Parser(
        "ads of HTCondor's broker",
        (
            f"{_CCB}.ads.read",
            *(f"{_CCB}.ads.read_{one}" for one in ("registration", "request", "result", "hello")),
        ),
        check_ad,
        st.binary(max_size=60) | mutated(ADS),
        seeds=lambda: ADS,
    ),
    Parser(
        "ids that HTCondor's broker keeps",
        (f"{_CCB}.file.parse_kept",),
        check_file,
        st.text(max_size=60) | mutated(FILES).map(text_of),
        of=text_of,
        seeds=lambda: FILES,
    ),
]
