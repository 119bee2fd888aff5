"""How large an address may be, each number with its reason.

The limits hold for what is built in code as for what is read, so whatever prints also parses.
"""

from typing import Final

#: Stages of one route. Two nested brokers behind a proxy, each with its shared port, need nine;
#: sixteen leaves room for kinds we do not know, and bounds the round trips of one attempt.
MAX_STAGES: Final = 16

#: Characters of one route as printed: sixteen stages of 64, or a few with a long path in them.
MAX_ROUTE_TEXT: Final = 1024

#: Routes of one address. Four networks, two protocols and three brokers each make 32; a client
#: would race for minutes through more, and a directory keeps one address for every name.
MAX_ROUTES: Final = 32

#: Characters looked at before anything is read. Follows from the two above (and the commas), so
#: that the work a peer's text can cause is bounded before it is known to be an address.
MAX_TEXT: Final = MAX_ROUTES * (MAX_ROUTE_TEXT + 1)

#: Names of services and contacts: the length of a DNS label, since names become labels.
MAX_NAME: Final = 63

#: Bytes of a Unix socket's path: ``sun_path`` is 108 on Linux, with its final zero.
MAX_UNIX_PATH: Final = 107

#: Interface names (IPv6 zones): ``IFNAMSIZ`` is 16, with its final zero.
MAX_ZONE: Final = 15

#: Characters of a whole DNS name (RFC 1035, 2.3.4: 255 octets on the wire, 253 as text).
MAX_DNS_NAME: Final = 253

#: HTCondor's shared port ids: each is the file name of a Unix socket, so shorter than its path.
MAX_CONDOR_ID: Final = MAX_UNIX_PATH

#: Groups ``{a|b}`` within groups. A group that is no mere pair of braces leaves each alternative
#: fewer stages than the route has, so no address is displayed with more.
MAX_NESTING: Final = MAX_STAGES

#: Nodes of an address's graph: one for each stage of each route if nothing is shared, and one for
#: each network that routes begin on. Follows from the limits above; nothing is ever cut off.
MAX_GRAPH_NODES: Final = MAX_ROUTES * (MAX_STAGES + 1)

#: Characters in the notation of the talk, in which the "/" between two stages becomes "), (".
MAX_NOTATION: Final = 4 * MAX_TEXT

#: Bytes of an address as JSON or MessagePack, looked at before anything is decoded. JSON may write
#: each character as six ("\\u0041"), and a carried stage's text stands beside its arguments.
MAX_FORM: Final = 16 * MAX_TEXT
