"""Reads an address in either notation, and refuses what HTCondor calls invalid."""

from __future__ import annotations

from glasnost.condor.addresses.folding import BadField, fold, unfold
from glasnost.condor.addresses.original import read_original
from glasnost.condor.addresses.sinful import Sinful
from glasnost.condor.addresses.sinful_v1 import read_v1
from glasnost.errors import SinfulError


def parse(text: str) -> Sinful:
    """Read an address as HTCondor does; a `SinfulError` says the column and what it expected.

    >>> str(parse("192.0.2.1:9618"))
    '<192.0.2.1:9618>'
    >>> str(parse('{[ p="IPv4"; a="192.0.2.1"; port=9618; n="Internet"; ]}'))
    '<?addrs=192.0.2.1-9618>'
    """
    columns: dict[str, int] = {}
    try:
        if text.startswith("{"):
            sinful = fold(read_v1(text))
        else:
            sinful, columns = read_original(text)
        unfold(sinful)
    except BadField as error:
        raise SinfulError(text, columns.get(error.field, 1), error.expected) from None
    return sinful
