"""What comes of two sides' wishes: HTCondor's table, line by line."""

from __future__ import annotations

import pytest

from glasnost.condor.security.words import Word, decide
from glasnost.errors import ProtocolError

#: The client's word in front; the server's are required, preferred, optional, never.
TABLE = {
    Word.REQUIRED: (True, True, True, None),
    Word.PREFERRED: (True, True, True, False),
    Word.OPTIONAL: (True, True, False, False),
    Word.NEVER: (None, False, False, False),
}
COLUMNS = (Word.REQUIRED, Word.PREFERRED, Word.OPTIONAL, Word.NEVER)


@pytest.mark.parametrize("client", Word)
@pytest.mark.parametrize("server", Word)
def test_the_table(client: Word, server: Word) -> None:
    assert decide(client, server) is TABLE[client][COLUMNS.index(server)]


@pytest.mark.parametrize(("text", "word"), [("R", Word.REQUIRED), ("optional", Word.OPTIONAL)])
def test_only_the_first_letter_counts(text: str, word: Word) -> None:
    assert Word.of(text) is word


@pytest.mark.parametrize("text", ["", "maybe", "ÖPTIONAL"])
def test_no_word(text: str) -> None:
    with pytest.raises(ProtocolError, match="none of"):
        Word.of(text)
