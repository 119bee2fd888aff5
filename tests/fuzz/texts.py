"""Parsers of text: addresses in every notation, names, selectors, what users and peers type."""

from __future__ import annotations

import base64
import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from glasnost.cli import address_forms
from glasnost.cli.explain import _read_vantage
from glasnost.cli.match import _from_file
from glasnost.condor import parse as parse_sinful
from glasnost.condor.addresses.conversion import Conversion
from glasnost.condor.addresses.convert_v1 import from_v1, to_v1
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.explain import explain
from glasnost.condor.addresses.from_address import from_address
from glasnost.condor.addresses.to_address import to_address
from glasnost.core.address import Address, Landing, Route, Stage
from glasnost.core.address.display import display, parse_display
from glasnost.core.address.forms import from_builtins, from_json, from_msgpack, to_json, to_msgpack
from glasnost.core.address.landing import parse_reach
from glasnost.core.address.names import Name
from glasnost.core.address.notation import notation, parse_notation
from glasnost.core.protocols.returns import choose
from glasnost.core.protocols.selector import parse_labels, parse_terms
from glasnost.core.routes import Vantage
from glasnost.core.routes.proxy_variables import settings_of
from glasnost.core.routes.spared import spares
from glasnost.errors import AddressError, BadName, FormError, GlasnostError, SettingsError
from glasnost.net.openssh_words import heard, why_ended
from glasnost.roles.doctor.host import _unknown_words
from glasnost.settings import Settings, load_settings
from tests.core.address.examples import EXAMPLES
from tests.fuzz.parser import ODD, Parser, remade, text_of, texts

_ADDRESS, _CONDOR = "glasnost.core.address", "glasnost.condor.addresses"
_FOLDER = Path(__file__).parents[1]
SINFULS = [
    case["input"]
    for case in json.loads((_FOLDER / "vectors/condor/sinful.json").read_text("utf-8"))["parse"]
]
V1 = [
    '{[ p="primary"; a="1.2.3.4"; port=5; n="Internet"; spid="s"; ccbid="7"; ]}',
    '{[ p="IPv6"; a="::1"; port=5; n="lan"; ], [ p="IPv4"; a="1.2.3.4"; port=5; n="lan"; '
    'alias="x"; noUDP=true; brokerIndex=0; ccbid="7"; ]}',
]
EXAMPLE_ADDRESSES = [Address.parse(text) for text in EXAMPLES]
TALK = [notation(address) for address in EXAMPLE_ADDRESSES] + ["(IPv4, 192.0.2.1, 80), (CCB, 381)"]
DISPLAYED = [display(address) for address in EXAMPLE_ADDRESSES] + ["'a/{b|c/{d|e}}/f'"]
JSON_FORMS = [to_json(address) for address in EXAMPLE_ADDRESSES]
MSGPACK_FORMS = [to_msgpack(address) for address in EXAMPLE_ADDRESSES]
VANTAGE = {
    "exits": [
        {"lands": "ip4@public", "source": "192.0.2.1", "cost": 1.5},
        {"lands": "ip4@lab", "stages": ["socks5"], "name": "lab", "sources": ["10.0.0.7"]},
    ],
    "returns": ["public/ip4:198.51.100.4:9618/service:x"],
}
SETTINGS = [
    'port = 9618\nlisten = ["0.0.0.0", "::"]\nbrokers = ["public/ip4:203.0.113.9:9618"]\n',
    '[[networks]]\nname = "lab"\nranges = ["10.0.0.0/8"]\n[costs]\n"cell.*" = 5\n',
    'enable_ipv4 = "auto"\nadvertise = ["found", "203.0.113.9"]\nprefer = ["lab.*"]\n',
    '[[exits]]\nname = "proxy"\nvia = "socks5:10.0.0.1:1080"\nlands = ["ip4@public"]\n',
    '[ssh.gate]\nuser = "ann"\n[tls."a.b"]\nprotocols = ["h2"]\n[sockets]\n"@x" = "root"\n',
    '[knocks.fw]\nports = ["7/tcp"]\nhosts = ["10.0.0.0/8"]\n[setups.v]\nstart = ["true"]\n',
]
PROXIES = [
    "http://ann:p%40ss@gate.example.org:3128",
    "socks5h://[2001:db8::7]",
    "https://198.51.100.4/",
    "10.0.0.0/8, .lab.example.org *",
]
SELECTORS = ["role=startd", "!draining", "a!=b", "key", "role=startd,!x,y!=z"]
NAMES = ["jupyter.node7", "Web.NODE7.lab.glasnost.internal.", "_a.b", "xn--ls8h.node7", "a.b.c"]


