"""``glasnost condor sinful``: HTCondor's addresses, explained and converted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from glasnost.cli import common
from glasnost.cli.output import say, say_json, table
from glasnost.condor import Sinful, parse
from glasnost.condor.addresses.conversion import Missing
from glasnost.condor.addresses.convert_v1 import from_v1, to_v1
from glasnost.condor.addresses.explain import explain
from glasnost.condor.addresses.from_address import from_address
from glasnost.condor.addresses.to_address import to_address
from glasnost.core.address import Address
from glasnost.errors import SinfulError

#: A Glasnost address in which the network is left out. HTCondor's short form of an IPv6 address
#: would not begin like that, and a host may: then angle brackets help.
_STAGE = re.compile(r"(?:ip4|ip6|dns|unix):")


@click.command()
@click.argument("address")
@common.as_json
def sinful(address: str, json: bool) -> None:
    """Explain an address of HTCondor's, and convert it; or make one of a Glasnost ADDRESS.

    \b
      glasnost condor sinful '<192.0.2.1:9618?sock=startd_1&noUDP>'
      glasnost condor sinful '{[ p="primary"; a="192.0.2.1"; port=9618; n="Internet"; ]}'
      glasnost condor sinful public/ip4:192.0.2.1:9618/condor.sock:startd_1

    Both notations of HTCondor are read and written. What the other side cannot express is said
    field by field.
    """
    answer = _of_address(address) if _is_address(address) else _of_sinful(address)
    if json:
        say_json(answer)
    else:
        _show(answer)


def _is_address(text: str) -> bool:
    """Whether a text is meant as one of ours: HTCondor's have a bracket in front, or no slash."""
    if text.startswith(("<", "[", "{")):
        return False
    return "/" in text.partition("?")[0] or bool(_STAGE.match(text))


def _of_sinful(text: str) -> dict[str, Any]:
    value = parse(text)
    v1, routes = to_v1(value), to_address(value)
    answer = {
        "fields": [line._asdict() for line in explain(value)],
        "original": str(value),
        "v1": v1.result,
        "missing_in_v1": _missing(v1.missing),
        "glasnost": None if routes.result is None else str(routes.result),
        "missing_in_glasnost": _missing(routes.missing),
    }
    if text.startswith("{"):
        answer["missing_in_original"] = _missing(from_v1(text).missing)
    if _printed(value) is None:
        answer["missing_in_original"] = _missing(
            [Missing("host and port", "HTCondor reads them in v1, and not as they stand here")]
        )
    return answer


def _printed(value: Sinful) -> Sinful | None:
    """What is read of an address when it has been printed: v1 has some that cannot be printed."""
    try:
        return parse(str(value))
    except SinfulError:
        return None


def _of_address(text: str) -> dict[str, Any]:
    address = Address.parse(text)
    made = from_address(address)
    answer: dict[str, Any] = {
        "glasnost": str(address),
        "original": None if made.result is None else str(made.result),
        "missing_in_original": _missing(made.missing),
    }
    if made.result is not None:
        v1 = to_v1(made.result)
        answer |= {"v1": v1.result, "missing_in_v1": _missing(v1.missing)}
    return answer


def _missing(found: Iterable[Missing]) -> list[dict[str, str]]:
    return [{"field": one.field, "why": one.why} for one in found]


def _show(answer: dict[str, Any]) -> None:
    if lines := answer.get("fields"):
        say(table(["field", "value", "meaning"], [list(line.values()) for line in lines]))
        say()
    for key in ("original", "v1", "glasnost"):
        if key in answer:
            say(f"{key:<8}  {answer[key] or '-'}")
        for one in answer.get(f"missing_in_{key}", ()):
            say(f"  without {one['field']}: {one['why']}")
