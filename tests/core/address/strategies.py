"""Generated addresses, for the tests of every folder that reads or keeps them."""

from hypothesis import strategies as st

from glasnost.core.address import Address, Landing, Route, Stage

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=8)
KEYS = st.one_of(WORDS, WORDS.map(lambda word: "X" + word))
VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
NAMES = st.text("abcXYZ019_.-", min_size=1, max_size=12)
PORTS = st.integers(1, 65535)
LANDINGS = st.builds(Landing, st.sampled_from(["ip4", "ip6", "unix"]), WORDS)
REACHES = st.none() | st.frozensets(LANDINGS, max_size=3)
OPTIONS = st.dictionaries(KEYS.filter(lambda key: key != "reach"), VALUES, max_size=2)
PATHS = VALUES.filter(lambda value: "\0" not in value).map(lambda value: "/" + value)
ZONES = st.text("abcdeth019.é", min_size=1, max_size=6)


def _with_options(stage: Stage, options: dict[str, str]) -> Stage:
    return Stage(stage.kind, stage.args, stage.options + tuple(options.items()))


HOSTS = st.lists(st.text("abc019_", min_size=1, max_size=5), min_size=1, max_size=3).map(
    lambda labels: ".".join([*labels, "x"])
)
TARGETS = st.text("/ab%?&=!$~", max_size=6).map(lambda path: "/" + path)
LITERALS = st.ip_addresses().map(str)

PLAIN_STAGES = st.one_of(
    st.builds(Stage.ip, st.ip_addresses().map(str), PORTS),
    st.builds(
        lambda ip, zone, port: Stage.ip(f"{ip}%{zone}", port), st.ip_addresses(v=6), ZONES, PORTS
    ),
    st.builds(Stage.service, NAMES),
    st.builds(Stage.unix, PATHS),
    st.builds(Stage.ccb, NAMES, REACHES),
    st.builds(lambda host, port: Stage("dns", (host, str(port))), HOSTS, PORTS),
    st.builds(lambda host: Stage("tls", (host,)), HOSTS | LITERALS),
    st.builds(lambda host, path: Stage("ws", (host, path)), HOSTS | LITERALS, TARGETS),
    st.builds(Stage, st.sampled_from(["socks5", "http-connect"])),
    st.builds(
        lambda kind, name: Stage(kind, (name,)),
        st.sampled_from(["ssh", "knock", "setup", "condor.sock"]),
        NAMES,
    ),
    st.builds(lambda number: Stage("condor.ccb", (str(number),)), st.integers(0, 2**64 - 1)),
    st.builds(Stage, WORDS.map(lambda word: "x-" + word), st.lists(VALUES, max_size=3).map(tuple)),
)
STAGES = st.builds(_with_options, PLAIN_STAGES, OPTIONS)
ROUTES = st.builds(Route, WORDS, st.lists(STAGES, min_size=1, max_size=3).map(tuple))
ADDRESSES = st.builds(Address, st.lists(ROUTES, min_size=1, max_size=3).map(tuple))

#: Addresses of few different stages, so that their routes have much in common.
FEW_STAGES = st.sampled_from([Stage("a"), Stage("b", ("1",)), Stage.service("c")])
ALIKE = st.builds(
    Address,
    st.lists(
        st.builds(
            Route,
            st.sampled_from(["public", "lab"]),
            st.lists(FEW_STAGES, min_size=1, max_size=4).map(tuple),
        ),
        min_size=1,
        max_size=10,
    ).map(tuple),
)

#: The pieces of texts that are nearly addresses: they find seams that plain noise never reaches.
PIECES = [
    *("public", "ip4", "ip6", "unix", "service", "ccb", "dns", "x", "reach", "Must", "none"),
    *("192.0.2.1", "9618", "0", "[", "]", "2001:DB8::1", "::", "fe80::1%25e0", "ip4@public"),
    *("/", "/", ":", ":", ":", ",", "=", "+", "@", " ", "é", "\ud800", "\0"),
    *("%", "%2F", "%2f", "%FF", "%00", "%41", "%25"),
]
NEARLY = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
TEXTS = st.text(max_size=40) | NEARLY
