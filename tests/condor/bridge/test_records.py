"""What becomes of an ad: where its daemon is met, what it reaches, how it is labelled."""

from __future__ import annotations

import pytest

from glasnost.condor.bridge import gathering as module
from glasnost.condor.bridge.places import Places, Pool, pool_of
from glasnost.core.protocols.record_rules import MAX_LABEL, problem
from glasnost.core.wire.messages import Entry, Record, Signed
from glasnost.errors import SettingsError, SinfulError
from glasnost.settings import Network
from tests.condor.bridge.ads import CM, NOW, POOL, ad, collector, found


def only(address: str, pool: Pool = POOL) -> Entry:
    (entry,) = found(ad(address=address), pool=pool).entries.values()
    return entry


HERE = Pool("vm", Places("vm", host="host.4f2a91"))

ROUTES = [
    # what the ad says, the routes, the reach
    (
        "a port of its own",
        "<128.105.1.2:4711>",
        "public/ip4:128.105.1.2:4711",
        ("ip4@public",),
    ),
    (
        "a shared port, both protocols",
        "<128.105.1.2:9618?addrs=128.105.1.2-9618+[2607-f388--2]-9618&sock=schedd_1&noUDP>",
        "public/ip4:128.105.1.2:9618/condor.sock:schedd_1,"
        "public/ip6:[2607:f388::2]:9618/condor.sock:schedd_1",
        ("ip4@public", "ip6@public"),
    ),
    (
        "behind a broker",
        "<10.0.0.7:9618?CCBID=128.105.1.1:9618%3fsock%3dcollector#381&sock=startd_1>",
        "public/ip4:128.105.1.1:9618/condor.sock:collector/condor.ccb:381/condor.sock:startd_1",
        ("ip4@public", "ip4@site"),
    ),
    (
        "behind two brokers, met by its name for its network",
        "<10.0.0.7:9618?CCBID=128.105.1.1:9618#3%20128.105.1.9:9618#4&PrivNet=lab"
        "&PrivAddr=%3c10.0.0.7:9618%3e>",
        "lab/ip4:10.0.0.7:9618,public/ip4:128.105.1.1:9618/condor.ccb:3,"
        "public/ip4:128.105.1.9:9618/condor.ccb:4",
        ("ip4@lab", "ip4@public"),
    ),
    (
        "a private address that nobody has named",
        "<192.168.1.55:9618?sock=startd_1>",
        "site/ip4:192.168.1.55:9618/condor.sock:startd_1",
        ("ip4@public", "ip4@site"),
    ),
    (
        "IPv6 and nothing else, and no NAT for it",
        "<[fd00::7]:9618?addrs=[fd00--7]-9618>",
        "site/ip6:[fd00::7]:9618",
        ("ip6@site",),
    ),
    (
        "a broker on the same private network",
        "<10.0.0.7:9618?CCBID=10.0.0.1:9618#3>",
        "site/ip4:10.0.0.1:9618/condor.ccb:3",
        ("ip4@public", "ip4@site"),
    ),
    (
        "behind a broker, its network called as HTCondor calls it",
        "<10.0.0.7:9618?CCBID=10.0.0.1:9618#3&PrivNet=submit1.example.org&addrs=10.0.0.7-9618>",
        "submit1.example.org/ip4:10.0.0.7:9618,site/ip4:10.0.0.1:9618/condor.ccb:3",
        ("ip4@public", "ip4@site", "ip4@submit1.example.org"),
    ),
    (
        "a name: nobody knows what it reaches",
        "<submit1.example.org:9618>",
        "public/dns:submit1.example.org:9618",
        None,
    ),
]


@pytest.mark.parametrize(
    ("address", "routes", "reach"), [one[1:] for one in ROUTES], ids=[one[0] for one in ROUTES]
)
def test_an_address_becomes_routes_and_a_reach(
    address: str, routes: str, reach: tuple[str, ...] | None
) -> None:
    entry = only(address)
    assert entry.address == routes
    assert entry.reach == reach


def test_loopback_is_this_machine_or_nowhere() -> None:
    text = "<127.0.0.1:9618?addrs=127.0.0.1-9618&sock=schedd_1>"
    assert only(text, HERE).address == "host.4f2a91/ip4:127.0.0.1:9618/condor.sock:schedd_1"
    assert "ip4@host.4f2a91" in (only(text, HERE).reach or ())
    named = text.replace("?", "?CCBID=127.0.0.1:9618#1&PrivNet=vm&")
    assert only(named, HERE).address == (
        "host.4f2a91/ip4:127.0.0.1:9618/condor.sock:schedd_1,"
        "host.4f2a91/ip4:127.0.0.1:9618/condor.ccb:1/condor.sock:schedd_1"
    )
    nowhere = found(ad(address=text))
    assert not nowhere.entries
    (why,) = nowhere.said
    assert "127.0.0.1 means another machine to everybody else" in why


