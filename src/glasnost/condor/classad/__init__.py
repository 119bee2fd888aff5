"""ClassAds: HTCondor's records, as bytes that are read when somebody asks. Pure.

What an expression evaluates to is not known here: see `condor/collector/requirements.py`.
"""

from glasnost.condor.classad.ad import Ad
from glasnost.condor.classad.names import is_private
from glasnost.condor.classad.security import read_security_ad
from glasnost.condor.classad.values import ERROR, ErrorValue, Expression, Value, read_list

__all__ = [
    "ERROR",
    "Ad",
    "ErrorValue",
    "Expression",
    "Value",
    "is_private",
    "read_list",
    "read_security_ad",
]
