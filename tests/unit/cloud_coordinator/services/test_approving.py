"""A resource that is added waits for a person: through the intake, the watch and the alert."""

from dataclasses import replace

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.alerting import Alerting
from cloud_coordinator.services.approving import RULE, SETTLING_S, Approvals
from cloud_coordinator.services.people import MemoryAlerts, MemoryState
from cloud_coordinator.services.watched_events import WatchedEvents
from protocols.link.messages import Layout
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

SITE = SiteId("site-001")
BATTERY = Resource(
    resource_id=ResourceId("site-001/battery-1"),
    site_id=SITE,
    kind=ResourceKind.BATTERY,
    power_w_min=-5000.0,
    power_w_max=5000.0,
    ramp_w_per_s=float("inf"),
    energy_wh_capacity=10_000.0,
    capabilities=frozenset({Capability.TAKES_SETPOINT}),
)
SECOND = replace(BATTERY, resource_id=ResourceId("site-001/battery-2"))


class Events:
    """An event store that keeps nothing."""

    def save_event(self, _event: object) -> None:
        pass

    def save_events(self, _events: object) -> None:
        pass

    def events(self, _query: object) -> list[object]:
        return []


class Desk:
    """A fleet of one site, its approvals and the watch."""

    def __init__(self, state: MemoryState) -> None:
        self.fleet, self.notes, self.at_s = Fleet(), list[str](), 0.0
        self.fleet.upsert_site(SITE, ZoneId("tokyo"))
        self.approvals = Approvals(self.fleet, state, lambda kind, payload: self.notes.append(kind))
        events = WatchedEvents(Events())  # type: ignore[arg-type]
        self.alerting = Alerting(self.fleet, events, MemoryAlerts(), waiting=[self.approvals])

    def say(self, version: int, *resources: Resource) -> None:
        """Let the site say what it has."""
        self.fleet.upsert_layout(SITE, Layout(version=version, resources=resources))

    def look(self, *, after_s: float = 1.0) -> list[str]:
        """Let the watch look; rules that stand."""
        self.at_s += after_s
        self.alerting.tick(Moment(wall_s=self.at_s, monotonic_ns=round(self.at_s * 1e9)))
        return [one.rule for one in self.alerting.standing]


def test_what_is_added_later_waits_until_a_person_says_yes() -> None:
    """If it fails, whoever adds a device at a site decides what the fleet sells."""
    state = MemoryState()
    desk = Desk(state)
    desk.say(1, BATTERY)
    assert not desk.look()
    desk.say(2, BATTERY, replace(SECOND, power_w_max=100.0))
    assert not desk.look(), "devices are found in the minutes after enrolment"
    desk.say(3, BATTERY, SECOND)
    assert desk.look(after_s=SETTLING_S) == [RULE]
    assert not desk.approvals.allowed(SITE)
    again = Desk(state)
    again.at_s = desk.at_s
    again.say(3, BATTERY, SECOND)
    assert again.look() == [RULE], "a restart approves nothing"
    (alert,) = desk.alerting.standing
    assert "site-001/battery-2" in alert.evidence[0]
    desk.alerting.acknowledge(alert.alert_id, by="mori")
    assert desk.approvals.allowed(SITE)
    assert desk.notes == ["resource.waiting", "resource.approved"]
    assert not desk.look(after_s=200.0)
    desk.say(4, BATTERY, replace(SECOND, energy_wh_capacity=60_000.0))
    assert not desk.look(), "another car is no other charger"
    desk.say(5, BATTERY)
    assert not desk.look()
    assert desk.approvals.allowed(SITE)


def test_a_larger_nameplate_waits_and_its_return_is_well() -> None:
    """If it fails, a battery becomes ten times as large by one message."""
    desk = Desk(MemoryState())
    desk.say(1, BATTERY)
    desk.look()
    desk.say(2, replace(BATTERY, power_w_max=50_000.0))
    assert desk.look(after_s=SETTLING_S) == [RULE]
    desk.say(3, BATTERY)
    desk.look()
    assert desk.approvals.allowed(SITE)
