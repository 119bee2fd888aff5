"""What daemons can be measured by: one table for each role, read when somebody asks.

Roles count in plain integers and say them in their `status`; nothing here runs before a scrape.
The names follow Prometheus' conventions, and `docs/reference/metrics.md` is made from the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: What a role's ``status`` says.
Status = Mapping[str, Any]
Value = float | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: ``read`` finds its value in a status, or one for each value of ``label``."""

    name: str
    says: str
    read: Callable[[Status], Value]
    label: str = ""

    @property
    def kind(self) -> str:
        return "counter" if self.name.endswith("_total") else "gauge"


def _said(key: str) -> Callable[[Status], Value]:
    """What stands in the status under this key."""

    def read(status: Status) -> Value:
        value: Value = status[key]
        return value

    return read


def _expiry(name: str) -> Metric:
    return Metric(
        f"glasnost_{name}_certificate_expiry_timestamp_seconds",
        "When the certificate that it shows ends, in seconds since 1970.",
        _said("certificate_not_after"),
    )


#: Of every daemon.
PROCESS: Final = (
    Metric("glasnost_build_info", "Always 1; which version runs.", _said("version"), "version"),
    Metric(
        "glasnost_loop_lag_seconds",
        "By how much the event loop was late, at worst, in the last minute.",
        _said("lag"),
    ),
    Metric(
        "glasnost_refusals_total",
        "Callers that were refused before they were let in, by the code that they were told.",
        _said("refusals"),
        "code",
    ),
)

AGENT: Final = (
    Metric(
        "glasnost_port_connections_total",
        "Connections that the shared port has accepted.",
        _said("accepted"),
    ),
    Metric(
        "glasnost_port_handed_over_total",
        "Connections that were handed to services.",
        _said("handed_over"),
    ),
    Metric(
        "glasnost_port_half_open",
        "Connections that have not said whom they call.",
        _said("half_open"),
    ),
    Metric(
        "glasnost_service_connections_total",
        "Connections handed to each service that is registered now, since it was.",
        _said("services"),
        "service",
    ),
    Metric("glasnost_services", "Services registered.", lambda one: len(one["services"])),
    Metric(
        "glasnost_programs",
        "Programs connected to the agent's local socket.",
        _said("connected_programs"),
    ),
    Metric(
        "glasnost_errands_total",
        "What was done for brokers: dial_backs, legs of relayed streams, and what failed.",
        _said("for_brokers"),
        "errand",
    ),
    Metric(
        "glasnost_broker_registered",
        "1 where this host is registered with the broker, else 0.",
        lambda one: {
            name: float(state["state"] == "registered") for name, state in one["brokers"].items()
        },
        "broker",
    ),
    Metric(
        "glasnost_directory_reached",
        "1 where the directory is told of this host's records, else 0.",
        lambda one: {
            name: float(state == "told of everything") for name, state in one["directories"].items()
        },
        "directory",
    ),
    Metric(
        "glasnost_address_changes_total",
        "How often this host's addresses have changed.",
        lambda one: one["host"]["changes"],
    ),
    Metric(
        "glasnost_netlink_messages_total",
        "Messages of the kernel about addresses, links and routes.",
        lambda one: one["host"]["told"],
    ),
    Metric(
        "glasnost_certificate_renewals_total",
        "Renewals of the node's certificate, done and failed.",
        _said("renewals"),
        "outcome",
    ),
    _expiry("node"),
)

