"""HTCondor's side of things. What is spoken of it: STATUS.md beside this file."""

from glasnost.condor.reading import parse
from glasnost.condor.sinful import Sinful

__all__ = ["Sinful", "parse"]
