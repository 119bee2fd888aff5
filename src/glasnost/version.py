"""The number of this release; daemons say theirs, as they may run on after an upgrade."""

__version__ = "0.1.0"
