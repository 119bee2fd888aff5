"""Generated attributes, and lines that are nearly some."""

from hypothesis import strategies as st

from glasnost.condor.classad import ERROR, Value

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,8}", fullmatch=True) | st.sampled_from(
    ["Name", "NAME", "MyType", "ClaimId", "_condor_privX", "Größe"]
)
STRINGS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from(['"', "\\", "\n", "\t", ",", "=", "{", "]"]),
    max_size=12,
)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Value] = st.one_of(
    STRINGS, INTEGERS, REALS, st.booleans(), st.none(), st.just(ERROR)
)

#: The pieces of texts that are nearly literals: they find seams that plain noise never reaches.
PIECES = [
    *('"', "\\", '\\"', " ", "\t", "\n", "{", "}", "[", "]", "(", ")", ",", ";", "=", ".", "+"),
    *("-", "0", "1", "9", "01", "e", "E5", "0x1f", "1K", "99999999999999999999", "true", "FALSE"),
    *("Undefined", "error", 'real("INF")', "x", "é", "&&", "==", "=?=", "?", ":", "'", "//", "/*"),
]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
LINES = st.builds(lambda name, text: f"{name} = {text}".encode(), NAMES, TEXTS)
