"""Alerts, as they were raised and cleared."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import select

from cloud_coordinator.alerts.alert import Alert, Severity, State
from cloud_coordinator.store.alert_table import alerts as table
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.sites import put


class AlertRegistry:
    """The alerts by id.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """Insert or replace by id in one transaction; durable on return."""
        with self._database.writing() as connection:
            for alert in alerts:
                plain = {**asdict(alert), "state": alert.state.value}
                put(
                    connection,
                    table,
                    key={"alert_id": alert.alert_id},
                    values={
                        "state": alert.state.value,
                        "severity": alert.severity.name,
                        "last_at": datetime.fromtimestamp(alert.last_s, UTC),
                        "body": json.dumps(plain, ensure_ascii=False).encode(),
                    },
                )

    def alerts(self, *, standing: bool, limit: int) -> Sequence[Alert]:
        """Newest first: those that stand, or all."""
        query = select(table.c.body).order_by(table.c.last_at.desc(), table.c.alert_id)
        if standing:
            query = query.where(table.c.state == State.STANDING.value)
        with self._database.reading() as connection:
            return [_alert(bytes(row.body)) for row in connection.execute(query.limit(limit))]


def _alert(body: bytes) -> Alert:
    plain = json.loads(body)
    plain["severity"] = Severity(plain["severity"])
    plain["state"] = State(plain["state"])
    plain["evidence"] = tuple(plain["evidence"])
    return Alert(**plain)
