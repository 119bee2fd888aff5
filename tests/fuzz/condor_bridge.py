"""What a collector tells a bridge: ads, and the addresses, names and versions in them."""

from __future__ import annotations

from glasnost.condor.bridge.gathering import Gathering
from glasnost.condor.bridge.places import Places, Pool
from glasnost.condor.classad import Ad
from glasnost.core.protocols.record_rules import problem
from glasnost.core.wire.messages import Announce, Record, Signed, encode, encode_record
from glasnost.errors import ProtocolError
from glasnost.trust.identity import is_label
from tests.condor.bridge.ads import ad, collector
from tests.fuzz.parser import Parser, mutated

#: As they stand on the wire: lines, each with a byte that ends it, and one more behind each ad.
ADS = [
    b"\0".join([*one.lines(), b"", b""])
    for one in (
        collector(),
        ad(address="<10.0.0.7:9618?CCBID=128.105.1.1:9618%3fsock%3dcollector#381&sock=startd_1>"),
        ad("Machine", "slot1_2@second@host7.example.org", ClassAdLifetime=60),
        ad("DaemonMaster", address='{[ p="IPv6"; a="2607:f388::1"; port=9618; n="Internet"; ]}'),
        ad("Negotiator", address="<10.0.0.1:1?PrivNet=lab&PrivAddr=%3c10.0.0.1:9618%3e>"),
    )
]
POOL = Pool("cm.example.org", Places("site", "host.4f2a91"), "example.org")


def check(data: bytes) -> bool:
    gathering = Gathering(POOL)
    for whole in data.split(b"\0\0"):
        try:
            found = Ad.from_lines([line for line in whole.split(b"\0") if line])
        except ProtocolError:
            return False
        gathering.add(found)
    answer = gathering.whole()
    for name, entry in answer.entries.items():
        assert is_label(name) and name == entry.name
        record = Record(f"{name}.n.lab", entry.address, entry.reach, entry.labels, relay="any")
        assert not problem(record, Signed(encode_record(record), b"", b"")) or len(data) > 4000
        assert encode(Announce(records=(entry,)))
    return bool(answer.entries)


PARSERS = [
    Parser(
        "ads for a bridge",
        ("glasnost.condor.bridge.daemon.read",),
        check,
        mutated([ADS[0], *[b"\0\0".join([ADS[0], one]) for one in ADS[1:]]]),
        seeds=lambda: ADS,
    )
]
