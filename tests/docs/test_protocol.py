"""The wire's documentation: every message has its heading, every field its row, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from glasnost.core.protocols import broker_probes, changes, watches
from glasnost.core.wire import header
from glasnost.core.wire.frames import MAX_FRAME
from glasnost.core.wire.header import Answer, Call
from glasnost.core.wire.messages import Directory, Entry, Party, Record, Signed
from glasnost.net import channel, port
from tests.core.wire.vectors import KINDS, conversations

DOCS = Path(__file__).parents[2] / "docs" / "protocol"
#: Every layout that goes over a wire.
LAYOUTS: list[type[msgspec.Struct]] = [*KINDS, Call, Answer, Record, Signed]
LAYOUTS += [Directory, Entry, Party]
#: Headings that are no layout.
OTHERS = {"ACCEPTED"}


def sections() -> dict[str, tuple[str, str]]:
    """By the heading of each layout: its page, and what stands below it."""
    found: dict[str, tuple[str, str]] = {}
    for page in sorted(DOCS.glob("*.md")):
        parts = re.split(r"^#{1,3} ", page.read_text(), flags=re.MULTILINE)
        for part in parts:
            if heading := re.match(r"`(\w+)`\n", part):
                assert heading[1] not in found, f"{heading[1]} is described twice"
                found[heading[1]] = (page.name, part)
    return found


SECTIONS = sections()


def test_what_is_described_is_what_there_is() -> None:
    assert set(SECTIONS) - OTHERS == {kind.__name__ for kind in LAYOUTS}


@pytest.mark.parametrize("kind", LAYOUTS, ids=lambda kind: kind.__name__)
def test_every_field_has_its_row(kind: type[msgspec.Struct]) -> None:
    _, text = SECTIONS[kind.__name__]
    rows = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    fields = [field.encode_name for field in msgspec.structs.fields(kind)]
    assert rows == [name for name in fields if name != "id"]
    assert ("No fields" in " ".join(text.split())) == (not rows)


PAGES = {
    "broker": "broker.md",
    "directory": "directory.md",
    "authority": "authority.md",
    "local agent": "local-agent.md",
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_stands_with_its_conversation(kind: Any) -> None:
    page, _ = SECTIONS[kind.__name__]
    assert page in {"control.md", *(PAGES[name] for name in conversations(kind))}


LIMITS = [
    ("header.md", f"at most {header.MAX_BODY}"),
    ("header.md", f"| body | {header.MAX_BODY} bytes |"),
    ("header.md", f"at most {header.MAX_WHY} bytes"),
    ("header.md", f"{header.TOKEN_SIZE} bytes, or empty"),
    ("header.md", header.encode_call(Call(to="web"))[:6].hex(" ")),
    ("header.md", f"| time for a call | {port.HEADER_TIMEOUT:g} s |"),
    ("header.md", f"have not called | {port.MAX_HALF_OPEN_PER_SOURCE} |"),
    ("header.md", f"of all sources | {port.MAX_HALF_OPEN} |"),
    ("broker.md", f"waits {broker_probes.TIMEOUT:g} s"),
    ("broker.md", f"{broker_probes.PER_MEMBER} times in {broker_probes.WINDOW:g} s"),
    ("broker.md", f"and {broker_probes.AT_A_TIME} probes"),
    ("directory.md", f"held while nothing has changed; {watches.HOLD:g} are the most"),
    ("directory.md", f"the last {changes.MAX_CHANGES} changes at least"),
    ("directory.md", f"may have {watches.WATCHES_PER_MEMBER} questions held"),
    ("directory.md", f"a directory holds {watches.MAX_WATCHES}"),
    ("control.md", f"over {MAX_FRAME >> 20} MiB"),
    ("control.md", f"after {channel.KEEP_ALIVE:g} s"),
    ("control.md", f"after {channel.SILENCE:g} s"),
]


@pytest.mark.parametrize("page, text", LIMITS)
def test_numbers_are_the_codes_own(page: str, text: str) -> None:
    assert text in " ".join((DOCS / page).read_text().split())


def test_links_lead_somewhere() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (DOCS / target).exists(), f"{page.name}: {target}"
