"""The table of commands, and what becomes of errors."""

from __future__ import annotations

import errno
import sys

import click

from glasnost import __version__
from glasnost.cli.lazy import Lazy
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
    "systemd": "glasnost.cli.systemd:systemd",
    "token": "glasnost.cli.token:token",
    "join": "glasnost.cli.join:join",
    "expose": "glasnost.cli.expose:expose",
    "forward": "glasnost.cli.forward:forward",
    "connect": "glasnost.cli.connect_command:connect",
    "ls": "glasnost.cli.ls:ls",
    "watch": "glasnost.cli.watch:watch",
    "lookup": "glasnost.cli.lookup:lookup",
    "explain": "glasnost.cli.explain:explain",
    "match": "glasnost.cli.match:match",
    "ping": "glasnost.cli.ping:ping",
    "status": "glasnost.cli.status:status",
    "reload": "glasnost.cli.reload:reload",
    "doctor": "glasnost.cli.doctor:doctor",
    "condor": "glasnost.cli.condor:condor",
    "route": "glasnost.cli.route:route",
}


@click.group(cls=Lazy, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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
        status = glasnost.main(prog_name="glasnost", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.UsageError as error:
        _show_usage(error)
        sys.exit(2)
    except click.ClickException as error:
        complain(_sentence(error.format_message()))
        sys.exit(1)
    except GlasnostError as error:
        taken = getattr(error.__cause__, "errno", None) == errno.EADDRINUSE
        complain(str(error), "another program listens there: choose another port" if taken else "")
        sys.exit(1)
    except BrokenPipeError:  # who read our output has gone, and needs no sentence
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(where + (error.strerror or str(error)).lower())
        sys.exit(1)


def _show_usage(error: click.UsageError) -> None:
    if error.ctx is not None and not error.ctx.args and error.message == error.ctx.get_help():
        print(error.message, file=sys.stderr)  # a group without a command
        return
    hint = "" if error.ctx is None else f"{error.ctx.command_path} --help"
    complain(_sentence(error.format_message()), hint)


def _sentence(message: str) -> str:
    """Click's messages as ours are: on one line, without the period."""
    return " ".join(message.split()).removesuffix(".")
