"""``make demo``: exit status 0 when all ran as expected, 1 when one did not, 3 when some could not
run here, 130 after Ctrl-C."""

from __future__ import annotations

import signal
import sys

from rich.console import Console

from glasnost.core.text import printable
from glasnost.errors import GlasnostError
from glasnost.testing.demo import cases, show
from glasnost.testing.lab import Lab, LabError, LabUnavailable, enter_user_namespace
from glasnost.testing.world import World

CANNOT_RUN_HERE = 3


def main() -> int:
    # A log is as wide as its lines.
    width = None if sys.stdout.isatty() else 150
    console = Console(highlight=False, soft_wrap=True, width=width)
    # Ctrl-C, and a terminal that is closed, end it in order.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        enter_user_namespace()
        with Lab() as lab:
            return _run(lab, console)
    except LabUnavailable as error:
        names = "\n".join(f"  {case.number} {case.title}" for case in cases.CASES)
        console.print(f"these cases could not run here: {error}\n{names}", markup=False)
        return CANNOT_RUN_HERE
    except (GlasnostError, LabError) as error:
        console.print(f"the demo failed: {printable(str(error))}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; everything was taken down")
        return 130


def _run(lab: Lab, console: Console) -> int:
    hosts = cases.build(lab)
    show.internet(console, lab)
    with World(lab) as world:
        with console.status("starting the daemons, each a process on its host"):
            cases.populate(world, hosts)
        outcomes = []
        for case in cases.CASES:
            outcome = cases.run(case, world, hosts)
            show.step(console, outcome)
            if outcome.problems:
                for name in dict.fromkeys((case.client, case.server, hosts.broker.name)):
                    console.print(f"log of {name}:", style="bold")
                    console.print(printable(world.log(hosts.all[name])), markup=False)
            outcomes.append(outcome)
    show.summary(console, outcomes)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
