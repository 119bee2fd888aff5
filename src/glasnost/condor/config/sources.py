"""Finds HTCondor's configuration on this host and reads it in HTCondor's order.

The first file (``CONDOR_CONFIG``, or the first of three places), the directories and files that
it names, the user's own, and ``_CONDOR_*`` of the environment. No command is ever run.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from glasnost.condor.config.interpreter import Finding, Interpreter
from glasnost.condor.config.limits import MAX_FILE
from glasnost.condor.config.own_address import Device, own_addresses
from glasnost.condor.config.protection import listed, truth
from glasnost.condor.config.settings import CondorConfig, config_of
from glasnost.condor.config.statements import Wrong
from glasnost.condor.config.table import Table
from glasnost.errors import SettingsError

ONLY_ENV: Final = "ONLY_ENV"
_PREFIX: Final = "_condor_"


@dataclass(frozen=True)
class Host:
    """What the configuration may depend on. The defaults are this process' own."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    #: Home of the user, and of an account called condor; empty: there is none.
    home: str = field(default_factory=lambda: _home_of(os.geteuid()))
    condor_home: str = field(default_factory=lambda: _home_of("condor"))
    user: str = field(default_factory=lambda: _name_of(os.getuid()))
    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)
    #: The host's name, in full if it has one; asked for once, since it may ask DNS.
    hostname: Callable[[], str] = field(default_factory=lambda: cache(_hostname))
    #: Its addresses, asked for where a setting depends on them.
    devices: Callable[[], list[Device]] = field(default_factory=lambda: cache(_devices))
    #: Below which the first file is looked for.
    root: str = "/"


def read_config(
    subsystem: str = "TOOL", local_name: str = "", host: Host | None = None
) -> CondorConfig:
    """HTCondor's configuration as a program of this subsystem reads it.

    Where there is none at all, its defaults. Raises `SettingsError` for what HTCondor's own
    programs refuse too, and for a setting that cannot be worked out here.
    """
    table, files, findings = read_table(subsystem, local_name, host or Host())
    return config_of(table, files, findings)


def read_table(
    subsystem: str, local_name: str, host: Host
) -> tuple[Table, tuple[str, ...], tuple[Finding, ...]]:
    """All that is set, the files it was read from, and what was not understood in them."""
    reading = _Reading(subsystem, local_name, host)
    reading.all()
    return reading.table, tuple(reading.interpreter.files), tuple(reading.interpreter.findings)


