"""One ``[setups.NAME]`` of the settings: what is brought up around the use of an exit."""

from __future__ import annotations

import ipaddress

import msgspec

#: The longest that bringing something up may be set to take, seconds: who waits is a connect, and
#: even a slow VPN is up in a minute.
MAX_TIMEOUT = 300.0
#: The longest that something unused may be set to stay up, seconds.
MAX_GRACE = 7 * 24 * 3600.0


class SetupSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[setups.NAME]``: a VPN, a tunnel or a link that an exit brings up for its first user,
    and that goes down after its last. Commands are lists of words, and never a shell's.

    What is up already, without us, is used as it is and left alone.
    """

    #: A program that runs as long as it is up: `["openvpn", "--config", "/etc/openvpn/lab.conf"]`.
    #: It is ended with SIGTERM.
    run: tuple[str, ...] = ()
    #: Instead, a command that brings it up and ends: `["ip", "-batch", "/etc/glasnost/vx.up"]`.
    start: tuple[str, ...] = ()
    #: A command that takes it down, or cleans up behind `run`. It is also run before the next
    #: start where a crash has left something behind.
    stop: tuple[str, ...] = ()
    #: It is up when this interface has an address. Whatever is connected from there is a user.
    interface: str = ""
    #: It is up when this place takes TCP connections: `"10.8.0.1:22"`.
    reaches: str = ""
    #: It is up when this command succeeds.
    check: tuple[str, ...] = ()
    #: Seconds until it has to be up. (A connect has 15 for everything, if nobody says otherwise.)
    timeout: float = 10.0
    #: Seconds for which it stays up after its last user.
    grace: float = 30.0

    def __post_init__(self) -> None:
        if bool(self.run) == bool(self.start):
            raise ValueError("a setup has a program that runs, or else a command that starts it")
        if not self.start and not self.seen:
            raise ValueError("a setup says how it is seen to be up: interface, reaches or check")
        for words in (self.run, self.start, self.stop, self.check):
            if any("\0" in word for word in words) or words[:1] == ("",):
                raise ValueError("a command is a program and its arguments, as texts without NUL")
        if self.reaches:
            self.place()
        if not 0 < self.timeout <= MAX_TIMEOUT:
            raise ValueError(f"a setup's timeout is from 0 to {MAX_TIMEOUT:g} seconds")
        if not 0 <= self.grace <= MAX_GRACE:
            raise ValueError(f"a setup's grace is from 0 to {MAX_GRACE:g} seconds")

    @property
    def seen(self) -> bool:
        """Whether it can be seen to be up; else it is when the command has ended."""
        return bool(self.interface or self.reaches or self.check)

    def place(self) -> tuple[str, int]:
        """The address and port of `reaches`. Raises ``ValueError``."""
        host, _, port = self.reaches.rpartition(":")
        if not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
            raise ValueError(f'a place is written "10.8.0.1:22" or "[fd00::1]:22": {self.reaches}')
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        return str(ipaddress.ip_address(host)), int(port)
