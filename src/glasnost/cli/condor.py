"""``glasnost condor``: what concerns HTCondor."""

from __future__ import annotations

import click

from glasnost.cli.lazy import Lazy

#: Where each command is: imported when it is asked for.
COMMANDS = {
    "status": "glasnost.cli.condor_status:status",
    "locate": "glasnost.cli.condor_status:locate",
    "ping": "glasnost.cli.condor_ping:ping",
    "explain": "glasnost.cli.condor_ping:explain",
    "sinful": "glasnost.cli.condor_sinful:sinful",
    "bridge": "glasnost.cli.condor_bridge:bridge",
    "matrix": "glasnost.cli.condor_matrix:matrix",
    "token": "glasnost.cli.condor_token:token",
    "config": "glasnost.cli.condor_lines:config",
}


@click.group(cls=Lazy, places=COMMANDS)
def condor() -> None:
    """What concerns HTCondor."""
