"""The node's certificate: whether it holds, for how long, and whether its renewals work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glasnost.core.doctor.facts import CertificateFacts
from glasnost.core.doctor.finding import Area, Finding, Writer
from glasnost.core.text import duration

#: A root is replaced by hand, on every node: a season ahead is early enough and not too early.
ROOT_AHEAD: Final = 90 * 86_400.0

_write = Writer(Area.CERTIFICATE)
_ANEW = "`glasnost token create --node NAME --replace` at the authority, and `glasnost join` here"


def judge(facts: CertificateFacts) -> Iterator[Finding]:
    """What to say of one node's."""
    if facts.problem:
        yield _write.problem(facts.problem, f"restore the file, or join again: {_ANEW}")
        return
    if facts.untrusted:
        yield _write.problem(
            f"the certificate of {facts.host}: {facts.untrusted}", f"join again: {_ANEW}"
        )
        return
    yield from _root(facts)
    if facts.now < facts.not_before:
        ahead = duration(facts.not_before - facts.now)
        yield _write.problem(
            f"the certificate of {facts.host} begins in {ahead}: nobody believes it yet",
            "set this host's clock (NTP)",
        )
    elif facts.now >= facts.not_after:
        yield from _ended(facts)
    elif facts.renewal_problem:
        yield _write.warning(
            f"the certificate of {facts.host} ends in {duration(facts.not_after - facts.now)}, "
            f"and could not be renewed: {facts.renewal_problem}",
            "see to it that this host reaches the authority; the agent tries again by itself",
        )
    elif facts.now >= facts.renew_at and not facts.agent_runs:
        yield _write.warning(
            f"the certificate of {facts.host} ends in {duration(facts.not_after - facts.now)}, "
            "and no agent runs that would renew it",
            "start the agent",
        )
    else:
        yield _write.ok(_good(facts))


def _good(facts: CertificateFacts) -> str:
    left = duration(facts.not_after - facts.now)
    renewed = facts.renew_at - facts.now
    when = f"in {duration(renewed)}" if renewed > 0 else "now"
    return f"{facts.host}: good for {left}, to be renewed {when}"


def _ended(facts: CertificateFacts) -> Iterator[Finding]:
    since = facts.now - facts.not_after
    what = f"the certificate of {facts.host} ended {duration(since)} ago"
    if facts.renewal_problem:
        what += f", and could not be renewed: {facts.renewal_problem}"
    if since > facts.grace:
        yield _write.problem(what, f"it is too old to be renewed: join again: {_ANEW}")
    else:
        start = "" if facts.agent_runs else "start the agent, and "
        yield _write.problem(
            what,
            f"{start}see to it that this host reaches the authority: it can be renewed for "
            f"{duration(facts.grace - since)} more; or this host's clock is wrong",
        )


def _root(facts: CertificateFacts) -> Iterator[Finding]:
    left = facts.root_not_after - facts.now
    if left <= 0:
        yield _write.problem(f"the pool's root ended {duration(-left)} ago", "make a new pool")
    elif left < ROOT_AHEAD:
        yield _write.warning(
            f"the pool's root ends in {duration(left)}", "plan a new pool before that"
        )
