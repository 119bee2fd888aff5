"""How much planning looks at, each number with its reason."""

from typing import Final

#: Paths planned for one route. Three brokers in a row that dial back or relay make eight; four
#: exits that fit make 32. What comes after could never be tried within one deadline anyway. With
#: the limit on routes per address, a plan has at most 1024 paths.
MAX_PATHS_PER_ROUTE: Final = 32

#: Exits of a vantage: a host with a dozen networks, both protocols on each, and some proxies.
#: Vantages travel in queries, and each exit is held against each route.
MAX_EXITS: Final = 64

#: Source addresses of an exit: a few prefixes, each with a stable and a temporary address. Which
#: one the system would take is worked out for every destination.
MAX_SOURCES: Final = 8

#: Return routes of a vantage: they travel in every request to a broker, in one small message.
MAX_RETURNS: Final = 32
