"""``glasnost match``: who of a pool can reach whom, and what would let the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import BinaryIO

import click
import msgspec

from glasnost.cli import common
from glasnost.cli.output import note, say, say_json, say_wrapped, table
from glasnost.cli.selectors import SELECTOR
from glasnost.core.protocols.selector import Term, all_hold
from glasnost.core.routes import Endpoint, Verdict
from glasnost.core.routes.report import Broken, Party, Report, classes, describe
from glasnost.core.wire.messages import Query, Record
from glasnost.errors import AddressError
from glasnost.node import Node
from glasnost.stages import traits

#: Columns of the matrix, so that it fits a terminal, and its rows; --json has all.
COLUMNS, ROWS = 12, 40


@click.command()
@click.option(
    "--selector",
    "selectors",
    type=SELECTOR,
    multiple=True,
    help="Labels of the sources, and once more for the targets: key=value, key!=value, key, "
    "!key, with commas between.",
)
@click.option(
    "--records",
    type=click.File("rb"),
    help="Ask no directory: a file as `glasnost ls --json` prints it; - is standard input.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many unreachable pairs, and pairs of classes, to print.",
)
@common.as_json
def match(
    selectors: tuple[tuple[Term, ...], ...], records: BinaryIO | None, limit: int, json: bool
) -> None:
    """Show who can reach whom, by records alone.

    No packet is sent to any of them.

    \b
      glasnost match --selector role=schedd --selector role=startd
      glasnost ls --json | glasnost match --records -

    One selector matches its services with each other; none, all. Services whose records differ
    in literals and names only are one class.
    """
    if len(selectors) > 2:
        raise click.UsageError("two selectors at most: the sources', then the targets'")
    sides = _from_file(records, selectors) if records else common.run_async(_asked(selectors))
    empty = next((number for number, side in enumerate(sides) if not side), None)
    if empty is not None:
        which = f" fits {','.join(map(str, selectors[empty]))}" if selectors else " there"
        note(f"no record{which}")
        if not json:
            return
    parties = [_party(letter, side) for letter, side in zip("ST", sides, strict=False)]
    sources, targets = parties[0], parties[-1]
    forth = Report(sources, targets, traits())
    back = Report(targets, sources, traits()) if len(parties) == 2 else None
    if json:
        say_json(_as_dict(forth, back, limit))
    else:
        _print(forth, back, limit)


async def _asked(selectors: Sequence[tuple[Term, ...]]) -> list[list[Record]]:
    """The records of each side, from the directory."""
    async with Node() as node:
        agent = await node.agent()
        sides = []
        for terms in selectors or ((),):
            found = await agent.query(Query(selector=tuple(map(str, terms))))
            sides.append([record for record, _ in found])
        return sides


def _from_file(records: BinaryIO, selectors: Sequence[tuple[Term, ...]]) -> list[list[Record]]:
    try:
        found = msgspec.json.decode(records.read(), type=list[Record])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise click.ClickException(f"{records.name}: no list of records: {error}") from None
    return [
        [record for record in found if all_hold(terms, record.labels)]
        for terms in selectors or ((),)
    ]


def _party(letter: str, records: Sequence[Record]) -> Party:
    endpoints = []
    for record in records:
        try:
            endpoints.append(Endpoint.of_record(record))
        except AddressError as error:
            raise click.ClickException(f"the record of {record.name}: {error}") from None
    return Party(letter, [_short(record.name) for record in records], endpoints)


def _short(name: str) -> str:
    """Names are of one pool, so the service and the node tell them apart."""
    return ".".join(name.split(".")[:2])


def _as_dict(forth: Report, back: Report | None, limit: int) -> dict[str, object]:
    """``back`` is what the targets reach of the sources; None: it is one party."""
    whole: dict[str, object] = {
        "sources": classes(forth.sources, forth.matrix.sources),
        "targets": classes(forth.targets, forth.matrix.targets),
        "forth": forth.as_dict(limit),
    }
    if back is not None:
        whole["back"] = back.as_dict(limit)
    return whole


def _print(forth: Report, back: Report | None, limit: int) -> None:
    _print_classes(forth, back)
    _print_matrix(forth, back)
    for report in filter(None, (forth, back)):
        _print_counts(report)
        _print_unreachable(report, limit)
    for report in filter(None, (forth, back)):
        _print_broken(report, limit)


def _print_classes(forth: Report, back: Report | None) -> None:
    rows = []
    sides = [(forth.sources, forth.matrix.sources), (forth.targets, forth.matrix.targets)]
    for party, groups in sides if back is not None else sides[:1]:
        for number, group in enumerate(groups[:ROWS]):
            first = party.names[group.members[0]]
            more = f" and {len(group) - 1:,} more" if len(group) > 1 else ""
            rows.append([party.class_name(number), f"{first}{more}", describe(group.sample)])
        if len(groups) > ROWS:
            rows.append(["", f"({len(groups) - ROWS:,} more classes)", "--json has all"])
    say(table(["class", "services", "what its records say"], rows))


def _print_matrix(forth: Report, back: Report | None) -> None:
    width, height = len(forth.matrix.targets), len(forth.matrix.sources)
    head = [""] + [forth.targets.class_name(one) for one in range(min(width, COLUMNS))]
    rows = []
    for one in range(min(height, ROWS)):
        cells = [_cell(forth, one, other) for other in range(min(width, COLUMNS))]
        if back is not None:
            cells = [f"{cell}/{_cell(back, other, one)}" for other, cell in enumerate(cells)]
        rows.append([forth.sources.class_name(one), *cells])
    say()
    say("does the class of the row reach that of the column" + (", and back?" if back else "?"))
    say(table(head, rows))
    if any("*" in cell for row in rows for cell in row):
        say("* better for those on one machine")
    if width > COLUMNS or height > ROWS:
        note(f"the matrix has {height} x {width} classes; --json prints it all")


def _cell(report: Report, source: int, target: int) -> str:
    """What holds of the pair's members on different machines; a star: others do better."""
    verdict, lifted = report.matrix.between(source, target), report.lifted(source, target)
    if lifted and not report.pairs(source, target):
        verdict = min(lifted)
    return f"{verdict}*" if lifted else str(verdict)


