"""Every parser of outside bytes, in one table."""

from __future__ import annotations

from tests.fuzz import (
    ads,
    cedar,
    condor_bridge,
    condor_ccb,
    condor_client,
    condor_collector,
    condor_config,
    condor_port,
    condor_security,
    http,
    proxies,
    streams,
    texts,
    trusted,
    wire,
)
from tests.fuzz.parser import Parser

PARSERS: list[Parser] = [
    *wire.PARSERS,
    *texts.PARSERS,
    *ads.PARSERS,
    *trusted.PARSERS,
    *streams.PARSERS,
    *proxies.PARSERS,
    *http.PARSERS,
    *cedar.PARSERS,
    *condor_bridge.PARSERS,
    *condor_security.PARSERS,
    *condor_port.PARSERS,
    *condor_client.PARSERS,
    *condor_config.PARSERS,
    *condor_ccb.PARSERS,
    *condor_collector.PARSERS,
]
