"""Bids of an abnormal day wait for a person: asked, told, agreed, remembered."""

from datetime import date

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.alerting import Alerting
from cloud_coordinator.services.consenting import RULE, Consents
from cloud_coordinator.services.people import MemoryAlerts, MemoryState
from cloud_coordinator.services.watched_events import WatchedEvents
from tests.unit.cloud_coordinator.services.test_approving import Events

DAY = date(2026, 11, 25)
NOW = Moment(wall_s=1_795_400_000.0, monotonic_ns=0)
DEAR = "2026-11-24: 200.00 JPY/kWh day-ahead"


def test_the_acknowledgement_of_the_alert_is_the_consent() -> None:
    """If it fails, an abnormal day is bid for by itself, or never though a person agreed."""
    state, notes, control = MemoryState(), list[str](), [True]
    consents = Consents(state, lambda kind, payload: notes.append(kind), lambda: control[0])
    events = WatchedEvents(Events())  # type: ignore[arg-type]
    alerting = Alerting(Fleet(), events, MemoryAlerts(), waiting=[consents])
    assert consents.waits_for(DAY, "") == ""
    assert DEAR in consents.waits_for(DAY, DEAR)
    (alert,) = alerting.tick(NOW)
    assert (alert.rule, alert.place) == (RULE, "market/2026-11-25")
    alerting.acknowledge(alert.alert_id, by="mori")
    assert consents.waits_for(DAY, DEAR) == ""
    again = Consents(state, lambda kind, payload: None, lambda: control[0])
    assert again.waits_for(DAY, DEAR) == "", "a restart asks twice"
    assert again.waits_for(date(2026, 11, 26), DEAR)
    control[0] = False
    assert again.waits_for(DAY, "") == "a person has control"
    assert notes == ["consent.awaited", "consent.given"]
