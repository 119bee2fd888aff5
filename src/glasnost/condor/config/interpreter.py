"""Carries out files statement by statement. It opens none: a function that reads is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from glasnost.condor.config.conditions import holds
from glasnost.condor.config.limits import MAX_DEPTH, MAX_FILES, MAX_IFS, MAX_VALUE
from glasnost.condor.config.lines import logical_lines
from glasnost.condor.config.statements import (
    Assign,
    Begin,
    Include,
    Say,
    Use,
    Wrong,
    condition_of,
    parse_statement,
)
from glasnost.condor.config.table import Table, checked
from glasnost.condor.config.templates import template
from glasnost.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was not understood, or not done, and where."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.text}" if self.line else self.text


@dataclass(slots=True)
class _Block:
    """One ``if`` that has not ended: whether its lines count now, counted once, are the last."""

    outside: bool
    now: bool
    before: bool
    last: bool = False


@dataclass
class Interpreter:
    """Reads files into a table. ``read`` gives the text of a file, or raises ``OSError``."""

    table: Table
    read: Callable[[str], str]
    findings: list[Finding] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def run(self, path: str, depth: int = 0) -> None:
        """Read one file and what it includes. Raises ``OSError`` where it cannot be read, and
        `SettingsError` where it says what means nothing."""
        if len(self.files) >= MAX_FILES:
            raise SettingsError(f"{path}: more than {MAX_FILES} files of HTCondor's configuration")
        text = self.read(path)
        self.files.append(path)
        _File(self, path, depth).carry_out(logical_lines(text))


class _File:
    """One file being read: its place for errors, its blocks, and a value of several lines."""

    def __init__(self, interpreter: Interpreter, path: str, depth: int) -> None:
        self.interpreter, self.table = interpreter, interpreter.table
        self.path, self.depth, self.line = path, depth, 0
        self.blocks: list[_Block] = []
        self.open: tuple[Begin, list[str]] | None = None

    def carry_out(self, lines: Iterator[tuple[int, str]]) -> None:
        try:
            for self.line, line in lines:
                if len(line) > MAX_VALUE:
                    raise Wrong(f"a line of more than {MAX_VALUE} characters")
                self._one(line)
            if self.open:
                raise Wrong(f"the file ends without @{self.open[0].tag}")
            if self.blocks:
                raise Wrong("the file ends without endif")
        except Wrong as wrong:
            raise SettingsError(f"{self.path}, line {self.line}: {wrong}") from None

    def _one(self, line: str) -> None:
        if self.open:
            self._one_of_several(*self.open, line)
        elif condition := condition_of(line, bool(self.blocks)):
            self._condition(*condition)
        elif not self.blocks or self.blocks[-1].now:
            self._statement(line.removeprefix(":") if self.blocks else line)

    def _one_of_several(self, begin: Begin, parts: list[str], line: str) -> None:
        if line == f"@{begin.tag}":
            self.table.set(begin.name, "\n".join(parts))
            self.open = None
            return
        parts.append(line)
        if sum(map(len, parts)) > 8 * MAX_VALUE:
            raise Wrong(f"{begin.name} has more than {8 * MAX_VALUE} characters")

    def _condition(self, keyword: str, rest: str) -> None:
        if keyword == "if":
            outside = not self.blocks or self.blocks[-1].now
            if len(self.blocks) == MAX_IFS:
                raise Wrong(f"more than {MAX_IFS} ifs within each other")
            now = outside and holds(rest, self.table)
            self.blocks.append(_Block(outside, now, now))
            return
        if not self.blocks:
            raise Wrong(f"{keyword} without if")
        block = self.blocks[-1]
        if keyword == "endif":
            self.blocks.pop()
            return
        if block.last:
            raise Wrong(f"{keyword} after else")
        block.last = keyword == "else"
        block.now = block.outside and not block.before and (block.last or holds(rest, self.table))
        block.before |= block.now

    def _statement(self, line: str) -> None:
        match parse_statement(line):
            case Assign(name, value, joint):
                self._assign(self.table.expand(name), value, joint)
            case Begin(name, tag):
                self.open = Begin(checked(self.table.expand(name)), tag), []
            case Use(category, templates):
                self._use(self.table.expand(category), templates)
            case Include() as include:
                self._include(include)
            case Say(text, fatal):
                text = self.table.expand(text)
                if fatal:
                    raise Wrong(f"error: {text}")
                self._found(f"warning: {text}")
            case None:
                pass

    def _assign(self, name: str, value: str, joint: str | None) -> None:
        if joint is not None and (before := self.table.raw(name)):
            value = f"{before}{joint}{value}"
            if len(value) > MAX_VALUE:
                raise Wrong(f"{name} has more than {MAX_VALUE} characters")
        self.table.set(name, value)

    def _use(self, category: str, names: tuple[str, ...]) -> None:
        for name in names:
            settings = template(category, name)
            if settings is None:
                self._found(f"what `use {category}:{name}` sets is not known here")
            for key, value in settings or ():
                self.table.set(key, value)

    def _include(self, include: Include) -> None:
        target = self.table.expand(include.target)
        if include.into:
            cache = self.table.expand(include.into)
            try:  # HTCondor runs the command only where there is no cache yet
                self._run(cache)
            except OSError:
                self._found(f"the command `{target}` is not run; there is no {cache} yet")
            return
        if include.command or "|" in target:
            self._found(f"the command `{target}` is not run, and what it would print is not read")
            return
        try:
            self._run(target)
        except OSError as error:
            if not include.optional:
                raise Wrong(f"cannot read {target}: {error.strerror}") from None

    def _run(self, path: str) -> None:
        if self.depth + 1 >= MAX_DEPTH:
            raise Wrong(f"files that include each other {MAX_DEPTH} deep")
        self.interpreter.run(path, self.depth + 1)

    def _found(self, text: str) -> None:
        self.interpreter.findings.append(Finding(self.path, self.line, text))