def _points(error: AddressError, text: str) -> bool:
    """A refusal of an address says where, and what it would have had."""
    assert 1 <= error.column <= len(text) + 1
    assert error.expected
    return False


def check_address(text: str) -> bool:
    try:
        address = Address.parse(text)
    except AddressError as error:
        return _points(error, text)
    assert Address.parse(str(address)) == address
    assert "\n" not in str(address)
    assert str(address).isascii()
    return True


def check_parts(text: str) -> bool:
    """A route, a stage, a landing, a reach by itself."""
    taken = False
    for read in (Route.parse, Stage.parse, Landing.parse):
        try:
            value = read(text)
        except AddressError as error:
            _points(error, text)
        else:
            assert read(str(value)) == value
            taken = True
    try:
        parse_reach(text)
    except AddressError as error:
        _points(error, text)
    return taken


def check_notation(text: str) -> bool:
    try:
        address = parse_notation(text)
    except AddressError as error:
        return _points(error, text)
    assert parse_notation(notation(address)) == address
    return True


def check_display(text: str) -> bool:
    try:
        address = parse_display(text)
    except AddressError as error:
        return _points(error, text)
    assert parse_display(display(address)) == address
    return True


def check_forms(data: bytes) -> bool:
    taken = False
    kinds: tuple[Any, ...] = (Address, Route, Stage)
    for kind in kinds:
        for read in (from_json, from_msgpack):
            try:
                value = read(kind, data)
            except FormError as error:
                assert str(error)
            else:
                assert from_builtins(kind, json.loads(to_json(value))) == value
                taken = True
    return taken


def check_any_form(text: str) -> bool:
    """As commands read what somebody pasted: the form is guessed, and each form is tried."""
    taken = False
    for form in {address_forms.guess(text), "msgpack"}:
        try:
            address, _ = address_forms.read(text, form)
        except GlasnostError as error:
            assert str(error)
        else:
            assert Address.parse(str(address)) == address
            taken = True
    return taken


def check_sinful(text: str) -> bool:
    try:
        sinful = parse_sinful(text)
    except AddressError as error:
        return _points(error, text)
    to_v1(sinful)
    made: Conversion[Address | None] = to_address(sinful)
    if made.result is not None:
        from_address(made.result)
    assert list(explain(sinful))
    return True


def check_v1(text: str) -> bool:
    for read in (IpPort.parse, IpPort.parse_ccb_safe):
        read(text)
    try:
        from_v1(text)
    except AddressError as error:
        return _points(error, text)
    return True


def check_name(text: str) -> bool:
    try:
        name = Name.parse(text, "lab.glasnost.internal")
    except BadName as error:
        assert str(error)
        return False
    assert Name.parse(str(name), name.domain) == name
    return True


def check_selector(text: str) -> bool:
    terms = None
    try:
        terms = parse_terms(text.split(","))
    except ValueError as error:
        assert len(str(error)) < 1000
    try:
        parse_labels(text.split(","))
    except ValueError as error:
        assert len(str(error)) < 1000
    if terms is None:
        return False
    assert parse_terms(map(str, terms)) == terms
    return True


def check_returns(text: str) -> bool:
    """What a broker passes on from a requester: nothing outside the dial policy is allowed."""
    routes = text.split(" ")
    allowed, refused = choose(routes, ())
    assert len(allowed) + len(refused) == min(len(routes), 16)
    for one in allowed:
        assert 0 < one.port < 65536
        assert not one.host.startswith(("127.", "10.", "169.254.", "192.168.", "::1", "fe80:"))
    return bool(allowed)


def check_vantage(body: bytes) -> bool:
    try:
        data = msgspec.msgpack.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    if not isinstance(data, dict):
        return False
    try:
        vantage = Vantage.from_dict(data)
    except ValueError as error:  # AddressError is one
        assert str(error)
        return False
    assert Vantage.from_dict(vantage.as_dict()).reach == vantage.reach
    return True


