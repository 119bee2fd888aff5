"""The pool as this host meets it: its directories and its brokers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from glasnost.core.doctor.facts import BrokersFacts, DirectoriesFacts, DirectoryFacts, Registration
from glasnost.core.doctor.finding import Area, Finding, Writer
from glasnost.core.text import duration, milliseconds

_directories = Writer(Area.DIRECTORIES)
_brokers = Writer(Area.BROKERS)


def judge_directories(facts: DirectoriesFacts) -> Iterator[Finding]:
    """Whether each is reached, knows this host's names, and agrees with the others."""
    if not facts.directories:
        yield _directories.problem(
            "this host was told of no directory", "join again, when the authority's host is up"
        )
    if facts.directories and not facts.certified:
        yield _directories.problem(
            "none can be asked: this host has no certificate that holds", "see there (above)"
        )
        return
    reached = [one for one in facts.directories if not one.why]
    for one in facts.directories:
        if one.why:
            what, do = f"{one.name} is not reached: {one.why}", _away(bool(reached))
            yield _directories.warning(what, do) if reached else _directories.problem(what, do)
        else:
            yield from _answers(one, facts.expected)
    for name, said in _sequences(reached).items():
        if len(set(said.values())) > 1:
            behind = min(said, key=lambda directory: said[directory])
            yield _directories.warning(
                f"{behind} has an older record of {name} than others have",
                "wait for a renewal; if it stays, that directory refuses it: see the agent's log",
            )


def _away(others: bool) -> str:
    if others:
        return "see whether it runs, and what lies between; other directories serve meanwhile"
    return (
        "see whether it runs, and what lies between: what the agent knows already is still good, "
        "and nothing new is learnt"
    )


def _answers(one: DirectoryFacts, expected: tuple[str, ...]) -> Iterator[Finding]:
    missing = sorted(set(expected) - {name for name, _ in one.names})
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        yield _directories.warning(
            f"{one.name} does not know {missing[0]}{more}",
            "an agent publishes within a second or two; if it stays, see the agent's log",
        )
        return
    known = f", and knows this host's {_count(len(expected), 'name')}" if expected else ""
    yield _directories.ok(f"{one.name} answers in {milliseconds(one.seconds)}{known}")


def _sequences(reached: list[DirectoryFacts]) -> dict[str, dict[str, int]]:
    """By name, what each directory has."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for one in reached:
        for name, sequence in one.names:
            found[name][one.name] = sequence
    return found


def judge_brokers(facts: BrokersFacts, agent_runs: bool) -> Iterator[Finding]:
    """Whether this host is registered with brokers, which meet callers that cannot dial it."""
    held = [one for one in facts.registrations if one.state == "registered"]
    for one in facts.registrations:
        yield _registration(one, bool(held))
    if facts.registrations or facts.listed is None:
        return
    if facts.listed and not agent_runs:
        return  # one that ran would be registered
    if facts.wanted == 0 and facts.listed:
        yield _brokers.note("this host registers with no broker: broker_count is 0")
    elif facts.listed:
        yield _brokers.warning(
            f"the agent is registered with none, and {_count(len(facts.listed), 'broker')} "
            "of other hosts can be found",
            "it looks every few seconds: try again; if it stays, see the agent's log",
        )
    elif facts.own:
        yield _brokers.note("the pool's only broker is this host's own, which serves the others")
    else:
        yield _brokers.warning(
            "the pool has no broker: hosts behind NAT or a firewall cannot be called",
            "run `glasnost broker` on a host that all others can connect to",
        )


def _registration(one: Registration, others: bool) -> Finding:
    if one.state == "registered":
        seen = f", seen at {one.observed}" if one.observed else ""
        return _brokers.ok(f"registered with {one.broker} for {duration(one.since)}{seen}")
    tries = f" after {_count(one.failures, 'failure')}" if one.failures else ""
    why = f": {one.why}" if one.why else ""
    what = f"not registered with {one.broker} ({one.state}{tries}){why}"
    do = "see whether it runs, and what lies between; the agent tries again by itself"
    if others or not one.failures:
        return _brokers.warning(what, do)
    return _brokers.problem(what, f"{do}; until then nobody is brought here by a broker")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
