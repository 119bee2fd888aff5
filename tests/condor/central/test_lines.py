"""The lines that HTCondor's programs are given: what each part sets, and how it is written."""

import pytest

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.central.lines import Part, collector_host, in_one_file, parts
from glasnost.condor.config.defaults import DEFAULTS
from glasnost.settings import CondorSetting

FOUR, SIX = IpPort("192.0.2.1", 9618), IpPort("2001:db8::1", 9618, six=True)
OTHER = IpPort("198.51.100.1", 9618)
HOSTS = [
    ((FOUR,), "collector", "192.0.2.1:9618"),
    ((SIX,), "collector", "[2001:db8::1]:9618"),
    # HTCondor's programs try one of each protocol, whatever else there is.
    (
        (FOUR, OTHER, SIX),
        "collector",
        "<192.0.2.1:9618?addrs=192.0.2.1-9618+[2001-db8--1]-9618&sock=collector>",
    ),
    ((FOUR,), "schedd", "<192.0.2.1:9618?addrs=192.0.2.1-9618&sock=collector>"),
]


@pytest.mark.parametrize(("places", "default_id", "host"), HOSTS)
def test_where_we_are(places: tuple[IpPort, ...], default_id: str, host: str) -> None:
    assert collector_host(places, default_id) == host


def by_name(own: CondorSetting) -> dict[str, Part]:
    return {part.name: part for part in parts(own, "192.0.2.1:9618", 9618, "pool.test")}


def test_a_pool_is_told_where_its_collector_is_and_how_to_log_in() -> None:
    pool = by_name(CondorSetting())["pool"]
    assert pool.sets == {
        "COLLECTOR_HOST": "192.0.2.1:9618",
        # Not SSL: there is no certificate.
        "SEC_CLIENT_AUTHENTICATION_METHODS": "FS, IDTOKENS",
    }
    assert "--identity condor@pool.test" in pool.text()
    tls = by_name(CondorSetting(certificate="c", key="k", methods=("SSL", "TOKEN")))["pool"]
    assert tls.sets["SEC_CLIENT_AUTHENTICATION_METHODS"] == "SSL, IDTOKENS"


def test_at_first_a_host_advertises_in_both_places() -> None:
    first = by_name(CondorSetting())["first"]
    assert first.sets == {"COLLECTOR_HOST": "$(COLLECTOR_HOST), 192.0.2.1:9618"}


def test_daemons_beside_us_have_our_port_or_one_of_their_own() -> None:
    apart = by_name(CondorSetting())["here"]
    assert apart.sets["SHARED_PORT_PORT"] == "9619"
    own = CondorSetting(sockets="/var/lock/condor/daemon_sock", port_ad="/var/lock/condor/ad")
    ours = by_name(own)["here"]
    assert ours.sets["DAEMON_LIST"] == "MASTER GLASNOST NEGOTIATOR"
    assert ours.sets["SHARED_PORT_PORT"] == "9618"
    assert ours.sets["AUTO_INCLUDE_SHARED_PORT_IN_DAEMON_LIST"] == "false"
    assert ours.sets["DAEMON_SOCKET_DIR"] == own.sockets
    assert ours.sets["SHARED_PORT_DAEMON_AD_FILE"] == own.port_ad


@pytest.mark.parametrize("own", [CondorSetting(), CondorSetting(sockets="/s", port_ad="/a")])
def test_the_way_back_sets_all_that_was_set_to_htcondors_defaults(own: CondorSetting) -> None:
    found = by_name(own)
    back = found.pop("back")
    told = {name for part in found.values() for name in part.sets}
    assert told - {"USE_SHARED_PORT", "DC_DAEMON_LIST", "GLASNOST"} == {*back.sets}
    for name, value in back.sets.items():
        if name in DEFAULTS:
            assert value == (DEFAULTS[name] or "")


def test_of_all_parts_the_first_is_in_force() -> None:
    text = in_one_file(parts(CondorSetting(), "192.0.2.1:9618", 9618, "pool.test"))
    said = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert said == [
        "COLLECTOR_HOST = 192.0.2.1:9618",
        "SEC_CLIENT_AUTHENTICATION_METHODS = FS, IDTOKENS",
    ]
    assert "#   COLLECTOR_HOST = $(CONDOR_HOST)" in text
