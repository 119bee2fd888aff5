"""HTCondor's configuration files, as far as a program beside HTCondor needs them.

``read_config()`` finds and reads them; `tokens` finds token files by what they say. What is read
and what is not: docs/reference/condor-config.md.
"""

from glasnost.condor.config.interpreter import Finding
from glasnost.condor.config.protection import Demand, Protection
from glasnost.condor.config.settings import CondorConfig
from glasnost.condor.config.sources import Host, read_config

__all__ = ["CondorConfig", "Demand", "Finding", "Host", "Protection", "read_config"]
