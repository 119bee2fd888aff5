"""``glasnost join``: become a node of somebody's pool, with a token."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from glasnost.cli import common
from glasnost.cli.output import say
from glasnost.core.address import Address
from glasnost.core.routes import Target
from glasnost.core.wire.messages import Enrolled
from glasnost.errors import SettingsError, TrustError
from glasnost.net.interfaces import read_host
from glasnost.roles.dialler import as_socket, connect
from glasnost.roles.enrol import join as enrol
from glasnost.roles.home import NodeIdentity, Pool, told_directories, write_home
from glasnost.roles.vantage import vantage_of
from glasnost.settings import Settings
from glasnost.stages import Means
from glasnost.trust import checks
from glasnost.trust.keys import new_key
from glasnost.trust.tokens import JoinToken

#: A token is one line; what is longer is none.
MAX_TOKEN = 20_000


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def join(file: Path | None) -> None:
    """Become a node of somebody's pool.

    The join token is read from FILE, or from standard input.
    """
    home, settings = common.settings()
    if NodeIdentity.exists(home):
        raise SettingsError(f"this host belongs to a pool already ({home})")
    token = JoinToken.parse(_read(file))
    settings = settings.with_networks(token.networks)
    common.run_async(_join(home, settings, token))
    say(f"joined as {token.node}.{token.domain}; now run `glasnost up` (or `glasnost agent`)")


def _read(file: Path | None) -> str:
    try:
        if file is not None:
            with open(file, encoding="utf-8") as lines:
                return lines.readline(MAX_TOKEN).strip()
        if sys.stdin.isatty():
            print("glasnost: paste the join token, then Enter:", file=sys.stderr)
        text = sys.stdin.readline(MAX_TOKEN).strip()
    except UnicodeDecodeError:
        raise TrustError("this is no join token: it is no text") from None
    if not text:
        raise TrustError("no join token was given: it is read from FILE, or from standard input")
    return text


async def _join(home: Path, settings: Settings, token: JoinToken) -> None:
    connected = await connect(
        "the pool's authority",
        Target(Address.parse(token.authority)),
        vantage_of(read_host(), settings),
        Means(settings=settings),
        as_socket,
        lambda sock: sock.close(),
        policy=settings.policy(),
        delay=settings.attempt_delay,
    )
    key = new_key()
    enrolled: Enrolled = await enrol(connected.result, token, key)
    told = told_directories(enrolled, token.authority)
    pool = Pool(token.domain, token.node, token.authority, told, enrolled.networks)
    root = checks.read_certificate(enrolled.root)
    write_home(home, key, root, pool, enrolled.certificate)