class _File:
    """A file that a user names on the command line."""

    name = "FILE"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data


def check_files(data: bytes) -> bool:
    """Records and a vantage from files: `match --records`, `explain --vantage`."""
    import click

    taken = True
    try:
        _from_file(_File(data), ())  # type: ignore[arg-type]
    except click.ClickException:
        taken = False
    try:
        _read_vantage(_File(data))  # type: ignore[arg-type]
    except SettingsError:
        return taken
    return True


def check_proxy(text: str) -> bool:
    """A proxy's URL: exits and logins that settings accept, or a sentence of one line."""
    try:
        _, found = settings_of({"HTTPS_PROXY": text, "NO_PROXY": text})
        settings = msgspec.convert(found, Settings)
    except ValueError as error:
        assert str(error)
        return False
    for one in settings.exits:
        for way_out in one.exits():
            spares(way_out.not_for, Stage.parse("ip4:192.0.2.7:22"))
            spares(way_out.not_for, Stage.parse("dns:db.example.org:22"))
    return bool(settings.exits)


def check_settings(data: bytes) -> bool:
    file = _home() / "glasnost.toml"
    file.write_bytes(data)
    list(_unknown_words(file))
    try:
        load_settings(_home())
    except SettingsError as error:
        assert str(error)
        return False
    return True


@functools.cache
def _home() -> Path:
    return Path(tempfile.mkdtemp(prefix="glasnost-fuzz-"))


def _text(name: str, covers: tuple[str, ...], check: Any, valid: list[str]) -> Parser:
    return Parser(
        name,
        covers,
        check,
        st.text(max_size=60) | texts(valid),
        of=text_of,
        seeds=lambda: [text.encode("utf-8", "surrogatepass") for text in valid],
    )


_DEEP = [b"[" * 3000, b'{"vantage":' * 2000, b"a." * 2000 + b"b = 1", b"a = " + b"[" * 2000]
_FILES = [
    json.dumps(VANTAGE).encode(),
    json.dumps([{"name": "web.node7", "address": EXAMPLES[0], "labels": {"a": "b"}}]).encode(),
    b'[[exits]]\nlands = "ip4@public"\n',
]


def check_openssh(text: str) -> bool:
    """Whatever its client says: how far it is, or one short sentence in one line."""
    data = text.encode("utf-8", "surrogateescape")
    told = [heard(line) for line in data.splitlines(keepends=True)]
    says = str(why_ended(data))
    assert says and says.isprintable() and len(says) < 2500, says
    return any(told)


