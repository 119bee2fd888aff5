"""What is told of a matrix: counts, pairs, classes, and what would help."""

from glasnost.core.routes import Endpoint, Policy, Verdict
from glasnost.core.routes.report import Party, Report, classes, describe
from tests.core.routes.endpoints import KINDS, endpoint

V4, V6 = "public/ip4:192.0.2.{}:9618/service:a", "public/ip6:[2001:db8::{}]:9618/service:a"


def old(number: int, host: str) -> Endpoint:
    return endpoint(f"host.{host}/unix:%2Frun%2Fp {V4.format(number)}", "ip4@public")


def new(number: int, host: str) -> Endpoint:
    return endpoint(f"host.{host}/unix:%2Frun%2Fp {V6.format(number)}", "ip6@public")


OLD = Party("S", ["a", "b"], [old(1, "x"), old(2, "y")])
NEW = Party("T", ["c", "d"], [new(1, "y"), new(2, "z")])


def test_pairs_on_one_machine_are_told_from_their_classes() -> None:
    report = Report(OLD, NEW, KINDS)
    assert report.counts == {Verdict.NO: 3, Verdict.MAYBE: 0, Verdict.YES: 1}
    assert list(report.unreachable()) == [("a", "c"), ("a", "d"), ("b", "d")]
    (broken,) = report.broken()
    assert broken.pairs == 3
    assert [str(one.route) for one in broken.reasons] == [V6.format(1)]


def test_the_sources_policy_counts() -> None:
    """Who has nobody relay needs to be dialled back."""
    behind = endpoint("public/ip4:192.0.2.9:9618/service:broker/ccb:n1/service:a", "ip4@public")
    source = Party("S", ["a"], [endpoint("", "ip4@public")])
    targets = Party("T", ["b"], [behind])
    assert Report(source, targets, KINDS).counts[Verdict.YES] == 1
    report = Report(source, targets, KINDS, Policy(relay=False, meet=False))
    assert report.counts[Verdict.NO] == 1
    (broken,) = report.broken()
    assert any("relaying is switched off" in one.reason for one in broken.reasons)


def test_nobody_is_asked_to_reach_itself() -> None:
    alone = Party("S", ["a", "b"], [endpoint("", "ip4@public"), endpoint("", "ip4@public")])
    report = Report(alone, alone, KINDS)
    assert report.counts[Verdict.NO] == 2
    assert not report.lifted(0, 0)
    assert list(report.unreachable()) == [("a", "b"), ("b", "a")]
    (broken,) = report.broken()
    assert broken.pairs == 2
    assert broken.reasons == ()


def test_what_can_be_many_is_bounded() -> None:
    told = Report(OLD, NEW, KINDS).as_dict(limit=1)
    assert told["matrix"] == [["no"]]
    assert told["pairs"] == {"no": 3, "maybe": 0, "yes": 1}
    assert told["unreachable"] == [["a", "c"]]
    (broken,) = told["broken"]
    assert (broken["source"], broken["target"], broken["pairs"]) == ("S1", "T1", 3)


def test_classes_name_their_members() -> None:
    (group,) = classes(OLD, Report(OLD, NEW, KINDS).matrix.sources)
    assert group == {
        "class": "S1",
        "what": "reaches ip4@public; met on ip4@public",
        "members": ["a", "b"],
    }


def test_a_class_is_described_without_what_is_its_members_own() -> None:
    broker = "public/ip4:192.0.2.9:9618/service:broker/ccb:n1/service:a"
    assert describe(endpoint(f"lab/ip4:10.0.0.1:1 {broker}", "ip4@lab+unix@host.a", False)) == (
        "reaches ip4@lab; met on ip4@lab; through others on ip4@public; not to be relayed"
    )
    assert describe(endpoint("host.a/unix:%2Fp")) == "reaches unknown; met on its own machine only"
    assert describe(endpoint("", "none")) == "reaches nothing; met nowhere"


def test_who_is_alone_on_a_machine_is_not_better_off() -> None:
    pool = Party("S", ["a", "b"], [endpoint("host.x/unix:%2Fp"), endpoint("host.y/unix:%2Fp")])
    report = Report(pool, pool, KINDS)
    assert report.counts == {Verdict.NO: 2, Verdict.MAYBE: 0, Verdict.YES: 0}
    assert not report.lifted(0, 0)
    assert report.pairs(0, 0) == 2
