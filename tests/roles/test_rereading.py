"""Settings that are read again: what holds at once, what at the next start, what never."""

from __future__ import annotations

import pytest

from glasnost.errors import SettingsError
from glasnost.roles.agent.rereading import KEPT, Rereading, reread
from glasnost.settings import ExitSetting, Settings

CASES = [
    # what                 before                     found                       changed     kept
    ("nothing", Settings(), Settings(), (), ()),
    ("the policy", Settings(prefer=("fast",)), Settings(avoid=("fast",)), ("prefer", "avoid"), ()),
    ("the port", Settings(), Settings(port=1), (), ("port",)),
    (
        "both",
        Settings(log="json"),
        Settings(exits=(ExitSetting(("ip4@lab",)),), listen=("::1",)),
        ("exits",),
        ("listen", "log"),
    ),
]


@pytest.mark.parametrize(
    ("before", "found", "changed", "kept"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_what_is_others_holds_or_is_kept(
    before: Settings, found: Settings, changed: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    answer = reread(before, found)
    assert (set(answer.changed), set(answer.kept)) == (set(changed), set(kept))
    for name in Settings.__struct_fields__:
        source = before if name in KEPT else found
        assert getattr(answer.settings, name) == getattr(source, name)


def test_what_must_not_wait_for_a_restart_does_not() -> None:
    at_once = {"prefer", "avoid", "costs", "prefer_protocol", "relay", "meet", "exits", "proxies"}
    at_once |= {"tls", "ssh", "knocks", "sockets", "setups", "networks", "advertise", "brokers"}
    assert at_once <= {*Settings.__struct_fields__} - {*KEPT}
    assert {*KEPT} <= {*Settings.__struct_fields__}


def test_it_says_in_a_sentence_what_became_of_them() -> None:
    assert str(reread(Settings(), Settings())) == "nothing has changed"
    found = reread(Settings(), Settings(prefer=("fast",), port=1))
    assert str(found) == "changed: prefer; only from the next start on: port"


def test_what_cannot_be_used_changes_nothing_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> Settings:
        raise SettingsError("glasnost.toml: Invalid value (at line 1, column 9)")

    rereading = Rereading(broken)
    at = rereading.at
    with pytest.raises(SettingsError):
        rereading.again(Settings(), lambda settings: None)
    assert rereading.at == at
    assert "the settings stay as they were: glasnost.toml: Invalid value" in caplog.text


def test_an_agent_inside_a_program_has_what_it_was_given() -> None:
    with pytest.raises(SettingsError, match="does not read settings again"):
        Rereading(None).again(Settings(), lambda settings: None)
