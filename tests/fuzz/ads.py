"""Parsers of HTCondor's ads, and of what is asked of a collector."""

from __future__ import annotations

import contextlib

from hypothesis import strategies as st

from glasnost.condor.classad import Ad, Expression, read_list, read_security_ad
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.classad.packed import string
from glasnost.condor.classad.references import references
from glasnost.condor.classad.syntax import plausible
from glasnost.condor.classad.values import read_value, write_value
from glasnost.condor.collector import Channel, Collector
from glasnost.condor.collector.requirement import Requirement
from glasnost.condor.judge import evaluate, parses
from glasnost.errors import ProtocolError, Refused
from tests.fuzz.parser import Parser, chunks, mutated, text_of, texts

_COLLECTOR = "glasnost.condor.collector"
_CLASSAD = "glasnost.condor.classad"
LITERALS = [
    *(r'"x\"y\z"', '""', "-3", "2.5", "1E+100", ".5", "true", "undefined", "error"),
    *("A + B > 3 && (D =?= undefined)", '{ 1,"a, b",true }', '[ a = 1; b = "q" ]', 'real("INF")'),
]
LINES = [f"Attribute{number} = {text}".encode() for number, text in enumerate(LITERALS)]
#: Lines, each with the byte behind it that ends it on the wire.
ADS = [b"".join(line + b"\0" for line in LINES[at:]) for at in range(0, len(LINES), 3)]


def check_text(text: str) -> bool:
    value = read_value(text)
    if isinstance(value, Expression):
        assert value == text
        return read_list(text) is not None
    if "\0" not in text:  # which no line of an ad has
        assert read_value(write_value(value)) == value
    return True


def check_ad(data: bytes) -> bool:
    lines = data.split(b"\0")[:-1]
    try:
        ad = Ad.from_lines(lines)
    except ProtocolError:
        return False
    assert len(ad) <= len(lines)
    assert Ad.from_lines(ad.lines()) == ad
    with contextlib.suppress(ProtocolError):  # it takes less
        assert read_security_ad(lines) == ad
    return True


def answer_of(ads: list[bytes], encrypted: bool) -> bytes:
    """What a collector with these ads would answer."""
    parts = []
    for ad in ads:
        lines = ad.split(b"\0")[:-1]
        parts += [b"\0" * 7 + b"\1", len(lines).to_bytes(8, "big")]
        parts += [string(line, encrypted) for line in [*lines, b"", b""]]
    return b"".join([*parts, b"\0" * 8])


#: The first byte says on which channel.
ANSWERS = [
    bytes([encrypted]) + answer_of(ADS[:count], bool(encrypted))
    for encrypted in (0, 1)
    for count in (0, 1, 3)
]


def check_answer(data: bytes) -> bool:
    """However it is cut, the same ads come out."""
    encrypted = data[:1] == b"\1"
    found: list[list[Ad]] = []
    for pieces in ([data[1:]], chunks(data[1:])):
        reader = AnswerReader(encrypted=encrypted)
        try:
            found.append([ad for piece in pieces for ad in reader.feed(piece)])
            reader.finish()
        except ProtocolError:
            return False
    for whole, cut in zip(*found, strict=True):
        with contextlib.suppress(ProtocolError):  # which an ad says when it is asked for something
            assert whole.lines() == cut.lines()
            assert whole.as_dict() == dict(whole) == dict(cut)
    return True


def _pool() -> Collector:
    collector = Collector()
    for number, line in enumerate(LINES):
        values = Ad({"Name": f"slot{number}@h", "Machine": "h", "Cpus": number, "ClaimId": "c"})
        collector.update(0, values.merged(Ad.from_lines([line])), 0)
    return collector


POOL = _pool()
QUERIES = [
    *(b'Requirements = ((Name == "slot1@h"))', b"Requirements = Cpus > 4 && Attribute9", b""),
    *(b'Projection = "Name, Cpus Attribute9"\0LimitResults = 3', b'TargetType = "Machine,Grid"'),
    *(b'Requirements = eval("C")\0LocationQuery = "x"', b"SendPrivateAttributes = true"),
]


