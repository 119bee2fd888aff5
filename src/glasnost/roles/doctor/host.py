"""Facts of this host alone: files, settings, certificates, processes. Nobody else is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import pwd
import resource
import shutil
import stat
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import psutil

from glasnost.core.doctor.facts import (
    CertificateFacts,
    Disk,
    HomeFacts,
    Item,
    Process,
    ProcessFacts,
    SettingsFacts,
    Unknown,
)
from glasnost.core.protocols.broker_words import Limits
from glasnost.core.text import in_one_line
from glasnost.errors import GlasnostError, SettingsError, TrustError
from glasnost.net.interfaces import read_host
from glasnost.roles.directory import MAX_CHANNELS
from glasnost.roles.home import NodeIdentity
from glasnost.roles.registrar import RENEWAL_GRACE
from glasnost.roles.vantage import check_host
from glasnost.settings import (
    TABLES,
    ExitSetting,
    Network,
    Settings,
    load_settings,
    settings_file,
)
from glasnost.trust import checks

#: Variables that are no settings, and are read: by us, and by the project's own tools.
_VARIABLES: Final = frozenset({"HOME", "RUN", "CONFIG", "LAB", "TOOLS"})
_KINDS: Final[dict[int, Literal["directory", "file", "socket", "other"]]] = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFSOCK: "socket",
}
#: Descriptors that a role's own limits need, a quarter being left to others, as in `Limits.within`.
_WANTS: Final = {
    "broker": (Limits().targets + 2 * Limits().streams) * 4 // 3,
    "directory": MAX_CHANNELS * 4 // 3,
}


# --- home and permissions -----------------------------------------------------------------------


def read_home(home: Path, run: Path, agent_lives: bool) -> HomeFacts:
    """How the state directory and that of the sockets lie there."""
    keys = [home / "node.key"]
    if _item(home / "authority").kind == "directory":
        keys.append(home / "authority" / "root.key")
    found = _item(home)
    joined = _item(home / "pool.json").kind == "file"
    places = (Path("/var/lib/glasnost"), Path("/run/glasnost"))
    elsewhere = [_item(place) for place in places if place not in (home, run)]
    return HomeFacts(
        user=os.getuid(),
        user_name=user_name(os.getuid()),
        home=found,
        joined=joined,
        run=_item(run),
        socket=_item(run / "agent.sock"),
        agent_lives=agent_lives,
        keys=tuple(map(_item, keys)) if joined else (),
        settings=_item(settings_file(home)),
        disk=_disk(home) if found.kind == "directory" else None,
        elsewhere=tuple(one for one in elsewhere if one.kind == "directory"),
    )


def is_ours(directory: Path) -> bool:
    """Whether it is our own user's."""
    found = _item(directory)
    return found.kind == "directory" and found.owner == os.getuid()


def is_open(directory: Path) -> bool:
    """Whether what is private in it can be read: it is ours, or we are root."""
    return is_ours(directory) or os.getuid() == 0


def foreign_owner(run: Path) -> str:
    """Whose sockets lie there, if they are not ours."""
    found = _item(run)
    if found.kind in ("missing", "hidden") or found.owner == os.getuid():
        return ""
    return found.owner_name