PARSERS = [
    _text(
        "address",
        (
            f"{_ADDRESS}.address.Address.parse",
            f"{_ADDRESS}.reading.read",
            f"{_ADDRESS}.route.Route.parse_sharing",
            f"{_ADDRESS}.spelling.decode",
        ),
        check_address,
        EXAMPLES,
    ),
    _text(
        "address: its parts",
        (
            f"{_ADDRESS}.route.Route.parse",
            f"{_ADDRESS}.stage.Stage.parse",
            f"{_ADDRESS}.landing.Landing.parse",
            f"{_ADDRESS}.landing.parse_reach",
        ),
        check_parts,
        [*EXAMPLES, "ip4@public", "ip4@public+ip6@lab", "service:x", "ccb:node7:reach=ip4@lab"],
    ),
    _text("address: the talk's", (f"{_ADDRESS}.notation.parse_notation",), check_notation, TALK),
    _text("address: display", (f"{_ADDRESS}.display.parse_display",), check_display, DISPLAYED),
    Parser(
        "address: JSON, MessagePack",
        tuple(
            f"{_ADDRESS}.forms.{name}"
            for name in ("from_json", "from_msgpack", "from_builtins", "_read")
        ),
        check_forms,
        st.binary(max_size=100)
        | remade(MSGPACK_FORMS)
        | texts([form.decode() for form in JSON_FORMS]).map(
            lambda text: text.encode("utf-8", "surrogatepass")
        ),
        seeds=lambda: JSON_FORMS + MSGPACK_FORMS,
    ),
    _text(
        "address: as typed",
        tuple(
            f"glasnost.cli.address_forms.{name}"
            for name in ("read", "_from_json", "_from_base64", "_from_sinful")
        ),
        check_any_form,
        [
            *EXAMPLES,
            *TALK,
            *DISPLAYED,
            *SINFULS[:40],
            *(form.decode() for form in JSON_FORMS),
            *(base64.b64encode(form).decode() for form in MSGPACK_FORMS),
        ],
    ),
    _text(
        "Sinful: original",
        (
            f"{_CONDOR}.reading.parse",
            f"{_CONDOR}.original.read_original",
            f"{_CONDOR}.original.parse_original",
            f"{_CONDOR}.from_address.from_address",
        ),
        check_sinful,
        SINFULS,
    ),
    _text(
        "Sinful: v1",
        (
            f"{_CONDOR}.convert_v1.from_v1",
            f"{_CONDOR}.sinful_v1.read_v1",
            f"{_CONDOR}.endpoint.IpPort.parse",
            f"{_CONDOR}.endpoint.IpPort.parse_ccb_safe",
        ),
        check_v1,
        [*V1, "1.2.3.4-5", "[--1]-5", "[::1]:5"],
    ),
    _text("names", (f"{_ADDRESS}.names.Name.parse",), check_name, NAMES),
    _text(
        "selectors, labels",
        tuple(
            f"glasnost.core.protocols.selector.{name}"
            for name in ("Term.parse", "parse_terms", "parse_labels")
        ),
        check_selector,
        SELECTORS,
    ),
    _text(
        "return routes",
        ("glasnost.core.protocols.returns.choose",),
        check_returns,
        ["public/ip4:198.51.100.4:9618 public/ip6:[2606:4700::1]:1/service:x ip4:8.8.8.8:53"],
    ),
    Parser(
        "vantage",
        (
            "glasnost.core.routes.vantage.Vantage.from_dict",
            "glasnost.core.routes.vantage.Exit.from_dict",
        ),
        check_vantage,
        st.binary(max_size=40) | remade([msgspec.msgpack.encode(VANTAGE)]),
        seeds=lambda: [msgspec.msgpack.encode(VANTAGE)],
    ),
    Parser(
        "files of records, vantages",
        ("glasnost.cli.match._from_file", "glasnost.cli.explain._read_vantage"),
        check_files,
        st.binary(max_size=60)
        | texts([text.decode() for text in _FILES]).map(
            lambda text: text.encode("utf-8", "surrogatepass")
        ),
        seeds=lambda: [*_FILES, *_DEEP],
    ),
    Parser(
        "a proxy's URL",
        (
            "glasnost.core.routes.proxy_variables.Proxy.parse",
            "glasnost.core.routes.proxy_variables.settings_of",
            "glasnost.core.routes.spared._read",
        ),
        check_proxy,
        st.text(max_size=60) | texts(PROXIES),
        text_of,
        lambda: [one.encode() for one in PROXIES],
    ),
    Parser(
        "settings",
        (
            "glasnost.settings.load_settings",
            "glasnost.settings._with",
            "glasnost.settings._in_its_table",
            "glasnost.roles.doctor.host._unknown_words",
        ),
        check_settings,
        st.binary(max_size=60)
        | texts(SETTINGS).map(lambda text: text.encode("utf-8", "surrogatepass"))
        | st.builds(
            lambda key, value: f"{key} = {_toml(value)}\n".encode("utf-8", "surrogatepass"),
            st.sampled_from(["port", "listen", "brokers", "costs", "exits", "networks", "prefer"]),
            st.sampled_from(ODD),
        ),
        seeds=lambda: [*(text.encode() for text in SETTINGS), *_DEEP],
    ),
    _text(
        "what OpenSSH's client says",
        ("glasnost.net.openssh_words.heard", "glasnost.net.openssh_words.why_ended"),
        check_openssh,
        [
            "glasnost:in\r\n",
            "debug2: channels.c:channel_input_open_confirmation():3518 (pid=7): channel\r\n",
            "Welcome!\r\nchannel 1: open failed: connect failed: Connection refused\r\n",
            "Host key for gate has changed and you\r\nHost key verification failed.\r\n",
            "ann@gate: Permission denied (publickey).\r\n",
        ],
    ),
]


def _toml(value: object) -> str:
    """Nearly TOML."""
    return json.dumps(value, default=str).replace("null", "nan").replace(":", "=")
