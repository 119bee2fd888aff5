"""``HTTPS_PROXY`` and its kin: URLs, which variable counts, and what is no URL."""

from __future__ import annotations

import pytest

from glasnost.core.routes.proxy_variables import MAX_URL, Proxy, settings_of

URLS = [
    # url, the stages to cross, the login
    ("http://198.51.100.4:3128", "ip4:198.51.100.4:3128/http-connect", None),
    ("http://198.51.100.4", "ip4:198.51.100.4:80/http-connect", None),
    ("198.51.100.4:3128/", "ip4:198.51.100.4:3128/http-connect", None),
    ("HTTP://Gate.Example.org:3128", "dns:gate.example.org:3128/http-connect", None),
    (
        "https://gate.example.org",
        "dns:gate.example.org:443/tls:gate.example.org/http-connect",
        None,
    ),
    ("socks5://[2001:DB8::7]:1081", "ip6:[2001:db8::7]:1081/socks5", None),
    ("socks5h://[2001:db8::7]", "ip6:[2001:db8::7]:1080/socks5", None),
    ("http://ann@gw:1", "dns:gw:1/http-connect", ("ann", "")),
    ("http://ann:p%40ss%3a%20w@gw:1", "dns:gw:1/http-connect", ("ann", "p@ss: w")),
    ("http://ann:p@ss:w@gw:1", "dns:gw:1/http-connect", ("ann", "p@ss:w")),
]
BAD = [
    ("http://", "a proxy is written"),
    ("http://ann:secret@", "a proxy is written"),
    ("http://ann:secret@gw:port", "a proxy is written"),
    ("http://ann:secret@gw:1/path", "a proxy is written"),
    ("http://" + "a" * MAX_URL, "a proxy is written"),
    ("http://ann:secret@gw:0", "port is not between"),
    ("http://ann:secret@gw:65536", "port is not between"),
    ("socks4://ann:secret@gw:1", "proxies of the kind socks4 are not spoken"),
    ("http://ann:secret@1.2.3:1", "'1.2.3' is no host name and no IP address"),
    ("http://ann:secret@[gw]:1", "a proxy is written"),
    ("http://ann:secret%ff@gw:1", "are not UTF-8"),
]


@pytest.mark.parametrize(("url", "via", "login"), URLS)
def test_a_url_is_stages_and_a_login(url: str, via: str, login: tuple[str, str] | None) -> None:
    proxy = Proxy.parse(url)
    assert (proxy.via, proxy.login) == (via, login)
    assert proxy.at == via.split("/")[0]


@pytest.mark.parametrize(("url", "says"), BAD)
def test_what_is_no_url_is_a_sentence_without_the_password(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        Proxy.parse(url)
    assert "secret" not in str(caught.value)


CHOICES = [
    # the environment, the variable that counts, the stages of the exit
    ({}, "", None),
    ({"HTTP_PROXY": "http://gw:1"}, "", None),
    ({"NO_PROXY": "a"}, "", None),
    ({"ALL_PROXY": "socks5://gw"}, "ALL_PROXY", "dns:gw:1080/socks5"),
    ({"all_proxy": "socks5://gw", "HTTPS_PROXY": "gw:1"}, "HTTPS_PROXY", "dns:gw:1/http-connect"),
    ({"https_proxy": "low:1", "HTTPS_PROXY": "gw:1"}, "HTTPS_PROXY", "dns:low:1/http-connect"),
    ({"https_proxy": " ", "ALL_PROXY": "gw:1"}, "ALL_PROXY", "dns:gw:1/http-connect"),
    ({"HTTPS_PROXY": "gw:1", "no_proxy": "a, *"}, "HTTPS_PROXY", None),
]


@pytest.mark.parametrize(("environment", "name", "via"), CHOICES)
def test_which_variable_counts(environment: dict[str, str], name: str, via: str | None) -> None:
    said, found = settings_of(environment)
    assert said == name
    assert [one["via"] for one in found.get("exits", ())] == ([via] if via else [])


def test_no_proxy_is_what_the_exit_is_not_for() -> None:
    _, found = settings_of({"HTTPS_PROXY": "gw:1", "NO_PROXY": " 10.0.0.0/8,,.lab  localhost,"})
    assert found["exits"][0]["not_for"] == ["10.0.0.0/8", ".lab", "localhost"]