def check_query(data: bytes) -> bool:
    """Any ad is a query that is answered, or refused; secrets are in no answer."""
    command = (0, 5, 10, 48, 53, 54, 74, 6)[data[0] % 8] if data else 5
    try:
        answer = POOL.query(
            command, Ad.from_lines([line for line in data[1:].split(b"\0") if line])
        )
    except (ProtocolError, Refused):
        return False
    verdicts = [[True] * len(work.rows) for work in answer.work]
    for channel in (Channel(), Channel(encrypted=True, knows_private=True)):
        reader = AnswerReader(encrypted=channel.encrypted)
        ads = [ad for piece in answer.pieces(channel, verdicts) for ad in reader.feed(piece)]
        reader.finish()
        assert not any("ClaimId" in ad for ad in ads)
    return True


def check_expression(text: str) -> bool:
    """Its words are found, and where it is one its own parser agrees."""
    assert all(name in text.encode("utf-8", "surrogateescape").lower() for name in references(text))
    try:
        requirement = Requirement.of(text)
    except Refused:
        return False
    if requirement.name is not None and b"\n" not in requirement.name:
        assert parses(text)
    return plausible(text)


ROW = b'Name = "slot1@h"\0A = B + 1\0B = 3\0D = undefined\0Text = "x\ny"'


def check_evaluation(text: str) -> bool:
    """It is true or not, or no expression."""
    try:
        (verdict,) = evaluate(text, [ROW])
    except Refused:
        return False
    assert isinstance(verdict, bool)
    assert parses(text)
    return True


PARSERS = [
    Parser(
        "ClassAd: evaluation",
        (
            "glasnost.condor.judge.language.parses",
            "glasnost.condor.judge.language.evaluate",
            "glasnost.condor.judge.language._parse",
        ),
        check_evaluation,
        st.text(max_size=60) | texts([*LITERALS, 'strcat("a", Name) == "x"', "A > B ? D : Text"]),
        text_of,
        lambda: [text.encode() for text in LITERALS],
    ),
    Parser(
        "ClassAd: expressions",
        (
            f"{_CLASSAD}.references.references",
            f"{_CLASSAD}.syntax.plausible",
            f"{_COLLECTOR}.requirement.Requirement.of",
        ),
        check_expression,
        st.text(max_size=60)
        | texts([*LITERALS, 'Name == "x"', '((MY.Name =?= "s\\"1@h"))', "(true)"]),
        text_of,
        lambda: [b'((Name == "x"))', b"A + B", b"TRUE"],
    ),
    Parser(
        "ClassAd: answers",
        (
            f"{_CLASSAD}.answers.AnswerReader.feed",
            f"{_CLASSAD}.answers._strings",
            f"{_CLASSAD}.answers._walk_clear",
            f"{_CLASSAD}.answers._walk_encrypted",
            f"{_CLASSAD}.answers._cut_encrypted",
        ),
        check_answer,
        st.binary(max_size=100) | mutated(ANSWERS),
        seeds=lambda: ANSWERS,
    ),
    Parser(
        "collector: queries",
        (f"{_COLLECTOR}.question.questions", f"{_COLLECTOR}.work.divide"),
        check_query,
        st.binary(max_size=60) | mutated(b"\1" + text for text in QUERIES),
        seeds=lambda: [b"\1" + text for text in QUERIES],
    ),
    Parser(
        "ClassAd: values",
        (f"{_CLASSAD}.values.read_value", f"{_CLASSAD}.values.read_list"),
        check_text,
        st.text(max_size=60) | texts(LITERALS),
        text_of,
        lambda: [text.encode() for text in LITERALS],
    ),
    Parser(
        "ClassAd: lines",
        (f"{_CLASSAD}.ad.Ad.from_lines", f"{_CLASSAD}.security.read_security_ad"),
        check_ad,
        st.binary(max_size=100) | mutated(ADS),
        seeds=lambda: ADS,
    ),
]
