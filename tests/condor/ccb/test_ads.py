"""The broker's messages against those that a real broker and real daemons were seen to send."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glasnost.condor.ccb import ads
from glasnost.condor.ccb.file import ReconnectFile, parse_kept
from glasnost.condor.ccb.registry import Entry
from glasnost.condor.ccb.words import Answered, Wanted, unknown_id
from glasnost.condor.cedar.values import Reader, Writer
from glasnost.condor.classad import Ad
from glasnost.errors import ProtocolError

VECTORS = json.loads(Path("tests/vectors/condor/ccb.json").read_text())
OWN = "127.0.0.1:39618?addrs=127.0.0.1-39618&alias=vm"
C0FFEE = "c0ffee" * 6 + "c0ff"


def sent(name: str, number: int = 0) -> Ad:
    """An ad of the vectors: the body of a message in an encrypted session."""
    _, data = VECTORS[name][number]
    reader = Reader(bytes.fromhex(data), encrypted=True)
    ad = Ad.from_lines(reader.ad())
    reader.end()
    return ad


def wanted(name: str, at: str) -> Wanted:
    return ads.read_request(sent(name), 7, at, "root@wire.test")


def test_a_registration_is_read_and_answered() -> None:
    assert ads.read_registration(sent("register")) == ("PYTEST <127.0.0.1:1>", None, "")
    answer = sent("register", 1)
    assert ads.registered(f"{OWN}#5", "3189399647") == answer
    back = Ad({"Command": 67, "Name": "x", "CCBID": answer["CCBID"], "ClaimId": "3189399647"})
    assert ads.read_registration(back) == ("x", 5, "3189399647")


@pytest.mark.parametrize("contact", ["5", "x#", "x#y", "", "x#\u0661"])
def test_a_contact_that_is_none_is_nobodys(contact: str) -> None:
    assert ads.read_registration(Ad({"CCBID": contact}))[1] is None


def test_a_request_is_read_and_passed_on() -> None:
    request = wanted("request_and_reply", "127.0.0.1:33030")
    assert (request.ccbid, request.name, request.streaming) == ("5", "PYREQ", False)
    assert request.connect_id.startswith("c0ffee")
    assert ads.forwarded(request, 12, OWN) == sent("forwarded_to_target")
    assert ads.result("") == sent("request_and_reply", 1)


def test_a_stream_is_asked_for_and_begins() -> None:
    request = wanted("streaming_request_reply_hello", "127.0.0.1:33042")
    assert request.streaming
    assert ads.forwarded(request, 13, OWN) == sent("streaming_forwarded_to_target")
    assert sent("streaming_request_reply_hello", 1) == ads.STREAMING


def test_a_result_and_a_hello_are_read() -> None:
    said = sent("result_from_target")
    assert ads.read_result(said, 7) == Answered(7, "12", said["ClaimId"], True)  # type: ignore[arg-type]
    assert not ads.is_alive(said)
    assert ads.is_alive(sent("heartbeat"))
    assert sent("heartbeat", 1) == ads.ALIVE
    frame = bytes.fromhex(VECTORS["reverse_connect_hello_clear_frame"])
    reader = Reader(frame[5:])
    assert reader.integer() == 69
    assert ads.read_hello(Ad.from_lines(reader.ad())) == ("12", said["ClaimId"])


def test_an_unknown_id_is_told_in_htcondors_words() -> None:
    assert ads.result(unknown_id(99999)) == sent("unknown_ccbid_reply")


def test_a_way_through_brokers_is_passed_on() -> None:
    lines = VECTORS["two_level_tunnel"]["requester_sends_to_outer"]
    ad = Ad.from_lines([line.encode() for line in lines])
    request = ads.read_request(ad, 7, "127.0.0.1:51430", "root@wire.test")
    assert (request.ccbid, request.route, request.streaming) == ("1", "4", True)
    assert ads.forwarded(request, 2, OWN)["CCBRoute"] == "4"


def test_a_request_without_a_connect_id_is_none() -> None:
    with pytest.raises(ProtocolError):
        ads.read_request(Ad({"CCBID": "5"}), 7, "192.0.2.9:5", "")


def test_values_of_another_type_are_missing() -> None:
    odd = Ad({"CCBID": 5, "ClaimId": "x", "Name": True, "CCBStreamingRequired": "true"})
    request = ads.read_request(odd, 7, "192.0.2.9:5", "")
    assert (request.ccbid, request.name, request.streaming) == ("", "", False)


def test_what_is_passed_on_fits_a_message() -> None:
    request = wanted("streaming_request_reply_hello", "127.0.0.1:33042")
    writer = Writer()
    writer.ad(ads.forwarded(request, 13, OWN).lines())
    assert len(writer.message()) < ads.MAX_AD


def test_ids_outlive_the_broker_in_a_file(tmp_path: Path) -> None:
    file = ReconnectFile(tmp_path / "kept")
    assert file.load() == []
    first, second = Entry(1, "192.0.2.7", "aa", 0), Entry(2, "2001:db8::7", "bb", 0)
    file.append([first])
    file.append([second])
    assert (tmp_path / "kept").read_text() == "192.0.2.7 1 aa\n2001:db8::7 2 bb\n"
    assert file.load() == [(1, "192.0.2.7", "aa"), (2, "2001:db8::7", "bb")]
    file.rewrite([second])
    assert file.load() == [(2, "2001:db8::7", "bb")]


def test_lines_that_say_nothing_are_left_out() -> None:
    text = "192.0.2.7 12 3189\n\nnonsense\n192.0.2.7 -1 x\n192.0.2.7 x y\n1 2 3 4\n" + "x" * 999
    assert parse_kept(text) == [(12, "192.0.2.7", "3189")]


def test_a_file_that_cannot_be_used_is_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = ReconnectFile(tmp_path)
    assert file.load() == []
    file.append([Entry(1, "192.0.2.7", "aa", 0)])
    assert [text.partition(":")[0] for text in caplog.messages] == [
        f"cannot read {tmp_path}",
        f"cannot write {tmp_path}",
    ]


def test_what_cannot_be_put_in_place_is_said_and_nothing_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "reconnect"
    (path / "in the way").mkdir(parents=True)
    ReconnectFile(path).rewrite([Entry(1, "192.0.2.7", "c0ffee", 0.0)])
    assert "ids are lost at a restart" in caplog.text
