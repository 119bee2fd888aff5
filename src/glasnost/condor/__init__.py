"""HTCondor's side of things. What is spoken of it: STATUS.md beside this file."""

from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import Sinful

__all__ = ["Sinful", "parse"]
