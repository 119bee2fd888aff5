"""What a collector is asked: the command, and the ad that says which ads are wanted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from glasnost.condor.classad import Ad, Expression
from glasnost.condor.classad.syntax import plausible
from glasnost.condor.collector.kinds import KINDS, QUERY_ANY, QUERY_GENERIC

#: The table of all tables.
ANY: Final = "Any"
#: Tables by what people call them, in lower case; others are meant as they are written.
_CALLED: Final = {
    "startd": "Machine",
    "slot": "Machine",
    "schedd": "Scheduler",
    "master": "DaemonMaster",
    "submitters": "Submitter",
    "any": ANY,
}
#: What `locate` asks for, as HTCondor's own tools do: who dials needs no more.
LOCATED: Final = ("MyAddress", "AddressV1", "CondorVersion", "CondorPlatform", "Name", "Machine")


class Question(NamedTuple):
    """A query command with its ad."""

    command: int
    ad: Ad


def table(called: str) -> str:
    """The name of a table as queries have it.

    >>> table("startd"), table("negotiator"), table("Backfill")
    ('Machine', 'Negotiator', 'Backfill')
    """
    name = _CALLED.get(called.lower(), called)
    known = KINDS.get(name.lower())
    return name if known is None else known.name


def about(
    called: str = "startd",
    constraint: str = "",
    projection: Sequence[str] = (),
    limit: int = 0,
    location: str = "",
) -> Question:
    """Which ads of one table are wanted, and what of them. ValueError: the constraint is no
    expression.

    >>> about("schedd", "TotalRunningJobs > 0", ["Name"]).ad.text("Requirements")
    '((TotalRunningJobs > 0))'
    """
    if constraint and not plausible(constraint):
        raise ValueError(f"{constraint!r} is no expression of a ClassAd")
    target = table(called)
    values: dict[str, str | int] = {"MyType": "Query"}
    if projection:
        values["Projection"] = " ".join(projection)
    values["TargetType"] = target
    values["Requirements"] = Expression(f"(({constraint}))" if constraint else "true")
    if location:
        values["LocationQuery"] = location
    if limit > 0:
        values["LimitResults"] = limit
    known = KINDS.get(target.lower())
    if target == ANY:
        return Question(QUERY_ANY, Ad(values))
    return Question(QUERY_GENERIC if known is None else known.query, Ad(values))


def located(name: str, called: str = ANY) -> Question:
    """Where the daemon of this name is, as HTCondor's tools ask; of all tables, and of
    collectors, also what is on the machine of this name.

    >>> located('a"b', "schedd").ad.text("Requirements")
    '((Name == "a\\\\"b"))'
    """
    quoted = Ad({"Name": name}).text("Name")
    either = f"(Name == {quoted}) || (Machine == {quoted})"
    if table(called) == ANY:
        return about(called, either, ("MyType", *LOCATED))
    if table(called) == "Collector":  # whose name is the pool's
        return about(called, either, LOCATED)
    return about(called, f"Name == {quoted}", LOCATED, location=name)
