"""An authority whose files are damaged or gone says so, changes nothing, and makes nothing anew."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from glasnost.core.wire.messages import RenewNode
from glasnost.errors import GlasnostError, SettingsError, Unavailable
from glasnost.roles.authority import Authority
from glasnost.trust.certificates import make_csr
from glasnost.trust.keys import key_to_pem, new_key, write_private
from tests.roles.authority_lab import Lab

LEDGER = "authority.sqlite"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def again(lab: Lab) -> Authority:
    """The daemon, started again."""
    return Authority(lab.home, lambda: (), clock=lab.clock)


def files(lab: Lab) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in lab.home.iterdir()}


def other_key() -> bytes:
    return key_to_pem(new_key())


DAMAGE: list[tuple[str, str, Callable[[Path], object], str]] = [
    # name, file, damage, words
    ("no ledger", LEDGER, Path.unlink, "is not there: restore a copy of it"),
    ("an empty ledger", LEDGER, lambda path: path.write_bytes(b""), "something else"),
    ("no database", LEDGER, lambda path: path.write_text("dear diary"), "file is not a database"),
    (
        "half a ledger",
        LEDGER,
        lambda path: path.write_bytes(path.read_bytes()[:9000]),
        "is damaged",
    ),
    ("no key", "root.key", Path.unlink, "cannot read .*root.key: No such file"),
    ("a key that is none", "root.key", lambda path: path.write_bytes(b"x"), "root.key is damaged"),
    ("another key", "root.key", lambda path: write_private(path, other_key()), "is not the key of"),
    ("no root", "root.crt", Path.unlink, "root.crt is not there: restore a copy of it"),
    ("a root that is none", "root.crt", lambda path: path.write_bytes(b"x"), "root.crt is damaged"),
]


@pytest.mark.parametrize("name, file, damage, words", DAMAGE, ids=[case[0] for case in DAMAGE])
def test_it_does_not_start_says_why_and_makes_nothing_anew(
    lab: Lab, name: str, file: str, damage: Callable[[Path], object], words: str
) -> None:
    lab.joined()
    damage(lab.home / file)
    before = files(lab)
    with pytest.raises((SettingsError, Unavailable), match=words) as raised:
        again(lab)
    assert str(lab.home / file) in str(raised.value)
    with pytest.raises(SettingsError):
        Authority.create(lab.home, "lab", lab.clock.now)
    assert files(lab) == before


def test_tables_that_are_gone(lab: Lab) -> None:
    with sqlite3.connect(lab.home / LEDGER) as database:
        database.execute("DROP TABLE revocations")
    database.close()
    with pytest.raises(SettingsError, match=r"is damaged \(no such table: revocations\)"):
        again(lab)


def test_a_ledger_of_a_later_version(lab: Lab) -> None:
    with sqlite3.connect(lab.home / LEDGER) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(SettingsError, match="its version is 99"):
        again(lab)


@pytest.mark.parametrize("seed", range(60))
def test_bytes_flipped_anywhere_in_the_ledger(lab: Lab, seed: int) -> None:
    """It starts and does its work, or a sentence says why not: at the start or when asked."""
    key, enrolled = lab.joined()
    token = lab.token("node8")
    chance, path = random.Random(seed), lab.home / LEDGER
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 8, 64])):
        data[chance.randrange(len(data) if seed % 2 else 100)] ^= chance.randrange(1, 256)
    path.write_bytes(data)
    refused = []
    for ask in (
        lambda: again(lab),
        lambda: lab.authority.renew(RenewNode(certificate=enrolled.certificate, csr=make_csr(key))),
        lambda: lab.enrol(token, new_key()),
        lambda: lab.token("node9"),
        lambda: lab.authority.revoke("node7"),
    ):
        try:
            ask()
        except GlasnostError as error:
            refused.append(str(error))
    assert all("\n" not in why for why in refused)
    assert path.stat().st_size >= len(data), "nothing was made anew"


def test_damage_while_it_serves_is_told_to_who_asks_and_nothing_is_changed(lab: Lab) -> None:
    key, enrolled = lab.joined()
    token, path = lab.token("node8"), lab.home / LEDGER
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    renewal = RenewNode(certificate=enrolled.certificate, csr=make_csr(key))
    with pytest.raises(SettingsError, match=r"is damaged .*: restore a copy of it"):
        lab.enrol(token, new_key())
    with pytest.raises(SettingsError, match=r"is damaged .*: restore a copy of it"):
        lab.authority.renew(renewal)
    path.write_bytes(whole)
    lab.authority.renew(renewal)
    lab.enrol(token, new_key())  # it was not used up
