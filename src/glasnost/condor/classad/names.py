"""Names of attributes: which there may be, and which are secret."""

from __future__ import annotations

import re
from typing import Final

from glasnost.condor.classad.limits import MAX_NAME

#: The secret ones that every version knows, in lower case.
_PRIVATE: Final = frozenset(
    {"capability", "childclaimids", "claimid", "claimidlist", "claimids", "transferkey"}
)
#: What the names of all others begin with; peers before 9.9.0 are not sent them.
_PRIVATE_PREFIX: Final = "_condor_priv"

#: HTCondor takes whatever stands in front of the "=", and puts what is no word in quotes; here it
#: is at least something that can be printed.
_GOOD: Final = rb"[^\x00-\x1f\x7f=]{1,%d}" % MAX_NAME
GOOD_NAME: Final = re.compile(_GOOD)
#: The same for many, each with a zero byte behind it.
GOOD_NAMES: Final = re.compile(rb"(?:%s\0)*" % _GOOD)


def is_private(name: str) -> bool:
    """Whether what stands under this name is a secret (V1 and V2).

    >>> is_private("ClaimId"), is_private("_Condor_PrivX"), is_private("Name")
    (True, True, False)
    """
    lower = name.lower()
    return lower in _PRIVATE or lower.startswith(_PRIVATE_PREFIX)


def is_private_v2(name: str) -> bool:
    """Whether it is a secret of the sort that peers before 9.9.0 do not know."""
    return name.lower().startswith(_PRIVATE_PREFIX)
