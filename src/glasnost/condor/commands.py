"""HTCondor's commands: their numbers, their names, and which permission each needs."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final


class Level(enum.Enum):
    """What somebody may be allowed. Commands of ALLOW are anybody's."""

    ALLOW = "ALLOW"
    READ = "READ"
    WRITE = "WRITE"
    NEGOTIATOR = "NEGOTIATOR"
    ADMINISTRATOR = "ADMINISTRATOR"
    CONFIG = "CONFIG"
    DAEMON = "DAEMON"
    ADVERTISE_STARTD = "ADVERTISE_STARTD"
    ADVERTISE_SCHEDD = "ADVERTISE_SCHEDD"
    ADVERTISE_MASTER = "ADVERTISE_MASTER"


#: Who may one thing may another too, as HTCondor has it: an access point that advertises may ask.
_IMPLIED: Final = {
    Level.WRITE: Level.READ,
    Level.NEGOTIATOR: Level.READ,
    Level.CONFIG: Level.READ,
    Level.ADMINISTRATOR: Level.WRITE,
    Level.DAEMON: Level.WRITE,
    Level.ADVERTISE_STARTD: Level.READ,
    Level.ADVERTISE_SCHEDD: Level.READ,
    Level.ADVERTISE_MASTER: Level.READ,
}


def implied_by(levels: Iterable[Level]) -> frozenset[Level]:
    """These permissions, and those that come with them.

    >>> sorted(level.name for level in implied_by([Level.DAEMON]))
    ['ALLOW', 'DAEMON', 'READ', 'WRITE']
    """
    found = {Level.ALLOW}
    for level in levels:
        more: Level | None = level
        while more is not None:
            found.add(more)
            more = _IMPLIED.get(more)
    return frozenset(found)


class Command(enum.IntEnum):
    """The commands that we send or answer, or that others send us."""

    UPDATE_STARTD_AD = 0
    UPDATE_SCHEDD_AD = 1
    UPDATE_MASTER_AD = 2
    UPDATE_CKPT_SRVR_AD = 4
    QUERY_STARTD_ADS = 5
    QUERY_SCHEDD_ADS = 6
    QUERY_MASTER_ADS = 7
    QUERY_CKPT_SRVR_ADS = 9
    QUERY_STARTD_PVT_ADS = 10
    UPDATE_SUBMITTOR_AD = 11
    QUERY_SUBMITTOR_ADS = 12
    INVALIDATE_STARTD_ADS = 13
    INVALIDATE_SCHEDD_ADS = 14
    INVALIDATE_MASTER_ADS = 15
    INVALIDATE_CKPT_SRVR_ADS = 17
    INVALIDATE_SUBMITTOR_ADS = 18
    UPDATE_COLLECTOR_AD = 19
    QUERY_COLLECTOR_ADS = 20
    INVALIDATE_COLLECTOR_ADS = 21
    UPDATE_LICENSE_AD = 42
    QUERY_LICENSE_ADS = 43
    INVALIDATE_LICENSE_ADS = 44
    UPDATE_STORAGE_AD = 45
    QUERY_STORAGE_ADS = 46
    INVALIDATE_STORAGE_ADS = 47
    QUERY_ANY_ADS = 48
    UPDATE_NEGOTIATOR_AD = 49
    QUERY_NEGOTIATOR_ADS = 50
    INVALIDATE_NEGOTIATOR_ADS = 51
    QUERY_MULTIPLE_ADS = 53
    QUERY_MULTIPLE_PVT_ADS = 54
    UPDATE_HAD_AD = 55
    QUERY_HAD_ADS = 56
    INVALIDATE_HAD_ADS = 57
    UPDATE_AD_GENERIC = 58
    INVALIDATE_ADS_GENERIC = 59
    UPDATE_STARTD_AD_WITH_ACK = 60
    CCB_REGISTER = 67
    CCB_REQUEST = 68
    CCB_REVERSE_CONNECT = 69
    UPDATE_GRID_AD = 70
    QUERY_GRID_ADS = 71
    INVALIDATE_GRID_ADS = 72
    MERGE_STARTD_AD = 73
    QUERY_GENERIC_ADS = 74
    SHARED_PORT_CONNECT = 75
    SHARED_PORT_PASS_SOCK = 76
    UPDATE_ACCOUNTING_AD = 77
    QUERY_ACCOUNTING_ADS = 78
    INVALIDATE_ACCOUNTING_ADS = 79
    UPDATE_OWN_SUBMITTOR_AD = 80
    CCB_PROXY_CONNECT = 82
    ALIVE = 441
    CONFIG_VAL = 457
    DC_CONFIG_VAL = 60007
    DC_AUTHENTICATE = 60010
    DC_NOP = 60011
    DC_NOP_READ = 60020
    DC_NOP_WRITE = 60021
    DC_NOP_NEGOTIATOR = 60022
    DC_NOP_ADMINISTRATOR = 60023
    DC_NOP_OWNER = 60024
    DC_NOP_CONFIG = 60025
    DC_NOP_DAEMON = 60026
    DC_NOP_ADVERTISE_STARTD = 60027
    DC_NOP_ADVERTISE_SCHEDD = 60028
    DC_NOP_ADVERTISE_MASTER = 60029
    DC_SEC_QUERY = 60040
    DC_QUERY_INSTANCE = 60045


