"""A node's own identity, as it lies in its state directory.

::

    node.key   the node's private key (0600); it never leaves the agent
    node.crt   the node's certificate
    root.crt   the pool's root
    pool.json  what the node was told when it joined: domain, name, where the authority and the
               directories are, which networks it is on
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.address import Address, Route, Stage
from glasnost.core.wire.messages import Directory, Enrolled, Record, Signed
from glasnost.errors import SettingsError, TrustError, Unavailable
from glasnost.net.sockets import private_directory
from glasnost.trust import certificates, checks
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import is_label
from glasnost.trust.keys import (
    key_from_pem,
    key_to_pem,
    new_key,
    p256,
    public_bytes,
    read_private,
    write_private,
)
from glasnost.trust.records import sign_record

#: How long a service's or user's certificate lasts, seconds, if its node's lasts as long: they
#: renew by themselves, so a day is a compromise between work and a stolen key's worth.
LEAF_LIFETIME = 24 * 3600.0


class Pool(msgspec.Struct, frozen=True):
    """``pool.json``."""

    domain: str
    node: str
    #: The text of an address; empty: on this host, as are directories whose address is empty.
    authority: str
    directories: tuple[Directory, ...] = ()
    networks: tuple[str, ...] = ()


class NodeIdentity:
    """The node's key and certificate, and what may be done with them."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        self.home, self.clock = home, clock
        self.pool = _read_pool(home / "pool.json")
        try:
            self.key = key_from_pem(read_private(home / "node.key"))
            self.root = x509.load_pem_x509_certificate((home / "root.crt").read_bytes())
            self.certificate = x509.load_pem_x509_certificate((home / "node.crt").read_bytes())
        except OSError as error:
            raise SettingsError(f"cannot read {error.filename}: {error.strerror}") from None
        except ValueError:
            raise SettingsError(f"a certificate in {home} cannot be read") from None
        self._check(self.certificate)
        self.credentials = Credentials(self.root, self.domain, *self._own_leaf())

    def __repr__(self) -> str:
        return f"<NodeIdentity {self.node} of {self.domain}>"

    @staticmethod
    def exists(home: Path) -> bool:
        """Whether this home has joined a pool."""
        return (home / "pool.json").exists()

    @property
    def domain(self) -> str:
        return self.pool.domain

    @property
    def node(self) -> str:
        return self.pool.node

    @property
    def not_after(self) -> float:
        return checks.not_after(self.certificate)

    def renew_at(self) -> float:
        """When the node's certificate is to be renewed: at half-life."""
        begun = checks.issued(self.certificate)
        return begun + (self.not_after - begun) / 2

    def full(self, service: str) -> str:
        """The full name of a service of this node."""
        return f"{service}.{self.node}.{self.domain}"

    def certify_service(self, service: str, csr: bytes) -> list[x509.Certificate]:
        """A chain for a service's own key. Raises `TrustError`."""
        now, key = self.clock(), checks.read_csr(csr)
        leaf = certificates.issue_service(
            self.key, self.certificate, self.full(service), key, now, LEAF_LIFETIME
        )
        return [leaf, self.certificate]

    def certify_user(self, user: str, csr: bytes) -> list[x509.Certificate]:
        """A chain for a local user's key, naming ``user@node``. Raises `TrustError`."""
        now, key = self.clock(), checks.read_csr(csr)
        leaf = certificates.issue_user(self.key, self.certificate, user, key, now, LEAF_LIFETIME)
        return [leaf, self.certificate]

    def sign(self, record: Record) -> Signed:
        """The record, vouched for by this node."""
        return sign_record(record, self.key, self.certificate)

    def renewed(self, answer: Enrolled) -> None:
        """Take the next certificate: it is shown from now on, and kept. Raises `TrustError`, or
        OSError where it cannot be kept."""
        certificate = checks.read_certificate(answer.certificate)
        checks.check_node(self.root, certificate, self.clock())
        self._check(certificate)
        self.certificate = certificate
        self.refresh()
        write_private(self.home / "node.crt", _pem(certificate))
        # Without an address, the authority and its directories are on this host. And it may just
        # not know of any directory: then those we were told of are the best there is.
        if self.pool.authority and answer.directories:
            told = told_directories(answer, self.pool.authority)
            self.pool = msgspec.structs.replace(self.pool, directories=told)
            _write_pool(self.home, self.pool)

    def refresh(self) -> None:
        """Renew the leaf that this node's agent shows."""
        self.credentials.replace(*self._own_leaf())

    def _own_leaf(self) -> tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
        """A new leaf for the agent. Of a node that has expired it has expired too: nobody believes
        it, and yet the agent must run, to renew."""
        key, now = new_key(), min(self.clock(), self.not_after - 1)
        leaf = certificates.issue_node_leaf(
            self.key, self.certificate, key.public_key(), now, LEAF_LIFETIME
        )
        return key, [leaf, self.certificate]

    def _check(self, certificate: x509.Certificate) -> None:
        """Raises `TrustError` unless it is this node's, and its key's; expired or not."""
        host = f"{self.node}.{self.domain}"
        if checks.subtree(certificate) != host:
            raise TrustError(f"the certificate in {self.home} is not that of {host}")
        certified = public_bytes(p256(certificate.public_key()))
        if certified != public_bytes(self.key.public_key()):
            raise TrustError(f"the certificate in {self.home} is for another key")


def told_directories(answer: Enrolled, authority: str) -> tuple[Directory, ...]:
    """The directories that the authority speaks of. One without an address is on its own host,
    which knows no door of its own: then it is met where the authority was."""
    return tuple(
        one if one.address else Directory(one.name, _beside(authority))
        for one in answer.directories
    )


def _beside(authority: str) -> str:
    """The directory's address on the host of the authority with this one."""
    beside = Stage.service("directory")
    routes = (Route(one.network, (*one.stages[:-1], beside)) for one in Address.parse(authority))
    return str(Address(tuple(routes)))


def write_home(
    home: Path,
    key: ec.EllipticCurvePrivateKey,
    root: x509.Certificate,
    pool: Pool,
    certificate: bytes,
) -> None:
    """Put down what a node that has just joined needs; ``pool.json`` last, so that a home is
    either whole or not there."""
    private_directory(home)
    write_private(home / "node.key", key_to_pem(key))
    write_private(home / "root.crt", _pem(root))
    write_private(home / "node.crt", _pem(checks.read_certificate(certificate)))
    _write_pool(home, pool)


def _write_pool(home: Path, pool: Pool) -> None:
    write_private(home / "pool.json", msgspec.json.format(msgspec.json.encode(pool)))


def _read_pool(path: Path) -> Pool:
    try:
        pool = msgspec.json.decode(path.read_bytes(), type=Pool)
    except FileNotFoundError:
        raise Unavailable(
            f"this host has joined no pool ({path} is not there): "
            "run `glasnost up`, or `glasnost join` with a token"
        ) from None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from None
    if not is_label(pool.node):
        raise TrustError(f"{path} names no node: {pool.node!r}")
    return pool


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
