"""An ad: names in any case, each with the text of an expression, in the order they came in.

What came over the wire stays the bytes it was; a value is made from them when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self, TypeVar, overload

from glasnost.condor.classad.names import GOOD_NAME
from glasnost.condor.classad.shape import BLANKS, Shape, as_bytes, as_text, joined, shape_of
from glasnost.condor.classad.values import Value, read_value, write_value

_BLANKS = as_text(BLANKS)
_T = TypeVar("_T")


class Ad(Mapping[str, Value]):
    """A ClassAd, which does not change.

    >>> ad = Ad({"Command": 67, "Name": 'a "b"'})
    >>> ad.lines()
    [b'Command = 67', b'Name = "a \\\\"b\\\\""']
    >>> Ad.from_lines(ad.lines())["NAME"]
    'a "b"'
    """

    __slots__ = ("_lines", "_shape", "_unread")
    _lines: Sequence[bytes]
    _shape: Shape
    _unread: Iterable[bytes] | None  # until somebody asks

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """From Python's values; one that has no text in a ClassAd is a `ValueError`."""
        lines = []
        for name, value in (values or {}).items():
            if not GOOD_NAME.fullmatch(as_bytes(name)) or name != name.strip(_BLANKS):
                raise ValueError(f"{name!r} is no attribute's name")
            lines.append(as_bytes(f"{name} = {write_value(value)}"))
        self._take(lines)

    @classmethod
    def from_lines(cls, lines: Sequence[bytes]) -> Self:
        """From lines ``Name = expression``, of which a later one replaces an earlier one.

        `ProtocolError` for a line that is none, and for an ad that is too large. Values are not
        looked at yet.
        """
        made = cls.__new__(cls)
        made._take(lines)
        return made

    @classmethod
    def unread(cls, lines: Iterable[bytes]) -> Self:
        """The same, but nothing is looked at before somebody asks for something: it is that which
        may then raise the `ProtocolError`. For answers of ten thousand ads."""
        made = cls.__new__(cls)
        made._unread = lines
        return made

    @classmethod
    def of_shape(cls, lines: Sequence[bytes], shape: Shape) -> Self:
        """From lines, no name twice, with what `shape_of` says of them."""
        made = cls.__new__(cls)
        made._lines, made._shape, made._unread = lines, shape, None
        return made

    def lines(self) -> list[bytes]:
        """The lines as they came, each name once."""
        self._read()
        return list(self._lines)

    @property
    def shape(self) -> Shape:
        """The names, and which line has which."""
        self._read()
        return self._shape

    def line(self, name: str) -> bytes | None:
        """The line of one attribute."""
        at = self.shape.index.get(as_bytes(name).lower())
        return None if at is None else self._lines[at]

    def text(self, name: str) -> str:
        """The text of an attribute's expression; KeyError if there is none of that name."""
        line = self.line(name)
        if line is None:
            raise KeyError(name)
        return _text(line)

    def merged(self, other: Ad) -> Ad:
        """This one with another's attributes in it, which replace those of the same name."""
        lines = [*self.lines(), *other.lines()]
        if other.shape.index.keys().isdisjoint(self.shape.index):
            return Ad.of_shape(lines, joined(self.shape, other.shape))
        return Ad.from_lines(lines)

    def without(self, *names: str) -> Ad:
        """This one without some attributes."""
        gone = {as_bytes(name).lower() for name in names}
        index = self.shape.index
        return Ad.from_lines([self._lines[at] for name, at in index.items() if name not in gone])

    def as_dict(self) -> dict[str, Value]:
        """All values at once, by their names: a third of the work of asking one by one."""
        values = {}
        for line in self.lines():
            name, _, text = as_text(line).partition("=")
            values[name.strip(_BLANKS)] = read_value(text.strip(_BLANKS))
        return values

    @overload
    def get(self, name: str, /) -> Value | None: ...
    @overload
    def get(self, name: str, /, default: Value | _T) -> Value | _T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """As of any mapping, without an exception for what is not there: most ads lack most of
        what a collector looks for."""
        line = self.line(name)
        return default if line is None else read_value(_text(line))

    def __getitem__(self, name: str) -> Value:
        return read_value(self.text(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and as_bytes(name).lower() in self.shape.index

    def __iter__(self) -> Iterator[str]:
        for line in self.lines():
            yield as_text(line.partition(b"=")[0].strip(BLANKS))

    def __len__(self) -> int:
        return len(self.shape.index)

    def __eq__(self, other: object) -> bool:
        """The same names, in whatever case and order, with the same texts."""
        if not isinstance(other, Ad):
            return NotImplemented
        return len(self) == len(other) and all(
            name in other and self.text(name) == other.text(name) for name in self
        )

    def __repr__(self) -> str:
        """What it is, without its secrets."""
        if self._unread is not None:
            return "<Ad, not read yet>"
        told = [f"{name} = {self.text(name)}" for name in ("MyType", "Name") if name in self]
        return f"<Ad of {len(self)}{': ' if told else ''}{', '.join(told)}>"

    def _read(self) -> None:
        if self._unread is not None:
            self._take(list(self._unread))

    def _take(self, lines: Sequence[bytes]) -> None:
        shape = shape_of(lines)
        if len(shape.index) < len(lines):
            lines = [lines[at] for at in shape.index.values()]
            shape = shape_of(lines)
        self._lines, self._shape, self._unread = lines, shape, None


def _text(line: bytes) -> str:
    """The text of a line's expression."""
    return as_text(line.partition(b"=")[2].strip(BLANKS))
