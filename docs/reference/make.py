"""Makes the pages of this folder from the code: ``python docs/reference/make.py``.

`tests/test_docs.py` says when it has to be run again.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args, get_origin

import click
import msgspec

import glasnost.core.address.limits
import glasnost.daemons.metrics
import glasnost.errors
import glasnost.settings
from glasnost.cli.address_forms import FORMS
from glasnost.cli.app import COMMANDS
from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.core.address.kinds import KNOWN
from glasnost.core.routes.traits import WAYS, Role, Traits
from glasnost.stages import KINDS

HERE = Path(__file__).resolve().parent
MADE = "<!-- Made by docs/reference/make.py: change the code, then run that. -->"
WIDTH = 80
#: All that is crossed here.
OURS = {**KINDS, **HTCONDOR}


def pages() -> dict[str, str]:
    """Every page: file name and text."""
    return {
        "commands.md": commands(),
        "settings.md": settings(),
        "errors.md": errors(),
        "addresses.md": addresses(),
        "stages.md": stages(),
        "metrics.md": metrics(),
    }


# --- commands -------------------------------------------------------------------------------------


def commands() -> str:
    parts = [
        MADE,
        "# Commands",
        "The answer is on stdout, everything else on stderr. Exit status: 0 done, 1 it could not "
        "be done, 2 it was\ncalled wrongly, 130 after Ctrl-C (0 for what runs until then: `up`, "
        "the daemons, `expose`, `forward`, `watch`).",
    ]
    for name, command in every_command():
        context = click.Context(
            command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH
        )
        parts += [f"## {name}", f"```\n{command.get_help(context)}\n```"]
    return _page(parts)


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Each command as it is typed, those of groups after their group."""
    for name, place in COMMANDS.items():
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        yield f"glasnost {name}", command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for below in command.list_commands(context):
                found = command.get_command(context, below)
                assert found is not None
                yield f"glasnost {name} {below}", found


# --- settings -------------------------------------------------------------------------------------


def settings() -> str:
    parts = [
        MADE,
        "# Settings",
        "From `glasnost.toml` in the state directory (or the file that `GLASNOST_CONFIG` names), "
        "overridden by\n`GLASNOST_*` (lists separated by spaces), overridden by flags. The state "
        "directory is `GLASNOST_HOME`, by default\n`/var/lib/glasnost` for root and "
        "`~/.local/state/glasnost` for others; sockets lie in `GLASNOST_RUN`, by default\n"
        "`$XDG_RUNTIME_DIR/glasnost` or `/run/glasnost`.",
    ]
    for name, kind, default, text in _fields(glasnost.settings.Settings):
        line = f"`{kind}`, by default `{default}`"
        if name not in glasnost.settings.TABLES:
            line += f"; `GLASNOST_{name.upper()}`"
        parts += [f"## {name}", line, text]
    for name, table in tables().items():
        parts += [f"## {name}", _prose(inspect.getdoc(table) or "")]
        rows = ["| | | | |", "| --- | --- | --- | --- |"]
        for key, kind, default, text in _fields(table):
            says = f"by default `{default}`" if default else "required"
            rows.append(f"| `{key}` | `{kind.replace('|', 'or')}` | {says} | {_one_line(text)} |")
        parts.append("\n".join(rows))
    return _page(parts)


