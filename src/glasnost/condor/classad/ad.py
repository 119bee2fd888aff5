"""An ad: names in any case, each with the text of an expression, in the order they came in.

What came over the wire stays the bytes it was; a value is made from them when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from glasnost.condor.classad.limits import MAX_AD, MAX_ATTRIBUTES
from glasnost.condor.classad.names import GOOD_NAME, GOOD_NAMES
from glasnost.condor.classad.values import Value, read_value, write_value
from glasnost.errors import ProtocolError

#: What may stand around a name and around its expression.
_BLANKS = b" \t\r\n"


class Ad(Mapping[str, Value]):
    """A ClassAd, which does not change.

    >>> ad = Ad({"Command": 67, "Name": 'a "b"'})
    >>> ad.lines()
    [b'Command = 67', b'Name = "a \\\\"b\\\\""']
    >>> Ad.from_lines(ad.lines())["NAME"]
    'a "b"'
    """

    __slots__ = ("_index",)

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """From Python's values; one that has no text in a ClassAd is a `ValueError`."""
        lines = []
        for name, value in (values or {}).items():
            if not GOOD_NAME.fullmatch(_as_bytes(name)):
                raise ValueError(f"{name!r} is no attribute's name")
            lines.append(_as_bytes(f"{name} = {write_value(value)}"))
        self._index = index_of(lines)

    @classmethod
    def from_lines(cls, lines: Sequence[bytes]) -> Self:
        """From lines ``Name = expression``, of which a later one replaces an earlier one.

        `ProtocolError` for a line that is none, and for an ad that is too large. Values are not
        looked at yet.
        """
        return cls.of_index(index_of(lines))

    @classmethod
    def of_index(cls, index: dict[bytes, bytes]) -> Self:
        """From what `index_of` made, which is the ad's from then on."""
        made = cls.__new__(cls)
        made._index = index
        return made

    def lines(self) -> list[bytes]:
        """The lines as they came, each name once."""
        return list(self._index.values())

    def text(self, name: str) -> str:
        """The text of an attribute's expression; KeyError if there is none of that name."""
        line = self._index[_as_bytes(name).lower()]
        return _as_text(line.partition(b"=")[2].strip(_BLANKS))

    def merged(self, other: Ad) -> Ad:
        """This one with another's attributes in it, which replace those of the same name."""
        return Ad.of_index(self._index | other._index)

    def without(self, *names: str) -> Ad:
        """This one without some attributes."""
        gone = {_as_bytes(name).lower() for name in names}
        return Ad.of_index({name: line for name, line in self._index.items() if name not in gone})

    def __getitem__(self, name: str) -> Value:
        return read_value(self.text(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _as_bytes(name).lower() in self._index

    def __iter__(self) -> Iterator[str]:
        for line in self._index.values():
            yield _as_text(line.partition(b"=")[0].strip(_BLANKS))

    def __len__(self) -> int:
        return len(self._index)

    def __eq__(self, other: object) -> bool:
        """The same names, in whatever case and order, with the same texts."""
        if not isinstance(other, Ad):
            return NotImplemented
        return self._index.keys() == other._index.keys() and all(
            self.text(name) == other.text(name) for name in self
        )

    def __repr__(self) -> str:
        """What it is, without its secrets."""
        told = [f"{name} = {self.text(name)}" for name in ("MyType", "Name") if name in self]
        return f"<Ad of {len(self)}{': ' if told else ''}{', '.join(told)}>"


def index_of(lines: Sequence[bytes]) -> dict[bytes, bytes]:
    """The lines by their names in lower case; `ProtocolError` where one is no attribute."""
    if len(lines) > MAX_ATTRIBUTES:
        raise ProtocolError(f"an ad of {len(lines)} attributes, more than {MAX_ATTRIBUTES}")
    index: dict[bytes, bytes] = {}
    for line in lines:
        name, equals, _ = line.partition(b"=")
        if not equals:
            # Not the line itself: it may be a secret.
            raise ProtocolError(f"line {lines.index(line) + 1} of an ad has no '='")
        index[name.strip(_BLANKS).lower()] = line
    if not GOOD_NAMES.fullmatch(b"".join([name + b"\0" for name in index])):
        wrong = next(name for name in index if not GOOD_NAME.fullmatch(name))
        raise ProtocolError(f"{_as_text(wrong[:20])!r} is no attribute's name")
    if sum(map(len, lines)) > MAX_AD:
        raise ProtocolError(f"an ad of more than {MAX_AD} bytes")
    return index


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
