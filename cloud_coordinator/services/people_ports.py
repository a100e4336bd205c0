"""Ports of watching and of people in charge: what is kept, and how operators are called."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from cloud_coordinator.alerts.alert import Alert
from cloud_coordinator.services.ports import Downlink
from protocols.link.messages import Plain
from protocols.sansio.records import Change
from protocols.vocabulary.identifiers import SiteId


class AlertStore(Protocol):
    """The record of alerts."""

    def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """Insert or replace by id in one transaction; durable on return."""

    def alerts(self, *, standing: bool, limit: int) -> Sequence[Alert]:
        """Newest first: those that stand, or all."""


class StateStore(Protocol):
    """Named records."""

    def load(self) -> Mapping[str, bytes]:
        """All of them."""

    def put(self, changes: Iterable[Change]) -> None:
        """Apply all or none; durable on return."""


class OperatorCall(Protocol):
    """How people are called."""

    def call(self, severity: str, text: str) -> None:
        """Call them; queues and returns. Whether they were reached is logged."""


class Commanding(Protocol):
    """Sends commands to single sites."""

    def send_command(
        self, site_id: SiteId, kind: str, payload: Mapping[str, Plain], *, valid: timedelta
    ) -> bool:
        """Queue a command, re-sent until receipted; False if the site takes no commands."""


class FleetDownlink(Downlink, Commanding, Protocol):
    """The whole way down."""


class Note(Protocol):
    """Writes an event of the coordinator into the record."""

    def __call__(self, kind: str, payload: Mapping[str, Plain]) -> None:
        """Write it; durable."""
