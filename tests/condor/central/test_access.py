"""Who may do what."""

from __future__ import annotations

import pytest

from glasnost.condor.central.access import Access, Entry, policies
from glasnost.condor.commands import Level
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.sessions import Identity
from glasnost.condor.security.words import Word
from glasnost.errors import SettingsError

CONDOR, ROOT, BOB = "condor@pool", "root@host", "bob@pool"
NOBODY = "unauthenticated@unmapped"
HERE = "10.1.2.3:5"

ENTRIES = [
    # entry, user, address, whether it means them
    ("*", NOBODY, HERE, True),
    ("condor@*", CONDOR, HERE, True),
    ("condor@*", "condor2@pool", HERE, False),
    ("*@pool", BOB, HERE, True),
    ("condor@pool/10.0.0.0/8", CONDOR, HERE, True),
    ("condor@pool/10.0.0.0/8", CONDOR, "11.1.2.3:5", False),
    ("condor@pool/10.0.0.0/8", BOB, HERE, False),
    ("*/10.1.2.3", BOB, HERE, True),
    ("10.1.2.3", BOB, HERE, True),
    ("10.1.2.4", BOB, HERE, False),
    ("10.1.*", BOB, HERE, True),
    ("10.1.*", BOB, "10.10.2.3:5", False),
    ("2001:db8::/32", BOB, "[2001:db8::7]:5", True),
    ("2001:db8:*", BOB, "[2001:db8::7]:5", True),
    ("10.0.0.0/8", BOB, "a leg of a relay", False),
    ("a.b@pool", "aXb@pool", HERE, False),
]


@pytest.mark.parametrize("entry, user, address, means", ENTRIES)
def test_entries(entry: str, user: str, address: str, means: bool) -> None:
    host = address.rpartition(":")[0].strip("[]")
    assert Entry.of(entry).means(user, host) is means


@pytest.mark.parametrize("entry", ["cm.example.org", "condor@pool/cm.example.org", "10.0.0.0/40"])
def test_names_of_hosts_are_no_entries(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"condor\.allow\.READ: .* is none of USER@DOMAIN"):
        Access({"READ": (entry,)}, {})


@pytest.mark.parametrize("level", ["READ ", "EVERYTHING", "ALLOW"])
def test_a_permission_that_is_none(level: str) -> None:
    with pytest.raises(SettingsError, match=r"condor\.deny: .* is none of READ, WRITE, "):
        Access({}, {level: ("*",)})


def may(access: Access, user: str, address: str = HERE) -> set[Level]:
    return {level for level in Level if access(level, Identity(user, "FS"), address)}


ASKS = {Level.ALLOW, Level.READ, Level.WRITE}
ADVERTISES = {Level.ADVERTISE_STARTD, Level.ADVERTISE_SCHEDD, Level.ADVERTISE_MASTER}


def test_what_is_recommended_holds_where_nothing_is_said() -> None:
    access = Access({}, {})
    assert may(access, NOBODY) == ASKS == may(access, BOB)
    everything = {Level.DAEMON, Level.NEGOTIATOR, Level.ADMINISTRATOR, *ADVERTISES}
    assert may(access, CONDOR) == ASKS | everything == may(access, "condor@password")
    assert may(access, ROOT) == ASKS | {Level.ADMINISTRATOR}


def test_who_may_be_a_daemon_may_advertise_unless_others_are_named() -> None:
    access = Access({"DAEMON": (BOB,)}, {})
    assert may(access, BOB) == ASKS | ADVERTISES | {Level.DAEMON}
    assert Level.DAEMON not in may(access, CONDOR)
    access = Access({"DAEMON": (BOB,), "ADVERTISE_STARTD": (ROOT,)}, {})
    assert Level.ADVERTISE_STARTD not in may(access, BOB)
    assert Level.ADVERTISE_STARTD in may(access, ROOT)


def test_who_may_more_may_less() -> None:
    access = Access({"READ": (), "WRITE": (), "ADVERTISE_STARTD": (BOB,)}, {})
    assert may(access, BOB) == {Level.ALLOW, Level.READ, Level.ADVERTISE_STARTD}
    assert may(access, NOBODY) == set()


def test_who_is_denied_is_denied_whatever_is_allowed() -> None:
    access = Access({}, {"DAEMON": ("*/10.1.0.0/16",), "READ": ("*/10.9.0.0/16",)})
    assert Level.DAEMON not in may(access, CONDOR)
    assert Level.DAEMON in may(access, CONDOR, "10.2.0.1:5")
    assert Level.READ not in may(access, CONDOR, "10.9.0.1:5")


def test_everything_is_encrypted_and_who_tells_logs_in() -> None:
    wanted = policies(True, (Method.TOKEN,))
    for level in Level:
        policy = wanted(level)
        if level is Level.ALLOW:
            assert not policy.requires
            continue
        assert policy.encryption is policy.integrity is Word.REQUIRED
        assert policy.authentication is (Word.OPTIONAL if level is Level.READ else Word.REQUIRED)
    assert not any(policies(False, ())(level).requires for level in Level)
