"""How this host is reached from outside, as brokers on other hosts see it."""

from __future__ import annotations

from collections.abc import Iterator

from glasnost.core.doctor.facts import IncomingFacts, Protocol, Seen
from glasnost.core.doctor.finding import Area, Finding, Writer
from glasnost.core.doctor.outgoing import NAMES, where
from glasnost.core.text import milliseconds

_write = Writer(Area.INCOMING)


def judge(facts: IncomingFacts, agent_runs: bool) -> Iterator[Finding]:
    """By protocol, then what follows from all of them."""
    if facts.askable is None:
        yield _write.note("not known: no directory says which brokers there are, who could look")
        return
    if not facts.protocols:
        yield _write.note("this host has no address that others could connect to")
    for protocol in facts.protocols:
        yield from _protocol(facts, protocol, agent_runs)
    if not agent_runs:
        return
    yield from _unseen(facts)
    reached = any(one.arrived for one in facts.seen)
    asked = any(one.outcome not in ("not-dialled", "not-asked") for one in facts.seen)
    if asked and not reached and not facts.brokers:
        yield _write.problem(
            "nobody outside can call this host: no connection comes in, and no broker brings any",
            "open the port, or see why it is registered with no broker (above)",
        )


def _protocol(facts: IncomingFacts, protocol: Protocol, agent_runs: bool) -> Iterator[Finding]:
    name = NAMES[protocol]
    seen = [one for one in facts.seen if one.protocol == protocol]
    if not seen:
        yield _write.note(
            f"{name}: no broker on another host could be asked over it"
            if facts.askable
            else f"{name}: there is no broker on another host that could look"
        )
    # Brokers of one internet see the same; where they differ, each has its line.
    told = set()
    for one in seen:
        finding = _seen(facts, one) if agent_runs else _standing_in(facts, one)
        kind = (finding.severity, one.host, one.port, one.outcome, one.arrived)
        if kind not in told:
            told.add(kind)
            yield finding


def _standing_in(facts: IncomingFacts, one: Seen) -> Finding:
    """Nobody listens on the agent's port, so that only the address can be seen."""
    if one.outcome == "not-asked":
        return _seen(facts, one)
    return _write.note(
        f"{NAMES[one.protocol]}: {one.broker} sees this host at {one.host} ({_whose(facts, one)})",
        "whether the agent's port is reached can be seen when it runs",
    )


def _whose(facts: IncomingFacts, one: Seen) -> str:
    return "this host's own address" if one.host in facts.own else "not this host's own: a NAT"


def _seen(facts: IncomingFacts, one: Seen) -> Finding:
    name, at = NAMES[one.protocol], where(one.host, one.port)
    nat = _whose(facts, one)
    published = (one.host, one.port) in facts.published
    match one.outcome:
        case "not-asked":
            return _write.note(f"{name}: {one.broker} could not look: {one.why}")
        case "not-dialled":
            return _write.note(
                f"{name}: {one.broker} sees this host at {one.host}, and that says nothing of "
                f"outside: {one.why}",
                "run a broker outside of this network to know more",
            )
        case "connected" if one.arrived and published:
            took = milliseconds(one.seconds)
            return _write.ok(f"{name}: {one.broker} reaches {at} ({nat}) in {took}")
        case "connected" if one.arrived:
            return _write.note(
                f"{name}: {one.broker} reaches this host at {at} ({nat}), which is not published",
                f'to be met there directly: advertise = ["found", "{_literal(one)}"]',
            )
        case "connected":
            return _write.warning(
                f"{name}: something answers at {at} ({nat}), and it is not this host",
                _if_published(published)
                + f"forward TCP port {one.port} there to this host, or leave it: {_anyway(facts)}",
            )
    what = f"{name}: {one.broker} does not reach {at} ({nat}): {one.why or one.outcome}"
    if published:
        return _write.warning(what, f"{_open(facts, one)}; {_anyway(facts)}")
    return _write.note(what, f"{_anyway(facts)}; for direct connections, {_open(facts, one)}")


def _open(facts: IncomingFacts, one: Seen) -> str:
    if one.host in facts.own:
        if one.outcome == "refused":
            return (
                f"let the agent listen there (`listen`), or a firewall let TCP port {one.port} in "
                "that rejects it"
            )
        return f"open TCP port {one.port} inbound, in this host's firewall and its site's"
    return (
        f"forward TCP port {one.port} at the router to this host, and set "
        f'advertise = ["found", "{_literal(one)}"]'
    )


def _literal(one: Seen) -> str:
    return where(one.host, one.port)


def _if_published(published: bool) -> str:
    return "callers are sent there, and fail: " if published else ""


def _anyway(facts: IncomingFacts) -> str:
    if not facts.brokers:
        return "until then nobody outside can call this host"
    through = " or ".join(facts.brokers)
    return f"callers are brought here by {through} as it is, by dial-back or relay"


def _unseen(facts: IncomingFacts) -> Iterator[Finding]:
    """What is published and no broker sees us at: it cannot be tried, and may be wrong."""
    for protocol in facts.protocols:
        seen = {one.host for one in facts.seen if one.protocol == protocol and one.host}
        for host, port in facts.published:
            if seen and (":" in host) == (protocol == "ip6") and host not in seen:
                others = ", ".join(sorted(seen))
                yield _write.note(
                    f"{NAMES[protocol]}: {where(host, port)} is published and was not tried: "
                    f"brokers see this host at {others}",
                    "see that it leads here (`advertise`); brokers only try what they see",
                )
