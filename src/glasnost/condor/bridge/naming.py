"""What a daemon is called here: one DNS label, made from what HTCondor calls it and nothing else.

Two daemons never have the same label, and one keeps its own whatever others there are: most names
are spelt so that they could be read back; of what cannot be spelt so, a digest is part of the
label.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

#: Characters of a DNS label.
MAX_LABEL: Final = 63
#: Hexadecimal digits of the digest. Among a thousand names two agree with a chance of one in two
#: million; then the second of them is left out, with a sentence.
DIGEST: Final = 10

#: Names that can be read back from their spelling: words between single separators.
_PLAIN: Final = re.compile(r"[a-z0-9]+(?:[-.@][a-z0-9]+)*")
_SPELT: Final = str.maketrans({".": "_", "@": "--"})
#: What ends like a label with a digest gets one.
_LIKE_A_DIGEST: Final = re.compile(rf".*-[0-9a-f]{{{DIGEST}}}")


def label(role: str, name: str, domain: str = "") -> str:
    """The label of a daemon. ``domain`` is the pool's own, which goes without saying: who is in it
    is called without it, and who has none is not taken for one who is.

    >>> label("schedd", "submit1.example.org", "example.org")
    'schedd-submit1'
    >>> label("schedd", "second@submit1.example.org", "example.org")
    'schedd-second--submit1'
    >>> label("startd", "host7.example.net", "example.org")
    'startd-host7_example_net'
    >>> label("startd", "host7", "example.org"), label("startd", "host7")
    ('startd-host7-2e455d1536', 'startd-host7')
    """
    plain = bool(_PLAIN.fullmatch(name))
    said = name
    if domain and plain:
        said = name.removesuffix(f".{domain}")
        plain = said != name or "." in name.rpartition("@")[2]
    spelt = f"{role}-{said.translate(_SPELT)}"
    if plain and len(spelt) <= MAX_LABEL and not _LIKE_A_DIGEST.fullmatch(spelt):
        return spelt
    digest = hashlib.sha256(f"{role} {name}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{_something_of(f'{role}-{said}')}-{digest[:DIGEST]}"


def _something_of(text: str) -> str:
    """What people can recognise it by."""
    if " " in text:  # a collector's: "My Pool at Example - cm@cm.example.org"
        role, _, name = text.partition("-")
        text = f"{role}-{name.rpartition('@')[2]}"
    words = re.sub(r"[^a-z0-9_]+", "-", text.lower().replace(".", "_"))
    return words[: MAX_LABEL - DIGEST - 1].strip("-_") or "x"
