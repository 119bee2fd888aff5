"""Addresses, routes and stages as builtin types, JSON and MessagePack, for other programs.

::

    address = {"v": 1, "routes": [route, ...]}
    route   = {"network": "public", "stages": [stage, ...]}
    stage   = {"kind": "ccb", "args": ["node7"], "options": {"reach": "none"}}

Arguments and values are decoded; ``args`` and ``options`` are left out where there are none. A
carried stage that is not spelt as we would has its ``text`` too, as its bytes are to be kept. A
route or a stage that stands alone has its own ``v``. Fields that a reader does not know are
skipped, so what must be understood needs a higher ``v``; that is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec

from glasnost.core.address.address import Address
from glasnost.core.address.limits import MAX_FORM, MAX_ROUTES, MAX_STAGES
from glasnost.core.address.reading import canonical
from glasnost.core.address.route import Route
from glasnost.core.address.stage import Stage
from glasnost.errors import AddressError, FormError

VERSION: Final = 1

Value = Address | Route | Stage
V = TypeVar("V", Address, Route, Stage)

_Few = msgspec.Meta(min_length=1, max_length=MAX_STAGES)
_Many = msgspec.Meta(min_length=1, max_length=MAX_ROUTES)


class _Version(msgspec.Struct):
    v: int


class _Stage(msgspec.Struct, omit_defaults=True):
    kind: str
    args: list[str] = []
    options: dict[str, str] = {}
    text: str = ""

    def value(self, place: str) -> Stage:
        options = tuple(self.options.items())
        try:
            stage = Stage(self.kind, tuple(self.args), options)
            if not self.text:
                return stage
            carried = Stage.parse(self.text)
        except AddressError as error:
            raise FormError(place, f"{error.expected}, not {error.text!r}") from None
        said = (carried.kind, carried.args, carried.options)
        if said != (stage.kind, stage.args, stage.options):
            raise FormError(f"{place}.text", "a text that says what the other fields say")
        return carried


class _Route(msgspec.Struct):
    network: str
    stages: Annotated[list[_Stage], _Few]

    def value(self, place: str) -> Route:
        stages = [one.value(f"{place}.stages[{at}]") for at, one in enumerate(self.stages)]
        try:
            return Route(self.network, tuple(stages))
        except AddressError as error:
            raise FormError(place, error.expected) from None


class _Address(msgspec.Struct):
    routes: Annotated[list[_Route], _Many]

    def value(self, place: str) -> Address:
        routes = [one.value(f"{place}.routes[{at}]") for at, one in enumerate(self.routes)]
        return Address(tuple(routes))


_SHAPES: Final = {Address: _Address, Route: _Route, Stage: _Stage}


def to_builtins(value: Value) -> dict[str, Any]:
    """Dicts, lists, strings and the version.

    >>> to_builtins(Stage.parse("pigeon:%41"))
    {'v': 1, 'kind': 'pigeon', 'args': ['A'], 'text': 'pigeon:%41'}
    """
    if isinstance(value, Address):
        form: _Address | _Route | _Stage = _Address(list(map(_route, value)))
    else:
        form = _route(value) if isinstance(value, Route) else _stage(value)
    return {"v": VERSION, **msgspec.to_builtins(form)}


def from_builtins(kind: type[V], value: object) -> V:
    """The address, route or stage that `to_builtins` made this of, or a `FormError`."""
    return _read(kind, lambda shape: msgspec.convert(value, shape))


def to_json(value: Value) -> bytes:
    """JSON, in UTF-8 and without blanks."""
    return msgspec.json.encode(to_builtins(value))


def from_json(kind: type[V], data: bytes) -> V:
    """Read what `to_json` writes, or raise a `FormError`."""
    _bound(data)
    return _read(kind, lambda shape: msgspec.json.decode(data, type=shape))


def to_msgpack(value: Value) -> bytes:
    """MessagePack: the same maps as in JSON."""
    return msgspec.msgpack.encode(to_builtins(value))


def from_msgpack(kind: type[V], data: bytes) -> V:
    """Read what `to_msgpack` writes, or raise a `FormError`."""
    _bound(data)
    return _read(kind, lambda shape: msgspec.msgpack.decode(data, type=shape))


def _route(route: Route) -> _Route:
    return _Route(route.network, list(map(_stage, route.stages)))


def _stage(stage: Stage) -> _Stage:
    args, options = stage.args, stage.options
    ours = canonical(stage.kind, args, options) == stage.text
    return _Stage(stage.kind, list(args), dict(options), "" if ours else stage.text)


def _bound(data: bytes) -> None:
    if len(data) > MAX_FORM:
        raise FormError("$", f"at most {MAX_FORM} bytes")


def _read(kind: type[V], decode: Callable[[Any], Any]) -> V:
    try:
        # The version first: another one may have other shapes.
        if decode(_Version).v != VERSION:
            raise FormError("$.v", f"version {VERSION}, the only one there is yet")
        form = decode(_SHAPES[kind])
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at ")
        what = said.removeprefix("Expected ")
        raise FormError(place.replace("`", "") or "$", what[:1].lower() + what[1:]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormError("$", f"something that can be decoded ({error})") from None
    value = form.value("$")
    assert isinstance(value, kind)
    return value
