"""What the documentation says can be checked, and is."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("changes/*.md")])


def load_make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make", REFERENCE / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load_make()


@pytest.mark.parametrize("name", list(make.pages()))
def test_the_reference_is_as_the_code_makes_it(name: str) -> None:
    there = (REFERENCE / name).read_text()
    assert there == make.pages()[name], "run `tools/run python docs/reference/make.py`"


def test_every_command_setting_and_exception_has_its_heading() -> None:
    assert headings("commands.md") == [name for name, _ in make.every_command()]
    from glasnost.settings import Settings

    tables = [*make.tables()]
    assert {"[[networks]]", "[knocks.NAME]", "[setups.NAME]"} <= {*tables}
    assert headings("settings.md") == [*Settings.__struct_fields__, *tables]
    assert headings("errors.md") == [one.__name__ for one in make.every_error()]


def test_everything_in_the_reference_is_explained() -> None:
    for name in make.pages():
        for part in (REFERENCE / name).read_text().split("\n## ")[1:]:
            title, _, text = part.partition("\n")
            assert len(text.split()) > 3, f"{name}: {title} is not explained"


def test_the_tree_of_exceptions_shows_each() -> None:
    import glasnost.errors

    drawn = re.findall(r"[├└]── (\w+)", glasnost.errors.__doc__ or "")
    assert {"GlasnostError", *drawn} == {one.__name__ for one in make.every_error()}


def test_the_readmes_program_is_the_example() -> None:
    """But for its annotations, which the README leaves out."""
    (shown,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    example = (ROOT / "examples" / "greeter.py").read_text()
    code = example.partition('"""\n\n')[2]
    code = re.sub(r": asyncio\.Stream(Reader|Writer)| -> None", "", code)
    assert shown == code


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_between_pages_resolve(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} links to {target}"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{page.name} links to {target}"


def test_the_tutorial_and_readme_call_only_commands_that_there_are() -> None:
    known = {name.split()[1] for name, _ in make.every_command()}
    for page in (ROOT / "README.md", *ROOT.glob("docs/*/README.md")):
        for line in page.read_text().splitlines():
            for word in re.findall(r"(?:\$ |`)glasnost (\w+)", line):
                assert word in known, f"{page.name}: {line}"


def headings(name: str) -> list[str]:
    return re.findall(r"^## (.+)$", (REFERENCE / name).read_text(), re.MULTILINE)


def links(page: Path) -> Iterator[str]:
    """What a page links to, outside code, on our own pages."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def anchors(page: Path) -> set[str]:
    """The anchors that headings make, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert numbers == sorted(set(numbers))
    assert all(page.read_text().startswith(f"# {int(page.name[:4])}. ") for page in pages)
