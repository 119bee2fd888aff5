"""Who this program is to HTCondor's daemons: what it wants of them, what it can log in with, and
the sessions that it has with them.

All of it comes from HTCondor's own configuration on this host, and holds for the process, unless
somebody says `Caller.using`.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import ssl
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import ALIAS
from glasnost.condor.cedar.ciphers import AES, BLOWFISH, TRIPLE_DES
from glasnost.condor.client import Call, ClientSettings, endpoint_of, start_command
from glasnost.condor.config import CondorConfig, Host, read_config
from glasnost.condor.config.tokens import find_tokens, read_private
from glasnost.condor.security.methods.base import FS_DIRECTORY, Login, Peer
from glasnost.condor.security.methods.kinds import Method, methods_in
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.security.sessions import ClientSessions
from glasnost.condor.security.tokens import Token, read_token
from glasnost.condor.security.words import Word
from glasnost.condor.stream import CedarStream
from glasnost.errors import PathCut, Refused, SettingsError, TrustError

log = logging.getLogger("glasnost.condor")

#: What we can log in with. CLAIMTOBE and ANONYMOUS prove nothing, so they are used where they are
#: named, and in no default.
_METHODS: Final = (Method.FS, Method.TOKEN, Method.SCITOKENS, Method.SSL)
_NAMED: Final = (*_METHODS, Method.CLAIMTOBE, Method.ANONYMOUS)
_CIPHERS: Final = (AES, BLOWFISH, TRIPLE_DES)

#: A silent end while we log in: it is all that HTCondor says in many cases.
CLOSED: Final = (
    "the connection is closed while we log in, which is all that HTCondor says to whom it does not "
    "let in, and where nobody has the id that was asked for"
)

#: Added to it where the configuration names only methods that we do not have.
NO_METHODS: Final = "; of SEC_CLIENT_AUTHENTICATION_METHODS we have none"

_current: ContextVar[Caller] = ContextVar("caller")


@dataclass(frozen=True)
class Caller:
    """One program as a client of HTCondor's."""

    config: CondorConfig
    settings: ClientSettings
    sessions: ClientSessions = field(default_factory=ClientSessions, compare=False)

    @classmethod
    def of(cls, config: CondorConfig, host: Host | None = None) -> Caller:
        """As the configuration says. Raises `SettingsError`."""
        login = login_of(config, host or Host())
        me = Myself(pid=os.getpid(), trust_domain=config.trust_domain)
        return cls(config, ClientSettings(policy_of(config), me, login))

    async def start(
        self,
        stream: CedarStream,
        command: int,
        address: str,
        auth_command: int | None = None,
    ) -> Call:
        """Start a command at the daemon of this address, to which the stream leads."""
        try:
            return await start_command(
                stream,
                command,
                self.settings,
                self.sessions,
                address,
                time.monotonic(),
                peer_of(stream, address),
                auth_command,
            )
        except PathCut:
            none = not self.settings.policy.methods
            raise Refused("closed", CLOSED + (NO_METHODS if none else "")) from None

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """Whatever is crossed within is crossed by this caller."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


def current_caller() -> Caller:
    """Who is calling: whom somebody has named, or this process as the host's configuration has
    it."""
    return _current.get(None) or _of_this_process()


@functools.cache
def _of_this_process() -> Caller:
    return Caller.of(read_config())


def peer_of(stream: CedarStream, address: str) -> Peer:
    """Where a stream goes, as methods of authentication need it."""
    id, alias = _names(address)
    return Peer(endpoint_of(stream), id, alias=alias)


@functools.lru_cache(maxsize=1024)
def _names(address: str) -> tuple[str, str]:
    """The id at a shared port, and the host name that an address has."""
    if not address.startswith("<"):  # a route that HTCondor's addresses cannot say
        return "", ""
    sinful = parse(address)
    name = "" if sinful.endpoint is not None else sinful.host
    return sinful.sock, sinful.param(ALIAS) or name


def policy_of(config: CondorConfig) -> Policy:
    """What ``SEC_CLIENT_*`` asks for."""
    wanted = config.protection("CLIENT")
    named = methods_in(" ".join(wanted.authentication_methods))
    # Whoever names only what we cannot is not given anything else.
    methods = tuple(one for one in named if one in _NAMED)
    return Policy(
        authentication=Word.of(wanted.authentication),
        encryption=Word.of(wanted.encryption),
        integrity=Word.of(wanted.integrity),
        negotiation=Word.of(wanted.negotiation),
        methods=methods if wanted.authentication_methods else _METHODS,
        ciphers=tuple(one for one in wanted.crypto_methods if one in _CIPHERS),
    )


def login_of(config: CondorConfig, host: Host) -> Login:
    """What there is to log in with; what cannot be used is said in the log."""
    return Login(
        user=f"{host.user}@{config.uid_domain}" if config.uid_domain else host.user,
        tokens=tuple(_tokens(config, host)),
        tls=functools.partial(_client_context, config),
        scitoken=_bearer_token(host),
        fs_directory=config.fs_local_dir or FS_DIRECTORY,
    )


def _tokens(config: CondorConfig, host: Host) -> Iterator[Token]:
    found = find_tokens(config, host)
    for why in found.unusable:
        log.warning("tokens: %s", why)
    for candidate in found.candidates:
        try:
            token = read_token(candidate.text)
            token.check(time.time())
        except TrustError as error:
            log.warning("%s, line %d: %s", candidate.file, candidate.line, error)
        else:
            yield token


def _bearer_token(host: Host) -> str:
    """Where WLCG's discovery looks for a token: two variables, and a file of the user's."""
    if text := host.environ.get("BEARER_TOKEN", "").strip():
        return text
    runtime = host.environ.get("XDG_RUNTIME_DIR", "/tmp")
    path = host.environ.get("BEARER_TOKEN_FILE") or os.path.join(runtime, f"bt_u{host.uid}")
    try:
        return read_private(path, host.uid).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _client_context(config: CondorConfig) -> ssl.SSLContext:
    """Verifies servers by ``AUTH_SSL_CLIENT_*``, and shows our certificate where there is one."""
    own, cafile = config.ssl_client_certfile, config.ssl_client_cafile
    cadir = config.ssl_client_cadir
    try:
        context = ssl.create_default_context() if config.ssl_client_use_default_cas else _bare()
        if cafile and Path(cafile).exists():
            context.load_verify_locations(cafile)
        if cadir and Path(cadir).is_dir():
            context.load_verify_locations(capath=cadir)
        if own and Path(own).exists():
            context.load_cert_chain(own, config.ssl_client_keyfile or None)
    except OSError as error:  # ssl's own are OSErrors
        raise SettingsError(f"HTCondor's AUTH_SSL_CLIENT_*: {error}") from None
    return context


def _bare() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
