"""What ``SEC_*`` asks for on each level of permission, and which setting says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from glasnost.condor.config.statements import Wrong
from glasnost.condor.config.table import Table

Demand = Literal["REQUIRED", "PREFERRED", "OPTIONAL", "NEVER"]

#: The levels, each with the one that is asked next where nothing is set for it.
LEVELS: Final = {
    "DEFAULT": "",
    "CLIENT": "DEFAULT",
    "READ": "DEFAULT",
    "WRITE": "DEFAULT",
    "NEGOTIATOR": "DEFAULT",
    "ADMINISTRATOR": "DEFAULT",
    "CONFIG": "DEFAULT",
    "DAEMON": "DEFAULT",
    "ADVERTISE_STARTD": "DAEMON",
    "ADVERTISE_SCHEDD": "DAEMON",
    "ADVERTISE_MASTER": "DAEMON",
}
#: HTCondor looks at the first letter only.
_DEMANDS: Final[dict[str, Demand]] = {
    **dict.fromkeys("RYT", "REQUIRED"),
    "P": "PREFERRED",
    "O": "OPTIONAL",
    **dict.fromkeys("FN", "NEVER"),
}
#: Other spellings of methods and ciphers.
_ALIASES: Final = {
    **dict.fromkeys(("TOKEN", "TOKENS", "IDTOKEN"), "IDTOKENS"),
    "SCITOKEN": "SCITOKENS",
    "TRIPLEDES": "3DES",
}
_CIPHERS: Final = "AES,BLOWFISH,3DES"


@dataclass(frozen=True, slots=True)
class Protection:
    """What one side wants of a connection on one level."""

    negotiation: Demand = "PREFERRED"
    authentication: Demand = "OPTIONAL"
    encryption: Demand = "OPTIONAL"
    integrity: Demand = "OPTIONAL"
    authentication_methods: tuple[str, ...] = ()
    crypto_methods: tuple[str, ...] = ()


def protection(table: Table, level: str) -> Protection:
    """What is set for a level, or for those that stand behind it."""
    return Protection(
        _demand(table, level, "NEGOTIATION", "PREFERRED"),
        _demand(table, level, "AUTHENTICATION", "OPTIONAL"),
        _demand(table, level, "ENCRYPTION", "OPTIONAL"),
        _demand(table, level, "INTEGRITY", "OPTIONAL"),
        _methods(_first(table, level, "AUTHENTICATION_METHODS")[1]),
        _methods(_first(table, level, "CRYPTO_METHODS")[1] or _CIPHERS),
    )


def listed(text: str) -> tuple[str, ...]:
    """The words of a list, which commas or blanks separate."""
    return tuple(word for word in re.split(r"[\s,]+", text) if word)


def _demand(table: Table, level: str, what: str, default: Demand) -> Demand:
    name, value = _first(table, level, what)
    if not value:
        return default
    if (demand := _DEMANDS.get(value[0].upper())) is None:
        raise Wrong(f"{name} is {value!r}, and not REQUIRED, PREFERRED, OPTIONAL or NEVER")
    return demand


def _first(table: Table, level: str, what: str) -> tuple[str, str]:
    """The first setting on the way to DEFAULT that is not empty."""
    name = ""
    while level:
        name = f"SEC_{level}_{what}"
        if value := table.value(name):
            return name, value
        level = _next(table, level)
    return name, ""


def _next(table: Table, level: str) -> str:
    if level == "DAEMON" and truth(table.value("LEGACY_ALLOW_SEMANTICS")):
        return "WRITE"  # as it was before 9.0, which `use security:host_based` asks for
    return LEVELS[level]


def _methods(text: str) -> tuple[str, ...]:
    names = (word.upper() for word in listed(text))
    return tuple(dict.fromkeys(_ALIASES.get(name, name) for name in names))


def truth(text: str) -> bool | None:
    """Whether a value is true or false; None for what HTCondor would have to calculate."""
    match text.strip().lower():
        case "true" | "t" | "yes" | "1":
            return True
        case "false" | "f" | "no" | "0":
            return False
    return None
