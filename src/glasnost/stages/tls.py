"""``tls:NAME``: an outer TLS, to a front such as haproxy or nginx that takes it off again.

As a browser speaks it: the system's authorities, the name in the route; `[tls."NAME"]` of the
settings says otherwise. The stream inside is carried (net/carrier.py): this process copies it.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import socket
import ssl

from glasnost.core.routes.traits import Traits
from glasnost.errors import SettingsError, TrustError
from glasnost.net.carrier import carried
from glasnost.net.sockets import closed_on_error
from glasnost.net.tls import TlsTransport, secure
from glasnost.settings import TlsSetting
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Shake hands; what comes out is the stream inside."""
    assert sock is not None, "a forward stage needs a stream"
    name = step.stage.args[0]
    setting = step.means.settings.tls.get(name, TlsSetting())
    with closed_on_error(sock):
        context = _context(setting)
    return await carried(functools.partial(_open, sock, name, setting, context, step.means.timeout))


async def _open(
    sock: socket.socket, name: str, setting: TlsSetting, context: ssl.SSLContext, timeout: float
) -> TlsTransport:
    asked = setting.ask_for or name
    stream = await secure(sock, context, server_name=asked, timeout=timeout, status=False)
    if setting.pin:
        shown = hashlib.sha256(stream.get_extra_info("ssl_object").getpeercert(True)).hexdigest()
        if not hmac.compare_digest(shown, setting.pin):
            stream.abort()
            raise TrustError(f"{name} shows a certificate with another SHA-256: {shown}")
    return stream


@functools.lru_cache(maxsize=64)  # the system's authorities take 20 ms to read
def _context(setting: TlsSetting) -> ssl.SSLContext:
    """Raises `SettingsError`."""
    try:
        context = ssl.create_default_context(cafile=setting.authorities or None)
    except (OSError, ssl.SSLError) as error:
        why = f"cannot read the authorities in {setting.authorities}: {error.strerror or error}"
        raise SettingsError(why) from None
    if setting.pin:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if setting.protocols:
        context.set_alpn_protocols(setting.protocols)
    return context


TLS = Kind(Traits(role="forward"), cross, "TLS handshake")
