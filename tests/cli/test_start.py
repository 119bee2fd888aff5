"""Commands that only talk to the local agent start fast."""

from __future__ import annotations

import subprocess
import sys

#: Each of these takes longer to import than a connection takes to make.
SLOW = ["asyncio", "click", "json", "msgspec", "pathlib", "re", "ssl", "tomllib", "typing"]

CONNECT = """
import sys
before = set(sys.modules)
sys.argv[1:] = ["connect", "web.cm"]
import glasnost.cli
from glasnost.cli import connect
assert connect.through_agent("web.cm") is None, "no agent runs there"
print(*sorted(set(sys.modules) - before))
"""


def test_connecting_through_the_agent_imports_little(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", CONNECT],
        env={"GLASNOST_HOME": str(tmp_path), "GLASNOST_RUN": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = done.stdout.split()
    assert "glasnost.net.fdpass" in imported
    assert [name for name in SLOW if name in imported] == []
    assert len([name for name in imported if name.startswith("glasnost.")]) <= 12, imported
