"""HTCondor's collector as a machine without sockets: ads in, answers out. Pure."""

from glasnost.condor.collector.answer import Answer, Channel
from glasnost.condor.collector.collector import NOBODY, Collector, Sender
from glasnost.condor.collector.limits import CollectorLimits
from glasnost.condor.collector.selecting import Removal
from glasnost.condor.collector.work import Work

__all__ = [
    "NOBODY",
    "Answer",
    "Channel",
    "Collector",
    "CollectorLimits",
    "Removal",
    "Sender",
    "Work",
]
