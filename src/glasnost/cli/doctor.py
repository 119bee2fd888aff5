"""``glasnost doctor``: what this host reaches and how it is reached, and what is wrong with it."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import msgspec

from glasnost.apps.doctor import gather
from glasnost.cli import common
from glasnost.cli.output import say, say_json, say_wrapped
from glasnost.core.doctor import Facts, Finding, Severity, examine
from glasnost.core.text import printable
from glasnost.settings import home_directory

#: How severities are told apart at a glance; the longest word sets the column.
_WIDTH = max(map(len, Severity)) + 2


@click.command()
@common.as_json
def doctor(json: bool) -> int:
    """Say what this host reaches, how it is reached, and what to do.

    Looks at files, settings, certificate, clock, descriptors, agent, directories and brokers,
    connects over IPv4 and IPv6, and has brokers connect back to see this host from outside.

    Exit status 1 if there is a problem; with notes and warnings alone it is 0.
    """
    with _progress() as progress:
        facts = common.run_async(gather(home_directory(), progress))
    findings = examine(facts)
    if json:
        say_json(_as_dict(facts, findings))
    else:
        _show(findings)
    return int(any(one.severity is Severity.PROBLEM for one in findings))


def _as_dict(facts: Facts, findings: Sequence[Finding]) -> dict[str, Any]:
    counted = Counter(one.severity for one in findings)
    return {
        "findings": msgspec.to_builtins(findings),
        "counts": {str(severity): counted[severity] for severity in Severity},
        "facts": msgspec.to_builtins(facts),
    }


def _show(findings: Sequence[Finding]) -> None:
    for area, some in itertools.groupby(findings, lambda one: one.area):
        say(str(area))
        for one in some:
            say_wrapped(f"  {one.severity:{_WIDTH}}{_line(one.what)}", hang=_WIDTH)
            if one.do:
                say_wrapped(f"  {'':{_WIDTH}}-> {_line(one.do)}", hang=3)
    counted = Counter(one.severity for one in findings)
    say(f"{_count(counted, Severity.PROBLEM)}, {_count(counted, Severity.WARNING)}")


def _line(text: str) -> str:
    return printable(text, keep="")


def _count(counted: Counter[Severity], severity: Severity) -> str:
    number = counted[severity]
    return f"{number or 'no'} {severity}{'' if number == 1 else 's'}"


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Says on the terminal's last line what is being done, and takes it away in the end."""
    shown = sys.stderr.isatty()

    def tell(text: str) -> None:
        if shown:
            print(f"\r\x1b[K{text} ...", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
