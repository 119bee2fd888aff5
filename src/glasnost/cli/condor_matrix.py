"""``glasnost condor matrix``: who of an HTCondor pool reaches whom, and what keeps the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from glasnost.cli import common
from glasnost.cli.condor_bridge import PRIVATE, network, roles_of
from glasnost.cli.condor_pool import in_pool, opened
from glasnost.cli.output import note, say, say_json
from glasnost.cli.reachability import as_dict, limited, show
from glasnost.condor.bridge.daemon import Daemon
from glasnost.condor.bridge.entry import Made, called, can_relay
from glasnost.condor.bridge.gathering import MAX_DAEMONS, Found, Gathering, question
from glasnost.condor.bridge.places import pool_of
from glasnost.condor.bridge.running import gathered
from glasnost.core.routes import Endpoint, Policy
from glasnost.core.routes.report import Party, Report
from glasnost.core.wire.messages import Record
from glasnost.net.interfaces import read_host
from glasnost.stages import traits

_ONE = click.Choice(roles_of)


@click.command()
@in_pool
@click.option("--from", "source", type=_ONE, default="schedd", show_default=True, help="Who.")
@click.option("--to", "target", type=_ONE, default="startd", show_default=True, help="Whom.")
@network
@limited
@common.as_json
def matrix(
    collector: str | None, source: str, target: str, network: str | None, limit: int, json: bool
) -> None:
    """Show which access points of a pool reach which execution points, and what keeps the others.

    \b
      glasnost condor matrix --pool cm.example.org
      glasnost condor matrix --from negotiator --to schedd

    By the collector's ads alone: no packet is sent to any of them. What counts is what HTCondor's
    own daemons do: they dial each other, or are dialled back through a broker (CCB); one that is
    behind a broker itself has it relay, from HTCondor 25.12 on.
    """
    found = common.run_async(_asked(collector, {source, target}, network))
    for sentence in found.said:
        note(sentence)
    places = found.pool.places
    if any(f"{places.private}/" in one.entry.address for one in found.made.values()):
        note(PRIVATE.format(places.private))
    sections = list(_sections(found, source, target))
    if json:
        say_json([section.as_dict(limit) for section in sections])
        return
    if not sections:
        note(f"the pool has no {source} that could reach a {target}")
    for number, section in enumerate(sections):
        if number:
            say()
        if len(sections) > 1:
            say(f"{source}s that {'have' if section.relay else 'do not have'} brokers relay:")
        show(section.forth, section.back, limit)


class _Section(NamedTuple):
    """Sources that all go the same ways. ``relay``: also by a relay."""

    relay: bool
    forth: Report
    back: Report | None

    def as_dict(self, limit: int) -> dict[str, object]:
        return {"relay": self.relay, **as_dict(self.forth, self.back, limit)}


async def _asked(collector: str | None, roles: set[str], network: str | None) -> Found:
    async with opened(collector) as pool:
        collectors = list(map(str, pool.collectors))
        settings, port = common.settings()[1], pool.caller.config.collector_port
        about = pool_of(collectors, port, network, settings.networks, read_host().host_id)
        gathering = await gathered(pool.query(question(roles)), Gathering(about, roles))
    return gathering.whole(MAX_DAEMONS)


def _sections(found: Found, source: str, target: str) -> Iterator[_Section]:
    targets = [(one, made) for one, made in found.made.items() if one.role == target]
    party = _party("T", targets)
    for relay in (False, True):
        sources = [
            (one, made)
            for one, made in found.made.items()
            if one.role == source and (made.brokered and can_relay(one)) is relay
        ]
        if not sources or not targets:
            continue
        here = _party("S", sources)
        forth = Report(here, party, traits(), Policy(relay=relay))
        answers = all(made.brokered and can_relay(one) for one, made in targets)
        back = Report(party, here, traits(), Policy(relay=answers))
        yield _Section(relay, forth, None if source == target else back)


def _party(letter: str, some: Sequence[tuple[Daemon, Made]]) -> Party:
    return Party(
        letter,
        [called(one) for one, _ in some],
        [_endpoint(made) for _, made in some],
    )


def _endpoint(made: Made) -> Endpoint:
    entry = made.entry
    record = Record(entry.name, entry.address, entry.reach, protection="plain", relay=entry.relay)
    return Endpoint.of_record(record)
