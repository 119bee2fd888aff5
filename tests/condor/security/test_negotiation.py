"""What a server decides, and the ads that say it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.cedar.ciphers import AES, BLOWFISH, TRIPLE_DES
from glasnost.condor.classad import Ad
from glasnost.condor.security.ads import (
    client_ad,
    post_auth_ad,
    read_decision,
    read_outcome,
    read_request,
    resume_ad,
    server_ad,
)
from glasnost.condor.security.methods.kinds import Method, mask_of, methods_in
from glasnost.condor.security.negotiation import (
    AUTHORIZED,
    NOBODY,
    Decision,
    Myself,
    Outcome,
    Policy,
    Request,
    decided,
)
from glasnost.condor.security.words import Word
from glasnost.errors import ProtocolError, Refused

POINT = b"\4" + bytes(64)
ADDRESS = "<192.0.2.1:9618>"
ALL = tuple(Method)
policies = st.builds(
    Policy,
    *(st.sampled_from(Word) for _ in range(4)),
    methods=st.lists(st.sampled_from(Method), unique=True).map(tuple),
    ciphers=st.lists(st.sampled_from([AES, BLOWFISH, TRIPLE_DES]), unique=True).map(tuple),
    duration=st.integers(0, 10**9),
    lease=st.integers(0, 10**9),
)


def asked(policy: Policy, point: bytes = POINT) -> Request:
    return read_request(client_ad(policy, Myself(), 5, point, ADDRESS))


@given(policies, st.booleans())
def test_what_a_client_writes_a_server_reads(policy: Policy, pointed: bool) -> None:
    request = asked(policy, POINT if pointed else b"")
    assert request.command == request.meant == 5
    assert (request.methods, request.ciphers) == (policy.methods, policy.ciphers)
    assert (request.duration, request.lease) == (policy.duration, policy.lease)
    assert request.authentication is policy.authentication
    assert (request.encryption, request.integrity) == (policy.encryption, policy.integrity)
    assert request.point == (POINT if pointed else b"")
    assert request.version == (25, 14, 1)
    assert request.answer_wanted and request.new_session and not request.resumes


@given(policies, policies, st.booleans())
def test_what_a_server_decides_a_client_reads(
    client: Policy, server: Policy, pointed: bool
) -> None:
    """And it is never less than either side requires, nor what one of them never does."""
    try:
        decision = decided(asked(client, POINT if pointed else b""), server, ALL)
    except Refused:
        return
    found = read_decision(server_ad(decision, Myself(), POINT if pointed else b""))
    assert replace(found, version=None, point=b"") == decision
    required = {client.authentication, server.authentication}
    if Word.REQUIRED in required:
        assert decision.authentication and decision.authentication_required
    if Word.NEVER in required:
        assert not decision.authentication
    for words, done in (
        ((client.encryption, server.encryption), decision.encryption),
        ((client.integrity, server.integrity), decision.integrity),
    ):
        assert done or Word.REQUIRED not in words
        if done:
            assert decision.cipher


def test_who_logs_in_by_aes_has_all_of_it() -> None:
    wants = Policy(authentication=Word.REQUIRED)
    decision = decided(asked(wants), Policy(), ALL)
    assert (decision.encryption, decision.integrity, decision.cipher) == (True, True, AES)
    old = replace(wants, ciphers=(BLOWFISH,))
    decision = decided(asked(old), Policy(), ALL)
    assert (decision.encryption, decision.integrity, decision.cipher) == (False, False, BLOWFISH)


def test_peers_before_23_10_are_read_by_the_old_word_of_both_sides() -> None:
    """There, encryption needed somebody who logs in: so that is what their word says."""
    old = client_ad(Policy(encryption=Word.REQUIRED), Myself(), 5, POINT, ADDRESS)
    request = read_request(old.without("AuthenticationNew"))
    assert request.authentication is Word.REQUIRED
    assert decided(request, Policy(), ALL).authentication
    assert not decided(read_request(old), Policy(), ALL).authentication


def test_the_servers_order_of_methods_and_ciphers_counts() -> None:
    client = Policy(Word.REQUIRED, methods=(Method.FS, Method.SSL), ciphers=(BLOWFISH, AES))
    server = Policy(methods=(Method.TOKEN, Method.SSL, Method.FS), ciphers=(AES, BLOWFISH))
    decision = decided(asked(client), server, [Method.FS, Method.SSL])
    assert decision.methods == (Method.SSL, Method.FS)
    assert decision.ciphers == (AES, BLOWFISH)


@pytest.mark.parametrize("required", [True, False])
def test_without_a_common_method_only_who_requires_one_is_refused(required: bool) -> None:
    word = Word.REQUIRED if required else Word.PREFERRED
    client = Policy(word, methods=(Method.KERBEROS,))
    if required:
        with pytest.raises(Refused, match="no method"):
            decided(asked(client), Policy(), ALL[:3])
    else:
        assert not decided(asked(client), Policy(), ALL[:3]).authentication


def test_no_key_no_encryption() -> None:
    with pytest.raises(Refused, match="nothing to agree on a key by"):
        decided(asked(Policy(encryption=Word.REQUIRED), b""), Policy(), ALL)
    with pytest.raises(Refused, match="encryption"):
        decided(asked(Policy(encryption=Word.REQUIRED)), Policy(encryption=Word.NEVER), ALL)


def test_the_shorter_life_of_a_session_counts_and_no_lease_is_none() -> None:
    client, server = Policy(duration=60, lease=0), Policy(duration=86400, lease=3600)
    decision = decided(asked(client), server, ALL)
    assert (decision.duration, decision.lease) == (60, 3600)


def test_an_optional_login_is_said_to_be_one() -> None:
    decision = decided(asked(Policy(authentication=Word.PREFERRED)), Policy(), ALL)
    ad = server_ad(decision, Myself(), POINT)
    assert ad["AuthRequired"] is False
    assert not read_decision(ad).authentication_required


@given(st.frozensets(st.integers(0, 99999)), st.booleans())
def test_what_is_said_afterwards(commands: frozenset[int], tried: bool) -> None:
    outcome = Outcome(AUTHORIZED, "host:1:2:3", commands, "a@b", tried)
    assert read_outcome(post_auth_ad(outcome)) == outcome


def test_what_is_missing_afterwards_is_as_htcondor_takes_it() -> None:
    assert read_outcome(Ad()) == Outcome(AUTHORIZED, user=NOBODY)


def test_a_session_is_asked_for_again() -> None:
    request = read_request(resume_ad(Myself(), 5, "a:b", AES, b"n" * 33, ADDRESS))
    assert (request.resumes, request.resume_answer, request.command) == ("a:b", True, 5)


def test_the_least_that_a_client_may_say() -> None:
    request = read_request(Ad({"Command": 5, "Enact": "NO", "NewSession": "YES"}))
    assert request.authentication is request.encryption is Word.NEVER
    assert decided(request, Policy(), ALL).cipher == ""


@pytest.mark.parametrize("missing", ["Authentication", "Encryption", "Integrity"])
def test_a_server_says_all_three(missing: str) -> None:
    ad = server_ad(Decision(False, False, False), Myself(), b"")
    with pytest.raises(ProtocolError, match=missing):
        read_decision(ad.without(missing))


BAD = [
    ("no command", {}),
    ("a command that is none", {"Command": "five"}),
    ("a command that is true", {"Command": True}),
    ("half a point", {"Command": 5, "ECDHPublicKey": "BAAA"}),
    ("a point of no base64", {"Command": 5, "ECDHPublicKey": "?" * 88}),
    ("a word that is none", {"Command": 5, "Encryption": "MAYBE"}),
    ("methods that are no text", {"Command": 5, "AuthMethods": 7}),
    ("a life without end", {"Command": 5, "SessionDuration": "9" * 30}),
    ("a life below none", {"Command": 5, "SessionLease": -1}),
]


@pytest.mark.parametrize("values", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_no_request(values: dict[str, str | int]) -> None:
    with pytest.raises(ProtocolError):
        read_request(Ad(values))


def test_methods_by_name_and_by_bit() -> None:
    assert methods_in("fs TOKENS,idtokens, ROT13,SSL") == (Method.FS, Method.TOKEN, Method.SSL)
    assert mask_of((Method.FS, Method.TOKEN)) == 2052
    assert Method.TOKEN.known == "IDTOKENS"
