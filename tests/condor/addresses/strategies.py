"""Generated addresses of HTCondor's, and texts that are nearly some."""

from hypothesis import strategies as st

from glasnost.condor import Sinful
from glasnost.condor.addresses.endpoint import IpPort

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
WORDS = st.text("abcXYZ019._-", min_size=1, max_size=6)
PORTS = st.integers(0, 70000).map(str)
HOSTS = st.one_of(st.just(""), WORDS, st.ip_addresses().map(str), st.sampled_from(["a b", "é"]))
#: Without IPv4 addresses inside IPv6 ones: HTCondor prints those as if they were IPv4 alone.
IPS = st.ip_addresses().filter(lambda ip: not getattr(ip, "ipv4_mapped", None))
ADDRS = st.builds(
    lambda ip, port: IpPort.of(str(ip), port) or IpPort("::1", 1, True), IPS, st.integers(0, 65535)
)
KEYS = st.one_of(WORDS, TEXTS.filter(bool)).filter(
    lambda key: key not in ("addrs", "CCBID", "PrivAddr")
)


@st.composite
def brokers(draw: st.DrawFn) -> str:
    """One contact: a broker's address without its brackets, and an id."""
    params = draw(st.dictionaries(st.sampled_from(["sock", "alias", "noUDP"]), WORDS, max_size=2))
    if draw(st.booleans()):
        params["PrivNet"] = draw(WORDS)
    broker = Sinful.of(draw(WORDS), draw(PORTS), params, draw(st.lists(ADDRS, max_size=2)))
    return f"{str(broker)[1:-1]}#{draw(st.sampled_from(['7', '42#17', '', 'x']))}"


@st.composite
def sinfuls(draw: st.DrawFn) -> Sinful:
    """Any address that HTCondor calls valid and that can be printed."""
    params = draw(st.dictionaries(KEYS, TEXTS, max_size=3))
    for key in ("sock", "alias", "PrivNet"):
        if draw(st.booleans()):
            params[key] = draw(st.one_of(WORDS, st.sampled_from(["lan", "a b", 'a"b', "Internet"])))
    if draw(st.booleans()):
        params["noUDP"] = ""
    if draw(st.booleans()):
        params["CCBID"] = " ".join(draw(st.lists(brokers(), max_size=2)))
    if draw(st.booleans()):
        params["PrivAddr"] = draw(ADDRS.map(lambda addr: f"<{addr}>"))
    return Sinful.of(
        draw(HOSTS), draw(st.none() | PORTS), params, draw(st.lists(ADDRS, max_size=3))
    )


#: The pieces of texts that are nearly addresses: they find seams that plain noise never reaches.
PIECES = [
    *("<", ">", "[", "]", "{", "}", ":", "?", "&", ";", "=", "#", "+", "-", "%", " ", "\0", '"'),
    *("%3c", "%3e", "%26", "%253c", "%00", "%ff", "%zz", "é", "\ud800", "\udc80", "host", "::1"),
    *("1.2.3.4", "9618", "0", "99999999999", "addrs", "sock", "CCBID", "PrivAddr", "PrivNet"),
    *("alias", "noUDP", "lan", "<1.2.3.4:5>", "[--1]-5", "1.2.3.4-5", "b:1#7", "b:1#7 c:2#8"),
    '{[ p="primary"; a="h"; port=1; n="Internet"; ]}',
    *('[ p="IPv4"; a="1.2.3.4"; port=5; n="lan"; ', 'spid="s"; ', 'ccbid="7"; brokerIndex=0; '),
    *('ccbid="7"; ', "brokerIndex=3; ", "noUDP=true; ", "noUDP=false; ", 'x="y"; ', "], "),
]
NEARLY = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
