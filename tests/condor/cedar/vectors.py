"""What HTCondor's own code has written: values, ads, packets, datagrams."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "vectors/condor"


@functools.cache
def cedar() -> Any:
    return json.loads((FOLDER / "cedar.json").read_text("utf-8"))


def frame_of(begin: str) -> bytes:
    """The clear frame, or the one of a cipher, whose description is this, or begins so."""
    frames = {
        case.get("value", case.get("mode")): case["frame"]
        for case in cedar()["clear_frames"] + cedar()["crypto_frames"]
        if "frame" in case
    }
    if begin not in frames:
        [begin] = [name for name in frames if name.startswith(begin)]
    return bytes.fromhex(frames[begin])


#: The ad that the vectors write in each way.
LINES = [
    b"A = 1",
    b'B = "x\\"y\\z"',
    b"C = 2.5",
    b"D = true",
    b"F = A + B > 3 && (D =?= undefined)",
    b"G = 1E+100",
    b"L = { 1,2 }",
    b'N = [ a = 1; b = "q" ]',
    b'Tab = "a\tb\nc"',
    b'MyType = "Machine"',
    b'ClaimId = "topsecret"',
    b'_condor_privFoo = "pp"',
]
#: The version that wrote them, and the key of the old ciphers' packets.
VERSION = (25, 14, 1)
OLD_KEY = bytes(range(1, 25))
AES_KEY = bytes(range(32))