def _print_counts(report: Report) -> None:
    counts = report.counts
    say()
    say(
        f"{report.sources.letter} to {report.targets.letter}: {_pairs(sum(counts.values()))}: "
        f"{counts[Verdict.YES]:,} yes, "
        f"{counts[Verdict.MAYBE]:,} maybe, {counts[Verdict.NO]:,} no"
    )


def _print_unreachable(report: Report, limit: int) -> None:
    for source, target in islice(report.unreachable(), limit):
        say(f"  {source} does not reach {target}")
    if 0 < limit < report.counts[Verdict.NO]:
        say(f"  ... and {report.counts[Verdict.NO] - limit:,} more")


def _print_broken(report: Report, limit: int) -> None:
    for broken in islice(report.broken(), limit):
        say()
        say_wrapped("\n".join(_told(report, broken)))


def _told(report: Report, broken: Broken) -> list[str]:
    source = report.sources.class_name(broken.source)
    target = report.targets.class_name(broken.target)
    says = {Verdict.NO: "does not reach", Verdict.MAYBE: "may reach"}[broken.verdict]
    lines = [f"{source} {says} {target} ({_pairs(broken.pairs)})"]
    if broken.verdict is Verdict.MAYBE:
        lines.append("  it depends on a reach that a record does not tell")
    lines += [f"  {one.route}: seen from {source}, {one.reason}" for one in broken.reasons]
    lines.append("  any one of these would be enough:")
    return lines + [f"    {one.text(source, target)}" for one in broken.remedies]


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"
