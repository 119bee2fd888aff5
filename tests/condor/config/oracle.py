"""Asks HTCondor's own library what it makes of a configuration, in a process beside this one.

The library ends its process where a file is wrong, and does not come back from macros that lead
to each other. Both are answers: so each question has a process of its own, which costs little as
it is a copy of one that has the library already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType

#: What it answers where it refuses, or does not come back.
REFUSED, LOST = "refused", "lost"

#: Each name is asked for by a macro: the library itself does not say what is set for tools only.
#: It may think for 0.3 s of processor time; it needs a millisecond.
_PROGRAM = """
import json, os, signal, sys
if sys.argv[1] == "warm":
    import htcondor2

def answer(variables, names):
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.3)
    asked = {f"_CONDOR_ASKED_{number}": f"$({name})" for number, name in enumerate(names)}
    os.environ.update(variables | asked)
    import htcondor2
    htcondor2.reload_config()
    values = (htcondor2.param.get(f"ASKED_{number}") for number in range(len(names)))
    print(json.dumps({name: value or "" for name, value in zip(names, values)}), flush=True)

for line in sys.stdin:
    child = os.fork()
    if not child:
        answer(*json.loads(line))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGVTALRM:
        print(json.dumps("lost"), flush=True)
    elif status:
        print(json.dumps("refused"), flush=True)
"""


class Oracle:
    """``with Oracle() as oracle: oracle.ask({"CONDOR_CONFIG": ...}, ["A"])``.

    A cold one loads the library for each question: some of what it finds out it finds out once.
    """

    def __init__(self, *, warm: bool = True) -> None:
        self._warm = "warm" if warm else "cold"

    def __enter__(self) -> Oracle:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, self._warm],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": "/h", "CONDOR_CONFIG": os.devnull},
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, variables: Mapping[str, str], names: Sequence[str]) -> dict[str, str] | str:
        """What the names are worth; or `REFUSED`, or `LOST`."""
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([dict(variables), list(names)]) + "\n")
        process.stdin.flush()
        answer: dict[str, str] | str = json.loads(process.stdout.readline())
        return answer