def test_an_address_of_several_of_which_one_is_of_no_use_keeps_the_others() -> None:
    text = "<128.105.1.2:9618?addrs=128.105.1.2-9618+[fe80--1]-9618>"
    some = found(ad(address=text))
    assert some.entries["schedd-submit1"].address == "public/ip4:128.105.1.2:9618"
    (why,) = some.said
    assert why.startswith("schedd submit1.example.org: fe80::1 means another machine")


def test_who_has_come_to_a_collector_that_is_met_in_one_way_can_go_there() -> None:
    """An IPv6-only site: nobody has NAT there, and yet all have reached the collector."""
    cm = collector(address="<[2607:f388::1]:9618>")
    some = found(cm, ad(address="<[fd00::7]:9618>"))
    assert some.entries["schedd-submit1"].reach == ("ip6@public", "ip6@site")
    both = collector(address="<128.105.1.1:9618?addrs=128.105.1.1-9618+[2607-f388--1]-9618>")
    some = found(both, ad(address="<[fd00::7]:9618>"))
    assert some.entries["schedd-submit1"].reach == ("ip6@site",), "by which of two is unknown"


def test_labels_are_for_choosing() -> None:
    assert only("<128.105.1.2:1>").labels == {
        "role": "schedd",
        "pool": "cm.example.org",
        "condor": "submit1.example.org",
        "machine": "submit1.example.org",
        "version": "25.14.1",
    }
    (entry,) = found(
        ad(name="x" * 300 + "\x1b[2J", Machine="é\u202e", CondorVersion="25")
    ).entries.values()
    assert all(len(value) <= MAX_LABEL for value in entry.labels.values())
    assert "version" not in entry.labels
    record = Record(entry.name, entry.address, entry.reach, entry.labels)
    assert not problem(record, Signed(b"", b"", b""))


def test_slots_are_their_startd_and_partial_ones_too() -> None:
    address = "<128.105.1.7:9618?sock=startd_1>"
    some = found(
        ad("StartD", "host7.example.org", address),
        ad("Machine", "slot1@host7.example.org", address),
        ad("Machine", "slot1_2@host7.example.org", address),
        ad("Machine", "slot2@second@host7.example.org", address + ""),
    )
    assert sorted(some.entries) == ["startd-host7", "startd-second--host7"]
    assert not some.said


def test_what_says_that_it_is_not_there_is_not() -> None:
    some = found(
        ad("Machine", "slot1@a", Absent=True),
        ad("Machine", "slot1@b", Offline=True),
        ad("Submitter", "user@c"),
        ad("Accounting", "<none>", None),
        ad(LastHeardFrom=NOW - 5000),
        ad(name="slow.example.org", LastHeardFrom=NOW - 5000, ClassAdLifetime=7200),
        collector(),
    )
    assert sorted(some.entries) == ["collector-pool-cm_example_org-4d0086cad3", "schedd-slow"]


ODD = [
    ("no address", ad(address=None), "schedd submit1.example.org has no address"),
    ("nonsense", ad(address="<nonsense:x>"), "its address cannot be read"),
    ("nothing", ad(address="<>"), "has no address that can be dialled"),
    ("port 0", ad(address="<128.105.1.2:0>"), "has no address that can be dialled"),
    ("no name", ad(name="", Machine=""), "a schedd has no name"),
    ("a long name", ad(name="x" * 1000), "a schedd's name is too long"),
    ("a contact without an id", ad(address="<10.0.0.1:1?CCBID=128.105.1.1:1>"), "cannot be read"),
]


@pytest.mark.parametrize(("odd", "says"), [one[1:] for one in ODD], ids=[one[0] for one in ODD])
def test_an_ad_of_no_use_costs_a_sentence_and_nothing_else(odd: object, says: str) -> None:
    some = found(odd, ad("Negotiator", "cm.example.org"))  # type: ignore[arg-type]
    assert list(some.entries) == ["negotiator-cm"]
    (why,) = some.said
    assert says in why


def test_of_two_addresses_of_one_name_the_later_counts() -> None:
    old, new = ad(LastHeardFrom=NOW - 60), ad(address="<128.105.1.9:1>")
    for order in ((old, new), (new, old)):
        some = found(*order)
        assert some.entries["schedd-submit1"].address == "public/ip4:128.105.1.9:1"
        assert some.said == ("schedd submit1.example.org has ads with two addresses",)


def test_labels_that_meet_are_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from glasnost.condor.bridge import entry

    monkeypatch.setattr(entry, "label", lambda role, name, domain: "same")
    some = found(ad(), ad(name="submit2.example.org"))
    assert len(some.entries) == 1
    assert some.said[0].startswith("schedd submit2.example.org would be called as schedd submit1")


