"""The tables of the settings: what one network, exit, proxy or knock may say. What is brought up
has a module of its own, `setups`, which its keeper reads without the rest."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from glasnost.errors import SettingsError

if TYPE_CHECKING:
    from glasnost.core.routes import Exit

#: Ports of one knock: what any firewall asks for, and no port scan.
MAX_KNOCKS = 32
#: The longest that a knock may wait at one port, seconds: a connect has 15 for everything.
MAX_KNOCK_TIME = 5.0


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[networks]]``: which of this host's addresses are on the network ``name``.

    By ``interface`` (its name) or ``ranges`` (``["10.8.0.0/16"]``); with neither, every address
    of this host that is not public.
    """

    name: str
    interface: str | None = None
    ranges: tuple[str, ...] = ()

    def holds(self, interface: str, address: str) -> bool:
        """Whether an address of this host is on the network."""
        parsed = ipaddress.ip_address(address)
        if self.interface is None and not self.ranges:
            return not parsed.is_global
        if self.interface is not None and self.interface != interface:
            return False
        return not self.ranges or self.covers(address)

    def covers(self, address: str) -> bool:
        """Whether any address, not only ours, lies in one of the ranges."""
        parsed = ipaddress.ip_address(address)
        return any(parsed in ipaddress.ip_network(text, strict=False) for text in self.ranges)


class ExitSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[exits]]``: a way out that this host cannot be seen to have, such as a proxy.

    Exits whose stages nobody here can cross are kept, and `glasnost explain` says so.
    """

    #: Where it comes out: `["ip4@public"]`.
    lands: tuple[str, ...]
    #: What it is called in explanations.
    name: str = ""
    #: The stages crossed on our own, such as `"ip4:10.8.0.1:1080/socks5"`; none: it is direct.
    via: str = ""
    #: What a connection over it costs next to others, from 0 on.
    cost: float = 0
    #: The address to connect from, where the system shall not choose.
    source: str | None = None
    #: Where it is not used for what a route begins at: `["10.0.0.0/8", "lab.example.org"]` are
    #: addresses, ranges, and names with all below them.
    not_for: tuple[str, ...] = ()

    def exits(self) -> list[Exit]:
        """The exits that planning sees, one for each landing. Raises ``ValueError``."""
        from glasnost.core.routes import Exit

        if not self.lands:
            raise ValueError("it lands nowhere")
        rest = msgspec.structs.asdict(self) | {"stages": self.via.split("/") if self.via else []}
        return [Exit.from_dict(rest | {"lands": text}) for text in self.lands]


class ProxySetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[proxies]]``: how to log in at a SOCKS5 or HTTP proxy.

    It is said to the proxy itself, as an exit or a route leads to it, and to none that another
    proxy of a route claims to lead to.
    """

    #: Where it is, as routes and exits write it: `"ip4:10.8.0.1:1080"`.
    at: str
    #: Who we are there.
    user: str
    #: The password, if it is to stand here.
    password: str = ""
    #: A file whose first line is the password, so that it need not stand here.
    password_file: str = ""

    def login(self) -> tuple[str, str]:
        """User and password. Raises `SettingsError` where the file cannot be read."""
        if not self.password_file:
            return self.user, self.password
        try:
            return self.user, Path(self.password_file).read_text().partition("\n")[0].strip("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"cannot read {self.password_file}: {why}") from None


class TlsSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[tls."NAME"]``: how to speak TLS to the server that a route names so."""

    #: A file with the authorities to believe; none: the system's.
    authorities: str = ""
    #: The SHA-256 of the server's own certificate, in hexadecimal: then nobody else's word counts.
    pin: str = ""
    #: The name to ask for, where it is not the server's (SNI).
    ask_for: str = ""
    #: What to offer to speak inside (ALPN), best first: `["h2", "http/1.1"]`.
    protocols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pin and not re.fullmatch(r"[0-9a-f]{64}", self.pin):
            raise ValueError("a pin is a SHA-256 in 64 lower-case hexadecimal digits")
        if not all(0 < len(one.encode()) < 256 for one in self.protocols):
            raise ValueError("a protocol to offer has 1 to 255 bytes")


class SshSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[ssh.NAME]``: how to log in at the jump host that a route names so.

    By OpenSSH's own client, which reads no settings but these, and asks nobody: a key has no
    passphrase, or is an agent's.
    """

    user: str
    #: What ``known_hosts`` calls the server: "gate.example.org", "[gate.example.org]:2222". None:
    #: NAME. An address says where the server is, never who it is.
    host: str = ""
    #: The file of the key to log in with. None: those of the agent, and those that ``ssh`` tries
    #: by itself, such as `~/.ssh/id_ed25519`.
    identity: str = ""
    #: The socket of the ``ssh-agent``. None: what `SSH_AUTH_SOCK` says.
    agent: str = ""
    #: The file of the host keys to believe. None: ``ssh``'s own, `~/.ssh/known_hosts` and
    #: `/etc/ssh/ssh_known_hosts`.
    known_hosts: str = ""
    #: The host key itself, as in the server's `ssh_host_ed25519_key.pub`: "ssh-ed25519 AAAA...".
    #: Then no file counts.
    host_key: str = ""
    #: Whether to believe whatever key a server shows that ``known_hosts`` does not have yet, and
    #: write it there. One that has changed is refused all the same.
    trust_new: bool = False

    def __post_init__(self) -> None:
        # The client's settings have a language of their own, in which these letters say more.
        if not re.fullmatch(r"[^\s\"'\\$`-][^\s\"'\\$`]*", self.user):
            raise ValueError(f"{self.user!r} is no user to log in as")
        if not re.fullmatch(r"[\w.:\[\]-]*", self.host, re.ASCII):
            raise ValueError(f"{self.host!r} is no name that known_hosts can have")
        for file in (self.identity, self.agent, self.known_hosts):
            if file and not re.fullmatch(r"~?/[^\0-\x1f\"\\$]*", file):
                raise ValueError(f"{file!r} is no file's whole path without quotes, \\ and $")
        if not re.fullmatch(r"([a-z0-9@.-]+ [A-Za-z0-9+/]+=*)?", self.host_key):
            raise ValueError('a host key is written "ssh-ed25519 AAAA...", without a name')
        if self.host_key and (self.known_hosts or self.trust_new):
            raise ValueError("with a host_key, known_hosts and trust_new have no say")


class KnockSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[knocks.NAME]``: what a firewall wants to see before it lets us in."""

    #: The ports, in order: `["7000/tcp", "8000/udp"]`.
    ports: tuple[str, ...]
    #: Where we knock so: `["198.51.100.4", "10.0.0.0/8", "gate.example.org"]` are addresses,
    #: ranges, and names with all below them. Whoever else publishes a route with this knock learns
    #: nothing of it.
    hosts: tuple[str, ...]
    #: Seconds after each, so that they arrive in this order; and after the last, so that the
    #: firewall is done.
    delay: float = 0.05
    wait: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= len(self.ports) <= MAX_KNOCKS:
            raise ValueError(f"a knock is at 1 to {MAX_KNOCKS} ports, not {len(self.ports)}")
        self.sequence()
        if not self.hosts:
            raise ValueError("a knock is for somebody: hosts is empty")
        if not (0 <= self.delay <= MAX_KNOCK_TIME and 0 <= self.wait <= MAX_KNOCK_TIME):
            raise ValueError(f"a knock's delay and wait are from 0 to {MAX_KNOCK_TIME:g} seconds")

    def sequence(self) -> list[tuple[int, str]]:
        """Ports with their protocols, ``tcp`` or ``udp``."""
        return [_port_of(text) for text in self.ports]


def _port_of(text: str) -> tuple[int, str]:
    number, _, protocol = text.partition("/")
    digits = number.isascii() and number.isdecimal()
    if not digits or not 0 < int(number) < 65536 or protocol not in ("tcp", "udp"):
        raise ValueError(f'a port to knock at is written "7000/tcp" or "8000/udp", not {text!r}')
    return int(number), protocol


class CondorSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[condor]``: this host's port serves HTCondor's programs too. The table has to be there,
    and may be empty; what is set here has a name in HTCondor's own settings, in capital letters.
    """

    #: Where HTCondor's daemons on this host have their sockets (DAEMON_SOCKET_DIR): the port hands
    #: them their connections. Empty: there are none.
    sockets: str = ""
    #: The file in which they look for their public address (SHARED_PORT_DAEMON_AD_FILE), written
    #: at start and when it changes. Empty: it is not written.
    port_ad: str = ""
    #: The host's name in that address, which TLS certificates are held against (HOST_ALIAS).
    alias: str = ""
    #: HTCondor's brokers at which this host registers (CCB_ADDRESS): "cm.example.org:9618". So its
    #: clients reach the plain services here, and HTCondor's daemons, though it cannot be dialled.
    brokers: tuple[str, ...] = ()
    #: Who is called by those who name nobody (SHARED_PORT_DEFAULT_ID).
    default_id: str = "collector"
    #: Who is given what speaks HTTP or TLS (SHARED_PORT_HTTP_FORWARDING_ID). Empty: nobody.
    http_id: str = ""
    #: Whether this host's directory is the pool's collector and CCB broker too, at the id
    #: "collector" (COLLECTOR_HOST and CCB_ADDRESS of the pool's other hosts are then this one).
    collector: bool = False
    #: The pool's name, as its own ad has it (COLLECTOR_NAME).
    pool: str = "Glasnost"
    #: Whether everything is encrypted, and everybody but who merely asks has to log in, as `use
    #: security:recommended` has it. `false`: whatever the other side wants, raw commands included.
    secure: bool = True
    #: How programs may log in (SEC_DEFAULT_AUTHENTICATION_METHODS), best first. CLAIMTOBE and
    #: ANONYMOUS believe everybody.
    methods: tuple[str, ...] = ("FS", "IDTOKENS", "SSL")
    #: Whose tokens are believed, and the domain of this host's accounts (TRUST_DOMAIN,
    #: UID_DOMAIN). Empty: the pool's domain.
    trust_domain: str = ""
    #: Who may do what (ALLOW_READ and the like, without ALLOW_): `DAEMON = ["condor@*",
    #: "*/10.0.0.0/8"]` are users, or users and addresses. What is not set is as `use
    #: security:recommended` has it.
    allow: dict[str, tuple[str, ...]] = {}
    #: Who may not, whatever is allowed (DENY_READ and the like).
    deny: dict[str, tuple[str, ...]] = {}
    #: For SSL: our certificate and its key, and the authorities of programs' own certificates
    #: (AUTH_SSL_SERVER_CERTFILE, _KEYFILE, _CAFILE). Without a certificate there is no SSL.
    certificate: str = ""
    key: str = ""
    authorities: str = ""
    #: The users of certificates, by their subjects (CERTIFICATE_MAPFILE): `{"CN=startd,O=x" =
    #: "condor@x"}`. Who is not there has shown that they speak TLS, and nothing more.
    subjects: dict[str, str] = {}
    #: Whether updates are taken by UDP, too, at the number of our TCP port. What is enciphered
    #: there can be sent again by whoever has seen it.
    udp: bool = False
    #: Whether slots that are heard of no more are kept for a month, as absent
    #: (ABSENT_REQUIREMENTS).
    keep_absent: bool = False

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("condor: a certificate and its key come together")