class _Reading:
    def __init__(self, subsystem: str, local_name: str, host: Host) -> None:
        self.host = host
        self.table = Table(subsystem, local_name, host.environ)
        self.interpreter = Interpreter(self.table, read_text)
        self.subsystem, self.local_name = subsystem, local_name

    def all(self) -> None:
        self._set(
            {
                "TILDE": self.host.condor_home,
                "SUBSYSTEM": self.subsystem,
                "LOCALNAME": self.local_name or self.subsystem,
                "CONDORISADMIN": "true" if self.host.is_root else "false",
                "ARCH": os.uname().machine.upper(),
                "OPSYS": os.uname().sysname.upper(),
            }
        )
        only_env = self.host.environ.get("CONDOR_CONFIG", "").upper() == ONLY_ENV
        if not only_env and (first := find_first(self.host)):
            self.table.set_from_outside("CONFIG_ROOT", os.path.dirname(first) or ".")
            self._file(first)
        self._names()
        if not only_env:
            self._further_files()
        for name, value in self.host.environ.items():
            if name.lower().startswith(_PREFIX) and (name := name[len(_PREFIX) :].strip()):
                self.table.set_from_outside(name, value.lstrip())
        self._names()
        self.table.found_out = lambda: own_addresses(self.table, self.host.devices())

    def _further_files(self) -> None:
        before = self._value("LOCAL_CONFIG_DIR")
        self._directories(before)
        self._local_files()
        if (after := self._value("LOCAL_CONFIG_DIR")) != before:
            self._directories(after)
        user = self._value("USER_CONFIG_FILE")
        if user and not self.host.is_root:
            path = user if os.path.isabs(user) else os.path.join(self.host.home, ".condor", user)
            if os.access(path, os.R_OK):
                self._file(path)

    def _directories(self, value: str) -> None:
        for directory in listed(value):
            for path in files_in(directory, self._value("LOCAL_CONFIG_DIR_EXCLUDE_REGEXP")):
                self._required(path)

    def _local_files(self) -> None:
        """Each file may change the list; those that are done are not read again."""
        done: set[str] = set()
        while left := [one for one in self._local() if one not in done]:
            done.add(left[0])
            if "|" in left[0]:
                text = f"LOCAL_CONFIG_FILE: the command `{left[0]}` is not run"
                self.interpreter.findings.append(Finding("", 0, text))
            else:
                self._required(left[0])

    def _local(self) -> tuple[str, ...]:
        value = self._value("LOCAL_CONFIG_FILE")
        return (value,) if "|" in value else listed(value)

    def _required(self, path: str) -> None:
        """A file that is named has to be there, unless the configuration says otherwise."""
        must = truth(self._value("REQUIRE_LOCAL_CONFIG_FILE")) is not False
        if must or os.access(path, os.R_OK):
            self._file(path)

    def _file(self, path: str) -> None:
        try:
            self.interpreter.run(path)
        except OSError as error:
            raise SettingsError(f"cannot read HTCondor's {path}: {error.strerror}") from None

    def _value(self, name: str) -> str:
        try:
            return self.table.value(name)
        except Wrong as wrong:
            raise SettingsError(f"HTCondor's configuration, {name}: {wrong}") from None

    def _names(self) -> None:
        """What nobody can set otherwise. HTCondor does not look either before the first file is
        read, which may say DEFAULT_DOMAIN_NAME."""
        full = self._value("NETWORK_HOSTNAME") or self.host.hostname()
        if "." not in full and (domain := self._value("DEFAULT_DOMAIN_NAME")):
            full = f"{full}.{domain.removeprefix('.')}"
        self._set(
            {
                "TILDE": self.host.condor_home,
                "HOSTNAME": full.partition(".")[0],
                "FULL_HOSTNAME": full,
                "SUBSYSTEM": self.subsystem,
                "LOCALNAME": self.local_name or self.subsystem,
                "USERNAME": self.host.user,
                "REAL_UID": str(self.host.uid),
                "REAL_GID": str(self.host.gid),
                "PID": str(os.getpid()),
                "PPID": str(os.getppid()),
            }
        )

    def _set(self, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            if value:
                self.table.set_from_outside(name, value)


def find_first(host: Host) -> str | None:
    """The file with which reading begins; None where HTCondor has none on this host."""
    if named := host.environ.get("CONDOR_CONFIG"):
        if os.path.isdir(named):
            raise SettingsError(f"CONDOR_CONFIG is {named}, which is a directory")
        if not os.path.exists(named):
            what = "is a command, which is not run" if "|" in named else "is not there"
            raise SettingsError(f"CONDOR_CONFIG is {named}, which {what}")
        return None if named == os.devnull else named
    usual = ["etc/condor/condor_config", "usr/local/etc/condor_config"]
    places = [os.path.join(host.root, one) for one in usual]
    if host.condor_home:
        places.append(os.path.join(host.condor_home, "condor_config"))
    return next((place for place in places if os.access(place, os.R_OK)), None)


def files_in(directory: str, exclude: str) -> list[str]:
    """The files of a directory that HTCondor looks at, in its order; none where it is not there."""
    try:
        pattern = re.compile(exclude) if exclude else None
        names = [one.name for one in os.scandir(directory) if not one.is_dir()]
    except re.error as error:
        text = f"LOCAL_CONFIG_DIR_EXCLUDE_REGEXP is no regular expression: {error}"
        raise SettingsError(text) from None
    except OSError:
        return []
    wanted = (name for name in names if pattern is None or not pattern.search(name))
    return sorted((os.path.join(directory, name) for name in wanted), key=os.fsencode)


def read_text(path: str) -> str:
    """The text of a file of bounded size. Bytes that are no UTF-8 are usually in comments."""
    with open(path, "rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise SettingsError(f"{path}: more than {MAX_FILE} bytes")
    if b"\0" in data:
        raise SettingsError(f"{path}: it is no text")
    return data.decode(errors="replace")


def _hostname() -> str:
    name = socket.gethostname()
    try:
        found = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)
    except OSError:
        return name
    return found[0][3] or name


def _devices() -> list[Device]:
    import psutil

    states = psutil.net_if_stats()
    return [
        Device(name, ipaddress.ip_address(one.address), name in states and states[name].isup)
        for name, entries in psutil.net_if_addrs().items()
        for one in entries
        if one.family in (socket.AF_INET, socket.AF_INET6)
    ]


def _home_of(user: int | str) -> str:
    import pwd

    try:
        entry = pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
    except KeyError:
        return ""
    return entry.pw_dir


def _name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
