"""Versions: what version 1 wrote is read and written as it was, and peers agree on one."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import msgspec
import pytest

from glasnost.core.wire import header, versions
from glasnost.core.wire.header import Answer, Call
from glasnost.core.wire.messages import (
    RECORD_VERSION,
    Codec,
    Message,
    Record,
    decode_record,
    encode,
    encode_record,
)
from glasnost.errors import ProtocolError, Refused
from tests.core.wire.vectors import ANY, CONVERSATIONS, FOLDER, KINDS, Vector, vectors

#: The vectors of the versions that are out. Peers in the field write these bytes: a file is never
#: edited again, whatever else has to change.
FROZEN = {
    "1/answers.json": "d6d50be8b144caecaa421945dc2a26b95422934af1359dd6fc5880dc1a7a4369",
    "1/calls.json": "edadada5853b000176b05882e8e842ae53a68838dc4750bc32a8b434a19cf560",
    "1/conversations.json": "4caa64c60149ca2ad75c5a1287bbfe7049a54fc28f2265a1017117b87758e2e1",
    "1/messages.json": "90946bb6512ebd380acd7c1042530613af3818796a7f3e1e7ea800e26c0d5046",
    "1/records.json": "af79d207432e188573a48bed31caab2430aee00bdf0330896704b8c902a6fedd",
}
OLD = vectors("1/messages.json")
OLD_KINDS = {json.loads(bytes(vector.message))["t"] for vector in OLD}


@pytest.mark.parametrize("file", FROZEN)
def test_the_vectors_of_a_version_that_is_out_are_never_edited(file: str) -> None:
    assert sha256((FOLDER / file).read_bytes()).hexdigest() == FROZEN[file]


def test_every_older_version_is_frozen() -> None:
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("[0-9]*/*")}
    assert files == set(FROZEN)
    for version in range(1, versions.NEWEST):
        assert any(file.startswith(f"{version}/") for file in FROZEN)


@pytest.mark.parametrize("vector", OLD, ids=repr)
def test_messages_of_version_1_are_read_and_written_as_they_were(vector: Vector) -> None:
    message = vector.read(ANY)
    assert encode(message) == vector.data
    old = json.loads((FOLDER / "1/conversations.json").read_bytes())
    said = [name for name, kinds in old.items() if message.__struct_config__.tag in kinds]
    assert said
    for name in said:
        assert Codec(CONVERSATIONS[name]).decode(vector.data) == message


def test_the_header_of_version_1_is_read_and_written_as_it_was() -> None:
    for vector in vectors("1/calls.json"):
        assert header.decode_call(vector.data[header.PREFIX_SIZE :]) == vector.read(Call)
        assert header.encode_call(vector.read(Call)) == vector.data
    for vector in vectors("1/answers.json"):
        assert header.answer_in(vector.data) == vector.read(Answer)
        assert header.encode_answer(vector.read(Answer)) == vector.data


def test_records_of_version_1_are_read_and_written_as_they_were() -> None:
    for vector in vectors("1/records.json"):
        assert decode_record(vector.data) == vector.read(Record)
        assert encode_record(vector.read(Record)) == vector.data


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_says_with_which_version_it_came(kind: type[Message]) -> None:
    """What version 1 did not have is not asked of a peer that speaks it. (A new message says
    ``since: ClassVar[int] = 2`` in its class.)"""
    assert kind.since == (1 if kind.__struct_config__.tag in OLD_KINDS else versions.NEWEST)


AGREED = [
    # what TLS says       what is spoken
    (None, 1),
    ("glasnost/1", 1),
    ("glasnost/2", 2),
]


@pytest.mark.parametrize("protocol, version", AGREED)
def test_what_tls_agreed_on_is_spoken(protocol: str | None, version: int) -> None:
    assert versions.agreed(protocol) == version


@pytest.mark.parametrize("protocol", ["glasnost/0", "glasnost/3", "glasnost/64", "h2", ""])
def test_another_protocol_is_refused_with_the_numbers_of_both(protocol: str) -> None:
    if not protocol:
        assert versions.agreed(protocol) == 1  # TLS libraries also say "none" so
        return
    with pytest.raises(Refused) as refused:
        versions.agreed(protocol)
    assert refused.value.code == "version"
    assert "2 and 1" in refused.value.why
    assert refused.value.why.endswith(protocol.removeprefix("glasnost/"))


def test_a_server_picks_the_best_and_names_what_it_must_refuse() -> None:
    assert tuple(f"glasnost/{version}" for version in versions.SPOKEN) == versions.OFFERED
    assert versions.RECOGNISED[: len(versions.OFFERED)] == versions.OFFERED
    assert len(set(versions.RECOGNISED)) == len(versions.RECOGNISED)
    assert "glasnost/3" in versions.RECOGNISED
    # RFC 7301: one byte for the length of each, two for all.
    assert sum(len(name) + 1 for name in versions.RECOGNISED) < 2**16


CHOSEN = [((1, 1), 1), ((1, 2), 2), ((2, 2), 2), ((2, 3), 2), ((1, 9), 2), ((0, 1), 1)]
NOTHING = [((3, 4), "3 to 4"), ((9, 9), "9"), ((0, 0), "0"), ((-5, -1), "-5 to -1"), ((2, 1), "2")]


@pytest.mark.parametrize("spoken, version", CHOSEN)
def test_the_best_version_that_both_speak_is_chosen(spoken: tuple[int, int], version: int) -> None:
    assert versions.choose(*spoken) == version


@pytest.mark.parametrize("spoken, named", NOTHING)
def test_who_speaks_none_of_ours_is_refused(spoken: tuple[int, int], named: str) -> None:
    with pytest.raises(Refused, match=f"versions 2 and 1, and the peer speaks {named}$"):
        versions.choose(*spoken)


def test_what_a_peer_lacks_is_said_without_asking_it() -> None:
    versions.check(1, 1, "Lookup", "cm")
    versions.check(2, 2, "Watch", "cm")
    with pytest.raises(Refused, match="cm speaks version 1, and Watch came with version 2"):
        versions.check(2, 1, "Watch", "cm")


@pytest.mark.parametrize("version", [0, 2, 9, -1])
def test_a_record_of_another_version_is_refused_whatever_is_in_it(version: int) -> None:
    for fields in ({"name": "web"}, {"name": 7, "address": None}, {}):
        with pytest.raises(ProtocolError, match=f"version {version}, and only {RECORD_VERSION}"):
            decode_record(msgspec.msgpack.encode(fields | {"v": version}))


def test_a_header_of_another_version_is_refused_with_both_numbers() -> None:
    with pytest.raises(ProtocolError, match=re.escape("version 3 is not spoken here (only 1)")):
        header.body_size(b"\xabG\x03\x01\x00\x00", header.CALL)
