"""The ways to command a SunSpec device: what is written, in which order, and read back."""

import pytest

from protocols.sunspec.controls import Lasting, Ratings, Way, Write
from protocols.sunspec.modbus import read_request, write_request
from protocols.sunspec.points import Block
from protocols.sunspec.ways import way_of
from protocols.vocabulary.errors import LocalProtocolError
from tests.unit.protocols.sunspec.test_points import block

RATED = Ratings(charge_w=3000.0, discharge_w=5000.0)


def way(command: str) -> Way:
    found = way_of(command)
    assert found is not None
    return found


def seen(whole: Block, command: str) -> Block:
    """Only the registers that the way reads."""
    by = way(command)
    data = whole.data[2 * by.first : 2 * by.last + 2]
    return Block(layout=whole.layout, start=by.first, data=data)


FREE_704 = block(
    704,
    **{"WSetEna": 0, "WSetMod": 1, "WSet": 0, "WSetRvrt": 0, "WSetEnaRvrt": 0, "WSetRvrtTms": 0},
    **{"WMaxLimPctEna": 0, "WMaxLimPct": 1000, "WMaxLimPctRvrt": 1000, "WMaxLimPctEnaRvrt": 0},
    **{"WMaxLimPctRvrtTms": 0, "WSet_SF": 1, "WMaxLimPct_SF": -1, "WSetPct_SF": 0},
)
FREE_123 = block(123, WMaxLimPct=100, WMaxLimPct_RvrtTms=0, WMaxLim_Ena=0, WMaxLimPct_SF=0)
FREE_124 = block(
    124, StorCtl_Mod=0, OutWRte=10_000, InWRte=10_000, InOutWRte_RvrtTms=0, InOutWRte_SF=-2
)


def test_the_worked_example_leaves_in_the_safe_order() -> None:
    """If it fails, a battery runs before anything is set to stop it."""
    control = way("704").control(
        seen(FREE_704, "704"), RATED, power_w=-2500.0, lasting=Lasting(lease_s=29.2)
    )
    assert control.arming == (Write(30, bytes.fromhex("0000 0000001E")),)
    assert control.setting == (Write(22, bytes.fromhex("0001 0001 FFFFFF06")),)
    assert (control.power_w, control.timer_s) == (-2500.0, 30)


def test_a_limit_that_must_stay_is_what_the_timer_ends_in() -> None:
    """If it fails, the end of a setpoint opens a limit that the grid operator has set."""
    lasting = Lasting(lease_s=20.0, reversion_w=-500.0)
    control = way("704").control(seen(FREE_704, "704"), RATED, power_w=1000.0, lasting=lasting)
    assert control.arming == (
        Write(26, bytes.fromhex("FFFFFFCE")),
        Write(30, bytes.fromhex("0001 00000014")),
    )
    control = way("704-limit").control(
        seen(FREE_704, "704-limit"),
        RATED,
        power_w=4000.0,
        lasting=Lasting(lease_s=20.0, reversion_w=1000.0),
    )
    assert control.arming == (
        Write(16, bytes.fromhex("00C8")),
        Write(17, bytes.fromhex("0001 00000014")),
    )


def test_a_limit_is_never_rounded_up() -> None:
    """If it fails, an inverter is allowed more than it may feed in."""
    control = way("704-limit").control(
        seen(FREE_704, "704-limit"), RATED, power_w=1499.9, lasting=Lasting(lease_s=20.0)
    )
    assert control.setting == (Write(14, bytes.fromhex("0001 012B")),)
    assert control.power_w == pytest.approx(1495.0)
    control = way("123").control(FREE_123, RATED, power_w=1499.9, lasting=Lasting(lease_s=20.0))
    assert control.power_w == pytest.approx(1450.0)


def test_the_older_limit_goes_timer_value_enable() -> None:
    """If it fails, an older inverter stays limited for ever when the gateway dies."""
    control = way("123").control(
        seen(FREE_123, "123"), RATED, power_w=2500.0, lasting=Lasting(lease_s=20.0)
    )
    assert control.arming == (Write(7, b"\0\x14"),)
    assert control.setting == (Write(5, b"\0\x32"), Write(9, b"\0\1"))


