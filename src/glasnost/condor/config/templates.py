"""The templates of ``use`` that set something of what is read here, as lists of what they set."""

from __future__ import annotations

from typing import Final

from glasnost.condor.config.statements import Wrong

Settings = tuple[tuple[str, str], ...]

_STRONG: Final[Settings] = (
    ("SEC_DEFAULT_ENCRYPTION", "required"),
    ("SEC_DEFAULT_INTEGRITY", "required"),
    ("SEC_DEFAULT_AUTHENTICATION", "required"),
)
_V9_0: Final[Settings] = (
    ("SECURITY_MODEL", "9.0"),
    *_STRONG,
    ("SEC_READ_AUTHENTICATION", "OPTIONAL"),
    ("SEC_READ_ENCRYPTION", "OPTIONAL"),
    ("SEC_READ_INTEGRITY", "OPTIONAL"),
)
_V24_0: Final[Settings] = (
    ("SECURITY_MODEL", "24.0"),
    *_STRONG,
    ("SEC_READ_AUTHENTICATION", "OPTIONAL"),
    ("SEC_CLIENT_AUTHENTICATION", "OPTIONAL"),
)
#: For older peers, which encrypt only what is authenticated somehow.
_GET_HTCONDOR: Final[Settings] = (
    *_V24_0,
    ("SEC_READ_AUTHENTICATION_METHODS", "$(SEC_DEFAULT_AUTHENTICATION_METHODS),ANONYMOUS"),
    ("SEC_CLIENT_AUTHENTICATION_METHODS", "$(SEC_DEFAULT_AUTHENTICATION_METHODS),ANONYMOUS"),
    ("TRUST_DOMAIN", "$(CONDOR_HOST)"),
)

_SECURITY: Final[dict[str, Settings]] = {
    "host_based": (("LEGACY_ALLOW_SEMANTICS", "TRUE"),),
    "with_authentication": (
        ("SEC_DEFAULT_AUTHENTICATION", "required"),
        ("SEC_DEFAULT_INTEGRITY", "required"),
    ),
    "strong": _STRONG,
    "user_based": _V24_0,
    "recommended": _V24_0,
    "recommended_v24_0": _V24_0,
    "recommended_v9_0": _V9_0,
    "get_htcondor_idtokens": _GET_HTCONDOR,
    "fips": (*_STRONG, ("SEC_DEFAULT_CRYPTO_METHODS", "AES,3DES")),
}
#: A role says which daemons run; only two say more.
_ROLE: Final[dict[str, Settings]] = {
    "personal": (("CONDOR_HOST", "127.0.0.1"), ("COLLECTOR_HOST", "$(CONDOR_HOST):0")),
    "execute": (),
    "submit": (),
    "centralmanager": (),
    "get_htcondor_central_manager": _GET_HTCONDOR,
    "get_htcondor_submit": _GET_HTCONDOR,
    "get_htcondor_execute": _GET_HTCONDOR,
}
#: Categories whose templates are all known here.
KNOWN: Final = {"security": _SECURITY, "role": _ROLE}

#: HTCondor's other categories: what they set is about jobs, slots and logs, with rare exceptions.
OTHERS: Final = frozenset({"feature", "policy", "upgrade", "experimental"})


def template(category: str, name: str) -> Settings | None:
    """What a template sets; None where that is not known. Raises `Wrong` where there is none."""
    templates = KNOWN.get(category.lower())
    if templates is not None:
        if (settings := templates.get(name.lower())) is None:
            raise Wrong(f"use {category}:{name} is no template that is known here")
        return settings
    if category.lower() not in OTHERS:
        raise Wrong(f"there is no category {category!r} of templates")
    return None
