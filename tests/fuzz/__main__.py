"""`make fuzz`: each parser is given FUZZ_EXAMPLES examples (100,000), on all cores.

The status is 1 when something was found, or a parser was given fewer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.fuzz.counts import Count, table
from tests.fuzz.table import PARSERS


def main(arguments: list[str]) -> int:
    examples = int(os.environ.setdefault("FUZZ_EXAMPLES", "100000"))
    shares = os.cpu_count() or 1
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{share}.json") for share in range(shares)]
        command = [sys.executable, "-m", "pytest", "tests/fuzz/test_fuzz.py", "-q"]
        command += ["-k", "anything", "--hypothesis-profile=fuzz", "--timeout=0", *arguments]
        running = [
            subprocess.Popen(
                command,
                env=os.environ | {"FUZZ_SHARE": f"{share}/{shares}", "FUZZ_COUNTS": str(file)},
            )
            for share, file in enumerate(files)
        ]
        statuses = [process.wait() for process in running]
        counts: dict[str, Count] = {}
        for file in filter(Path.exists, files):
            counts |= msgspec.json.decode(file.read_bytes(), type=dict[str, Count])
    ordered = {one.name: counts[one.name] for one in PARSERS if one.name in counts}
    print("", *table(ordered), sep="\n")
    total = sum(count.examples for count in ordered.values())
    print(f"{total:,} examples in {time.monotonic() - begun:.0f} s on {shares} cores")
    short = [name for name, count in ordered.items() if count.examples < examples]
    if short:
        print(f"fewer than {examples:,}: {', '.join(short)}")
    return 1 if any(statuses) or (short and not arguments) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
