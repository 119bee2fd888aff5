"""Signing keys, and the tokens that are made with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glasnost.condor.central.keys import PLACE, SigningKeys
from glasnost.condor.commands import Level
from glasnost.condor.security.tokens import read_token, scrambled, signature_of
from glasnost.errors import SettingsError, TrustError
from tests.cli.conftest import Shell


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    keys.ready()
    file = tmp_path / PLACE / "POOL"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_bytes()) == 64 and b"\0" not in scrambled(file.read_bytes())
    before = keys.read()
    keys.ready()
    assert keys.read() == before and list(before) == ["POOL"]


def test_a_pool_s_own_key_goes_on_working(tmp_path: Path) -> None:
    """Recorded: a token that HTCondor had made, and its pool's key."""
    found = json.loads(Path("tests/vectors/condor/real_collector_sessions.json").read_text())
    recorded = next(one for one in found["conversations"] if one["name"] == "token_aes")
    place = tmp_path / PLACE
    place.mkdir(parents=True)
    (place / "POOL").touch(0o600)
    (place / "POOL").write_bytes(bytes.fromhex(recorded["pool_key_file_hex"]))
    keys = SigningKeys(tmp_path)
    keys.ready()
    token = read_token(recorded["token"])
    assert signature_of(token, keys.read()) == token.signature


def test_a_token_says_what_it_was_made_for(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    keys.ready()
    made = keys.sign("pool", "condor@pool", 1000.0, 60, [Level.ADVERTISE_STARTD])
    token = read_token(made.text())
    assert (token.issuer, token.subject, token.expires) == ("pool", "condor@pool", 1060)
    assert token.levels == frozenset([Level.ADVERTISE_STARTD])
    assert signature_of(token, keys.read()) == token.signature
    with pytest.raises(TrustError, match="expired"):
        token.check(1061)
    for_ever = read_token(keys.sign("pool", "condor@pool", 1000.0).text())
    assert (for_ever.expires, for_ever.levels) == (None, None)
    assert for_ever.ident != token.ident


@pytest.mark.parametrize("identity", ["", "condor", "@pool", "a b@pool", "a@b@c", "a/b@pool"])
def test_what_is_no_identity_gets_no_token(tmp_path: Path, identity: str) -> None:
    keys = SigningKeys(tmp_path)
    keys.ready()
    with pytest.raises(SettingsError, match="is no identity: USER@DOMAIN"):
        keys.sign("pool", identity, 0)


DAMAGE = [
    ("one that others may read", lambda file: file.chmod(0o644), "may be read by others"),
    ("an empty one", lambda file: file.write_bytes(b""), "is empty"),
    ("a long one", lambda file: file.write_bytes(b"x" * 70_000), "too long for a key"),
]


@pytest.mark.parametrize("damage, words", [one[1:] for one in DAMAGE], ids=[d[0] for d in DAMAGE])
def test_a_key_that_is_none_is_said(tmp_path: Path, damage: object, words: str) -> None:
    keys = SigningKeys(tmp_path)
    keys.ready()
    assert callable(damage)
    damage(tmp_path / PLACE / "POOL")
    with pytest.raises(SettingsError, match=words):
        keys.read()


def test_the_command_prints_a_token(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert shell.run("init", "--pool", "lab", "--name", "cm").status == 0
    asked = ("condor", "token", "create", "--identity", "condor@lab")
    done = shell.run(*asked)
    assert (done.status, done.out) == (1, "")
    assert "this host is no collector" in done.err
    (shell.home / "glasnost.toml").write_text("[condor]\ncollector = true\n")
    done = shell.run(*asked, "--authz", "read", "--lifetime", "60")
    assert done.status == 0
    token = read_token(done.out)
    assert token.issuer == "lab.glasnost.internal" and token.levels == frozenset([Level.READ])
    assert done.err == (
        "glasnost: logs in as condor@lab for 1 min, for READ; pass it on as a secret\n"
    )
    done = shell.run("condor", "token", "create", "--identity", "condor")
    assert done.status != 0 and "is no identity" in done.err and done.out == ""
