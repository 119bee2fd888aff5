"""What ClassAds' expressions come to, by HTCondor's own library: the optional extra `condor`."""

from glasnost.condor.judge.language import evaluate, is_here, parses

__all__ = ["evaluate", "is_here", "parses"]
