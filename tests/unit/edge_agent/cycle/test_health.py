"""How well a site is, as the mode table wants to know it."""

import math
from dataclasses import replace
from types import SimpleNamespace

from edge_agent.control.inputs import Binding, Frame, Tariff
from edge_agent.cycle.health import Health, Look, examine
from edge_agent.mode.conditions import ModeInputs, Thresholds
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

S = 1_000_000_000
METER, BATTERY = PointId("meter.power_w"), PointId("battery-1.power_w")
THRESHOLDS = Thresholds()


def look_at(
    nouns: SimpleNamespace, health: Health, look: Look, *, meter: Quality, battery: Quality
) -> tuple[Health, ModeInputs]:
    def measured(quality: Quality) -> Measurement:
        value = 1.0 if quality is Quality.GOOD else None
        return Measurement(
            value=value, quality=quality, measured_at=nouns.now, received_at=nouns.now
        )

    resource = Resource(
        resource_id=ResourceId("site-001/battery-1"),
        site_id=nouns.site,
        kind=ResourceKind.BATTERY,
        power_w_min=-1.0,
        power_w_max=1.0,
        ramp_w_per_s=1.0,
        capabilities=frozenset({Capability.TAKES_SETPOINT}),
    )
    frame = Frame(
        site_id=nouns.site,
        meter_point=METER,
        bindings=(Binding(resource=resource, power_point=BATTERY),),
        limits=(),
        commitments=(),
        tariff=Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        points=(METER, BATTERY),
    )
    image = ProcessImage(
        cycle=1,
        taken_at=nouns.now,
        monotonic_ns=look.now_ns,
        points={METER: measured(meter), BATTERY: measured(battery)},
    )
    return examine(health, look, image=image, frame=frame, thresholds=THRESHOLDS)


def at(second: int, *, heard: int | None = 0, jump_s: int = 0) -> Look:
    return Look(
        now_ns=second * S,
        wall_ns=(1_000_000 + second + jump_s) * S,
        heard_ns=None if heard is None else heard * S,
    )


def test_a_silent_coordinator_is_counted_from_when_it_was_heard(nouns: SimpleNamespace) -> None:
    """A cut-off site would go on believing in its link."""
    good = {"meter": Quality.GOOD, "battery": Quality.GOOD}
    _, inputs = look_at(nouns, Health(started_ns=0), at(20, heard=5), **good)
    assert inputs.link_silent_s == 15.0
    _, never = look_at(nouns, Health(started_ns=0), at(20, heard=None), **good)
    assert math.isinf(never.link_silent_s)


def test_a_lost_meter_is_counted_from_its_last_good_value(nouns: SimpleNamespace) -> None:
    """Site limits would go unwatched."""
    health, _ = look_at(
        nouns, Health(started_ns=0), at(40), meter=Quality.GOOD, battery=Quality.GOOD
    )
    health, inputs = look_at(nouns, health, at(80), meter=Quality.STALE, battery=Quality.GOOD)
    assert inputs.meter_silent_s == 40.0
    assert inputs.healthy_s == 0.0
    health, inputs = look_at(nouns, health, at(85), meter=Quality.GOOD, battery=Quality.GOOD)
    assert inputs.healthy_s == 5.0


def test_a_starting_agent_gives_its_devices_time(nouns: SimpleNamespace) -> None:
    """A restart in the middle of an award would release every device for want of a reading."""
    bad = {"meter": Quality.BAD, "battery": Quality.BAD}
    _, inputs = look_at(nouns, Health(started_ns=0), at(1), **bad)
    assert inputs.devices_lost == 0
    assert inputs.meter_silent_s == 1.0
    _, later = look_at(nouns, Health(started_ns=0), at(60), **bad)
    assert later.devices_lost == later.devices_total == 1


def test_a_step_of_the_clock_is_seen(nouns: SimpleNamespace) -> None:
    """Leases and obligations would be timed by a clock that jumped."""
    good = {"meter": Quality.GOOD, "battery": Quality.GOOD}
    health, _ = look_at(nouns, Health(started_ns=0), at(10), **good)
    health, inputs = look_at(nouns, health, at(11, jump_s=3600), **good)
    assert inputs.clock_error_s == 3600.0
    _, after = look_at(nouns, health, at(12, jump_s=3600), **good)
    assert after.clock_error_s == 0.0


def test_a_refusing_journal_counts_at_once(nouns: SimpleNamespace) -> None:
    """What cannot be recorded would still be done."""
    health = replace(Health(started_ns=0), journal_failed_ns=10 * S)
    good = {"meter": Quality.GOOD, "battery": Quality.GOOD}
    _, inputs = look_at(nouns, health, at(10), **good)
    assert inputs.journal_failed_s > 0.0
