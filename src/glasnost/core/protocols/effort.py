"""What a question costs a directory, so that members can share its time (see `turns`).

The unit is about 10 µs of one core, measured on the machines that the benchmarks ran on; what
counts is that the questions stand in the right proportion.
"""

from __future__ import annotations

from typing import Final

from glasnost.core.wire.messages import List, Lookup, Message, Publish, Renew, Watch, Withdraw

#: Decrypting, decoding, answering: what every question costs, and a lookup nothing else.
QUESTION: Final = 4
#: A record that is published: its signature, its address, its way into the store.
RECORD: Final = 25
#: Names renewed for one unit.
NAMES: Final = 2
#: A listing: a page of records, or one step of a search for them or for what has changed.
STEP: Final = 200
#: Characters of text for one unit: nobody asks for much that costs nothing.
CHARACTERS: Final = 100

#: How much one member may have waiting: 0.2 s of the directory's time, so that an agent may ask
#: for some thousand names at once, and no member fills the memory.
MOST: Final = 20_000
#: After so much the rest of the process has its turn: 3 ms.
SLICE: Final = 300


def cost(question: Message) -> int:
    """What answering this costs, or its next step."""
    match question:
        case Publish(records=records):
            return QUESTION + RECORD * len(records)
        case Renew(names=names) | Withdraw(names=names):
            return QUESTION + len(names) // NAMES
        case List(glob=glob, after=after):
            return QUESTION + STEP + (len(glob) + len(after)) // CHARACTERS
        case Watch(glob=glob, selector=terms):
            return QUESTION + STEP + (len(glob) + sum(map(len, terms))) // CHARACTERS
        case Lookup(name=name):
            return QUESTION + len(name) // CHARACTERS
        case _:
            return QUESTION
