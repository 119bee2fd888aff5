"""The agent: owns a host's shared port, and speaks for its services and programs.

`agent` puts together: `services` (who is called), `replies` (expected dial-backs), `clients` (the
programs at the local socket), `publication` (what the directories are told), `brokers` (where the
host is registered), `lookups` (what names mean).
"""

from glasnost.roles.agent.agent import Agent

__all__ = ["Agent"]
