"""Addresses: text to values and back. `Address` has routes, a `Route` has stages.

Reads and writes; says nothing about which route to take (see ``core/routes``).
"""

from glasnost.core.address.address import Address
from glasnost.core.address.landing import Landing, parse_reach, reach_text
from glasnost.core.address.names import Name, check_domain, check_label, pool_domain
from glasnost.core.address.route import PUBLIC, Route
from glasnost.core.address.stage import Stage

__all__ = [
    "PUBLIC",
    "Address",
    "Landing",
    "Name",
    "Route",
    "Stage",
    "check_domain",
    "check_label",
    "parse_reach",
    "pool_domain",
    "reach_text",
]
