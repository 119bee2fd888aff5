"""The host's agent, and the descriptors of its daemons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glasnost.core.doctor.facts import AgentFacts, Process, ProcessFacts
from glasnost.core.doctor.finding import Area, Finding, Writer
from glasnost.core.text import duration

#: Each connection is one descriptor or two; a host's worth of them, with room.
FEW: Final = 4096
#: The share of what a process may have at which one should look.
MANY: Final = 0.8
#: The share at which a burst of callers is refused.
NEARLY_ALL: Final = 0.95

_write = Writer(Area.AGENT)
_descriptors = Writer(Area.DESCRIPTORS)


def judge(facts: AgentFacts) -> Iterator[Finding]:
    """Whether it runs, and as it should."""
    if facts.why:
        stood_in = "; meanwhile this command stood in for it" if facts.stand_in else ""
        if facts.owner:
            yield _write.problem(facts.why, f"run this as {facts.owner}, whose agent it is")
        elif facts.pid:
            yield _write.problem(
                f"{facts.why}, and process {facts.pid} has its lock",
                f"if it just starts or ends, wait; else see its log, and end it: kill {facts.pid}",
            )
        else:
            yield _write.problem(
                facts.why, f"start it: `glasnost agent`, or `glasnost up`{stood_in}"
            )
        if facts.taken and not facts.pid:
            yield _write.problem(
                f"another program listens on TCP port {facts.wanted_port}, the shared port's",
                f"end it (ss -ltnp sport = {facts.wanted_port}), or choose another: `port`",
            )
        return
    if facts.version != facts.own_version:
        yield _write.warning(
            f"the agent is {facts.version or 'an older release'}, this command {facts.own_version}",
            "restart the agent",
        )
    if facts.port is None:
        yield _write.warning(
            "the agent listens on no TCP port: it is met through brokers alone",
            "nothing, if that is meant; else correct `listen`, `enable_ipv4`, `enable_ipv6`",
        )
    elif facts.wanted_port not in (0, facts.port):
        yield _write.note(
            f"the agent is on port {facts.port}, and the settings say {facts.wanted_port}",
            "nothing, if it was told so when it was started (--port); else restart it",
        )
    where = "" if facts.port is None else f", on TCP port {facts.port}"
    yield _write.ok(f"it has run for {duration(facts.age)} as process {facts.pid}{where}")


def judge_descriptors(facts: ProcessFacts) -> Iterator[Finding]:
    """How many each daemon has, and may have."""
    for one in facts.processes:
        yield from _process(one)
    bounds = [one.soft for one in facts.processes if one.soft is not None]
    if not facts.root and bounds and min(bounds) < FEW:
        yield _descriptors.note(
            f"as no root, at most {min(bounds)} sockets are on their way to services at a time"
        )


def _process(one: Process) -> Iterator[Finding]:
    raised = f"raise it: LimitNOFILE={max(FEW, one.wants)} in its unit, or ulimit -Hn"
    if one.soft is None:
        yield _descriptors.ok(f"{one.name}: {one.used} open, no limit")
        return
    used = f"{one.name} (process {one.pid}): {one.used} of {one.soft} open" if one.pid else one.name
    if one.used >= one.soft * NEARLY_ALL:
        yield _descriptors.problem(f"{used}: it is about to refuse connections", raised)
    elif one.used >= one.soft * MANY:
        yield _descriptors.warning(used, raised)
    elif one.soft < FEW and (one.hard is None or one.hard > one.soft):
        yield _descriptors.note(f"{used}, and it could ask for more", "restart it: daemons do")
    elif one.soft < FEW:
        yield _descriptors.warning(
            f"{one.name} may have {one.soft} descriptors, one or two for each connection", raised
        )
    elif one.soft < one.wants:
        yield _descriptors.note(
            f"{used}; its own limits would use {one.wants}, and are lowered to fit", raised
        )
    else:
        yield _descriptors.ok(used if one.pid else f"{one.name} may have {one.soft}")
