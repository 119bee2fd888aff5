"""Printing and reading agree, for every address; and every text is an address or refused."""

from hypothesis import example, given
from hypothesis import strategies as st

from glasnost.core.address import Address, Landing, Stage, parse_reach, reach_text
from glasnost.errors import AddressError
from tests.core.address.strategies import ADDRESSES, LANDINGS, STAGES, TEXTS


@given(ADDRESSES)
def test_an_address_reads_what_it_prints(address: Address) -> None:
    assert Address.parse(str(address)) == address


@given(STAGES)
def test_a_stage_keeps_its_decoded_parts_through_print_and_read(stage: Stage) -> None:
    again = Stage.parse(str(stage))
    assert (again.kind, again.args, again.options) == (stage.kind, stage.args, stage.options)


@given(st.frozensets(LANDINGS))
def test_a_reach_reads_what_it_prints(reach: frozenset[Landing]) -> None:
    assert parse_reach(reach_text(reach)) == reach


@given(TEXTS)
@example("public/pigeon:%ed%a0%80")
def test_any_text_is_an_address_or_is_refused_with_a_column(text: str) -> None:
    refused = None
    try:
        printed = str(Address.parse(text))
        assert str(Address.parse(printed)) == printed
    except AddressError as error:
        refused = error
    if refused is not None:
        assert 1 <= refused.column <= len(text) + 1
        assert refused.text == text
        assert refused.expected
