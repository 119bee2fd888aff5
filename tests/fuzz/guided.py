"""The coverage-guided run: one parser, for some minutes, by atheris (libFuzzer for Python).

    python -m tests.fuzz.guided "header: call" --seconds 240
    python -m tests.fuzz.guided                       # all, two at a time

atheris is no dependency of the project; README.md says how to have it. What it finds ends a run
with the exception, the input that raised it in hexadecimal, and a status that is not 0.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["glasnost"]):
    from tests.fuzz.parser import Parser
    from tests.fuzz.table import PARSERS

#: The longest input that is tried: above every limit of a header, and of most texts.
MAX_INPUT = 4096


def trying(parser: Parser) -> Callable[[bytes], None]:
    """What libFuzzer calls with each input."""

    def one(data: bytes) -> None:
        try:
            parser.check(parser.of(data))
        except BaseException:
            print(f"{parser.name}: found with {data.hex()}", file=sys.stderr)
            raise

    return one


def fuzz(parser: Parser, seconds: int) -> None:
    """Try this one until its time is over, or something is found."""
    corpus = tempfile.mkdtemp(prefix="glasnost-corpus-")
    for number, seed in enumerate(parser.seeds()):
        Path(corpus, f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, corpus], trying(parser))
    atheris.Fuzz()  # ends the process


def run(parser: Parser, seconds: int) -> bool:
    """The same in a process of its own; whether it found nothing."""
    command = [sys.executable, "-m", "tests.fuzz.guided", parser.name, "--seconds", str(seconds)]
    ended = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    runs = re.search(r"number_of_executed_units: (\d+)", ended.stdout)
    coverage = re.findall(r" cov: (\d+)", ended.stdout)
    said = f"{int(runs[1]) if runs else 0:12,} runs, coverage {coverage[-1] if coverage else '?'}"
    print(f"{parser.name:28} {said}", flush=True)
    if ended.returncode:
        print(ended.stdout[ended.stdout.find("Uncaught") :][-6000:], flush=True)
    return ended.returncode == 0


def run_all(parsers: Iterable[Parser], seconds: int, jobs: int) -> bool:
    with ThreadPoolExecutor(jobs) as pool:
        return all(list(pool.map(lambda parser: run(parser, seconds), parsers)))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("parser", nargs="?", choices=[parser.name for parser in PARSERS])
    arguments.add_argument("--seconds", type=int, default=240)
    arguments.add_argument("--jobs", type=int, default=2)
    given = arguments.parse_args()
    if given.parser is None:
        sys.exit(not run_all(PARSERS, given.seconds, given.jobs))
    fuzz(next(parser for parser in PARSERS if parser.name == given.parser), given.seconds)


if __name__ == "__main__":
    main()
