"""Holds src/ to the shape that the design gives it (section 9): imports point up one list.

Every rule here has its reason beside it, and a violation prints file, line, what is imported and
that reason. Imports below `if TYPE_CHECKING` or inside a function count like any other: a type
that is needed from below shows that something lies in the wrong place.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src"

#: From top to bottom, each with what it is for. A layer may use what stands above it.
LAYERS = {
    "glasnost.errors": "exceptions are everybody's, so they depend on nobody",
    "glasnost.version": "a number, which anybody may tell",
    "glasnost.places": "says where things lie, which the environment tells it",
    "glasnost.core": "what core's parts share among themselves and with all others",
    "glasnost.core.address": "an address is text and values; reading one needs nothing else",
    "glasnost.core.wire": "turns bytes into messages; what a message leads to is decided below it",
    "glasnost.core.routes": "planning is a function of facts; it takes part in no protocol",
    "glasnost.core.protocols": "core decides and others carry out: effects go down as values",
    "glasnost.core.doctor": "judges facts about a host; gathering them is below",
    "glasnost.trust": "keys, certificates, tokens, signatures: values too; who sends them is below",
    "glasnost.setups": "what one table of the settings may say; reading it is below",
    "glasnost.tables": "what the others may say; reading them is below, too",
    "glasnost.settings": "reads what the user wrote; who acts on it is below",
    "glasnost.net": "carries out what core decides; what a stage, store or node is, it is not told",
    "glasnost.stages": "knows how to cross one stage; which stages, and when, the node chooses",
    "glasnost.store": "keeps records; whose and why, the directory daemon knows",
    "glasnost.roles": "agent, broker, directory, authority as libraries; who starts them is below",
    "glasnost.condor": "HTCondor's side of things; node, daemons and cli register it, not others",
    "glasnost.by_address": "connects to what has no name; whose standing that is, it is told",
    "glasnost.node": "a program's place in its pool; it must work without any daemon's code",
    "glasnost.calls": "the library's front door, shaped like asyncio's",
    "glasnost": "re-exports the front door",
    "glasnost.dashboard": "draws a status that it is given; it starts and steers nothing",
    "glasnost.daemons": "thin: settings, core and net; programs for people are built on them",
    "glasnost.apps": "serve programs that know nothing of us, by the library and the daemons",
    "glasnost.testing": "for plugin authors too; nothing that runs in earnest may need it",
    "glasnost.cli": "the last: nobody imports a command",
    "glasnost.__main__": "starts the cli",
}
ORDER = list(LAYERS)

#: Core is pure: facts in, answers out. What would make it impure, and what stands for it instead.
IMPURE = {
    "a clock": ("time", "sched"),
    "chance": ("random", "secrets", "uuid"),
    "input or output": (
        *(
            "socket",
            "_socket",
            "socketserver",
            "ssl",
            "select",
            "selectors",
            "http",
            "urllib.request",
        ),
        *("os", "posix", "fcntl", "shutil", "tempfile", "sqlite3"),
        *("subprocess", "signal", "psutil"),
    ),
    "a scheduler": ("asyncio", "uvloop", "threading", "multiprocessing", "concurrent"),
}
INSTEAD = {
    "a clock": "`now` is an argument, `deadline()` a question",
    "chance": "names and nonces are passed in, so that a test can say which",
    "input or output": "effects are returned, and net carries them out",
    "a scheduler": "core is called, and returns",
}

#: Only these open sockets, so that there is one place to look for every limit and option.
OPENS_SOCKETS = {
    "glasnost.net": "the only folder that opens sockets (design, section 9)",
    "glasnost.testing": "the lab plays the hosts and strangers on the other side",
}
#: Single modules beyond these two. A reason each, and it must still be true: see the test.
SOCKET_EXCEPTIONS: dict[str, str] = {}

#: Calls that open a socket (or adopt a descriptor as one). The type `socket.socket` may be named
#: by everybody: connections are handed on as what they are.
OPENERS = {
    "socket": {
        *("socket", "socketpair", "fromfd", "create_connection", "create_server"),
    },
    "asyncio": {
        *("open_connection", "open_unix_connection", "start_server", "start_unix_server"),
    },
    # The methods of an event loop, which has no fixed name in a source: `loop`, `self._loop`.
    "loop": {
        *("create_connection", "create_unix_connection", "create_server", "create_unix_server"),
        *("create_datagram_endpoint",),
    },
}

#: Modules below stages/ that are no kind but what all kinds share.
STAGES_SHARE = {
    "glasnost.stages": "the table of built-in kinds",
    "glasnost.stages.base": "the interface that every kind has",
    "glasnost.stages.guard": "what stands around the kinds of others",
    "glasnost.stages.outside": "the kinds of others",
    "glasnost.stages.shared": "what the paths of one connect share, whatever their kinds",
}


@dataclass(frozen=True)
class Use:
    """One place where a module imports another, or opens a socket."""

    file: str
    line: int
    module: str  # who
    target: str  # whom
    opens: bool = False  # not an import: a call that opens a socket

    def wrong(self, reason: str) -> str:
        verb = "calls" if self.opens else "imports"
        return f"{self.file}:{self.line}: {self.module} {verb} {self.target}: {reason}"


# --- reading -------------------------------------------------------------------------------------


def module_of(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, Path]:
    return {module_of(path): path for path in sorted(SRC.rglob("*.py"))}


def uses(source: str, file: str, module: str, known: set[str], package: bool) -> Iterator[Use]:
    """Every import in `source`, and every call that opens a socket.

    `from a import b` counts as an import of a.b where that is a module. Taking an opener by name
    (`from socket import create_connection`) counts as calling it.
    """

    def names(base: str, aliases: list[ast.alias]) -> set[str]:
        return {full if (full := f"{base}.{alias.name}") in known else base for alias in aliases}

    for node in ast.walk(ast.parse(source, file)):
        match node:
            case ast.Import():
                found = {alias.name for alias in node.names}
            case ast.ImportFrom(level=0, module=str(base)):
                found = names(base, node.names)
                for alias in node.names:
                    if alias.name in OPENERS.get(base, ()):
                        yield Use(file, node.lineno, module, f"{base}.{alias.name}", True)
            case ast.ImportFrom():
                # One dot is the package the module lies in; a package's own file lies in itself.
                parts = module.split(".")
                up = parts[: len(parts) - (node.level - package)]
                found = names(".".join([*up, *filter(None, [node.module])]), node.names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(str(name))]):
                found = {name}
            case ast.Call(func=ast.Attribute(attr=attr, value=value)):
                owner = ast.unparse(value)
                kind = "loop" if owner.endswith(("loop", "loop()")) else owner
                if attr in OPENERS.get(kind, ()):
                    yield Use(file, node.lineno, module, f"{owner}.{attr}", True)
                continue
            case _:
                continue
        for target in sorted(found):
            yield Use(file, node.lineno, module, target)


# --- judging -------------------------------------------------------------------------------------


def within(module: str, layer: str) -> bool:
    return module == layer or module.startswith(layer + ".")


def layer_of(module: str) -> str | None:
    """The layer a module belongs to: the longest that fits. `glasnost` itself is no folder."""
    fits = [
        layer
        for layer in LAYERS
        if module == layer or (layer != "glasnost" and within(module, layer))
    ]
    return max(fits, key=len, default=None)


def points_down(use: Use) -> str | None:
    mine, theirs = layer_of(use.module), layer_of(use.target)
    if mine is None or theirs is None or ORDER.index(theirs) <= ORDER.index(mine):
        return None
    return f"{theirs} stands below {mine} ({LAYERS[mine]})"


def is_impure(use: Use) -> str | None:
    top = use.target.split(".")[0]
    for what, names in IMPURE.items():
        if any(within(use.target, name) for name in names):
            if within(use.module, "glasnost.core"):
                return f"core is pure, and this is {what}; {INSTEAD[what]}"
            # Certificates have dates and keys need chance, so trust has these; but no connection.
            if within(use.module, "glasnost.trust") and top in {"socket", "asyncio", "uvloop"}:
                return "trust makes and judges credentials; those who connect use it"
    return None


def is_another_stage(use: Use) -> str | None:
    if not (within(use.module, "glasnost.stages") and within(use.target, "glasnost.stages")):
        return None
    if use.module in STAGES_SHARE or use.target in STAGES_SHARE:
        return None
    if use.module.split(".")[2] == use.target.split(".")[2]:
        return None  # a kind that is a folder
    return "stages do not know each other; the node stacks them"


def opens_sockets(use: Use, exceptions: Container[str] = SOCKET_EXCEPTIONS) -> str | None:
    if not use.opens and use.target not in {"_socket", "socketserver"}:
        return None
    if any(within(use.module, place) for place in OPENS_SOCKETS):
        return None
    if use.module in exceptions or is_impure(use):
        return None  # core and trust have a rule, and a sentence, of their own
    return "only net opens sockets; exceptions stand in SOCKET_EXCEPTIONS with a reason"


RULES = (points_down, is_impure, is_another_stage, opens_sockets)


def violations(found: Iterator[Use]) -> list[str]:
    return [use.wrong(reason) for use in found for rule in RULES if (reason := rule(use))]


def uses_in_src() -> Iterator[Use]:
    all_modules = modules()
    for module, path in all_modules.items():
        file = str(path.relative_to(SRC.parent))
        package = path.name == "__init__.py"
        yield from uses(path.read_text("utf-8"), file, module, set(all_modules), package)


# --- src/ as it is -------------------------------------------------------------------------------


def test_imports_point_up_the_list() -> None:
    wrong = violations(uses_in_src())
    assert not wrong, "\n".join(["the shape of the code (design, section 9):", *wrong])


def test_every_module_has_its_place_in_the_list() -> None:
    homeless = [module for module in modules() if layer_of(module) is None]
    assert not homeless, f"{homeless}: add a layer to LAYERS, with what it is for, or move them"


def test_every_exception_is_still_needed() -> None:
    opening = {use.module for use in uses_in_src() if opens_sockets(use, exceptions={})}
    stale = set(SOCKET_EXCEPTIONS) - opening
    assert not stale, f"{stale} open no socket (any more): take them out of SOCKET_EXCEPTIONS"


# --- the checker itself --------------------------------------------------------------------------

KNOWN = {
    *LAYERS,
    "glasnost.core.wire.frames",
    "glasnost.stages.ccb",
    "glasnost.stages.ip4",
    "glasnost.stages.ssh.config",
}

CASES = [
    # name, module, source, what the message says (None: allowed)
    ("core uses net", "core.wire.frames", "import glasnost.net.tcp", "net stands below"),
    ("from, whole", "core.wire.frames", "from glasnost import net", "net stands below"),
    ("in a function", "trust", "def f():\n    import glasnost.node", "node stands below"),
    ("by a name", "net", "importlib.import_module('glasnost.cli')", "cli stands below"),
    ("relative", "core.wire.frames", "from ..routes import plan", "routes stands below"),
    ("the front door", "stages.ccb", "from glasnost import connect", "glasnost stands below"),
    ("up is fine", "net", "from glasnost.core.wire import frames", None),
    ("own folder is fine", "core.wire.frames", "from . import frames", None),
    ("core and a clock", "core.routes", "import time", "core is pure, and this is a clock"),
    ("core and os.path", "core.routes", "from os import path", "input or output"),
    ("core and urllib.parse", "core.routes", "from urllib.parse import quote", None),
    ("core and dataclasses", "core.routes", "from dataclasses import dataclass", None),
    ("trust and sockets", "trust", "import asyncio", "those who connect use it"),
    ("trust and its socket", "trust", "import socket", "those who connect use it"),
    ("trust and time", "trust", "import time, secrets, ssl", None),
    ("stage and stage", "stages.ccb", "from glasnost.stages import ip4", "do not know each other"),
    ("stage and interface", "stages.ccb", "from glasnost.stages import base", None),
    ("a stage's own folder", "stages.ssh", "import glasnost.stages.ssh.config", None),
    ("a socket in apps", "apps", "socket.socket(socket.AF_INET)", "only net opens sockets"),
    ("a socket in net", "net", "socket.create_connection(a)", None),
    ("a socket's type", "apps", "import socket\ndef f(s: socket.socket): s.close()", None),
    ("from socket", "apps", "from socket import create_server", "only net opens sockets"),
    ("asyncio's in apps", "apps", "async def f(): await asyncio.start_server(h)", "only net"),
    ("the loop's in apps", "apps", "self._loop.create_server(h)", "only net opens sockets"),
    ("from asyncio", "apps", "from asyncio import open_connection", "only net opens sockets"),
    ("our own in apps", "apps", "node.open_connection('a')", None),
]


@pytest.mark.parametrize(
    ("module", "source", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_checker_sees(module: str, source: str, says: str | None) -> None:
    found = violations(uses(source, "x.py", f"glasnost.{module}", KNOWN, package=False))
    if says is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(f"x.py:{2 if chr(10) in source else 1}: glasnost.{module} ")
        assert says in found[0]


def test_the_checker_reads_relative_imports_of_a_package() -> None:
    found = uses("from . import frames", "x.py", "glasnost.core.wire", KNOWN, package=True)
    assert [use.target for use in found] == ["glasnost.core.wire.frames"]
