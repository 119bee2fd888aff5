"""What this host reaches, by each protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glasnost.core.doctor.facts import Attempt, Family
from glasnost.core.doctor.finding import Area, Finding, Writer
from glasnost.core.text import milliseconds

_write = Writer(Area.OUTGOING)
NAMES: Final = {"ip4": "IPv4", "ip6": "IPv6"}


def judge(facts: Family) -> Iterator[Finding]:
    """What to say of one protocol."""
    name = NAMES[facts.protocol]
    if facts.enabled is False:
        yield _write.note(f"{name} is switched off (enable_ipv{facts.protocol[-1]} = false)")
        return
    if not facts.addresses:
        yield _write.note(f"no {name}: this host has no address of it that others can use")
        return
    if not facts.default_route:
        yield _write.note(
            f"{name} has no default route: only networks that this host is on are reached"
        )
    good = [one for one in facts.attempts if not one.why]
    bad = [one for one in facts.attempts if one.why]
    for one in bad:
        yield _failed(one, name, bool(good))
    if good:
        best = min(good, key=lambda one: one.seconds)
        others = f", and {len(good) - 1} more" if len(good) > 1 else ""
        yield _write.ok(
            f"{name} from {facts.source or facts.addresses[0]} reaches {best.to} at "
            f"{where(best.host, best.port)} in {milliseconds(best.seconds)}{others}"
        )
    elif not bad:
        yield _write.note(
            f"{name} was not tried: no directory or broker on another host is met over it"
        )


def _failed(one: Attempt, name: str, others: bool) -> Finding:
    what = f"{name} does not reach {one.to} at {where(one.host, one.port)}: {one.why}"
    if "refused" in one.why:
        return _write.warning(what, "see whether that host's agent runs: nothing listens there")
    do = f"see what drops TCP to port {one.port}: this host's firewall, its site's, or theirs"
    if others:
        return _write.warning(what, do)
    return _write.warning(what, f"{do}; all of {name} may lead nowhere")


def where(host: str, port: int) -> str:
    """Host and port, as they are written together."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
