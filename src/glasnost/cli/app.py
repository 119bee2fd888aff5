"""The table of commands, and what becomes of errors."""

from __future__ import annotations

import importlib
import sys

import click

from glasnost import __version__
from glasnost.cli.output import complain
from glasnost.errors import GlasnostError

#: Where each command is: imported when it is asked for.
COMMANDS = {
    "up": "glasnost.cli.up:up",
    "init": "glasnost.cli.init:init",
    "agent": "glasnost.cli.daemons:agent",
    "broker": "glasnost.cli.daemons:broker",
    "directory": "glasnost.cli.daemons:directory",
    "authority": "glasnost.cli.daemons:authority",
    "token": "glasnost.cli.token:token",
    "join": "glasnost.cli.join:join",
    "expose": "glasnost.cli.expose:expose",
    "forward": "glasnost.cli.forward:forward",
    "connect": "glasnost.cli.connect_command:connect",
    "ls": "glasnost.cli.ls:ls",
    "lookup": "glasnost.cli.lookup:lookup",
    "explain": "glasnost.cli.explain:explain",
    "status": "glasnost.cli.status:status",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="glasnost")
def glasnost() -> None:
    """Connects programs by name across NAT, firewalls, private networks and the IPv4/IPv6 divide.

    \b
      glasnost up                                  a pool on this machine
      glasnost expose web --to 127.0.0.1:8000      give a TCP service a name
      glasnost forward 9000 web.HOST               reach it
    """


def run() -> None:
    """Run a command. Status: 0 done, 1 it could not be done, 2 it was called wrongly, 130 ^C."""
    try:
        status = glasnost.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as error:
        complain(error.format_message())
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(f"glasnost: hint: {error.ctx.command_path} --help", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except (GlasnostError, OSError) as error:
        complain(_sentence(error))
        sys.exit(1)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, GlasnostError):
        where = f"{error.filename}: " if error.filename else ""
        return where + (error.strerror or str(error)).lower()
    return str(error)
