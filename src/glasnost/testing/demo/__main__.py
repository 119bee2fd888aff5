"""``make demo``: exit status 0 when all ran as expected, 1 when one did not, 3 when some could not
run here, 130 after Ctrl-C."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from glasnost.testing import interrupt

if TYPE_CHECKING:
    from rich.console import Console

    from glasnost.testing.lab import Lab

CANNOT_RUN_HERE = 3
#: A log is as wide as its lines.
LOG_WIDTH = 150


def main() -> int:
    interrupt.listen()
    try:
        return _demo()
    except KeyboardInterrupt:
        print("\ninterrupted; everything was taken down", file=sys.stderr)
        return 130


def _demo() -> int:
    # Imported here, where a signal finds its handler.
    from rich.console import Console

    from glasnost.core.text import printable
    from glasnost.errors import GlasnostError
    from glasnost.testing.demo import cases
    from glasnost.testing.lab import Lab, LabError, LabUnavailable, enter_user_namespace

    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
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


def _run(lab: Lab, console: Console) -> int:
    from glasnost.core.text import printable
    from glasnost.testing.demo import cases, show
    from glasnost.testing.world import World

    hosts = cases.build(lab)
    show.internet(console, lab)
    with World(lab) as world, contextlib.ExitStack() as before_leaving:
        before_leaving.callback(interrupt.deafen)
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


if __name__ == "__main__":
    sys.exit(main())
