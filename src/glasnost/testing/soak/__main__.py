"""``make soak``: exit status 0 when it was passed, 1 when not (the seed is said), 2 for wrong
arguments, 3 where no lab can run, 130 after Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
from typing import TYPE_CHECKING

from glasnost.testing import interrupt

if TYPE_CHECKING:
    from rich.console import Console

CANNOT_RUN_HERE = 3
#: A log is as wide as its lines.
LOG_WIDTH = 120
#: Seconds for twenty hosts to come up, or to come to rest, on a machine that does other things too.
PATIENCE = 300.0


def main() -> int:
    interrupt.listen()
    arguments = _arguments()
    try:
        return _soak(arguments)
    except KeyboardInterrupt:
        print("\ninterrupted; everything was taken down", file=sys.stderr)
        return 130


def _arguments() -> argparse.Namespace:
    from glasnost.testing.soak.hosts import FEWEST, MOST

    parser = argparse.ArgumentParser(prog="soak", description="Many hosts, transfers and trouble.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long there is trouble")
    parser.add_argument("--seed", type=int, help="of the trouble; by default another each time")
    parser.add_argument(
        "--hosts", type=int, default=MOST, choices=range(FEWEST, MOST + 1), metavar="N",
        help=f"{FEWEST} to {MOST}",
    )  # fmt: skip
    arguments = parser.parse_args()
    if not 0 < arguments.minutes < 24 * 60:
        parser.error("--minutes: more than nothing, and less than a day")
    if arguments.seed is None:
        arguments.seed = random.randrange(1_000_000)
    return arguments


def _soak(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from glasnost.errors import GlasnostError
    from glasnost.testing.lab import LabError, LabUnavailable, enter_user_namespace

    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    console.print(f"seed {arguments.seed}, {arguments.hosts} hosts, {arguments.minutes:g} minutes")
    try:
        enter_user_namespace()
        return _run(arguments, console)
    except LabUnavailable as error:
        console.print(f"the soak cannot run here: {error}", markup=False)
        return CANNOT_RUN_HERE
    except (GlasnostError, LabError) as error:
        console.print(f"the soak of seed {arguments.seed} failed: {error}", markup=False)
        return 1


def _run(arguments: argparse.Namespace, console: Console) -> int:
    from glasnost.testing.lab import Lab
    from glasnost.testing.soak import hosts, show
    from glasnost.testing.soak.run import soak
    from glasnost.testing.world import World

    seconds = arguments.minutes * 60
    with (
        Lab() as lab,
        World(lab, patience=PATIENCE) as world,
        console.status("starting the daemons, each a process on its host") as status,
        contextlib.ExitStack() as before_leaving,
    ):
        before_leaving.callback(interrupt.deafen)
        shown = show.Show(console, seconds, status)
        outcome = soak(
            hosts.build(lab, world, arguments.hosts), arguments.seed, seconds, shown.tell
        )
    show.verdict(console, outcome)
    if outcome.problems:
        console.print(f"again: make soak ARGS='--seed {arguments.seed} "
                      f"--hosts {arguments.hosts} --minutes {arguments.minutes:g}'")  # fmt: skip
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
