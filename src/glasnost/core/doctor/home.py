"""The state directory, the directory of sockets, and the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glasnost.core.doctor.facts import Disk, HomeFacts, Item, SettingsFacts
from glasnost.core.doctor.finding import Area, Finding, Writer

#: Below this, certificates and records may not get written: a directory's write-ahead log alone
#: grows to 4 MB.
NO_ROOM: Final = 16 << 20
#: Below this it is time to look: a directory of 100,000 records has 200 MB.
LITTLE_ROOM: Final = 200 << 20

_write = Writer(Area.HOME)
_settings = Writer(Area.SETTINGS)


def judge(facts: HomeFacts) -> Iterator[Finding]:
    """The home, its keys, the sockets, the disk."""
    home = facts.home
    if home.kind in ("missing", "hidden") or not facts.joined:
        yield from _not_joined(facts)
        return
    if home.owner != facts.user and facts.user != 0:
        yield _foreign(facts, home)  # and what is in it is its owner's business
        return
    found = [
        *_private(facts, home),
        *_keys(facts),
        *_sockets(facts),
        *([] if facts.disk is None else _disk(home.path, facts.disk)),
    ]
    yield from found
    if not found:
        free = "" if facts.disk is None else f", with {size(facts.disk.free)} free"
        yield _write.ok(f"{home.path} and its keys are private{free}")


def judge_settings(facts: SettingsFacts) -> Iterator[Finding]:
    """Whether the settings can be read, and mean what was meant."""
    for one in facts.unknown:
        meant = f": did you mean {one.similar}?" if one.similar else ""
        what = f"{one.source}: {one.name} is no setting{meant}"
        known = "correct or remove it; docs/reference/settings.md has them all"
        if one.source == "environment":  # nobody reads it
            yield _settings.warning(what, known)
        else:
            yield _settings.problem(what, known)
    if facts.problem:
        yield _settings.problem(
            facts.problem, "correct it: no daemon starts with this; the rest here uses defaults"
        )
    if facts.unfit:
        yield _settings.problem(facts.unfit, "correct it: no agent starts with this")
    if facts.newer:
        yield _settings.note(
            f"{facts.path} was changed after the agent had read it", "type `glasnost reload`"
        )
    if not (facts.problem or facts.unfit or facts.unknown):
        where = (
            f"{facts.path} can be used" if facts.there else "no file; everything has its default"
        )
        yield _settings.ok(where)


def _not_joined(facts: HomeFacts) -> Iterator[Finding]:
    for one in facts.elsewhere:
        if one.owner != facts.user:
            yield _write.note(
                f"{one.path} is there and belongs to {one.owner_name}",
                f"if that is the host's own, run this as {one.owner_name}"
                + (" (sudo glasnost doctor)" if one.owner == 0 else ""),
            )
    if facts.home.kind == "hidden":
        yield _write.problem(
            f"{facts.home.path} may not be looked at by {facts.user_name}",
            "run this as the user who runs the agent, or as root",
        )
        return
    yield _write.problem(
        f"this host has joined no pool, as far as {facts.user_name} can see: "
        f"{facts.home.path} holds none",
        "run `glasnost up` for a pool of its own, or `glasnost join` with a token "
        "(GLASNOST_HOME says where else to look)",
    )


def _private(facts: HomeFacts, item: Item) -> Iterator[Finding]:
    """A directory that only its owner may enter."""
    if item.kind != "directory":
        yield _write.problem(f"{item.path} is no directory", "move it away")
    elif item.owner != facts.user and facts.user != 0:
        yield _foreign(facts, item)
    elif item.owner != facts.user and (item is facts.home or item.owner != facts.home.owner):
        yield _write.note(
            f"{item.path} belongs to {item.owner_name}: its agent runs as that user, not as root"
        )
    if item.kind == "directory" and item.mode & 0o077:
        yield _write.warning(
            f"{item.path} may be entered by others (mode {item.mode:04o})",
            f"chmod 700 {item.path}",
        )


def _foreign(facts: HomeFacts, item: Item) -> Finding:
    return _write.problem(
        f"{item.path} belongs to {item.owner_name}, and this is {facts.user_name}",
        f"run this, and the agent, as {item.owner_name}",
    )


def _keys(facts: HomeFacts) -> Iterator[Finding]:
    for item in facts.keys:
        if item.kind == "missing":
            yield _write.problem(f"{item.path} is missing", "restore it, or join the pool again")
        elif item.kind == "file" and item.mode & 0o077:
            yield _write.problem(
                f"{item.path} is a private key that others may read (mode {item.mode:04o}), "
                "and is refused",
                f"chmod 600 {item.path}; if others have been here, join again with a new key",
            )
    settings = facts.settings
    if settings is not None and settings.kind == "file" and settings.mode & 0o022:
        yield _write.warning(
            f"{settings.path} may be written by others (mode {settings.mode:04o})",
            f"chmod go-w {settings.path}",
        )


def _sockets(facts: HomeFacts) -> Iterator[Finding]:
    """The run directory: missing while no agent runs, and then that is all."""
    if facts.run.kind == "hidden":
        yield _write.problem(
            f"{facts.run.path} may not be looked at by {facts.user_name}",
            "run this as the user who runs the agent, or as root",
        )
    elif facts.run.kind != "missing":
        yield from _private(facts, facts.run)
    if facts.socket.kind == "socket" and not facts.agent_lives:
        yield _write.note(
            f"{facts.socket.path} was left by an agent that did not end properly",
            "nothing: the next agent replaces it",
        )


def _disk(path: str, disk: Disk) -> Iterator[Finding]:
    if disk.read_only:
        yield _write.problem(
            f"{path} cannot be written to: its file system is read-only",
            "mount it for writing: certificates could not be renewed",
        )
    elif disk.free < NO_ROOM:
        yield _write.problem(
            f"only {size(disk.free)} are free where {path} lies",
            "make room: certificates and records could not be written",
        )
    elif disk.free < LITTLE_ROOM:
        yield _write.warning(f"only {size(disk.free)} are free where {path} lies", "make room")


def size(count: int) -> str:
    """Bytes as people say them.

    >>> size(900), size(16 << 20), size(12_300_000_000)
    ('900 bytes', '16.8 MB', '12.3 GB')
    """
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} bytes"