_STARTD, _SCHEDD, _MASTER = (
    (Level.ADVERTISE_STARTD,),
    (Level.ADVERTISE_SCHEDD,),
    (Level.ADVERTISE_MASTER,),
)
_OTHERS: Final[dict[Command, tuple[Level, ...]]] = {
    Command.SHARED_PORT_CONNECT: (Level.ALLOW,),
    Command.CCB_REVERSE_CONNECT: (Level.ALLOW,),
    Command.DC_NOP: (Level.ALLOW,),
    Command.DC_AUTHENTICATE: (Level.ALLOW,),
    Command.DC_SEC_QUERY: (Level.ALLOW,),
    Command.DC_QUERY_INSTANCE: (Level.ALLOW,),
    Command.CCB_REQUEST: (Level.READ,),
    Command.CCB_REGISTER: (Level.DAEMON, *_STARTD, *_SCHEDD, *_MASTER),
    Command.UPDATE_STARTD_AD: _STARTD,
    Command.UPDATE_STARTD_AD_WITH_ACK: _STARTD,
    Command.INVALIDATE_STARTD_ADS: _STARTD,
    Command.UPDATE_SCHEDD_AD: _SCHEDD,
    Command.INVALIDATE_SCHEDD_ADS: _SCHEDD,
    Command.UPDATE_SUBMITTOR_AD: _SCHEDD,
    Command.UPDATE_OWN_SUBMITTOR_AD: _SCHEDD,
    Command.INVALIDATE_SUBMITTOR_ADS: _SCHEDD,
    Command.UPDATE_MASTER_AD: _MASTER,
    Command.INVALIDATE_MASTER_ADS: _MASTER,
    Command.QUERY_STARTD_PVT_ADS: (Level.NEGOTIATOR,),
    Command.QUERY_MULTIPLE_PVT_ADS: (Level.NEGOTIATOR,),
    Command.MERGE_STARTD_AD: (Level.NEGOTIATOR,),
    Command.UPDATE_NEGOTIATOR_AD: (Level.NEGOTIATOR,),
    Command.INVALIDATE_NEGOTIATOR_ADS: (Level.NEGOTIATOR,),
    Command.UPDATE_ACCOUNTING_AD: (Level.NEGOTIATOR,),
    Command.INVALIDATE_ACCOUNTING_ADS: (Level.NEGOTIATOR,),
    Command.CONFIG_VAL: (Level.READ,),
    Command.DC_CONFIG_VAL: (Level.READ,),
    Command.DC_NOP_OWNER: (Level.ADMINISTRATOR,),
}


def levels_of(command: Command) -> tuple[Level, ...]:
    """The permissions of which one is enough for a command.

    >>> levels_of(Command.QUERY_ANY_ADS), levels_of(Command.UPDATE_AD_GENERIC)
    ((<Level.READ: 'READ'>,), (<Level.DAEMON: 'DAEMON'>,))
    """
    if (found := _OTHERS.get(command)) is not None:
        return found
    if command.name.startswith("DC_NOP_"):
        return (Level[command.name.removeprefix("DC_NOP_")],)
    return (Level.READ,) if command.name.startswith("QUERY_") else (Level.DAEMON,)


def name_of(number: int) -> str:
    """A command for people, known or not."""
    return Command(number).name if number in _NUMBERS else f"command {number}"


_NUMBERS: Final = frozenset(Command)