def test_above_the_limit_masters_are_left_out_first_and_it_is_said() -> None:
    ads = [ad("DaemonMaster", f"m{n}.example.org") for n in range(3)]
    ads += [ad("Machine", f"slot1@h{n}.example.org") for n in range(3)]
    ads += [ad(), ad("Negotiator", "cm.example.org"), collector()]
    some = found(*ads, limit=5)
    assert [one.role for one in some.made] == [
        *("collector", "negotiator", "schedd", "startd", "startd")
    ]
    assert some.left_out == 4
    (why,) = some.said
    assert why.startswith("4 daemons are left out, masters first: a bridge has 5 records;")


def test_only_the_roles_that_were_asked_for_and_the_collector_counts_nonetheless() -> None:
    cm = collector(address="<[2607:f388::1]:9618>")
    some = found(cm, ad(address="<[fd00::7]:9618>"), ad("DaemonMaster"), roles=("schedd",))
    assert list(some.entries) == ["schedd-submit1"]
    assert "ip6@public" in (some.entries["schedd-submit1"].reach or ())


def test_a_flood_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DAEMONS", 10)
    monkeypatch.setattr(module, "MAX_ADS", 100)
    gathering = module.Gathering(POOL)
    for number in range(100):
        assert not gathering.full
        gathering.add(ad(name=f"s{number}.example.org"))
    assert gathering.full
    some = gathering.whole()
    assert len(some.entries) == 10 and some.left_out == 90
    assert any("100 ads were read, and there were more" in one for one in some.said)


def test_a_thousand_oddities_are_twenty_sentences() -> None:
    some = found(*(ad(name=f"s{n}", address="<>") for n in range(1000)))
    assert len(some.said) == module.MAX_SAID + 1
    assert some.said[-1] == "there are more ads like these"


def test_lives_of_collectors_are_told_apart() -> None:
    lives = {found(collector(start)).incarnation for start in (1, 2)}
    assert len(lives) == 2
    assert found(collector(1)).incarnation == found(ad(), collector(1, runs=371)).incarnation
    ours = ad("Collector", "Pool@cm.example.org", CM, DaemonStartTime=2)
    assert found(ours).incarnation == found(collector(2)).incarnation


def test_the_question_is_about_daemons_and_few_of_their_attributes() -> None:
    asked = module.question(("startd",), 'Arch == "X86_64"')
    wanted = asked.ad.text("Requirements")
    assert 'MyType == "machine"' in wanted and '(Arch == "X86_64")' in wanted
    assert 'MyType == "scheduler"' not in wanted and 'MyType == "collector"' in wanted
    assert "MyAddress" in str(asked.ad["Projection"])
    with pytest.raises(ValueError):
        module.question((), "((")


# --- what a pool has in common --------------------------------------------------------------------

LAB = Network("lab", ranges=("10.1.0.0/16",))
SITE = Network("campus")

POOLS = [
    # collector, --network, networks of the settings, private, named by range, here
    ("cm.example.org", None, (), "cm.example.org", "cm.example.org", ""),
    ("cm.example.org", "mine", (SITE,), "mine", "mine", ""),
    ("cm.example.org", None, (LAB, SITE), "campus", "lab", ""),
    ("<[2001:db8::1]:9618>", None, (), "2001-db8--1", "2001-db8--1", ""),
    ("public", None, (), "condor", "condor", ""),
    ("127.0.0.1:9618", None, (), "127.0.0.1", "127.0.0.1", "host.4f2a91"),
    ("localhost", None, (), "localhost", "localhost", "host.4f2a91"),
    ("127.0.0.1.example.org", None, (), "127.0.0.1.example.org", "127.0.0.1.example.org", ""),
]


@pytest.mark.parametrize(("text", "network", "networks", "private", "ranged", "here"), POOLS)
def test_private_addresses_are_on_the_network_that_somebody_names(
    text: str,
    network: str | None,
    networks: tuple[Network, ...],
    private: str,
    ranged: str,
    here: str,
) -> None:
    places = pool_of([text], 9618, network, networks, "4f2a91").places
    assert places.network("192.168.7.7") == private
    assert places.network("10.1.2.3") == ranged
    assert places.network("127.0.0.1") == here


def test_a_pool_needs_a_collector_and_a_network_a_name() -> None:
    with pytest.raises(SettingsError, match="which pool"):
        pool_of([], 9618, None, (), "")
    with pytest.raises(SettingsError, match="no private network's name"):
        pool_of(["cm"], 9618, "public", (), "")
    with pytest.raises(SinfulError):
        pool_of(["<cm"], 9618, None, (), "")


def test_the_pools_domain_goes_without_saying() -> None:
    assert pool_of(["cm.example.org"], 9618, None, (), "").domain == "example.org"
    assert pool_of([CM], 9618, None, (), "").domain == ""
