"""Names of services: DNS names below the pool's domain, ``jupyter.node7`` for short.

The first label is the service, the next the node, the rest the domain. Names are compared and
kept in lower case, as DNS compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from glasnost.core.address.limits import MAX_DNS_NAME
from glasnost.errors import BadName

#: Where pools live unless they have a domain of their own (``.internal`` is set aside by ICANN).
SUFFIX: Final = "glasnost.internal"

#: A DNS label. Underscores are no host names' letters, but services have long used them.
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def pool_domain(pool: str) -> str:
    """The domain of a pool that was given none.

    >>> pool_domain("Lab")
    'lab.glasnost.internal'
    """
    return f"{check_label(pool)}.{SUFFIX}"


def check_label(label: str) -> str:
    """One label in lower case, or `BadName`.

    >>> check_label("My_Service")
    'my_service'
    """
    # Lower-casing must not make a letter out of what was none (K, the Kelvin sign, is one).
    lowered = label.lower() if label.isascii() else label
    if not lowered:
        raise BadName(label, "a label is missing")
    if len(lowered) > 63:
        raise BadName(label, "a label has at most 63 characters")
    if not _LABEL.fullmatch(lowered):
        raise BadName(label, 'a label is letters, digits, "_" and, between them, "-"')
    return lowered


def check_domain(domain: str) -> str:
    """A whole domain in lower case and without a final dot, or `BadName`."""
    labels = domain.removesuffix(".").split(".")
    if len(domain) > MAX_DNS_NAME:
        raise BadName(domain, f"a name has at most {MAX_DNS_NAME} characters")
    try:
        return ".".join(map(check_label, labels))
    except BadName as bad:
        raise BadName(domain, bad.why) from None


@dataclass(frozen=True, slots=True)
class Name:
    """The name of one service on one node of one pool."""

    service: str
    node: str
    domain: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "service", check_label(self.service))
        object.__setattr__(self, "node", check_label(self.node))
        object.__setattr__(self, "domain", check_domain(self.domain))
        if len(str(self)) > MAX_DNS_NAME:
            raise BadName(str(self), f"a name has at most {MAX_DNS_NAME} characters")

    @classmethod
    def parse(cls, text: str, domain: str) -> Name:
        """Read a name as people write it: short, or in full (a final dot does no harm).

        >>> str(Name.parse("Jupyter.node7", "lab.glasnost.internal"))
        'jupyter.node7.lab.glasnost.internal'
        >>> Name.parse("jupyter.node7.lab.glasnost.internal.", "lab.glasnost.internal").short
        'jupyter.node7'
        """
        domain = check_domain(domain)
        if ":" in text:
            raise BadName(text, 'only an address has a ":", and a name is wanted: service.node')
        name = check_domain(text)
        inside = name.removesuffix(f".{domain}")
        labels = inside.split(".")
        if len(labels) == 2:
            return cls(labels[0], labels[1], domain)
        if inside == name and len(labels) > 2:
            raise BadName(text, f"it is not below the domain {domain}")
        raise BadName(text, "a name has a service and a node: service.node")

    @property
    def short(self) -> str:
        """The name as people write it."""
        return f"{self.service}.{self.node}"

    @property
    def host(self) -> str:
        """The full name of the node, below which this name is."""
        return f"{self.node}.{self.domain}"

    def __str__(self) -> str:
        return f"{self.service}.{self.node}.{self.domain}"
