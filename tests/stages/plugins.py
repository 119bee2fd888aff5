"""Plugins as they are installed: a folder with a module, and a distribution that tells of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from glasnost import stages
from glasnost.stages import Kind
from glasnost.stages.guard import Guard


def install(folder: Path, package: str, source: str, entries: Mapping[str, str]) -> None:
    """Put a package there: its one module, named like it, and its entry points."""
    (folder / f"{package.replace('-', '_')}.py").write_text(source)
    told = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (told / "entry_points.txt").write_text("\n".join(["[glasnost.stages]", *lines, ""]))


@contextmanager
def installed(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> Iterator[None]:
    """They are found in this process; in the end all is as it was."""
    with monkeypatch.context() as patch:
        for folder in folders:
            patch.syspath_prepend(str(folder))
        before = set(sys.modules)
        forget()
        try:
            yield
        finally:
            for name in set(sys.modules) - before:
                del sys.modules[name]
    forget()


def forget() -> None:
    """Plugins are looked for once; now they will be again."""
    stages.kinds.cache_clear()
    stages._traits.cache_clear()


@contextmanager
def put_up(monkeypatch: pytest.MonkeyPatch, **kinds: Kind) -> Iterator[None]:
    """These kinds are a plugin's, whose name is "pigeon"."""
    guarded = {name: Guard("pigeon").around(kind) for name, kind in kinds.items()}
    with monkeypatch.context() as patch:
        patch.setattr(stages, "kinds_of_others", lambda: guarded)
        forget()
        yield
    forget()
