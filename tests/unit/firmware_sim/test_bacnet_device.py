"""A simulated BACnet device without a wire: what its objects show and what a command does."""

import math

import pytest

from firmware_sim.devices.bacnet.device import BacnetDevice, Quirk, simulated_device
from firmware_sim.devices.contract import Span
from firmware_sim.devices.machines import machine_of
from firmware_sim.faults import Fault, FaultKind, MapFault
from protocols.bacnet.objects import parse_object_id
from protocols.templates.bacnet import BacnetWire
from protocols.templates.catalogue import catalogue, template_of

START_S = 1_751_350_000.0
POWER = parse_object_id("analog-input,1")
ROOM = parse_object_id("analog-input,2")


def device(template_id: str) -> BacnetDevice:
    template = template_of(template_id)
    machine = machine_of(template, seed=1)
    return simulated_device(template, machine, name="site/device", wall_s=START_S)


def after(made: BacnetDevice, seconds: int) -> float:
    """Power after some seconds, W."""
    start_s = START_S
    for _ in range(seconds):
        made.advance(Span(start_s=start_s, end_s=start_s + 1.0))
        start_s += 1.0
    return made.reading.power_w


@pytest.mark.parametrize(
    "template_id",
    [name for name, one in catalogue().items() if isinstance(one.wire, BacnetWire)],
)
def test_every_template_makes_a_device_that_shows_all_its_objects(template_id: str) -> None:
    """If it fails, a template is in the list and cannot be simulated."""
    made = device(template_id)
    after(made, 5)
    shown = made.shown()
    assert set(shown) == {point.object_id for point in made.wire.points}
    assert all(math.isfinite(one.value) and not one.fault for one in shown.values())
    if made.wire.command is not None:
        made.commanded(made.wire.command.relinquish_default)
        made.commanded(None)
        after(made, 2)


def test_what_is_shown_is_in_the_devices_own_words() -> None:
    """If it fails, the simulated device measures in our units and hides every mistake with them."""
    made = device("bacnet-ahu-demand-limit")
    power_w = after(made, 60)
    assert power_w < -2000.0
    assert made.shown()[POWER].value == pytest.approx(-power_w / 1000.0)


@pytest.mark.parametrize(
    ("template_id", "value", "most_w"),
    [
        ("bacnet-ahu-demand-limit", 3.0, 3000.0),
        ("bacnet-vav-limit-percent", 20.0, 800.0),
        ("bacnet-lighting-shed", 4.0, 2800.0),
        ("bacnet-ventilation-on-off", 0.0, 0.0),
    ],
)
def test_a_command_bounds_the_machine_and_is_lifted(
    template_id: str, value: float, most_w: float
) -> None:
    """If it fails, the wire obeys and the physics does not, or never returns."""
    made = device(template_id)
    free_w = after(made, 90)
    assert -free_w > most_w
    made.commanded(value)
    assert -after(made, 60) <= most_w + 1.0
    made.commanded(None)
    assert after(made, 90) == pytest.approx(free_w, rel=0.2)


def test_a_shifted_setpoint_cools_less_or_ahead() -> None:
    """If it fails, pre-cooling cannot be tried before it is done to people."""
    usual_w = -after(device("bacnet-multi-split-shift"), 120)
    warmer, cooler = device("bacnet-multi-split-shift"), device("bacnet-multi-split-shift")
    warmer.commanded(2.0)
    cooler.commanded(-2.0)
    assert -after(warmer, 120) < usual_w < -after(cooler, 120)


def test_a_battery_and_a_charger_obey_with_the_right_sign() -> None:
    """If it fails, a setpoint turns round on the way."""
    battery = device("bacnet-battery-gateway")
    battery.commanded(3.0)
    assert after(battery, 20) == pytest.approx(3000.0, rel=0.01)
    battery.commanded(-3.0)
    assert after(battery, 20) == pytest.approx(-3000.0, rel=0.01)


def test_faults_show_where_they_should() -> None:
    """If it fails, the fault matrix proves nothing."""
    made = device("bacnet-ahu-demand-limit")
    after(made, 30)
    true = made.shown()[POWER].value
    made.switch_on(Fault(kind=FaultKind.NO_DATA), START_S)
    assert math.isnan(made.shown()[POWER].value)
    assert made.shown()[POWER].fault
    made.switch_off(FaultKind.NO_DATA)
    made.switch_on(Fault(kind=FaultKind.OUT_OF_RANGE), START_S)
    assert made.shown()[ROOM].value > 1e6
    made.switch_off(FaultKind.OUT_OF_RANGE)
    made.switch_on(Fault(kind=FaultKind.STUCK), START_S)
    after(made, 30)
    assert made.shown()[POWER].value == true
    made.switch_off(FaultKind.STUCK)
    assert made.shown()[POWER].value != true
    made.switch_on(Fault(kind=FaultKind.WRONG_MAP, variant=MapFault.MISSING), START_S)
    assert POWER not in made.objects()
    made.switch_on(Fault(kind=FaultKind.RESTARTED), START_S)
    assert made.starts == 2
    assert not made.faults.has(FaultKind.RESTARTED)


def test_old_controllers_leave_out_what_their_template_says() -> None:
    """If it fails, the driver's way around old controllers is never tried."""
    assert device("bacnet-rooftop-legacy").quirks == frozenset(Quirk)
