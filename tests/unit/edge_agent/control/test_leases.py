"""Leases: what is written, prolonged, left to end and released."""

from datetime import timedelta
from typing import Any

from edge_agent.control.limits import (
    contract_import,
    emergency_stop,
    export_limit,
    technician_override,
)
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.mode import Mode


def test_a_lease_that_says_the_same_is_prolonged_before_half_of_it_is_over(paper: Any) -> None:
    """The device would be written every second, or its lease would end while it is wanted."""
    plant = paper.plant(
        bindings=(paper.battery(),), commitments=(paper.commitment(),), signal=paper.signal(30.0)
    )
    plant.run(3)
    written = []
    for _ in range(20):
        before = plant.now
        decision = plant.tick()
        written.append(len(decision.setpoints))
        lease = plant.state.memories[0].setpoint
        assert lease is not None
        assert lease.valid_until > before + timedelta(seconds=4)
    assert 3 <= sum(written) <= 5


def test_the_sequence_rises_with_every_setpoint_also_over_a_restart(paper: Any) -> None:
    """A device or journal could not tell an old setpoint from a new one."""
    plant = paper.plant(bindings=(paper.battery("a"), paper.battery("b")))
    seen = []
    for k in range(10):
        plant.load_w = -1000.0 - 200.0 * k
        seen += [s.sequence for s in plant.tick().setpoints]
    assert seen == list(range(1, len(seen) + 1))


def test_a_device_whose_power_is_unknown_gets_nothing_new_and_is_let_go(paper: Any) -> None:
    """A silent battery would be commanded blindly and counted on."""
    plant = paper.plant(
        bindings=(paper.battery("battery-1"), paper.battery("battery-2")),
        commitments=(paper.commitment(),),
        signal=paper.signal(30.0),
    )
    plant.run(5)
    lost = plant.bindings[0]
    plant.quality[lost.power_point] = Quality.STALE
    released = []
    for _ in range(12):
        decision = plant.tick()
        assert all(s.resource_id != lost.resource.resource_id for s in decision.setpoints)
        released += [r.resource_id for r in decision.releases]
    assert released == [lost.resource.resource_id]
    plant.run(3)
    assert abs(plant.meter_w - 1000.0) <= 20.0


def test_a_store_of_unknown_charge_is_not_counted_on(paper: Any) -> None:
    """An empty battery would be taken for a full one."""
    plant = paper.plant(bindings=(paper.battery(),))
    plant.quality[plant.bindings[0].soc_point] = Quality.BAD
    decision = plant.tick()
    assert decision.setpoints == ()
    assert not decision.ranges[0].counted


def test_safe_releases_every_device_also_one_that_was_never_seen(paper: Any) -> None:
    """A device would go on with a setpoint from a life before this one."""
    plant = paper.plant(bindings=(paper.battery(),), mode=Mode.SAFE)
    decision = plant.tick()
    assert [r.reason for r in decision.releases] == ["mode.safe"]
    assert decision.setpoints == ()
    assert plant.tick().releases == ()


def test_released_pv_is_not_unlimited(paper: Any) -> None:
    """SAFE would open the PV beyond what the connection may export."""
    plant = paper.plant(
        bindings=(paper.photovoltaic("pv-1"), paper.photovoltaic("pv-2")),
        limits=(contract_import(10_000.0), export_limit(3000.0)),
        mode=Mode.SAFE,
    )
    told = [s.power_w for s in plant.tick().setpoints]
    assert sum(told) == 3000.0
    for _ in range(30):
        plant.tick()
    assert all(memory.setpoint is not None for memory in plant.state.memories)


def test_an_emergency_stop_writes_zero_and_keeps_it(paper: Any) -> None:
    """A stopped battery would fall back to its own automatic mode."""
    bindings = (paper.battery(), paper.photovoltaic())
    plant = paper.plant(bindings=bindings)
    plant.device("pv-1").available_w = 2000.0
    plant.run(5)
    plant.limits = (*plant.limits, *emergency_stop([b.resource for b in bindings], source="x"))
    plant.mode = Mode.SAFE
    plant.run(30)
    assert [d.told_w for d in plant.devices.values()] == [0.0, 0.0]
    assert [d.power_w for d in plant.devices.values()] == [0.0, 0.0]


def test_a_technician_holds_one_device_and_the_rest_is_let_go(paper: Any) -> None:
    """A hand on one battery would be fought by the automatic control, or last for ever."""
    plant = paper.plant(bindings=(paper.battery("battery-1"), paper.battery("battery-2")))
    plant.run(5)
    member = plant.bindings[0].resource.resource_id
    until = plant.now + timedelta(seconds=20)
    override = technician_override(member, 1234.0, valid_until=until, source="mori")
    plant.limits = (*plant.limits, override)
    plant.mode = Mode.MANUAL
    plant.run(5)
    assert plant.device("battery-1").power_w == 1234.0
    assert plant.device("battery-2").told_w is None
    plant.run(20)
    assert plant.device("battery-1").told_w is None


def test_a_technician_cannot_break_the_export_limit(paper: Any) -> None:
    """A test discharge would trip the reverse-flow relay of the neighbourhood."""
    plant = paper.plant(
        bindings=(paper.battery(),),
        limits=(contract_import(10_000.0), export_limit(500.0)),
        mode=Mode.MANUAL,
    )
    member = plant.bindings[0].resource.resource_id
    until = plant.now + timedelta(seconds=600)
    plant.limits += (technician_override(member, 4000.0, valid_until=until, source="mori"),)
    trace = plant.run(10)
    assert max(trace) <= 500.0
    (relaxed,) = plant.tick().relaxed
    assert relaxed.name == "technician-override"
    assert relaxed.by == "export-limit"
