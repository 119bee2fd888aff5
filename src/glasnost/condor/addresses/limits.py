"""How large HTCondor's address strings may be here. HTCondor itself knows no limits."""

from typing import Final

#: Characters of the original notation. One with 16 brokers, each with two addresses, an alias and
#: a shared port id, has about 4,000.
MAX_TEXT: Final = 8192

#: Characters of v1, which repeats alias and shared port id in every route.
MAX_V1_TEXT: Final = 8 * MAX_TEXT

#: Routes that one address may unfold to. 16 brokers with four routes each make 64; the limit bounds
#: what is written for a text in which a long alias meets many short contacts.
MAX_V1_ROUTES: Final = 256

#: Addresses within an address: a contact's broker that has a contact of its own, and so on. Real
#: ones have one such level: a broker takes its own CCBID out of the address that it hands out.
MAX_DEPTH: Final = 4

#: Characters of a host or a network name in v1: HTCondor reads no more (found by trying).
MAX_V1_NAME: Final = 61

#: The largest port that HTCondor reads as the number it says; larger ones wrap round.
MAX_PORT_NUMBER: Final = 2**31 - 1

#: Digits of a port: leading zeros are kept, but not thousands of them.
MAX_PORT_DIGITS: Final = 20
