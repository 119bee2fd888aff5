"""The broker's messages: what is read out of ads, and the ads that are sent."""

from __future__ import annotations

from typing import Final

from glasnost.condor.ccb.words import MAX_TEXT, Answered, Wanted
from glasnost.condor.cedar.values import Reader
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.errors import ProtocolError

#: Lines of one of these ads; HTCondor's have seven at most.
MAX_LINES: Final = 50
#: Bytes of one: some addresses, none longer than `MAX_TEXT`.
MAX_AD: Final = 8 * MAX_TEXT

ALIVE: Final = Ad({"Command": int(Command.ALIVE)})
#: What begins a stream.
STREAMING: Final = Ad({"Result": True, "ProxyMode": True})


def read(message: Reader) -> Ad:
    """The ad that a message is."""
    ad = Ad.from_lines(message.ad(MAX_LINES))
    message.end()
    return ad


def read_registration(ad: Ad) -> tuple[str, int | None, str]:
    """A target's name, and the id and cookie that it was told before, if it was."""
    old = None
    *_, number = _text(ad, "CCBID").rpartition("#")
    if "#" in _text(ad, "CCBID") and number.isascii() and number.isdecimal():
        old = int(number[:18])
    return _text(ad, "Name"), old, _text(ad, "ClaimId")


def registered(contact: str, cookie: str) -> Ad:
    return Ad({"CCBID": contact, "ClaimId": cookie, "Command": int(Command.CCB_REGISTER)})


def read_request(ad: Ad, peer: int, at: str, user: str) -> Wanted:
    """What a requester wants. Raises `ProtocolError` where it has no connect id, to which HTCondor
    gives no answer."""
    connect_id = _text(ad, "ClaimId")
    if not connect_id:
        raise ProtocolError("a request without a connect id")
    returns = _text(ad, "MyAddress")
    # Who is itself behind a broker cannot be dialled.
    streaming = ad.get("CCBStreamingRequired") is True or "CCBID=" in returns
    name, route = _text(ad, "Name"), _text(ad, "CCBRoute")
    return Wanted(
        peer, _text(ad, "CCBID"), connect_id, name, returns, at, user, streaming, route.strip()
    )


def forwarded(wanted: Wanted, request: int, own: str) -> Ad:
    """A request as its target gets it; ``own`` is our own address, without ``<`` and ``>``."""
    values: dict[str, str | int] = {
        "Name": f"{wanted.name} on <{wanted.at}>",
        "ClaimId": wanted.connect_id,
        "Command": int(Command.CCB_REQUEST),
        "MyAddress": f"<{own}>" if wanted.streaming else wanted.returns,
        "RequestID": str(request),
    }
    if wanted.streaming:
        values["CCBPriorHop"] = own
        values["CCBOriginalRequester"] = f"{wanted.user} at <{wanted.at}>"
    if wanted.route:
        values["CCBRoute"] = wanted.route
    return Ad(values)


def read_result(ad: Ad, peer: int) -> Answered:
    """What a target says came of a request."""
    ok = ad.get("Result") is True
    return Answered(
        peer, _text(ad, "RequestID"), _text(ad, "ClaimId"), ok, _text(ad, "ErrorString")
    )


def is_alive(ad: Ad) -> bool:
    """Whether it is a heartbeat."""
    return ad.get("Command") == Command.ALIVE


def read_hello(ad: Ad) -> tuple[str, str]:
    """The request and the connect id for which a connection was dialled."""
    return _text(ad, "RequestID"), _text(ad, "ClaimId")


def result(error: str) -> Ad:
    """How a request ended; no error: the target has dialled."""
    return Ad({"Result": not error, "ErrorString": error})


def _text(ad: Ad, name: str) -> str:
    value = ad.get(name)
    return value if isinstance(value, str) else ""


# --- a target's side ------------------------------------------------------------------------------


def registering(name: str, old: Ad | None) -> Ad:
    """What a target says first; ``old`` is what it was told the last time."""
    known = {} if old is None else _of(old, "CCBID", "ClaimId")
    return Ad({"Command": int(Command.CCB_REGISTER), "Name": name, **known})


def hello(request: Ad) -> Ad:
    """What stands before a dial-back. What a broker has said of its way is passed on, as
    HTCondor's own targets do."""
    way = ("CCBPriorHop", "CCBOriginalRequester", "CCBRoute")
    return Ad(_of(request, "ClaimId", "RequestID", "MyAddress", *way))


def told(request: Ad, error: str) -> Ad:
    """What came of a request; no error: we have dialled."""
    about = _of(request, "ClaimId", "RequestID", "MyAddress")
    return Ad({**about, "Result": not error, **({"ErrorString": error} if error else {})})


def _of(ad: Ad, *names: str) -> dict[str, str]:
    """Some texts of an ad; none that is longer than any should be."""
    return {name: text for name in names if 0 < len(text := _text(ad, name)) <= MAX_TEXT}
