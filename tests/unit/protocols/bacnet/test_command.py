"""What a power means for a commanded object, and the way back."""

import math

import pytest

from protocols.bacnet.command import (
    Level,
    Scale,
    Words,
    comfort_left,
    level_share,
    level_words,
    power_words,
    value_power_w,
)
from protocols.bacnet.units import UNITS
from protocols.vocabulary.errors import LocalProtocolError

KW = Scale(UNITS["kilowatts"], -1.0, 20_000.0)
PERCENT = Scale(UNITS["percent"], -1.0, 4000.0)
PV = Scale(UNITS["kilowatts"], 1.0, 20_000.0)
SHED = (Level(1.0, 1.0), Level(2.0, 0.8), Level(3.0, 0.6), Level(4.0, 0.35))
SWITCH = (Level(0.0, 0.0), Level(1.0, 1.0))


@pytest.mark.parametrize(
    ("power_w", "scale", "bounds", "value", "means_w"),
    [
        (-5000.0, KW, (2.0, 20.0), 5.0, -5000.0),
        (-500.0, KW, (2.0, 20.0), 2.0, -2000.0),
        (-90_000.0, KW, (2.0, 20.0), 20.0, -20_000.0),
        (3000.0, KW, (0.0, 20.0), 0.0, 0.0),
        (-2000.0, PERCENT, (20.0, 100.0), 50.0, -2000.0),
        (0.0, PERCENT, (20.0, 100.0), 20.0, -800.0),
        (1000.0, PV, (0.0, 20.0), 1.0, 1000.0),
        (-1000.0, PV, (0.0, 20.0), 0.0, 0.0),
    ],
)
def test_a_limit_is_written_in_the_devices_unit_and_range(
    *, power_w: float, scale: Scale, bounds: tuple[float, float], value: float, means_w: float
) -> None:
    """If it fails, a limit is a thousand times off, or of the wrong side of zero."""
    words = power_words(power_w, scale, bounds=bounds, limit=True)
    assert words.value == pytest.approx(value)
    assert words.power_w == pytest.approx(means_w)
    assert value_power_w(words.value, scale) == pytest.approx(means_w)


def test_a_setpoint_has_both_signs() -> None:
    """If it fails, a battery that should charge rests or discharges."""
    scale = Scale(UNITS["kilowatts"], 1.0, 10_000.0)
    charge = power_words(-4000.0, scale, bounds=(-10.0, 10.0), limit=False)
    assert charge == Words(-4.0, -4000.0)


@pytest.mark.parametrize(
    ("power_w", "value"),
    [(-8000.0, 1.0), (-6500.0, 2.0), (-6400.0, 2.0), (-5000.0, 3.0), (-100.0, 4.0), (0.0, 4.0)],
)
def test_the_shed_level_takes_no_more_than_asked_if_one_does(power_w: float, value: float) -> None:
    """If it fails, lights take more than the event allows, or are darker than they must be."""
    words = level_words(power_w, SHED, sign=-1.0, rating_w=8000.0)
    assert words.value == value
    share = level_share(words.value, SHED)
    assert share is not None
    assert words.power_w == pytest.approx(-8000.0 * share)


@pytest.mark.parametrize(("power_w", "value"), [(0.0, 0.0), (-2900.0, 0.0), (-3000.0, 1.0)])
def test_a_fan_runs_only_if_its_power_is_allowed(power_w: float, value: float) -> None:
    """If it fails, a fan that may take half of its rating runs at all of it."""
    assert level_words(power_w, SWITCH, sign=-1.0, rating_w=3000.0).value == value


def test_pre_cooling_is_the_level_that_takes_most() -> None:
    """If it fails, a room that should be cooled ahead of the event is not."""
    shifts = (Level(-2.0, 1.0), Level(0.0, 0.6), Level(2.0, 0.25))
    assert level_words(-10_000.0, shifts, sign=-1.0, rating_w=10_000.0).value == -2.0
    assert level_words(-6000.0, shifts, sign=-1.0, rating_w=10_000.0).value == 0.0
    assert level_words(-2500.0, shifts, sign=-1.0, rating_w=10_000.0).value == 2.0
    assert level_share(1.0, shifts) is None


@pytest.mark.parametrize("power_w", [math.nan, math.inf, -math.inf])
def test_what_is_no_power_is_never_written(power_w: float) -> None:
    """If it fails, NaN becomes a command, and nobody knows what a controller makes of it."""
    with pytest.raises(LocalProtocolError):
        power_words(power_w, KW, bounds=(0.0, 20.0), limit=True)
    with pytest.raises(LocalProtocolError):
        level_words(power_w, SHED, sign=-1.0, rating_w=8000.0)


def test_a_share_of_nothing_is_refused() -> None:
    """If it fails, a limit in percent of an unknown rating divides by zero."""
    with pytest.raises(LocalProtocolError):
        power_words(-1.0, Scale(UNITS["percent"], -1.0, 0.0), bounds=(0.0, 100.0), limit=True)
    with pytest.raises(LocalProtocolError):
        value_power_w(21.0, Scale(UNITS["degrees-celsius"], -1.0, 100.0))


@pytest.mark.parametrize(
    ("value", "margin", "kept"),
    [
        (25.0, 0.0, True),
        (28.9, 0.0, True),
        (29.1, 0.0, False),
        (28.7, 0.5, False),
        (21.9, 0.0, False),
    ],
)
def test_comfort_is_a_band_with_a_margin(value: float, margin: float, *, kept: bool) -> None:
    """If it fails, a room flutters between shed and released at its limit."""
    assert (comfort_left(value, (22.0, 29.0), margin=margin) == "") is kept


def test_a_room_nobody_measures_is_not_comfortable() -> None:
    """If it fails, a broken sensor lets a room become an oven."""
    assert comfort_left(None, (22.0, 29.0), margin=0.0) == "is not known"
