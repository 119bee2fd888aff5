"""The authority: who is let in, and who is not."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from glasnost.core.wire.messages import (
    Enrol,
    RenewNode,
)
from glasnost.errors import (
    AddressError,
    BadName,
    Refused,
    SettingsError,
    TrustError,
    Unavailable,
)
from glasnost.roles.authority import Authority, create_token
from glasnost.trust import checks
from glasnost.trust.certificates import check_node, make_csr
from glasnost.trust.keys import new_key
from glasnost.trust.tokens import JoinToken
from tests.roles.authority_lab import (
    ADDRESS,
    DAY,
    DIRECTORIES,
    DOMAIN,
    Key,
    Lab,
    certificate,
    refusal,
)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


# --- its state -----------------------------------------------------------------------------------


def test_the_state_is_private(lab: Lab) -> None:
    assert stat.S_IMODE(lab.home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in lab.home.iterdir()}
    assert set(modes) == {"root.key", "root.crt", "authority.sqlite"}
    assert modes["root.key"] == modes["authority.sqlite"] == 0o600
    assert [path.name for path in lab.home.parent.iterdir()] == ["authority"]  # nothing half made


def test_an_authority_is_not_overwritten(lab: Lab) -> None:
    key = (lab.home / "root.key").read_bytes()
    with pytest.raises(SettingsError, match=r"there is an authority in .* already"):
        Authority.create(lab.home, "lab", lab.clock.now)
    assert (lab.home / "root.key").read_bytes() == key
    assert [path.name for path in lab.home.parent.iterdir()] == ["authority"]


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SettingsError, match="cannot make"):
        Authority.create(tmp_path, "lab", 0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_pool_needs_a_name_that_can_be(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="pool's name"):
        Authority.create(tmp_path / "authority", "Not A Name", 0.0)


def test_without_a_state_there_is_no_authority(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="`glasnost init` makes one"):
        Authority(tmp_path, lambda: ())
    with pytest.raises(Unavailable, match="`glasnost init` makes one"):
        create_token(tmp_path, "node7", ADDRESS)


def test_a_root_key_that_others_may_read_is_refused(lab: Lab) -> None:
    (lab.home / "root.key").chmod(0o644)
    with pytest.raises(TrustError, match="chmod 600"):
        Authority(lab.home, lambda: ())


def test_somebody_elses_database_is_not_written(lab: Lab) -> None:
    ledger = lab.home / "authority.sqlite"
    ledger.unlink()
    with pytest.raises(Unavailable, match="is not there: restore a copy"):
        lab.token()
    assert not ledger.exists()
    other = sqlite3.connect(ledger)
    other.execute("CREATE TABLE music (title TEXT)")
    other.close()
    with pytest.raises(SettingsError, match="something else"):
        lab.token()


def test_the_status_counts(lab: Lab) -> None:
    lab.joined()
    lab.token("node8")
    status = lab.authority.status()
    assert status["domain"] == DOMAIN
    assert status["fingerprint"] == checks.fingerprint(lab.authority.root).hex()
    assert (status["nodes"], status["open_tokens"], status["dialogues"]) == (1, 1, 0)


# --- tokens --------------------------------------------------------------------------------------


def test_a_token_lets_its_node_in(lab: Lab) -> None:
    key, token = new_key(), JoinToken.parse(str(lab.token()))
    enrolled = lab.enrol(token, key)
    assert check_node(lab.authority.root, certificate(enrolled), lab.clock.now) == "node7"
    assert certificate(enrolled).public_key() == key.public_key()
    assert enrolled.directories == DIRECTORIES
    assert enrolled.networks == token.networks == ("lab",)
    assert checks.fingerprint(checks.read_certificate(enrolled.root)) == token.fingerprint


def test_a_wrong_secret_and_an_unknown_token_are_refused_alike(lab: Lab) -> None:
    token = lab.token()
    sentences = set()
    for wrong in (
        msgspec.structs.replace(token, secret=bytes(16)),
        msgspec.structs.replace(token, id="0" * 16),
        msgspec.structs.replace(token, id="0" * 16, secret=b""),
    ):
        with pytest.raises(Refused) as caught:
            lab.enrol(wrong, new_key())
        sentences.add((caught.value.code, caught.value.why))
    assert [code for code, _ in sentences] == ["wrong-token"]
    lab.enrol(token, new_key())  # and guessing has not used it up


def test_a_token_is_good_for_one_use(lab: Lab) -> None:
    token = lab.token()
    lab.enrol(token, new_key())
    assert refusal(lambda: lab.enrol(token, new_key())) == "used-token"
    lab.clock.now += 2 * DAY
    assert refusal(lambda: lab.enrol(token, new_key())) == "used-token"


def test_of_many_uses_at_once_one_succeeds(lab: Lab) -> None:
    token = lab.token()

    def use(key: Key) -> str:
        try:
            lab.enrol(token, key)
        except Refused as error:
            return error.code
        return "enrolled"

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(use, [new_key() for _ in range(8)]))
    assert sorted(results) == ["enrolled"] + ["used-token"] * 7


def test_a_token_expires(lab: Lab) -> None:
    token = lab.token(lifetime=60)
    assert token.not_after == lab.clock.now + 60
    lab.clock.now += 61
    assert refusal(lambda: lab.enrol(token, new_key())) == "expired-token"


def test_a_token_is_forgotten_in_the_end(lab: Lab) -> None:
    token = lab.token(lifetime=60)
    lab.clock.now += 60 + 30 * DAY + 1
    lab.token("node8")
    assert refusal(lambda: lab.enrol(token, new_key())) == "wrong-token"


def test_secrets_are_not_kept(lab: Lab) -> None:
    token = lab.token()
    assert token.secret not in (lab.home / "authority.sqlite").read_bytes()


def test_a_request_that_is_none_does_not_use_the_token(lab: Lab) -> None:
    token = lab.token()
    with pytest.raises(TrustError, match="no certificate request"):
        lab.authority.enrol(Enrol(token=token.id, secret=token.secret, csr=b"please"))
    lab.enrol(token, new_key())


@pytest.mark.parametrize("node", ["authority", "Authority", "", "a.b", "*", "node 7"])
def test_no_token_is_made_for(lab: Lab, node: str) -> None:
    with pytest.raises(BadName):
        lab.token(node)


def test_a_token_needs_an_address_and_networks_that_can_be(lab: Lab) -> None:
    with pytest.raises(AddressError):
        create_token(lab.home, "node7", "http://example.org/")
    with pytest.raises(BadName):
        create_token(lab.home, "node7", ADDRESS, ["not a network"])


# --- one name, one node --------------------------------------------------------------------------


def test_a_name_is_taken_once(lab: Lab) -> None:
    first, second = lab.token(), lab.token()  # made before either was used
    lab.enrol(first, new_key())
    assert refusal(lambda: lab.enrol(second, new_key())) == "name-taken"
    with pytest.raises(Refused, match="--replace") as caught:
        lab.token()
    assert caught.value.code == "name-taken"


def test_the_same_key_may_join_again(lab: Lab) -> None:
    key = new_key()
    first, second = lab.token(), lab.token()
    lab.enrol(first, key)
    lab.enrol(second, key)


def test_a_replacement_takes_the_name_over(lab: Lab) -> None:
    old, enrolled = lab.joined()
    key = new_key()
    lab.enrol(lab.token(replace=True), key)
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(old))
    assert refusal(lambda: lab.authority.renew(question)) == "replaced"


def test_the_first_node_needs_no_token(lab: Lab) -> None:
    key = new_key()
    enrolled = lab.authority.enrol_local("node1", make_csr(key), ("lab",))
    assert check_node(lab.authority.root, certificate(enrolled), lab.clock.now) == "node1"
    assert enrolled.networks == ("lab",)
    lab.authority.enrol_local("node1", make_csr(key))  # at every start
    other = make_csr(new_key())
    assert refusal(lambda: lab.authority.enrol_local("node1", other)) == "name-taken"
    lab.authority.enrol_local("node1", other, replace=True)
    with pytest.raises(TrustError, match="cannot be a node's name"):
        lab.authority.enrol_local("authority", other)


# --- renewal -------------------------------------------------------------------------------------


def test_certificates_of_ten_seconds_renew_at_half_life(tmp_path: Path) -> None:
    lab = Lab(tmp_path, node_lifetime=10)
    begun = lab.clock.now
    key, enrolled = lab.joined()
    ends = []
    for _ in range(3):
        current = certificate(enrolled)
        half = (checks.issued(current) + checks.not_after(current)) / 2
        lab.clock.now = half
        question = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
        enrolled = lab.authority.renew(question)
        ends.append(checks.not_after(certificate(enrolled)) - begun)
        assert check_node(lab.authority.root, certificate(enrolled), half) == "node7"
    assert ends == [15, 20, 25]
    assert enrolled.networks == ("lab",)


CASES = [
    # name                   days after expiry  ends in
    ("a month switched off", 30.0, ""),
    ("more than a month", 30.1, "has expired"),
]


@pytest.mark.parametrize("name, days, says", CASES, ids=[case[0] for case in CASES])
def test_an_expired_certificate_renews_for_30_days(
    lab: Lab, name: str, days: float, says: str
) -> None:
    key, enrolled = lab.joined()
    lab.clock.now += (7 + days) * DAY
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
    if says:
        with pytest.raises(TrustError, match=says):
            lab.authority.renew(question)
    else:
        renewed = certificate(lab.authority.renew(question))
        assert check_node(lab.authority.root, renewed, lab.clock.now) == "node7"


def test_a_revoked_node_renews_no_more(lab: Lab) -> None:
    key, enrolled = lab.joined()
    lab.authority.revoke("node7")
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
    assert refusal(lambda: lab.authority.renew(question)) == "revoked"
    assert refusal(lambda: lab.enrol(lab.token(replace=True), key)) == "revoked"
    lab.enrol(lab.token(replace=True), new_key())  # a new key may
    assert refusal(lambda: lab.authority.revoke("node9")) == "unknown-node"


def test_a_renewal_needs_the_same_key(lab: Lab) -> None:
    _, enrolled = lab.joined()
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(new_key()))
    with pytest.raises(TrustError, match="another key"):
        lab.authority.renew(question)


def test_a_foreign_certificate_renews_nothing(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    key, enrolled = Lab(tmp_path / "other").joined()
    question = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
    with pytest.raises(TrustError, match="not issued by this pool"):
        lab.authority.renew(question)
    with pytest.raises(TrustError, match="no certificate"):
        lab.authority.renew(RenewNode(certificate=b"?", csr=make_csr(key)))


def test_an_authority_that_lost_its_ledger_still_renews(lab: Lab) -> None:
    key, enrolled = lab.joined()
    from_backup = sqlite3.connect(lab.home / "authority.sqlite")
    with from_backup:
        from_backup.execute("DELETE FROM nodes")
    from_backup.close()
    lab.authority.renew(RenewNode(certificate=enrolled.certificate, csr=make_csr(key)))
    assert refusal(lambda: lab.token()) == "name-taken"
