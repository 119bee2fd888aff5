"""What a collector keeps: sorts of ads, their commands, and what tells one ad from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from glasnost.condor.classad import Ad, Expression

#: What tells an ad from the others of its table.
Key = tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """One sort of ads with a table of its own, named as in MyType and TargetType."""

    name: str
    update: int
    query: int
    invalidate: int
    key: Callable[[Ad], Key | None]


def word(ad: Ad, name: str) -> str | None:
    """A string of the ad; None where it has none of that name."""
    value = ad.get(name)
    return value if isinstance(value, str) and not isinstance(value, Expression) else None


def _by(*names: str) -> Callable[[Ad], Key | None]:
    """All of these strings."""

    def key(ad: Ad) -> Key | None:
        words = tuple(found for name in names if (found := word(ad, name)) is not None)
        return words if len(words) == len(names) else None

    return key


def _name_or_machine(ad: Ad) -> Key | None:
    name = word(ad, "Name")
    name = word(ad, "Machine") if name is None else name
    return None if name is None else (name,)


def _slot(ad: Ad) -> Key | None:
    key = _name_or_machine(ad)
    slot = ad.get("SlotID")
    if key is None or word(ad, "Name") is not None or not isinstance(slot, int):
        return key
    return (f"{key[0]}:{slot}",)


def _schedd(ad: Ad) -> Key | None:
    key = _name_or_machine(ad)
    if key is None or word(ad, "MyAddress") is None:
        return None
    return (*key, word(ad, "ScheddName") or "")


def _grid(ad: Ad) -> Key | None:
    name, owner = word(ad, "HashName"), word(ad, "Owner")
    schedd = word(ad, "ScheddName")
    schedd = word(ad, "ScheddIpAddr") if schedd is None else schedd
    if name is None or owner is None or schedd is None:
        return None
    return (name, owner, schedd, word(ad, "GridmanagerSelectionValue") or "")


def _accounting(ad: Ad) -> Key | None:
    name = word(ad, "Name")
    return None if name is None else (name, word(ad, "NegotiatorName") or "")


MACHINE: Final = Kind("Machine", 0, 5, 13, _slot)
#: By the commands of MACHINE, too: the MyType of an update says so, or the TargetType of a query.
STARTD: Final = Kind("StartD", 0, 5, 13, _name_or_machine)
SUBMITTER: Final = Kind("Submitter", 11, 12, 18, _schedd)

#: By names in lower case. Any other name is a generic table's.
KINDS: Final = {
    kind.name.lower(): kind
    for kind in (
        MACHINE,
        STARTD,
        Kind("Scheduler", 1, 6, 14, _schedd),
        Kind("DaemonMaster", 2, 7, 15, _name_or_machine),
        SUBMITTER,
        Kind("Collector", 19, 20, 21, _name_or_machine),
        Kind("License", 42, 43, 44, _by("Name", "MyAddress")),
        Kind("Storage", 45, 46, 47, _by("Name")),
        Kind("Negotiator", 49, 50, 51, _by("Name")),
        Kind("HAD", 55, 56, 57, _by("Name")),
        Kind("Grid", 70, 71, 72, _grid),
        Kind("Accounting", 77, 78, 79, _accounting),
        Kind("CkptServer", 4, 9, 17, _by("Machine")),
    )
}

UPDATE_GENERIC, QUERY_GENERIC, INVALIDATE_GENERIC = 58, 74, 59
UPDATE_WITH_ACK: Final = 60
MERGE_STARTD: Final = 73
UPDATE_OWN_SUBMITTER: Final = 80
QUERY_PRIVATE: Final = 10
QUERY_ANY: Final = 48
QUERY_MULTIPLE, QUERY_MULTIPLE_PRIVATE = 53, 54

#: What private ads of slots are called as a TargetType.
PRIVATE: Final = "MachinePrivate"

#: Which kind a command is about; of STARTD, the ad has to tell.
BY_UPDATE: Final = {kind.update: kind for kind in KINDS.values() if kind is not STARTD} | {
    UPDATE_WITH_ACK: MACHINE,
    MERGE_STARTD: MACHINE,
    UPDATE_OWN_SUBMITTER: SUBMITTER,
}
BY_QUERY: Final = {kind.query: kind for kind in KINDS.values() if kind is not STARTD}
BY_INVALIDATE: Final = {kind.invalidate: kind for kind in KINDS.values() if kind is not STARTD}

#: All commands that a collector knows, by what they do.
UPDATES: Final = frozenset({*BY_UPDATE, UPDATE_GENERIC})
INVALIDATIONS: Final = frozenset({*BY_INVALIDATE, INVALIDATE_GENERIC})
PRIVATE_QUERIES: Final = frozenset({QUERY_PRIVATE, QUERY_MULTIPLE_PRIVATE})
QUERIES: Final = frozenset({*BY_QUERY, QUERY_GENERIC, QUERY_ANY, QUERY_MULTIPLE, *PRIVATE_QUERIES})


def generic(name: str) -> Kind:
    """A kind that only its senders know."""
    return Kind(name, UPDATE_GENERIC, QUERY_GENERIC, INVALIDATE_GENERIC, _by("Name"))
