"""Judges what is known of a host: facts in, findings out. Who gathers the facts is elsewhere.

One module for each area; `examine` puts them in the order in which one would look. A fact that
could not be gathered is None, and nothing is said about it: that it is missing has a finding
elsewhere, for why it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from glasnost.core.doctor import agent, certificate, clock, home, incoming, outgoing, pool
from glasnost.core.doctor.facts import Facts
from glasnost.core.doctor.finding import Area, Finding, Severity

__all__ = ["Area", "Facts", "Finding", "Severity", "examine"]


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Everything there is to say."""
    return tuple(_findings(facts))


def _findings(facts: Facts) -> Iterator[Finding]:
    yield from home.judge(facts.home)
    yield from home.judge_settings(facts.settings)
    if facts.certificate is not None:
        yield from certificate.judge(facts.certificate)
    if facts.pool is not None:
        yield from clock.judge(facts.pool.clock)
    yield from agent.judge_descriptors(facts.processes)
    if facts.agent is not None:
        yield from agent.judge(facts.agent)
    if facts.pool is not None:
        runs = facts.agent is not None and not facts.agent.why
        yield from pool.judge_directories(facts.pool.directories)
        yield from pool.judge_brokers(facts.pool.brokers, runs)
        for family in facts.pool.outgoing:
            yield from outgoing.judge(family)
        yield from incoming.judge(facts.pool.incoming, runs)
