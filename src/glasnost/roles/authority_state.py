"""An authority's own directory: its key, its root certificate, and its ledger.

::

    root.key          the pool's most secret file (0600)
    root.crt          the pool's root, for everybody
    authority.sqlite  tokens, nodes, certificates, revocations (store/authority.py)

`create_token` needs no running authority: who may write here, may enrol.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.address import Address, check_domain, check_label
from glasnost.errors import BadName, Refused, SettingsError, TrustError, Unavailable
from glasnost.store.authority import Ledger, Token
from glasnost.trust import checks
from glasnost.trust.certificates import make_root
from glasnost.trust.identity import AUTHORITY
from glasnost.trust.keys import (
    key_from_pem,
    key_to_pem,
    new_key,
    p256,
    public_bytes,
    read_private,
    write_private,
)
from glasnost.trust.tokens import SECRET_SIZE, JoinToken

#: A root cannot be renewed in place: every node holds it. 20 years outlive the machines.
ROOT_LIFETIME: Final = 20 * 365 * 86_400.0
#: A token is carried to the new node by hand, now; who is slower makes another.
TOKEN_LIFETIME: Final = 3600.0

_KEY, _ROOT, _LEDGER = "root.key", "root.crt", "authority.sqlite"


@dataclass(frozen=True)
class AuthorityState:
    """What an authority is made of. ``key`` signs nodes, and nothing else."""

    key: ec.EllipticCurvePrivateKey
    root: x509.Certificate
    ledger: Ledger

    @property
    def domain(self) -> str:
        return checks.domain_of(self.root)


def exists(state_dir: Path) -> bool:
    """Whether there is an authority here."""
    return (state_dir / _ROOT).exists()


def create(state_dir: Path, pool: str, now: float) -> x509.Certificate:
    """Make the authority of a new pool; its root. Refuses to touch a directory that holds
    anything (`SettingsError`); what it makes is there as a whole or not at all."""
    key = new_key()
    root = make_root(pool, key, now, ROOT_LIFETIME)
    try:
        state_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{state_dir.name}.", dir=state_dir.parent))  # 0700
        try:
            write_private(made / _KEY, key_to_pem(key))
            (made / _ROOT).write_bytes(root.public_bytes(Encoding.PEM))
            Ledger.create(made / _LEDGER)
            os.rename(made, state_dir)  # fails where a directory holds anything
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        if exists(state_dir):
            raise SettingsError(f"there is an authority in {state_dir} already") from None
        raise SettingsError(f"cannot make {state_dir}: {error.strerror}") from error
    return root


def load(state_dir: Path) -> AuthorityState:
    """The authority that `create` made, whole. Raises `Unavailable` when there is none or it
    cannot be read, `TrustError` when its key may be read by others, `SettingsError` when
    something of it is damaged."""
    root = _read_root(state_dir)
    path = state_dir / _KEY
    try:
        pem = read_private(path)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    try:
        key = key_from_pem(pem)
    except TrustError as error:
        raise SettingsError(f"{path} is damaged ({error}): restore a copy of it") from error
    if public_bytes(key.public_key()) != public_bytes(p256(root.public_key())):
        raise SettingsError(f"{path} is not the key of {state_dir / _ROOT}: restore the right one")
    ledger = Ledger(state_dir / _LEDGER)
    ledger.check()
    return AuthorityState(key, root, ledger)


def create_token(
    state_dir: Path,
    node: str,
    authority_address: str,
    networks: Sequence[str] = (),
    lifetime: float = TOKEN_LIFETIME,
    *,
    replace: bool = False,
    now: float | None = None,
) -> JoinToken:
    """A token that lets ``node`` join once, within ``lifetime`` seconds.

    Raises `BadName`, `AddressError`, `Unavailable`, and `Refused` ("name-taken") for a node that
    has joined already, unless its next key is to ``replace`` the one it has.
    """
    node = check_label(node)
    if node == AUTHORITY:
        raise BadName(node, "it is reserved for the authority itself")
    Address.parse(authority_address)
    now = time.time() if now is None else now
    root = _read_root(state_dir)
    domain, secret = checks.domain_of(root), secrets.token_bytes(SECRET_SIZE)
    token = JoinToken(
        pool=domain.partition(".")[0],
        domain=domain,
        node=node,
        authority=authority_address,
        fingerprint=checks.fingerprint(root),
        id=secrets.token_hex(8),
        secret=secret,
        not_after=int(now + lifetime),
        networks=tuple(check_domain(network) for network in networks),
    )
    kept = Token(token.id, hashed(secret), node, token.networks, token.not_after, replace)
    with Ledger(state_dir / _LEDGER).transaction() as ledger:
        if not replace and ledger.holder(node) is not None:
            raise Refused(
                "name-taken",
                f"the node {node} has joined already: to let a new machine or key take its place, "
                "make the token with --replace",
            )
        ledger.add_token(kept, now)
    return token


def hashed(secret: bytes) -> bytes:
    """How a secret is kept. It is 128 random bits, so a plain hash cannot be searched."""
    return sha256(secret).digest()


def _read_root(state_dir: Path) -> x509.Certificate:
    path = state_dir / _ROOT
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        if (state_dir / _KEY).exists():
            raise SettingsError(f"{path} is not there: restore a copy of it") from None
        raise Unavailable(
            f"there is no authority in {state_dir}: `glasnost init` makes one"
        ) from None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    except ValueError:
        raise SettingsError(f"{path} is damaged: restore a copy of it") from None