BROKER: Final = (
    Metric("glasnost_broker_channels", "Control connections.", _said("channels")),
    Metric("glasnost_broker_handshakes", "TLS handshakes under way.", _said("handshakes")),
    Metric("glasnost_broker_targets", "Targets registered.", _said("targets")),
    Metric(
        "glasnost_broker_registrations_total", "Registrations accepted.", _said("registrations")
    ),
    Metric("glasnost_broker_requests", "Requests in flight.", _said("requests")),
    Metric(
        "glasnost_broker_dial_backs_total",
        "Dial-backs that targets were asked for.",
        _said("dial_backs_asked"),
    ),
    Metric(
        "glasnost_broker_legs_total",
        "Legs of relayed streams that targets were asked for.",
        _said("legs_asked"),
    ),
    Metric("glasnost_broker_done_total", "Requests that a target carried out.", _said("done")),
    Metric(
        "glasnost_broker_failures_total",
        "What was refused or failed, by the code that was told.",
        _said("failed"),
        "code",
    ),
    Metric("glasnost_broker_streams", "Streams that are relayed.", _said("streams")),
    Metric(
        "glasnost_broker_streams_ended_total",
        "Relayed streams that have ended.",
        _said("streams_ended"),
    ),
    Metric(
        "glasnost_broker_relayed_bytes_total",
        "Bytes relayed, both directions.",
        _said("bytes"),
    ),
    Metric(
        "glasnost_broker_buffered_bytes",
        "Memory that relayed streams hold.",
        _said("buffered"),
    ),
    _expiry("broker"),
)

DIRECTORY: Final = (
    Metric("glasnost_directory_records", "Records kept.", _said("records")),
    Metric("glasnost_directory_nodes", "Nodes that have records.", _said("nodes")),
    Metric("glasnost_directory_channels", "Control connections.", _said("channels")),
    Metric("glasnost_directory_watches", "Watches open.", _said("watches")),
    Metric("glasnost_directory_handshakes", "TLS handshakes under way.", _said("handshakes")),
    Metric("glasnost_directory_waiting", "Writes that wait for the disk.", _said("waiting")),
    Metric(
        "glasnost_directory_questions_total",
        "Questions of members, by kind: publish, renew, withdraw, lookup, list, watch.",
        _said("questions"),
        "question",
    ),
    Metric(
        "glasnost_directory_offered_records_total",
        "Records that nodes have published, taken and refused.",
        _said("offered"),
        "outcome",
    ),
    Metric(
        "glasnost_directory_store_works",
        "1 while records can be written to disk, else 0.",
        lambda one: float(one["store"] == "works"),
    ),
    _expiry("directory"),
)

AUTHORITY: Final = (
    Metric("glasnost_authority_nodes", "Nodes that have joined.", _said("nodes")),
    Metric(
        "glasnost_authority_open_tokens",
        "Join tokens that can still be used.",
        _said("open_tokens"),
    ),
    Metric("glasnost_authority_dialogues", "Dialogues under way.", _said("dialogues")),
    Metric(
        "glasnost_authority_certificates_total",
        "Certificates issued to nodes: enrolled and renewed.",
        _said("issued"),
        "occasion",
    ),
    Metric(
        "glasnost_authority_refusals_total",
        "Nodes that were refused a certificate, by the code that they were told.",
        _said("refusals"),
        "code",
    ),
    _expiry("authority"),
)

COLLECTOR: Final = (
    Metric("glasnost_collector_connections", "Connections.", _said("connections")),
    Metric(
        "glasnost_collector_guests",
        "Of these, who has only asked, or said nothing yet.",
        _said("guests"),
    ),
    Metric("glasnost_collector_sessions", "HTCondor's sessions that are kept.", _said("sessions")),
    Metric("glasnost_collector_ads", "HTCondor's ads, by sort.", _said("ads"), "sort"),
    Metric("glasnost_collector_ads_bytes", "Memory that the ads take.", _said("ads_bytes")),
    Metric("glasnost_collector_answers", "Answers under way.", _said("answers")),
    Metric("glasnost_ccb_targets", "Targets registered by HTCondor's protocol.", _said("targets")),
    Metric("glasnost_ccb_requests", "Requests in flight there.", _said("requests")),
    Metric("glasnost_ccb_streams", "Streams relayed there.", _said("streams")),
)


#: By role, as `daemons.host` calls them.
TABLES: Final[Mapping[str, tuple[Metric, ...]]] = {
    "agent": AGENT,
    "broker": BROKER,
    "directory": DIRECTORY,
    "authority": AUTHORITY,
    "collector": COLLECTOR,
}
