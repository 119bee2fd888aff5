"""The keys that sign this pool's tokens: files as HTCondor has them in SEC_PASSWORD_DIRECTORY, so
that a pool's keys can be moved here, and back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from glasnost.condor.commands import Level
from glasnost.condor.security.tokens import (
    POOL,
    Token,
    make_token,
    scrambled,
    signing_key,
)
from glasnost.errors import SettingsError, TrustError
from glasnost.trust.keys import read_private, write_private

#: Below a home.
PLACE: Final = "condor/passwords.d"
#: Bytes of a key; the longest file that is taken for one.
_SIZE: Final = 64
_MAX_FILE: Final = 64 * 1024
_IDENT: Final = 16
_IDENTITY: Final = re.compile(r"[^\s@/]+@[^\s@/]+")


class SigningKeys:
    """The keys of a home. Raises `SettingsError` where they cannot be used."""

    def __init__(self, home: Path) -> None:
        self._place = home / PLACE

    def __repr__(self) -> str:
        return f"<SigningKeys in {self._place}>"

    def ready(self) -> None:
        """Have a POOL key: a new one, unless there is one."""
        path = self._place / POOL
        if path.exists():
            return
        # Without zeroes, at which programs of HTCondor's would take a key for ended.
        material = bytes(1 + secrets.randbelow(255) for _ in range(_SIZE))
        try:
            write_private(path, scrambled(material))
        except OSError as error:
            raise SettingsError(f"cannot write {path}: {error.strerror}") from None

    def read(self) -> dict[str, bytes]:
        """All keys, by name."""
        found = {}
        for path in sorted(self._place.iterdir()) if self._place.is_dir() else ():
            if path.name.startswith(".") or not path.is_file():
                continue
            try:
                if path.stat().st_size > _MAX_FILE:
                    raise SettingsError(f"{path} is too long for a key")
                found[path.name] = signing_key(path.name, read_private(path))
            except OSError as error:
                raise SettingsError(f"cannot read {path}: {error.strerror}") from None
            except TrustError as error:
                raise SettingsError(str(error)) from None
        return found

    def sign(
        self,
        issuer: str,
        identity: str,
        now: float,
        lifetime: float | None = None,
        levels: Iterable[Level] | None = None,
    ) -> Token:
        """A token for ``identity``, by the POOL key."""
        if not _IDENTITY.fullmatch(identity):
            raise SettingsError(f"{identity!r} is no identity: USER@DOMAIN, such as condor@pool")
        key = self.read()[POOL]
        ident = secrets.token_bytes(_IDENT)
        return make_token(key, POOL, issuer, identity, ident, now, lifetime, levels)
