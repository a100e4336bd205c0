"""The power of a device from whatever flow directions it sends."""

import pytest

from edge_agent.drivers.ieee2030_5.meters import own_values, power_of
from protocols.ieee2030_5.resources.metering import ReadingType
from protocols.ieee2030_5.server.desk_devices import MeterValue
from protocols.templates.ieee2030_5 import Ieee2030_5Wire

NOW = 1_800_000_000


def wire(*, forward: bool = True, plain: bool = False) -> Ieee2030_5Wire:
    return Ieee2030_5Wire(
        modes=("opModTargetW",),
        poll_s=10,
        report_s=5,
        forward_delivers=forward,
        plain_delivers=plain,
    )


def value(number: int, flow: int | None, *, role: int = 0x49, qualifier: int = 0) -> MeterValue:
    kind = ReadingType(
        flow_direction=flow, uom=38, power_of_ten_multiplier=1, data_qualifier=qualifier
    )
    return MeterValue(
        lfdi="A" * 40,
        role_flags=role,
        mrid=f"{flow}",
        reading_type=kind,
        value=number,
        start=NOW - 10,
        duration_s=5,
        received_at=NOW,
    )


@pytest.mark.parametrize(
    ("sent", "meant", "power_w"),
    [
        ([(50, 4)], wire(), 500.0),
        ([(-50, 4)], wire(), -500.0),
        ([(50, 1), (0, 19)], wire(), 500.0),
        ([(0, 1), (50, 19)], wire(), -500.0),
        ([(50, 19)], wire(forward=False), 500.0),
        ([(50, None)], wire(), -500.0),
        ([(50, 0)], wire(plain=True), 500.0),
    ],
)
def test_a_power_has_the_sign_that_was_meant(
    sent: list[tuple[int, int | None]], meant: Ieee2030_5Wire, power_w: float
) -> None:
    """If it fails, a charging battery counts as a discharging one."""
    power = power_of([value(number, flow) for number, flow in sent], meant)
    assert power is not None
    assert power.value == power_w
    assert power.at.timestamp() == NOW - 5


def test_what_is_not_the_devices_own_power_is_left_out() -> None:
    """If it fails, the house's import counts as the inverter's output."""
    assert own_values([value(50, 4, role=0x03)]) == ()
    extreme = power_of([value(90, 4, qualifier=8)], wire())
    assert extreme is not None
    assert extreme.extreme
    both = power_of([value(90, 1, qualifier=8), value(50, 4)], wire())
    assert both is not None
    assert (both.value, both.extreme) == (500.0, False)
