"""Who can reach whom, as commands print it."""

from __future__ import annotations

from itertools import islice

import click

from glasnost.cli.output import note, say, say_wrapped, table
from glasnost.core.routes import Verdict
from glasnost.core.routes.report import Broken, Report, classes, describe

#: Columns of the matrix, so that it fits a terminal, and its rows; --json has all.
COLUMNS, ROWS = 12, 40

limited = click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many unreachable pairs, and pairs of classes, to print.",
)


def as_dict(forth: Report, back: Report | None, limit: int) -> dict[str, object]:
    """``back`` is what the targets reach of the sources; None: it is one party."""
    whole: dict[str, object] = {
        "sources": classes(forth.sources, forth.matrix.sources),
        "targets": classes(forth.targets, forth.matrix.targets),
        "forth": forth.as_dict(limit),
    }
    if back is not None:
        whole["back"] = back.as_dict(limit)
    return whole


def show(forth: Report, back: Report | None, limit: int) -> None:
    """The same, for people."""
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
