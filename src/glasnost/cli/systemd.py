"""``glasnost systemd print|install``: the daemons as units of systemd."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from glasnost.cli import common
from glasnost.cli.output import note, say
from glasnost.daemons.units import ROLES, SYSUSERS, units
from glasnost.errors import SettingsError

_user = click.option("--user", is_flag=True, help="For your own manager, without root.")
_roles = click.argument("roles", nargs=-1, required=True, type=click.Choice(list(ROLES)))


@click.group()
def systemd() -> None:
    """Run the daemons under systemd."""


@systemd.command("print")
@_user
@_roles
def print_(roles: tuple[str, ...], user: bool) -> None:
    """Show the units of these daemons."""
    for name, text in _units(roles, user).items():
        say(f"# {name}\n{text}")


@systemd.command()
@_user
@_roles
def install(roles: tuple[str, ...], user: bool) -> None:
    """Write the units of these daemons where systemd looks for them.

    For the system they run as the user glasnost, keep what they know in /var/lib/glasnost, and can
    write nowhere else. Nothing is started: what to type next is printed.
    """
    if not user and os.getuid() != 0:
        raise SettingsError("units of the system are root's to write; --user: for your own manager")
    folder = _user_folder() if user else Path("/etc/systemd/system")
    found = _units(roles, user)
    for name, text in found.items():
        _write(folder / name, text)
    if not user:
        _write(Path("/etc/sysusers.d/glasnost.conf"), SYSUSERS)
    control = "systemctl --user" if user else "systemctl"
    steps = [] if user else ["systemd-sysusers"]
    steps += [f"{control} daemon-reload", f"{control} enable --now {' '.join(found)}"]
    note("now type: " + " && ".join(steps))


def _units(roles: tuple[str, ...], user: bool) -> dict[str, str]:
    _, settings = common.settings()
    if {"up", "agent"} <= set(roles):
        raise click.UsageError("a host has one agent: `up` brings its own")
    if not settings.port:
        raise SettingsError("port is 0, and systemd has to know which one to open")
    command = f"{sys.executable} -m glasnost"
    return dict(pair for role in roles for pair in units(role, command, settings, user=user))


def _user_folder() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "systemd" / "user"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from error
    say(str(path))
