"""The agent: owns a host's shared port, and speaks for its services and programs.

`agent` puts together: `listening` (where it listens), `services` (who is called), `replies`
(expected dial-backs), `clients` (the programs at the local socket), `publication` (what the
directories are told), `lookups` (what names mean), `brokers` (where the host is registered),
`dialling` (what it connects to), `upkeep` (its certificates).
"""

from glasnost.roles.agent.agent import Agent

__all__ = ["Agent"]
