"""What ClassAds' expressions come to, by HTCondor's own library: the optional extra `condor`."""

from glasnost.condor.judge.language import evaluate, is_here, parses
from glasnost.condor.judge.process import Judge

__all__ = ["Judge", "evaluate", "is_here", "parses"]
