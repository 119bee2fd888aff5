"""A VPN by OpenVPN: its small authority, a gate that listens, and the configuration of a client."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from glasnost.testing.lab import Host
from tests.lab.conftest import eventually

PORT = 1194
#: Where the gate and its clients are inside the VPN.
INSIDE, GATE = "10.66.0.0 255.255.255.0", "10.66.0.1"


_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def authority(folder: Path) -> None:
    """``ca.crt``, and for ``gate`` and ``desk`` a certificate and a key each."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("ca", ca_key.public_key(), ca_key, "ca", None)
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    usages = {"gate": ExtendedKeyUsageOID.SERVER_AUTH, "desk": ExtendedKeyUsageOID.CLIENT_AUTH}
    for name, usage in usages.items():
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(name, key.public_key(), ca_key, "ca", usage)
        (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (folder / f"{name}.key").chmod(0o600)


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    usage: x509.ObjectIdentifier | None,
) -> x509.Certificate:
    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(_SIGNS, critical=True)
    return builder.sign(signer, hashes.SHA256())


def gate(host: Host, folder: Path, network: str) -> None:
    """Listen on ``host``, and lead clients to ``network`` ("ADDRESS MASK") behind it."""
    config = folder / "gate.conf"
    config.write_text(
        f"""\
dev tun-gate
dev-type tun
proto udp
port {PORT}
topology subnet
server {INSIDE}
push "route {network}"
ca {folder}/ca.crt
cert {folder}/gate.crt
key {folder}/gate.key
dh none
keepalive 2 20
verb 3
"""
    )
    log = folder / "gate.log"
    with log.open("w") as told:
        process = host.popen(["openvpn", "--config", str(config)], stdout=told, stderr=told)

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        return "Initialization Sequence Completed" in log.read_text()

    assert eventually(listens), log.read_text()


def client(folder: Path, gate_address: str, interface: str, certificate: str = "desk") -> Path:
    """The configuration of a client, which has this interface when it is connected."""
    config = folder / f"client-{certificate}.conf"
    config.write_text(
        f"""\
client
dev {interface}
dev-type tun
proto udp
remote {gate_address} {PORT}
nobind
ca {folder}/ca.crt
cert {folder}/{certificate}.crt
key {folder}/{certificate}.key
remote-cert-tls server
connect-retry 1 1
verb 3
"""
    )
    return config