@pytest.mark.parametrize(
    ("power_w", "rates"), [(2500.0, "1388 DF73"), (-1500.0, "F448 1388"), (0.0, "0000 0000")]
)
def test_storage_rates_meet_at_the_power(power_w: float, rates: str) -> None:
    """If it fails, a hybrid inverter is given a range where a power was meant."""
    by = way("124")
    control = by.control(
        seen(FREE_124, "124"), RATED, power_w=power_w, lasting=Lasting(lease_s=20.0)
    )
    assert control.arming == (Write(15, b"\0\x14"),)
    assert control.setting == (Write(12, bytes.fromhex(rates)), Write(5, b"\0\3"))
    assert control.power_w == pytest.approx(power_w)


@pytest.mark.parametrize("command", ["704", "704-limit", "123", "124"])
def test_what_was_written_reads_back_as_set_and_released(command: str) -> None:
    """If it fails, a write that worked is reported as failed, or the other way round."""
    by = way(command)
    whole = {"704": FREE_704, "704-limit": FREE_704, "123": FREE_123, "124": FREE_124}[command]
    assert by.is_released(seen(whole, command))
    assert by.set_w(seen(whole, command), RATED) is None
    control = by.control(seen(whole, command), RATED, power_w=2000.0, lasting=Lasting(lease_s=9.0))
    after = seen(_written(whole, *control.arming, *control.setting), command)
    assert by.set_w(after, RATED) == pytest.approx(2000.0)
    assert by.timer_s(after) == 9.0
    assert not by.is_released(after)
    released = seen(_written(whole, *control.setting, *by.release().setting), command)
    assert by.is_released(released)
    assert by.set_w(released, RATED) is None


def test_timers_are_longer_than_three_polls_and_fit() -> None:
    """If it fails, a lease ends between two of our polls, or its timer wraps to seconds."""
    assert Lasting(lease_s=0.5).timer_s(65534) == 4
    assert Lasting(lease_s=1e9).timer_s(65534) == 65534
    assert Lasting(lease_s=None).timer_s(65534) == 0


def test_a_device_without_a_timer_is_told_none() -> None:
    """If it fails, we rely on a timer that the device does not have."""
    untimed = seen(block(123, WMaxLimPct=100, WMaxLim_Ena=0, WMaxLimPct_SF=0), "123")
    control = way("123").control(untimed, RATED, power_w=2500.0, lasting=Lasting(lease_s=20.0))
    assert (control.arming, control.timer_s) == ((), 0)


def test_without_ratings_or_scale_factors_nothing_is_written() -> None:
    """If it fails, a percentage of nothing is sent to a device."""
    none = Ratings(charge_w=0.0, discharge_w=0.0)
    lasting = Lasting(lease_s=20.0)
    with pytest.raises(LocalProtocolError, match="no rating"):
        way("123").control(FREE_123, none, power_w=1.0, lasting=lasting)
    with pytest.raises(LocalProtocolError, match="no rating"):
        way("124").control(FREE_124, none, power_w=1.0, lasting=lasting)
    unscaled = block(704, WSetEna=0, WSetRvrtTms=0)
    with pytest.raises(LocalProtocolError, match="no scale factor for WSet"):
        way("704").control(unscaled, RATED, power_w=1.0, lasting=lasting)


def test_a_percentage_setpoint_of_somebody_else_is_understood() -> None:
    """If it fails, we do not see that another controller has set the battery."""
    other = block(704, WSetEna=1, WSetMod=0, WSetPct=-50, WSetPct_SF=0)
    assert way("704").set_w(other, RATED) == -1500.0


def test_whole_requests_are_as_the_specification_has_them() -> None:
    """If it fails, the watchdog sends what no device understands."""
    data = bytes.fromhex("00010001FFFFFF06")
    assert write_request(1, address=40_318, data=data).hex(" ").upper() == (
        "00 00 00 00 00 0F 01 10 9D 7E 00 04 08 00 01 00 01 FF FF FF 06"
    )
    assert read_request(1, 3, address=40_318, count=1).hex(" ").upper() == (
        "00 00 00 00 00 06 01 03 9D 7E 00 01"
    )
    assert write_request(7, address=400, data=b"\0\0", single=True).hex(" ").upper() == (
        "00 00 00 00 00 06 07 06 01 90 00 00"
    )


def test_no_way_for_a_device_that_is_only_read() -> None:
    """If it fails, a meter is given orders."""
    assert way_of("none") is None


def _written(whole: Block, *writes: Write) -> Block:
    data = bytearray(whole.data)
    for write in writes:
        data[2 * write.offset : 2 * write.offset + len(write.data)] = write.data
    return Block(layout=whole.layout, start=0, data=bytes(data))
