"""Evaluates, in a process of its own: ``python -m glasnost.condor.judge.worker``.

Expressions are strangers', and so are the ads that they speak of. One that doubles a text forty
times, or has a pattern that never ends, or finds a bug of the library's, costs this process and no
other. HTCondor's collector, too, answers in processes that it forks.

Standard input and output carry what `messages` has.
"""

from __future__ import annotations

import resource
import sys
from typing import BinaryIO

import msgspec

from glasnost.condor.collector.work import Work
from glasnost.condor.judge.language import evaluate
from glasnost.condor.judge.messages import LENGTH, Verdict, written
from glasnost.errors import Refused


def main() -> None:
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    asked, told = sys.stdin.buffer, sys.stdout.buffer
    while (work := _read(asked)) is not None:
        try:
            verdict = Verdict(evaluate(work.expression, work.rows))
        except Refused as refused:
            verdict = Verdict(refused=refused.why)
        told.write(written(verdict))
        told.flush()


def _read(asked: BinaryIO) -> Work | None:
    """The next work; None when there is no more."""
    head = asked.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return msgspec.msgpack.decode(asked.read(*LENGTH.unpack(head)), type=Work)


if __name__ == "__main__":
    main()
