"""Reads the ad of a query: of which tables what is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from glasnost.condor.classad import Ad
from glasnost.condor.classad.shape import as_bytes
from glasnost.condor.collector import kinds
from glasnost.condor.collector.kinds import word
from glasnost.condor.collector.requirement import Requirement
from glasnost.errors import Refused

#: Names of tables in one query, and of attributes in one projection. HTCondor's tools ask for
#: dozens of attributes, and know a dozen tables.
MAX_TABLES, MAX_PROJECTION = 50, 2_000

_SEPARATORS: Final = re.compile(r"[\s,]+")
#: Whose Requirements speak of this are told of absent machines, too.
_ABSENT: Final = re.compile(r"\babsent\b", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """What is asked of one table."""

    #: As the query calls it. Empty: all tables.
    table: str
    #: Whether it is one that its senders have named, even if it is called like another.
    generic: bool
    requirement: Requirement
    #: The attributes that are asked for, each as it is spelled, by its name in lower case. Empty:
    #: all.
    projection: dict[bytes, bytes]
    #: At most so many ads.
    limit: int | None
    #: Whether one daemon is looked for, by its name.
    location: bool
    #: Whether the private ads are asked for, not the public ones.
    private: bool
    #: Whether private attributes are asked for in public ads.
    secrets: bool

    @property
    def of_absent(self) -> bool:
        return _ABSENT.search(self.requirement.text) is not None


def questions(command: int, ad: Ad, *, trusted: bool) -> list[Question]:
    """What a query asks. ``trusted``: the asker may see private attributes.

    `Refused` where the real one closes the connection.
    """
    if command not in kinds.QUERIES:
        raise Refused("unknown", f"a collector knows no query {command}")
    if command in kinds.PRIVATE_QUERIES and not trusted:
        raise Refused("private", "private ads are for negotiators and administrators")
    target = word(ad, "TargetType") or ""
    match command:
        case kinds.QUERY_ANY:
            return [_question(ad, "", "", trusted)]
        case kinds.QUERY_PRIVATE:
            return [_question(ad, kinds.PRIVATE, "", trusted)]
        case kinds.QUERY_MULTIPLE | kinds.QUERY_MULTIPLE_PRIVATE:
            names = _words(target)[:MAX_TABLES]
            if command == kinds.QUERY_MULTIPLE and kinds.PRIVATE in names:
                raise Refused("private", f"{kinds.PRIVATE} is asked for by another command")
            return [_question(ad, name, name, trusted) for name in names]
        case kinds.QUERY_GENERIC:
            if not target:
                raise Refused("table", "a query for generic ads names no table")
            return [_question(ad, target, "", trusted, generic=True)]
        case kinds.MACHINE.query if target.lower() == kinds.STARTD.name.lower():
            return [_question(ad, kinds.STARTD.name, "", trusted)]
        case _:
            return [_question(ad, kinds.BY_QUERY[command].name, "", trusted)]


def requirement_of(ad: Ad, name: str = "Requirements") -> Requirement:
    """The expression of this name; without one, all ads are meant."""
    return Requirement.of(ad.text(name) if name in ad else "true")


def _question(ad: Ad, table: str, prefix: str, trusted: bool, generic: bool = False) -> Question:
    """One table's; what has its name as ``prefix`` counts before what has not."""

    def named(name: str) -> str:
        return prefix + name if prefix + name in ad else name

    limit = ad.get(named("LimitResults"))
    return Question(
        table=table,
        generic=generic,
        requirement=requirement_of(ad, named("Requirements")),
        projection=_projection(word(ad, named("Projection")) or ""),
        limit=limit if isinstance(limit, int) and limit > 0 else None,
        location=word(ad, "LocationQuery") is not None,
        private=table == kinds.PRIVATE,
        secrets=trusted and ad.get("SendPrivateAttributes") is True,
    )


def _projection(text: str) -> dict[bytes, bytes]:
    names = _words(text)
    if len(names) > MAX_PROJECTION:
        raise Refused("projection", f"a projection of more than {MAX_PROJECTION} attributes")
    return {as_bytes(name).lower(): as_bytes(name) for name in names}


def _words(text: str) -> list[str]:
    return [name for name in _SEPARATORS.split(text) if name]
