"""This host's clock, held against others'."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glasnost.core.doctor.facts import ClockFacts, Sample
from glasnost.core.doctor.finding import Area, Finding, Writer
from glasnost.core.text import duration, milliseconds

#: A clock that is kept by NTP is right to some milliseconds; one that is off by so many seconds is
#: not kept, and drifts on.
NOT_KEPT: Final = 5.0

_write = Writer(Area.CLOCK)
_NTP = "keep it by NTP (timedatectl set-ntp true)"


def judge(facts: ClockFacts) -> Iterator[Finding]:
    """What to say of it. Where any certificate held, only those count: others may say anything."""
    proven = [one for one in facts.samples if one.proven]
    samples = proven or list(facts.samples)
    off = [one for one in samples if least(one) > NOT_KEPT]
    right = [one for one in samples if least(one) <= NOT_KEPT]
    if not samples:
        yield _write.note("nobody could be asked for the time")
    elif off and not right:
        yield _ours(min(off, key=least), facts.tolerance, alone=len(off) == 1)
    for one in off if right else ():
        yield _write.warning(
            f"the clock of {one.source} is {_apart(one)}; others agree with ours",
            f"on that host, {_NTP}",
        )
    if right:
        best = min(right, key=lambda one: one.bound)
        yield _write.ok(
            f"it agrees with {best.source}: {best.ahead * 1000:+.1f} ms, "
            f"give or take {milliseconds(best.bound)}"
        )


def least(sample: Sample) -> float:
    """By how much the clocks differ at least."""
    return max(0.0, abs(sample.ahead) - sample.bound)


def _ours(sample: Sample, tolerance: float, alone: bool) -> Finding:
    said = "" if sample.proven else " (nothing proves that; no certificate could be checked)"
    doubt = f", or that of {sample.source}," if alone and sample.proven else ""
    what = f"this host's clock{doubt} is wrong: that of {sample.source} is {_apart(sample)}{said}"
    if least(sample) > tolerance:
        return _write.problem(
            what, f"{_NTP}: certificates forgive {duration(tolerance)}, and no more"
        )
    return _write.warning(what, _NTP)


def _apart(sample: Sample) -> str:
    side = "ahead of" if sample.ahead > 0 else "behind"
    return f"{_exact(abs(sample.ahead))} {side} ours, give or take {_exact(sample.bound)}"


def _exact(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 600 else duration(seconds)
