"""Machines of every template: physics that can be asked, without a protocol."""

import math

import pytest

from firmware_sim.devices.contract import Span
from firmware_sim.devices.machine import Machine
from firmware_sim.devices.machine_loads import ClimateMachine
from firmware_sim.devices.machines import machine_of
from protocols.templates.catalogue import catalogue, template_of
from protocols.templates.template import Template
from protocols.vocabulary.resource import ResourceKind

NOON_S = 1_784_689_200.0
"""2026-07-22, noon in Japan."""
TEMPLATES = tuple(catalogue())


def live(
    machine: Machine, seconds: int, *, others_w: float = -800.0, start_s: float = 0.0
) -> float:
    """Let time pass; return the power at its end."""
    power_w = 0.0
    for second in range(seconds):
        begin_s = NOON_S + start_s + second
        span = Span(
            start_s=begin_s,
            end_s=begin_s + 1.0,
            others_w=others_w,
            house_w=others_w,
            frequency_hz=49.9,
        )
        power_w = machine.advance(span).power_w
    return power_w


def first_of(kind: ResourceKind) -> Template:
    """Any template of a kind."""
    return next(each for each in catalogue().values() if each.kind is kind)


def of_kind(kind: ResourceKind) -> Machine:
    """Machine of any template of a kind."""
    return machine_of(first_of(kind), seed=3)


@pytest.mark.parametrize("template_id", TEMPLATES)
def test_every_template_has_a_machine_within_its_ratings(template_id: str) -> None:
    """If it fails, a template describes a device that nobody can simulate, or that cannot be."""
    machine = machine_of(catalogue()[template_id], seed=1)
    live(machine, 90)
    state = machine.state()
    if catalogue()[template_id].kind is ResourceKind.METER:
        assert state.power_w == -800.0
    else:
        assert state.power_w_min - 1e-6 <= state.power_w <= state.power_w_max + 1e-6
    assert state.frequency_hz == 49.9
    assert state.soc is None or 0.0 <= state.soc <= 1.0


@pytest.mark.parametrize("template_id", TEMPLATES)
def test_a_limit_holds_whatever_is_asked_and_a_restart_lifts_it(template_id: str) -> None:
    """If it fails, a simulated device breaks a limit it was given, and hides a driver's fault."""
    template = catalogue()[template_id]
    if template.kind is ResourceKind.METER:
        return
    machine = machine_of(template, seed=1)
    ratings = machine.state()
    machine.limit(power_w_min=0.4 * ratings.power_w_min, power_w_max=0.4 * ratings.power_w_max)
    machine.ask(ratings.power_w_max or ratings.power_w_min)
    live(machine, 120)
    low_w, high_w = 0.4 * ratings.power_w_min, 0.4 * ratings.power_w_max
    if template.kind is ResourceKind.FUEL_CELL:
        high_w = max(high_w, template.nameplate.power_w_least)
    assert low_w - 1.0 <= machine.state().power_w <= high_w + 1.0
    machine.restart()
    machine.ask(ratings.power_w_min or ratings.power_w_max)
    live(machine, 5, start_s=120.0)


def test_a_battery_does_what_it_is_asked_and_follows_its_house_by_default() -> None:
    """If it fails, a battery's order and its own default are not what the template says."""
    machine = machine_of(template_of("echonet-battery-amount"), seed=3)
    assert live(machine, 30) == pytest.approx(800.0)
    machine.ask(-1000.0)
    assert live(machine, 30, start_s=30.0) == pytest.approx(-1000.0)
    before = machine.state()
    machine.ask(None)
    live(machine, 10, start_s=60.0)
    after = machine.state()
    assert after.energy_wh_in > 0.0
    assert after.soc is not None
    assert before.soc is not None
    assert after.energy_wh_out > before.energy_wh_out


def test_pv_gives_no_more_than_asked_and_all_again() -> None:
    """If it fails, curtailed power and what the sky offers are mixed up."""
    machine = of_kind(ResourceKind.PV)
    free_w = live(machine, 20)
    assert free_w > 500.0
    machine.ask(300.0)
    assert live(machine, 20, start_s=20.0) == pytest.approx(300.0, abs=1.0)
    machine.ask(None)
    assert live(machine, 20, start_s=40.0) > 300.0


def test_a_car_stops_when_it_has_its_energy_only_where_it_can_but_charge() -> None:
    """If it fails, a charger charges a full car, or an order to a V2H is refused by physics."""
    machine = of_kind(ResourceKind.EV_CHARGER)
    assert machine.state().connected is False
    assert live(machine, 10) < -500.0
    assert machine.state().connected is True
    machine.ask(0.0)
    assert live(machine, 10, start_s=10.0) == pytest.approx(0.0)


def test_a_fuel_cell_is_stopped_by_zero_and_never_pushed_below_its_least() -> None:
    """If it fails, a fuel cell works where none can."""
    machine = of_kind(ResourceKind.FUEL_CELL)
    template = first_of(ResourceKind.FUEL_CELL)
    machine.ask(1.0)
    assert live(machine, 60) >= template.nameplate.power_w_least - 1e-6
    machine.ask(0.0)
    live(machine, 3600, start_s=60.0)
    assert machine.state().power_w <= 0.0


def test_a_room_warms_when_its_cooling_is_limited_and_cools_when_it_may() -> None:
    """If it fails, a shed building stays comfortable for ever, and comfort limits are untried."""
    template = next(
        each
        for each in catalogue().values()
        if each.kind is ResourceKind.LOAD and isinstance(machine_of(each, seed=1), ClimateMachine)
    )
    machine = machine_of(template, seed=1)
    assert isinstance(machine, ClimateMachine)
    live(machine, 600)
    comfortable = machine.state().temperature_c
    machine.limit(power_w_min=0.0, power_w_max=0.0)
    assert live(machine, 1800, start_s=600.0) == pytest.approx(0.0)
    shed = machine.state().temperature_c
    assert comfortable is not None
    assert shed is not None
    assert shed > comfortable + 0.1
    machine.limit(power_w_min=-math.inf, power_w_max=math.inf)
    assert live(machine, 60, start_s=2400.0) < -100.0
    machine.shift(10.0)
    assert live(machine, 60, start_s=2460.0) > -0.5 * machine.state().power_w_min * -1.0


def test_a_meter_shows_the_rest_of_its_site_and_counts_it() -> None:
    """If it fails, a site's meter disagrees with the site."""
    machine = of_kind(ResourceKind.METER)
    live(machine, 3600, others_w=-1000.0)
    assert machine.state().power_w == -1000.0
    assert machine.state().energy_wh_in == pytest.approx(1000.0, rel=1e-3)
    live(machine, 3600, others_w=500.0, start_s=3600.0)
    assert machine.state().energy_wh_out == pytest.approx(500.0, rel=1e-2)
