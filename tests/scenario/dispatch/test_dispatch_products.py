"""Every product of the balancing market: awarded, carried out and assessed, alone and at once."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.settlement.records import Performance, Statement
from protocols.link.messages import Event, JournalId, Plain
from protocols.link.plain import commitment_from_plain, commitment_to_plain
from protocols.link.primary_line import shortened
from protocols.vocabulary.droop import unusable
from protocols.vocabulary.identifiers import ObligationId, ResourceId
from protocols.vocabulary.intervals import utc_from_seconds
from protocols.vocabulary.obligation import HoldRule, ObligationState, Service
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

AWARD_W = 12_000.0
SECONDS = 120
MakeWorld = Callable[..., Any]
BY_COMMAND = [Service.SECONDARY_2, Service.TERTIARY_1, Service.TERTIARY_2]


def hertz(time_s: float, fall_s: float = math.inf) -> float:
    """Frequency of the grid: it sways by 30 mHz, and after a trip it stays at 49.7 Hz."""
    if time_s >= fall_s:
        return max(50.0 - 0.05 * (time_s - fall_s), 49.7)
    return 50.0 + 0.03 * math.sin(2.0 * math.pi * time_s / 40.0)


@pytest.fixture
def world(make_world: MakeWorld) -> Any:
    """Return a zone of 8 sites, ten seconds and a little before the minute."""
    world = make_world(sites=8, seed=3)
    world.start_s = int(world.clock.time_s) // 60 * 60 + 60
    world.run_until(world.start_s - 25.0)
    return world


def qualify(world: Any, *, fall_s: float = math.inf, gain: float = 1.0) -> None:
    """Let all sites measure the frequency, tell a passed step test, and write the record."""
    for site in world.sites.values():
        battery = Resource(
            resource_id=ResourceId(f"{site.site_id}/battery-1"),
            site_id=site.site_id,
            kind=ResourceKind.BATTERY,
            power_w_min=float(site.curve.power_w[0]),
            power_w_max=float(site.curve.power_w[-1]),
            ramp_w_per_s=math.inf,
            capabilities=frozenset({Capability.MEASURES_FREQUENCY, Capability.TAKES_SETPOINT}),
        )
        site.resources, site.gain = (battery,), gain
        site.frequency_hz = lambda time_s: hertz(time_s, fall_s)
        world.hello(site)
        tell(
            world,
            site,
            kind="primary.qualified",
            payload={
                "members": [str(battery.resource_id)],
                "rule_set_id": "eprx-2025-04-01",
                "product": "primary",
                "available_w": 0.8 * battery.power_w_max,
                "tested_at": "2026-07-01T00:00:00+00:00",
            },
        )
        log(world, site, world.start_s, whole=None)


def tell(world: Any, site: Any, *, kind: str, payload: dict[str, Plain]) -> None:
    """Send an event up."""
    site.events += 1
    event = Event(
        journal_id=JournalId("journal-1"),
        sequence=site.events,
        recorded_at=world.clock.now(),
        kind=kind,
        payload=payload,
    )
    world.coordinator.intake.event(site.site_id, event)


def log(world: Any, site: Any, second: int, *, whole: Any) -> None:
    """Write a line of the record each second, as the agent does: mostly short ones."""

    def write() -> None:
        names = ("samples", "quality", "age_s", "source", "basis", "power_quality")
        numbers = ("base_w", "asked_w", "response_w", "power_w", "limit_w_min", "limit_w_max")
        terms = ("award_w", "rated_w", "nominal_hz", "droop", "dead_band_hz")
        line: dict[str, Plain] = dict.fromkeys((*names, *numbers, *terms), 1.0)
        line |= {
            name: round(site.frequency_hz(second), 3)
            for name in ("frequency_hz", "frequency_hz_min", "frequency_hz_max")
        }
        line |= {"second": second, "obligations": ["a"], "members": [["b", 0.0, 0.0, False]]}
        short = dict(shortened(line, whole))
        tell(world, site, kind="primary.logged", payload=short)
        log(world, site, second + 1, whole=line if "since" not in short else whole)

    if second < world.start_s + SECONDS:
        world.at(second + 0.95, write)


def award(world: Any, service: Service, power_w: float = AWARD_W) -> Any:
    return world.award(
        power_w,
        duration_s=SECONDS,
        name=service.value,
        service=service,
        start_s=world.start_s,
    )


def settled(world: Any, service: Service) -> Statement:
    found = world.coordinator.queries.statement(ObligationId(service.value))
    assert isinstance(found, Statement)
    return found


def commanded(world: Any, service: Service, part: float, *, after_s: float = 0.0) -> None:
    at_s = int(world.start_s + after_s)
    world.at(at_s + 0.05, lambda: world.command(at_s, part * AWARD_W, service.value))


def passed(found: Statement) -> bool:
    assert {slot.performance for slot in found.slots} <= {Performance.PASSED, Performance.FAILED}
    return found.band_kept and found.available and found.penalty_performance_jpy == 0


@pytest.mark.parametrize("service", BY_COMMAND)
def test_a_commanded_product_is_delivered_and_assessed(world: Any, service: Service) -> None:
    """If it fails, an award of this product is taken and nobody carries it out."""
    award(world, service)
    commanded(world, service, 0.6)
    commanded(world, service, 0.9, after_s=60)
    world.run_until(world.start_s + SECONDS + 10)
    found = settled(world, service)
    assert passed(found)
    assert found.service is service
    assert found.promised_wh == pytest.approx(0.75 * AWARD_W * SECONDS / 3600, abs=1)
    assert found.delivered_wh == pytest.approx(found.promised_wh, rel=0.03)
    assert found.amount_yen == int(found.capacity_value_jpy)


def test_a_simple_line_command_comes_a_response_time_ahead(world: Any) -> None:
    """If it fails, a tertiary command that comes in time, an hour ahead, is refused."""
    for service in (Service.TERTIARY_2, Service.SECONDARY_1):
        award(world, service, AWARD_W / 2)
    world.run_until(world.start_s - 10)
    early_s = world.start_s - 3000
    world.command(early_s, AWARD_W / 4, Service.TERTIARY_2.value)
    with pytest.raises(RejectedError, match="outside the award"):
        world.command(early_s, AWARD_W / 4, Service.SECONDARY_1.value)
    world.run_until(world.start_s + SECONDS + 10)
    assert passed(settled(world, Service.TERTIARY_2))


def test_upward_products_are_not_called_downward(world: Any) -> None:
    """If it fails, sites are charged for a contract that only knows more power."""
    award(world, Service.SECONDARY_2)
    commanded(world, Service.SECONDARY_2, -0.5)
    world.run_until(world.start_s + SECONDS + 10)
    found = settled(world, Service.SECONDARY_2)
    assert {slot.performance for slot in found.slots} == {Performance.EXCLUDED}
    assert abs(found.delivered_wh) < 10


@pytest.mark.parametrize("service", [Service.PRIMARY, Service.PRIMARY_OFFLINE])
def test_primary_is_armed_by_the_award_and_assessed_from_the_record(
    world: Any, service: Service
) -> None:
    """If it fails, primary reserve is sold and no site answers the frequency, or nobody knows."""
    qualify(world, fall_s=world.start_s + 60)
    award(world, service)
    world.run_until(world.start_s + SECONDS + 10)
    record = world.coordinator.queries.award(ObligationId(service.value))
    assert record.obligation.state is ObligationState.DONE
    assert all(one.hold is HoldRule.FOLLOW_DROOP for one in record.commitments)
    assert {one.droop.nominal_hz for one in record.commitments} == {50.0}
    assert [unusable(one.droop) for one in record.commitments] == [""] * len(record.commitments)
    sent = commitment_from_plain(commitment_to_plain(record.commitments[0]))
    assert (sent.droop, sent.hold) == (record.commitments[0].droop, HoldRule.FOLLOW_DROOP)
    assert all(0.004 <= one.droop.droop <= 0.05 for one in record.commitments)
    assert world.signals == [], "the frequency is the signal"
    found = settled(world, service)
    assert passed(found)
    assert found.delivered_wh > 0.4 * AWARD_W * SECONDS / 3600
    with pytest.raises(RejectedError, match="follows the frequency"):
        world.command(world.start_s, 1.0, service.value)


def test_primary_that_does_not_move_fails(world: Any) -> None:
    """If it fails, sites that do nothing are paid for primary reserve."""
    qualify(world, fall_s=world.start_s + 60, gain=0.0)
    award(world, Service.PRIMARY)
    world.run_until(world.start_s + SECONDS + 10)
    found = settled(world, Service.PRIMARY)
    assert not found.band_kept
    assert any(slot.abnormal for slot in found.slots)
    assert found.penalty_performance_jpy > 0


def test_several_products_at_once_share_the_headroom(world: Any) -> None:
    """If it fails, the same watt is sold twice, or one product's power counts as another's."""
    qualify(world, fall_s=world.start_s + 70)
    parts = {Service.SECONDARY_1: 0.5, Service.TERTIARY_1: 0.8}
    for service in (Service.PRIMARY, *parts):
        award(world, service, 0.3 * AWARD_W)
    for service, part in parts.items():
        commanded(world, service, 0.3 * part)
    world.run_until(world.start_s + SECONDS + 10)
    owed: dict[str, float] = {}
    for service in (Service.PRIMARY, *parts):
        record = world.coordinator.queries.award(ObligationId(service.value))
        assert record.allocation.shortfall_up_w < 1.0
        for one in record.commitments:
            owed[one.obligation.target] = owed.get(one.obligation.target, 0.0) + float(
                one.obligation.power_w.max()
            )
    for site in world.sites.values():
        assert owed[site.site_id] <= float(site.curve.power_w[-1]) + 1.0
    for service in (Service.PRIMARY, *parts):
        assert passed(settled(world, service)), service
    explained = world.coordinator.queries.explanation(
        next(iter(world.sites)), utc_from_seconds(world.start_s + 60), ObligationId("tertiary1")
    )
    assert explained.observed.share_w == pytest.approx(explained.share_w, abs=1.0)
    last = world.signals[-1]
    assert set(last.multipliers) == set(parts), "one signal calls both"


def test_what_cannot_stand_beside_another_award_is_refused(world: Any) -> None:
    """If it fails, two awards of one product fight over one multiplier."""
    qualify(world)
    award(world, Service.SECONDARY_1, 1000.0)
    award(world, Service.PRIMARY, 1000.0)
    with pytest.raises(ConflictError, match="primary-offline cannot be beside it"):
        award(world, Service.PRIMARY_OFFLINE, 1000.0)
    with pytest.raises(RejectedError, match="whole minutes"):
        world.award(
            1000.0, duration_s=61, name="b", service=Service.TERTIARY_1, start_s=world.start_s
        )
    assert utc_from_seconds(world.start_s).second == 0