def user_name(user: int) -> str:
    """A user as people call it."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _item(path: Path) -> Item:
    try:
        found = path.stat()
    except PermissionError:
        return Item(str(path), "hidden")
    except OSError:  # missing, or what stands before it is no directory
        return Item(str(path))
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")
    mode = stat.S_IMODE(found.st_mode)
    return Item(str(path), kind, mode, found.st_uid, user_name(found.st_uid))


def holder(home: Path) -> int:
    """The process that holds this home, as `daemons.alone` writes it; 0: nobody does.

    The lock is not tried: an agent that starts in that moment would find it taken.
    """
    lock = home / "agent.lock"
    try:
        who, number = lock.read_text()[:20].strip(), str(lock.stat().st_ino)
        locks = Path("/proc/locks").read_text()
    except OSError:
        return 0
    # "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF"
    held = (line.split() for line in locks.splitlines())
    mine = ("FLOCK", who, number)
    found = any(mine == (one[1], one[4], one[5].rpartition(":")[2]) for one in held if len(one) > 5)
    return int(who) if found and who.isascii() and who.isdigit() else 0


def _disk(home: Path) -> Disk | None:
    try:
        return Disk(shutil.disk_usage(home).free, bool(os.statvfs(home).f_flag & os.ST_RDONLY))
    except OSError:
        return None


# --- settings -----------------------------------------------------------------------------------


def read_settings(home: Path) -> tuple[Settings, SettingsFacts]:
    """The settings, or their defaults where they cannot be used, and what is to say of them."""
    config = settings_file(home)
    settings, problem, unfit = Settings(), "", ""
    unknown = [*_unknown_words(config), *_unknown_variables(os.environ)]
    try:
        settings = load_settings(home)
    except SettingsError as error:
        named = any(one.source != "environment" for one in unknown)
        # The words that are unknown are told one by one, with what they may have meant.
        problem = "" if named and "unknown field" in str(error) else str(error)
    with contextlib.suppress(OSError):
        try:
            check_host(read_host(), settings)
        except SettingsError as error:
            unfit = str(error)
    there = config.exists()
    return settings, SettingsFacts(str(config), there, problem, unfit, tuple(unknown))


def held_against(facts: SettingsFacts, read: float) -> SettingsFacts:
    """The same, with whether the file was changed after an agent had read it."""
    try:
        changed = Path(facts.path).stat().st_mtime
    except OSError:
        return facts
    return dataclasses.replace(facts, newer=changed > read)


def _unknown_words(path: Path) -> Iterator[Unknown]:
    try:
        words = tomllib.loads(path.read_text())
    except (
        OSError,
        ValueError,
        RecursionError,
    ):  # what is wrong with the file is told by who loads it
        return
    yield from _strangers(words, Settings.__struct_fields__, str(path))
    for name, table in (("networks", Network), ("exits", ExitSetting)):
        entries = words.get(name)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping):
                where = f"{path}: [[{name}]]"
                yield from _strangers(entry, table.__struct_fields__, where)


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[Unknown]:
    given = [name.removeprefix("GLASNOST_") for name in environment if name.startswith("GLASNOST_")]
    fields = {one.name for one in msgspec.structs.fields(Settings)} - TABLES
    known = {one.upper() for one in fields} | _VARIABLES
    for one in _strangers(sorted(given), known, "environment"):
        similar = one.similar and f"GLASNOST_{one.similar}"
        yield Unknown(f"GLASNOST_{one.name}", one.source, similar)


def _strangers(names: Iterable[str], known: Iterable[str], source: str) -> Iterator[Unknown]:
    known = list(known)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            yield Unknown(name, source, close[0] if close else "")


def is_taken(settings: Settings) -> bool:
    """Whether somebody else listens where an agent would. (Nothing is bound to find out: an agent
    that starts in that moment would find it taken.)"""
    anywhere = {"0.0.0.0", "::"}
    wanted = set(settings.listen)
    hosts = set()
    for one in psutil.net_connections("tcp"):
        host, port = (*one.laddr, "", 0)[:2]
        if one.status == psutil.CONN_LISTEN and port == settings.port:
            hosts.add(host)
    return bool(hosts & (wanted | anywhere) or (hosts and wanted & anywhere))


# --- the certificate ----------------------------------------------------------------------------


def read_certificate(home: Path, now: float, status: Mapping[str, Any] | None) -> CertificateFacts:
    """This node's, by what its agent says (``status``; None: it does not run) and its files."""
    try:
        identity = NodeIdentity(home)
    except GlasnostError as error:
        return CertificateFacts(now, problem=str(error))
    untrusted = ""
    try:
        checks.check_issued(identity.root, identity.certificate)
    except TrustError as error:
        untrusted = str(error)
    return CertificateFacts(
        now=now,
        host=f"{identity.node}.{identity.domain}",
        not_before=identity.certificate.not_valid_before_utc.timestamp(),
        not_after=identity.not_after,
        renew_at=identity.renew_at(),
        root_not_after=checks.not_after(identity.root),
        grace=RENEWAL_GRACE,
        untrusted=untrusted,
        renewal_problem=in_one_line((status or {}).get("renewal_problem", "")),
        agent_runs=status is not None,
    )


# --- descriptors --------------------------------------------------------------------------------


def read_processes(status: Mapping[str, Any] | None) -> ProcessFacts:
    """The agent and the roles behind it; where none runs, what one started here may have."""
    if status is None or not status.get("pid"):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        bound = _bound(hard)
        return ProcessFacts((Process("an agent", 0, 0, bound, bound),), os.getuid() == 0)
    programs: list[dict[str, Any]] = status.get("programs", [])
    apart = {service for one in programs for service in one["services"]}
    own = [service for service in status["services"] if service not in apart]
    found = [_process("agent", status["pid"], own)]
    for one in programs:
        roles = [service for service in one["services"] if service in ("authority", *_WANTS)]
        if roles:
            found.append(_process(" and ".join(roles), one["pid"], roles))
    users = {_user_of(one.pid) for one in found if one is not None}
    return ProcessFacts(tuple(one for one in found if one is not None), users == {0})


def _process(name: str, pid: int, services: Iterable[str]) -> Process | None:
    """A daemon, if we may look at it and it is still there."""
    try:
        process = psutil.Process(pid)
        soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
        used = process.num_fds()
    except (psutil.Error, OSError, ValueError):
        return None
    wants = max((_WANTS.get(service, 0) for service in services), default=0)
    return Process(name, pid, used, _bound(soft), _bound(hard), wants)


def _user_of(pid: int) -> int:
    try:
        return psutil.Process(pid).uids().effective
    except psutil.Error:
        return -1


def _bound(limit: int) -> int | None:
    return None if limit in (resource.RLIM_INFINITY, -1) else limit


def age_of(pid: int) -> float:
    """For how many seconds this process has run; 0 where it cannot be told."""
    try:
        return max(0.0, time.time() - psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