def tables() -> dict[str, type[msgspec.Struct]]:
    """The settings that are tables of their own, ``[[networks]]`` or ``[knocks.NAME]``, and what
    one of them is."""
    found = {}
    for field in msgspec.structs.fields(glasnost.settings.Settings):
        for inner in get_args(field.type):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                forms = {dict: f"[{field.name}.NAME]", tuple: f"[[{field.name}]]"}
                found[forms.get(get_origin(field.type), f"[{field.name}]")] = inner
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _fields(table: type[msgspec.Struct]) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and the comment above, of each field of a class."""
    module = importlib.import_module(table.__module__)
    source = inspect.getsource(module)
    lines = source.splitlines()
    tree = ast.parse(source)
    found = next(
        one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == table.__name__
    )
    text = ""
    for field in found.body:
        if not isinstance(field, ast.AnnAssign):
            continue
        above = []
        at = field.lineno - 2
        while lines[at].strip().startswith("#:"):
            above.insert(0, lines[at].strip().removeprefix("#:").strip())
            at -= 1
        text = "\n".join(above) or text  # one comment may stand for several fields
        default = ""
        if field.value is not None:
            # `DEFAULT_PORT` is a number for whoever reads this.
            written = ast.unparse(field.value)
            default = str(getattr(module, written, written))
        assert isinstance(field.target, ast.Name)
        yield field.target.id, ast.unparse(field.annotation), default, text


# --- errors ---------------------------------------------------------------------------------------


def errors() -> str:
    intro, _, tree = (inspect.getdoc(glasnost.errors) or "").partition("::\n\n")
    drawn, _, rest = tree.partition("\n\n")
    parts = [MADE, "# Errors", _prose(intro), f"```\n{inspect.cleandoc(drawn)}\n```", _prose(rest)]
    for one in every_error():
        parts += [f"## {one.__name__}", _prose(inspect.getdoc(one) or "")]
    return _page(parts)


def every_error() -> list[type[Exception]]:
    """The exceptions, in the order of their file."""
    return [
        one
        for one in vars(glasnost.errors).values()
        if inspect.isclass(one) and issubclass(one, glasnost.errors.GlasnostError)
    ]


# --- metrics --------------------------------------------------------------------------------------


def metrics() -> str:
    parts = [
        MADE,
        "# Metrics",
        "What a daemon answers at `/metrics`, in Prometheus' text format, where the setting "
        "[`metrics`](settings.md#metrics) or the\nflag `--metrics` says so; `glasnost up` answers "
        "for all its roles. `/healthz` answers 200 if the daemon can do its work, else\n503 with a "
        "sentence. Besides these there are `process_*`: descriptors, memory, CPU time, and when it "
        "began.",
    ]
    roles = {"every daemon": glasnost.daemons.metrics.PROCESS} | glasnost.daemons.metrics.TABLES
    for role, table in roles.items():
        rows = ["| metric | kind | label | |", "| --- | --- | --- | --- |"]
        for one in table:
            label = f"`{one.label}`" if one.label else ""
            rows.append(f"| `{one.name}` | {one.kind} | {label} | {_cell(one.says)} |")
        parts += [f"## {role}", "\n".join(rows)]
    return _page(parts)


# --- stages ---------------------------------------------------------------------------------------


def stages() -> str:
    rows = [
        "| stage | role | what it opens | our settings have a say | in an exit | who copies "
        "what passes | begins with |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, kind in sorted(OURS.items(), key=lambda one: _ROLES.index(one[1].traits.role)):
        traits = kind.traits
        cells = [
            f"`{name}`",
            traits.role,
            _opens(traits),
            "yes" if kind.check else "",
            "" if traits.ways else "and only there" if traits.ours else "yes",
            KNOWN[name].copied_by,
            kind.deed,
        ]
        rows.append(f"| {' | '.join(cells)} |")
    others = _codes(name for name in KNOWN if name not in OURS)
    parts = [
        MADE,
        "# Stages",
        "The kinds of stages that are crossed here, and what each can do. An *origin* opens a "
        "connection, a *forward* stage leads\none on, a *reversing* stage asks a broker for one, "
        "a *prelude* does something before one is opened. Where our settings have a\nsay, a stage "
        "names something of theirs, and cannot be crossed where they lack it. What a stage begins "
        "with is what\n`glasnost ping` and the story of a failed connect call it. Where nobody "
        "copies what passes, the connection is the kernel's\n(unless a broker relays, which "
        "`glasnost explain` says as it says this).",
        "\n".join(rows),
        f"Addresses may hold others: {others}. Nobody here crosses these." if others else "",
        "What the stages of an address mean: [Addresses](addresses.md). Kinds of others are "
        "installed as packages:\n[Write a stage](../howto/write-a-stage.md).",
    ]
    return _page(parts)


_ROLES = get_args(Role)


def _opens(traits: Traits) -> str:
    if traits.onward:
        return f"what follows, at the far side: {_codes(sorted(traits.onward))}"
    if traits.ways:
        return f"by {', '.join(way for way in WAYS if way in traits.ways)}"
    return _codes(traits.protocols)


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


# --- addresses ------------------------------------------------------------------------------------


def addresses() -> str:
    """The page as it is, with its tables made anew: each stands below a line that names it."""
    page = (HERE / "addresses.md").read_text()
    for name, table in (("kinds", _kinds()), ("limits", _limits()), ("forms", _forms())):
        before, line, rest = page.partition(f"<!-- {name}: made by make.py -->\n\n")
        page = f"{before}{line}{table}\n\n{rest.partition(chr(10) * 2)[2]}"
    return page


def _kinds() -> str:
    rows = ["| stage | crossing it | options | crossed here |", "| --- | --- | --- | --- |"]
    for kind, known in KNOWN.items():
        arguments = "; ".join(field.expected for field in known.arguments) or "no arguments"
        options = ", ".join(f"`{key}`" for key in known.options)
        here = "yes" if kind in OURS else "no"
        rows.append(f"| `{kind}`: {arguments} | {known.does} | {options} | {here} |")
    return "\n".join(rows)


def _limits() -> str:
    rows = ["| | | |", "| --- | --- | --- |"]
    lines = inspect.getsource(glasnost.core.address.limits).splitlines()
    for at, line in enumerate(lines):
        if found := re.match("(MAX_[A-Z_0-9]+): Final", line):
            first = max(n for n in range(at) if not lines[n].startswith("#:")) + 1
            reason = " ".join(one.removeprefix("#:").strip() for one in lines[first:at])
            value = getattr(glasnost.core.address.limits, found[1])
            rows.append(f"| `{found[1]}` | {value:,} | {_cell(reason)} |")
    return "\n".join(rows)


def _forms() -> str:
    rows = ["| `--from`, `--to` | |", "| --- | --- |"]
    rows += [f"| `{name}` | {_cell(form.what)} |" for name, form in FORMS.items()]
    return "\n".join(rows)


def _cell(text: str) -> str:
    """Plain text in a table, where bars and angles mean something."""
    return _prose(text).replace("|", "\\|").replace("<", "&lt;")


def _prose(text: str) -> str:
    """A docstring as Markdown has it."""
    return text.strip().replace("``", "`")


def _page(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text)
