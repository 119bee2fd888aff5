"""The stricter reader, for ads that come before anybody knows who sent them."""

from __future__ import annotations

from collections.abc import Sequence

from glasnost.condor.classad.ad import Ad
from glasnost.condor.classad.limits import MAX_SECURITY_ATTRIBUTES
from glasnost.condor.classad.values import ErrorValue, Expression
from glasnost.errors import ProtocolError


def read_security_ad(lines: Sequence[bytes]) -> Ad:
    """An ad of at most 100 lines, each a number, a string, a boolean or undefined.

    HTCondor closes the connection for any other, and so must whoever calls this: the sentence of
    the `ProtocolError` says what was wrong.
    """
    if len(lines) > MAX_SECURITY_ATTRIBUTES:
        raise ProtocolError(
            f"a security ad of {len(lines)} attributes, more than {MAX_SECURITY_ATTRIBUTES}"
        )
    ad = Ad.from_lines(lines)
    for name, value in ad.items():
        if isinstance(value, Expression | ErrorValue):
            raise ProtocolError(f"{name} of a security ad is no literal")
    return ad
