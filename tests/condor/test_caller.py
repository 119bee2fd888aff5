"""Who we are to HTCondor's daemons, as its configuration on a host says."""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path

import pytest

from glasnost.condor.caller import Caller, current_caller, login_of, peer_of, policy_of
from glasnost.condor.config import CondorConfig, Host, read_config
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.tokens import make_token, signing_key
from glasnost.condor.security.words import Word
from glasnost.condor.stream import CedarStream
from glasnost.errors import SettingsError
from tests.condor.daemon import config
from tests.net.pairs import tcp_pair

KEY = signing_key("POOL", bytes(range(64)))


def token(now: float, lifetime: float | None = None) -> str:
    return make_token(KEY, "POOL", "wire.test", "carol@wire.test", b"id", now, lifetime).text()


def test_a_host_without_configuration_asks_for_what_htcondor_does() -> None:
    policy = policy_of(config())
    wanted = (policy.authentication, policy.encryption, policy.integrity)
    assert wanted == (Word.OPTIONAL,) * 3 and policy.negotiation is Word.PREFERRED
    assert policy.methods == (Method.FS, Method.TOKEN, Method.SCITOKENS, Method.SSL)


def test_what_the_client_side_is_set_to_counts() -> None:
    policy = policy_of(
        config(
            SEC_CLIENT_AUTHENTICATION="REQUIRED",
            SEC_DEFAULT_ENCRYPTION="PREFERRED",
            SEC_CLIENT_NEGOTIATION="NEVER",
            SEC_CLIENT_AUTHENTICATION_METHODS="CLAIMTOBE, KERBEROS, TOKEN",
            SEC_CLIENT_CRYPTO_METHODS="AES",
        )
    )
    assert policy.authentication is Word.REQUIRED and policy.encryption is Word.PREFERRED
    assert policy.negotiation is Word.NEVER
    assert policy.methods == (Method.CLAIMTOBE, Method.TOKEN) and policy.ciphers == ("AES",)


def test_who_names_only_what_we_cannot_is_given_nothing_else() -> None:
    told = config(SEC_CLIENT_AUTHENTICATION_METHODS="KERBEROS", SEC_CLIENT_CRYPTO_METHODS="ROT13")
    assert (policy_of(told).methods, policy_of(told).ciphers) == ((), ())


def host(folder: Path, **environ: str) -> Host:
    return Host(environ={"CONDOR_CONFIG": "ONLY_ENV", **environ}, hostname=lambda: "h.example.org")


def test_tokens_that_hold_are_offered_and_the_others_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = time.time()
    texts = {"good": token(now), "late": token(now - 7200, 60)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "open").write_text(texts["good"])
    (tmp_path / "open").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        login = login_of(config(SEC_TOKEN_DIRECTORY=str(tmp_path)), host(tmp_path))
    assert [one.subject for one in login.tokens] == ["carol@wire.test"]
    said = "\n".join(record.getMessage() for record in caplog.records)
    for why in ("has expired", "others may read it"):
        assert why in said
    assert texts["late"] not in said, "a token is a secret"


@pytest.mark.parametrize("where", ["variable", "file"])
def test_a_bearer_token_is_found_where_others_look(tmp_path: Path, where: str) -> None:
    file = tmp_path / "bearer"
    file.write_text("abc.def.ghi\n")
    file.chmod(0o600)
    environ = {"BEARER_TOKEN": " abc.def.ghi"} if where == "variable" else {}
    environ |= {"BEARER_TOKEN_FILE": str(file)} if where == "file" else {}
    assert login_of(config(), host(tmp_path, **environ)).scitoken == "abc.def.ghi"
    file.chmod(0o644)
    if where == "file":
        assert login_of(config(), host(tmp_path, **environ)).scitoken == ""


def test_claims_carry_the_domain(tmp_path: Path) -> None:
    login = login_of(config(UID_DOMAIN="example.org"), host(tmp_path))
    assert login.user.endswith("@example.org")


def test_servers_are_verified_by_what_is_set(tmp_path: Path) -> None:
    known: CondorConfig = config(
        AUTH_SSL_CLIENT_CAFILE=str(tmp_path / "none.pem"), AUTH_SSL_CLIENT_USE_DEFAULT_CAS="false"
    )
    context = login_of(known, host(tmp_path)).tls()
    assert context.verify_mode is ssl.CERT_REQUIRED and not context.get_ca_certs()
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    told = config(AUTH_SSL_CLIENT_CAFILE=str(broken))
    with pytest.raises(SettingsError, match="AUTH_SSL_CLIENT"):
        login_of(told, host(tmp_path)).tls()


@pytest.mark.parametrize(
    ("address", "id", "alias"),
    [
        ("<192.0.2.1:9618?sock=startd_1&alias=h.example.org>", "startd_1", "h.example.org"),
        ("<cm.example.org:9618>", "", "cm.example.org"),
        ("<192.0.2.1:9618>", "", ""),
        ("lab/ip4:192.0.2.1:9618", "", ""),
    ],
)
def test_methods_are_told_where_a_stream_goes(address: str, id: str, alias: str) -> None:
    ours, theirs = tcp_pair()
    with ours, theirs:
        peer = peer_of(CedarStream(ours), address)
        assert peer.endpoint == "{}:{}".format(*theirs.getsockname())
        assert (peer.shared_port_id, peer.alias) == (id, alias)


def test_the_caller_of_the_process_can_be_another_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONDOR_CONFIG", "ONLY_ENV")
    other = Caller.of(read_config(), Host())
    with other.using():
        assert current_caller() is other
        with Caller(other.config, other.settings).using():
            assert current_caller() is not other
    assert current_caller() is not other and current_caller() is current_caller()
