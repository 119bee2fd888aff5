"""``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, read as settings: a proxy that other programs on
this host are told of is a way out for us, too. Pure; the environment is passed in.

No standard says what these mean. What curl and the common libraries agree in holds here: the lower
case wins, a proxy without a scheme speaks HTTP, a ``.`` before a name says nothing. ``HTTP_PROXY``
is not read: it is for requests in the clear, and whoever calls a CGI script can set it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from glasnost.core.address import PUBLIC, Stage, literals

#: Whose proxy is ours, best first.
VARIABLES: Final = ("HTTPS_PROXY", "ALL_PROXY")
_EXCEPT: Final = "NO_PROXY"

#: The longest value: user and password may have 255 bytes each, three times as much encoded.
MAX_URL: Final = 2048
#: Entries of ``NO_PROXY``: each is held against each route that is planned.
MAX_ENTRIES: Final = 256

#: Scheme, the port it has by default, and the kinds of stages behind the connection to the proxy.
_SCHEMES: Final = {
    "http": (80, ("http-connect",)),
    "https": (443, ("tls", "http-connect")),
    "socks5": (1080, ("socks5",)),
    "socks5h": (1080, ("socks5",)),
}
_URL: Final = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(?:(.*)@)?(\[[^\[\]@/]*:[^\[\]@/]*\]|[^\[\]:@/]+)(?::([0-9]+))?/?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """What a proxy's URL says: the stages to cross, where it is, and how to log in there."""

    via: str
    at: str
    login: tuple[str, str] | None

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Read a URL. A ``ValueError`` says what is wrong with it, and never the password.

        >>> Proxy.parse("http://ann:secret@[2001:db8::7]:3128").via
        'ip6:[2001:db8::7]:3128/http-connect'
        >>> Proxy.parse("socks5h://Gate.example.org").at
        'dns:gate.example.org:1080'
        """
        found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
        if found is None:
            raise ValueError(
                'a proxy is written "http://user:password@host:port", '
                f"with {MAX_URL} characters at most"
            )
        scheme, login, host, port = found.groups()
        if (known := _SCHEMES.get((scheme or "http").lower())) is None:
            raise ValueError(f"proxies of the kind {scheme} are not spoken: {', '.join(_SCHEMES)}")
        origin = _origin(host.strip("[]"), port or str(known[0]))
        server = origin.args[:1]
        behind = [Stage(kind, server if kind == "tls" else ()) for kind in known[1]]
        via = "/".join(map(str, (origin, *behind)))
        return cls(via, str(origin), None if login is None else _login(login))


def settings_of(environment: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The variable that names a proxy, and ``exits`` and ``proxies`` as the settings have them;
    none of them where no proxy is named. A ``ValueError`` begins with the variable."""
    name = next((one for one in VARIABLES if _value(environment, one)), "")
    spared = re.split(r"[\s,]+", _value(environment, _EXCEPT))
    if not name or "*" in spared:
        return name, {}
    try:
        proxy = Proxy.parse(_value(environment, name))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    way_out = {
        # Where a proxy of the web comes out; by which protocols, only it knows.
        "lands": [f"ip6@{PUBLIC}", f"ip4@{PUBLIC}"],
        "name": name,
        "via": proxy.via,
        "not_for": [one for one in spared if one][:MAX_ENTRIES],
    }
    found: dict[str, Any] = {"exits": [way_out]}
    if proxy.login is not None:
        user, password = proxy.login
        found["proxies"] = [{"at": proxy.at, "user": user, "password": password}]
    return name, found


def _value(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name.lower()) or environment.get(name, "")).strip()


def _origin(host: str, port: str) -> Stage:
    """The stage that connects to the proxy."""
    if (number := literals.port(port)) is None:
        raise ValueError("the proxy's port is not between 1 and 65535")
    if (address := literals.ip6(host) or literals.ip4(host)) is not None:
        return Stage.ip(address, int(number))
    if (name := literals.dns_name(host)) is None:
        raise ValueError(f"{host!r} is no host name and no IP address")
    return Stage("dns", (name, number))


def _login(text: str) -> tuple[str, str]:
    user, _, password = text.partition(":")
    try:
        return unquote_to_bytes(user).decode(), unquote_to_bytes(password).decode()
    except UnicodeError:
        raise ValueError("the proxy's user and password are not UTF-8") from None
