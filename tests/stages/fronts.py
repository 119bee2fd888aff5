"""A front as sites have one: TLS with a certificate of its own, and plain TCP behind it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "gate.example.org"


@dataclass
class Front:
    """``port`` is where it listens, ``authority`` a file with its certificate, ``key`` one with
    its key, ``asked`` the names that its callers wanted, ``spoke`` what ALPN agreed on."""

    authority: Path
    key: Path
    pin: str
    port: int = 0
    asked: list[str | None] = field(default_factory=list)
    spoke: list[str | None] = field(default_factory=list)


def certificate(folder: Path, name: str = NAME) -> Front:
    """A self-signed certificate of that name, with its key in ``folder``."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "front.crt").write_bytes(made.public_bytes(pem))
    (folder / "front.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    der = made.public_bytes(serialization.Encoding.DER)
    return Front(folder / "front.crt", folder / "front.key", hashlib.sha256(der).hexdigest())


@contextlib.asynccontextmanager
async def front(folder: Path, behind: int, name: str = NAME) -> AsyncIterator[Front]:
    """One that is up, and leads to this port of 127.0.0.1."""
    made = certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "front.crt", folder / "front.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.sni_callback = lambda _, asked, __: made.asked.append(asked)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.spoke.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        back, forth = await asyncio.open_connection("127.0.0.1", behind)
        copies = set(map(asyncio.create_task, (_copy(reader, forth), _copy(back, writer))))
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        forth.close()
        writer.close()
        await asyncio.wait(copies)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
