"""The record of alerts, in a real database."""

from dataclasses import replace
from pathlib import Path

from cloud_coordinator.alerts.alert import Alert, Severity, State
from cloud_coordinator.store.registry import Registry


def test_alerts_are_kept_replaced_and_found(tmp_path: Path) -> None:
    """If it fails, a restart forgets what stands, or clears what nobody cleared."""
    alert = Alert(
        alert_id="r/site-1/1",
        rule="r",
        place="site-1",
        severity=Severity.HIGH,
        first_s=1.0,
        last_s=2.0,
        count=3,
        evidence=("a", "b"),
    )
    other = replace(alert, alert_id="r/site-2/1", place="site-2", last_s=9.0)
    registry = Registry.open(tmp_path / "registry.sqlite3")
    registry.alerts.save_alerts([alert, other])
    registry.alerts.save_alerts([replace(other, state=State.CLEARED, cleared_s=10.0)])
    assert registry.alerts.alerts(standing=True, limit=10) == [alert]
    found = registry.alerts.alerts(standing=False, limit=10)
    assert [one.place for one in found] == ["site-2", "site-1"]
    registry.close()
