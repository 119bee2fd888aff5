"""Values: what a message is made of, written and read.

Numbers are 8 bytes, big-endian. A string ends with a zero byte; while the channel is encrypted
its length stands before it as a number, and *only* then, so writer and reader are told. An ad is
the number of its lines, the lines "Name = expression", and two more strings that nobody reads
any more.

A line that is private may be sent as a secret: the string ``ZKM``, then the line. Where a key is
agreed on but idle (old ciphers only), that one line is enciphered.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from glasnost.condor.cedar.private import is_private_line, is_v2_line, may_hold_private
from glasnost.errors import GlasnostError, ProtocolError

#: What HTCondor limits the length before a string to.
MAX_STRING: Final = 10_000_000
#: What HTCondor limits the lines of an ad to.
MAX_LINES: Final = 1_000_000
#: A null pointer, where one may be sent: this byte, and no zero byte after it.
NULL: Final = b"\xad"
#: Stands before a line that is secret.
SECRET_MARKER: Final = b"ZKM"
#: Since when HTCondor knows private attributes by their prefix, and needs no marker.
KNOWS_PRIVATE: Final = (9, 9, 0)

#: Strings are bytes to HTCondor, text by habit; what is no UTF-8 comes back as it was.
_TEXT: Final = ("utf-8", "surrogateescape")
_NUMBER: Final = struct.Struct(">q")
_UNSIGNED: Final = struct.Struct(">Q")
#: The fraction of a double is sent in as many parts: 1.0 comes back as 0.9999999995.
_FRACTION: Final = 2147483647
#: How much of a message is looked at for an ad, first; most ads are shorter.
_WINDOW: Final = 16_384

#: Enciphers or deciphers what of one message is secret.
Cipher = Callable[[bytes], bytes]
Version = tuple[int, int, int]


class Incomplete(ProtocolError):
    """As much of the message as has come ends within a value."""


class Writer:
    """One message being written. ``encrypted`` is the channel's state, ``peer`` the other side's
    version if it is known, ``secret`` the cipher of a key that is idle."""

    __slots__ = ("_parts", "_peer", "_secret", "encrypted")

    def __init__(
        self,
        encrypted: bool = False,
        peer: Version | None = None,
        secret: Cipher | None = None,
    ) -> None:
        self.encrypted = encrypted
        self._peer = peer
        self._secret = secret
        self._parts: list[bytes] = []

    def message(self) -> bytes:
        """What has been written."""
        return b"".join(self._parts)

    def take(self) -> bytes:
        """What has been written since the last time: a part of a message that goes on."""
        part = self.message()
        self._parts.clear()
        return part

    def integer(self, number: int) -> None:
        """Signed or unsigned, of 64 bits."""
        form = _UNSIGNED if number > 0x7FFFFFFFFFFFFFFF else _NUMBER
        self._parts.append(form.pack(number))

    def double(self, number: float) -> None:
        fraction, exponent = math.frexp(number)
        self.integer(int(fraction * _FRACTION))
        self.integer(exponent)

    def raw(self, data: bytes) -> None:
        """Bytes that have no form: a nonce, a key, values that were written before."""
        self._parts.append(data)

    def string(self, text: str | bytes) -> None:
        data = text.encode(*_TEXT) if isinstance(text, str) else text
        self._parts.append(_string(data, self.encrypted))

    def nullable(self, text: str | bytes | None) -> None:
        """A string where the other side may be sent none."""
        if text is not None:
            self.string(text)
        else:
            self._parts += [_NUMBER.pack(1), NULL] if self.encrypted else [NULL]

    def ad(self, lines: Iterable[bytes], types: bool = True) -> None:
        """An ad. Private lines go out as HTCondor sends them; a public copy is made before."""
        lines = list(lines)
        count = len(lines)
        if may_hold_private(lines):
            lines = self._as_known_to_peer(lines)
            count = len(lines)
            lines = self._marked(lines)
        self._parts.append(_NUMBER.pack(count))
        if types:
            lines += [b"", b""]
        if self._secret is None:
            self._parts.append(strings(lines, self.encrypted))
            return
        marked = False
        for line in lines:
            form = _string(line, self.encrypted or marked)
            self._parts.append(self._secret(form) if marked else form)
            marked = line is SECRET_MARKER

    def _as_known_to_peer(self, lines: list[bytes]) -> list[bytes]:
        """Without what only the prefix says is private, for a peer that does not know that."""
        if self._peer is not None and self._peer >= KNOWS_PRIVATE:
            return lines
        return [line for line in lines if not is_v2_line(line)]

    def _marked(self, lines: list[bytes]) -> list[bytes]:
        """Private lines behind a marker, for a peer that needs it or where it switches on a key."""
        if self._secret is None and self._peer is not None and self._peer >= KNOWS_PRIVATE:
            return lines
        marked: list[bytes] = []
        for line in lines:
            marked += [SECRET_MARKER, line] if is_private_line(line) else [line]
        return marked


def _string(data: bytes, encrypted: bool) -> bytes:
    if b"\0" in data:
        raise GlasnostError("a text with a zero byte in it cannot be sent to HTCondor")
    if encrypted:
        return b"%b%b\0" % (_NUMBER.pack(len(data) + 1), data)
    if data[:1] == NULL:
        raise GlasnostError("a text that begins with the byte ad cannot be sent to HTCondor")
    return data + b"\0"


def strings(texts: Sequence[bytes], encrypted: bool) -> bytes:
    """Many strings in one go, as an ad has them."""
    clear = b"\0".join(texts) + b"\0" if texts else b""
    if clear.count(b"\0") != len(texts):
        raise GlasnostError("a text with a zero byte in it cannot be sent to HTCondor")
    if not encrypted:
        return clear
    pack = _NUMBER.pack
    return b"".join([b"%b%b\0" % (pack(len(text) + 1), text) for text in texts])


class Reader:
    """One message being read, or as much of it as has come (``whole`` false: a reply of any
    length is read in parts). ``secret`` deciphers what a marker stands before."""

    __slots__ = ("_body", "_secret", "at", "encrypted", "whole")

    def __init__(
        self,
        body: bytes,
        encrypted: bool = False,
        secret: Cipher | None = None,
        whole: bool = True,
    ) -> None:
        self.encrypted = encrypted
        self.whole = whole
        self._body = body
        self._secret = secret
        #: Where the next value begins; set back, it is read again (until `feed`).
        self.at = 0

    @property
    def left(self) -> int:
        """How many bytes are still to be read."""
        return len(self._body) - self.at

    def feed(self, data: bytes, whole: bool) -> None:
        """More of the message has come; what was read is forgotten."""
        self._body = self._body[self.at :] + data
        self.at = 0
        self.whole = whole

    def end(self) -> None:
        """There is nothing more in the message. HTCondor, too, calls more an error."""
        if self.left or not self.whole:
            raise ProtocolError(f"{self.left} bytes too many in a message")

    def integer(self) -> int:
        return int(_NUMBER.unpack(self.raw(8))[0])

    def unsigned(self) -> int:
        return int(_UNSIGNED.unpack(self.raw(8))[0])

    def double(self) -> float:
        fraction, exponent = self.integer(), self.integer()
        try:
            return math.ldexp(fraction / _FRACTION, exponent)
        except OverflowError:
            raise ProtocolError(f"a number of 2 to the {exponent}") from None

    def raw(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._body) or size < 0:
            raise self._short()
        found = self._body[self.at : end]
        self.at = end
        return found

    def string(self) -> str:
        return self.octets().decode(*_TEXT)

    def nullable(self) -> str | None:
        """A string, or None where the marker of a null pointer stands."""
        size = 9 if self.encrypted else 1
        if self._body[self.at : self.at + size] == (_NUMBER.pack(1) + NULL)[-size:]:
            self.at += size
            return None
        return self.string()

    def octets(self) -> bytes:
        """A string as the bytes that it is."""
        if self.encrypted:
            return _text_of(self.raw(_string_size(self.integer())))
        end = self._body.find(b"\0", self.at)
        if end < 0:
            raise self._short()
        found = self._body[self.at : end]
        self.at = end + 1
        return found

    def ad(self, limit: int = MAX_LINES, types: bool = True) -> list[bytes]:
        """The lines of an ad."""
        count = self.integer()
        if not 0 <= count <= limit:
            raise ProtocolError(f"an ad of {count} lines")
        lines = self._lines(count)
        if types:
            self.octets()
            self.octets()
        return lines

    def _lines(self, count: int) -> list[bytes]:
        begin = self.at
        if self._secret is None:
            lines = self._prefixed(count) if self.encrypted else self._ended(count)
            if SECRET_MARKER not in lines:
                return lines
        # A marker is no line, and the count does not know it: slowly, then.
        self.at = begin
        return [self._line() for _ in range(count)]

    def _line(self) -> bytes:
        line = self.octets()
        if line != SECRET_MARKER:
            return line
        if self._secret is None:
            return self.octets()
        size = _string_size(_NUMBER.unpack(self._secret(self.raw(8)))[0])
        return _text_of(self._secret(self.raw(size)))

    def _ended(self, count: int) -> list[bytes]:
        """Strings that end with a zero byte: split in one go, within what is likely enough."""
        size = _WINDOW
        while True:
            lines = self._body[self.at : self.at + size].split(b"\0", count)
            if len(lines) > count:
                del lines[count:]  # what is behind them
                self.at += sum(map(len, lines)) + count
                return lines
            if size >= self.left:
                raise self._short()
            size *= 4

    def _prefixed(self, count: int) -> list[bytes]:
        """Strings with their length before them."""
        body, at, unpack = self._body, self.at, _NUMBER.unpack_from
        room = len(body)
        lines = []
        for _ in range(count):
            start = at + 8
            if start > room:
                raise self._short()
            at = start + unpack(body, at)[0]
            if not start < at <= room:
                _string_size(at - start)
                raise self._short()
            lines.append(body[start : at - 1])
            if body[at - 1]:
                raise _unended()
        if b"\0" in b"".join(lines):
            raise _unended()
        self.at = at
        return lines

    def _short(self) -> ProtocolError:
        if self.whole:
            return ProtocolError("a message ends within a value")
        return Incomplete("a message ends, so far, within a value")


def _string_size(size: int) -> int:
    if not 0 < size <= MAX_STRING:
        raise ProtocolError(f"a text of {size} bytes")
    return size


def _text_of(data: bytes) -> bytes:
    if data.find(b"\0") != len(data) - 1:
        raise _unended()
    return data[:-1]


def _unended() -> ProtocolError:
    return ProtocolError("a text that does not end where it should")
