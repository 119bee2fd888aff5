"""What a host is told to publish as its own: entries of the setting ``advertise``."""

from __future__ import annotations

from glasnost.core.address import Route
from glasnost.core.address.literals import ip4, ip6
from glasnost.core.address.literals import port as as_port


def advertised(text: str) -> Route | tuple[str, int | None]:
    """A route that leads to the host's port, or an IP address and a port (None: its own).

    Raises ``ValueError``.

    >>> advertised("203.0.113.9"), advertised("[2001:db8::7]:4000")
    (('203.0.113.9', None), ('2001:db8::7', 4000))
    >>> str(advertised("lab/ip4:10.0.0.7:9618"))
    'lab/ip4:10.0.0.7:9618'
    """
    if "/" in text:
        try:
            return Route.parse(text)
        except ValueError as error:
            raise ValueError(f"advertise {text!r}: {error}") from None
    host, port = _parted(text)
    address = ip6(host) if ":" in host else ip4(host)
    number = as_port(port) if port is not None else None
    if address is None or "%" in address:
        raise ValueError(f"advertise {text!r}: {host!r} is no IP address, and no route")
    if port is not None and number is None:
        raise ValueError(f"advertise {text!r}: {port!r} is no port")
    return address, None if number is None else int(number)


def _parted(text: str) -> tuple[str, str | None]:
    """Host and port as they are written; what has a bracket and no port after it has an empty
    one, unless it ends there."""
    if text.startswith("[") and not text.endswith("]"):
        host, _, rest = text[1:].rpartition("]")
        return host, rest.removeprefix(":")
    if text.startswith("["):
        return text[1:-1], None
    host, colon, port = text.partition(":")
    return (text, None) if not colon or ":" in port else (host, port)
