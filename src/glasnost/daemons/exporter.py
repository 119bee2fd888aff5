"""Answers Prometheus: ``/metrics`` and ``/healthz`` of one daemon. Imported only where wanted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from glasnost import __version__
from glasnost.daemons.host import Role, Roles
from glasnost.daemons.metrics import PROCESS, TABLES, Metric, Status
from glasnost.net.exact import refusals
from glasnost.net.heartbeat import Heartbeat
from glasnost.net.http import HttpServer, Page
from glasnost.roles.agent import Agent


class Exporter:
    """``roles`` are the roles of this process, by the names of `metrics.TABLES`."""

    def __init__(self, roles: Roles, heartbeat: Heartbeat) -> None:
        self._roles, self._heartbeat = roles, heartbeat
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        self.server = HttpServer({"/metrics": self.metrics, "/healthz": self.health})

    def collect(self) -> Iterable[Family]:
        """What prometheus_client asks for."""
        process = {
            "version": {__version__: 1},
            "lag": self._heartbeat.lag,
            "refusals": dict(refusals),
        }
        yield from _families(PROCESS, process)
        for name, role in self._roles.items():
            yield from _families(TABLES[name], _status(role))

    def metrics(self) -> Page:
        """Everything, in Prometheus' text format."""
        return Page(generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4)

    def health(self) -> Page:
        """Whether this daemon can do its work: 200, or 503 with a sentence on each reason."""
        problems = [
            f"{name}: {problem}\n"
            for name, role in self._roles.items()
            for problem in _problems(_status(role), time.time())
        ]
        return Page("".join(problems).encode(), status=503) if problems else Page(b"well\n")


def _status(role: Role) -> Status:
    return role.describe() if isinstance(role, Agent) else role.status()


def _families(table: Iterable[Metric], status: Status) -> Iterable[Family]:
    for metric in table:
        labels = [metric.label] if metric.label else None
        made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = made(metric.name, metric.says, labels=labels)
        value = metric.read(status)
        if isinstance(value, Mapping):
            for label, number in value.items():
                family.add_metric([label], number)
        else:
            family.add_metric([], value)
        yield family


def _problems(status: Status, now: float) -> Iterable[str]:
    if status.get("certificate_not_after", now) < now:
        yield "its certificate has expired"
    if status.get("store") == "fails":
        yield "records cannot be written"
